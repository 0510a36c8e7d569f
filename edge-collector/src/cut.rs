//! Cuts a request's events into messages that every queue takes.

use std::io;

use event_model::limits::MAX_MESSAGE_BYTES;
use event_model::{Event, Reason, Rejected};
use event_queue::Envelope;
use serde::Serialize;

use crate::entropy::Ids;

/// Cuts an envelope into as few as the largest message allows, in the order of the request; no events give none.
/// Positions stay, so the order of a request survives the cut.
pub(crate) fn cut(envelope: Envelope, ids: &mut Ids) -> Vec<Envelope> {
    if envelope.events.is_empty() && envelope.rejected.is_empty() {
        return Vec::new();
    }
    if surely_fits(&envelope) {
        return vec![envelope];
    }
    let mut shell = envelope;
    let (events, rejected) = (std::mem::take(&mut shell.events), std::mem::take(&mut shell.rejected));
    let room = MAX_MESSAGE_BYTES.saturating_sub(length(&shell) + SPARE_BYTES);
    let mut done = Vec::new();
    let mut open = Message { envelope: shell, bytes: 0 };
    for event in events {
        let bytes = length(&event) + 1;
        if bytes > room {
            open.reject(too_large(&event, bytes), room, ids, &mut done);
            continue;
        }
        open.make_room(bytes, room, ids, &mut done);
        open.envelope.events.push(event);
    }
    for one in rejected {
        open.reject(one, room, ids, &mut done);
    }
    done.push(open.envelope);
    done
}

/// The flag byte, the names of the two lists and their brackets.
const SPARE_BYTES: usize = 64;

struct Message {
    envelope: Envelope,
    bytes: usize,
}

impl Message {
    fn reject(&mut self, rejected: Rejected, room: usize, ids: &mut Ids, done: &mut Vec<Envelope>) {
        self.make_room(length(&rejected) + 1, room, ids, done);
        self.envelope.rejected.push(rejected);
    }

    /// Starts the next message if this one would become too large.
    fn make_room(&mut self, bytes: usize, room: usize, ids: &mut Ids, done: &mut Vec<Envelope>) {
        if self.bytes > 0 && self.bytes + bytes > room {
            let next = Envelope { message_id: ids.next(), ..clone_head(&self.envelope) };
            done.push(std::mem::replace(&mut self.envelope, next));
            self.bytes = 0;
        }
        self.bytes += bytes;
    }
}

/// An envelope without its events.
fn clone_head(envelope: &Envelope) -> Envelope {
    Envelope {
        message_id: envelope.message_id,
        project: envelope.project.clone(),
        write_key_id: envelope.write_key_id.clone(),
        protocol: envelope.protocol.clone(),
        received_at: envelope.received_at,
        user_agent: envelope.user_agent.clone(),
        geo: envelope.geo.clone(),
        events: Vec::new(),
        rejected: Vec::new(),
        replays: envelope.replays.clone(),
    }
}

/// Enrichment made it larger than any message: its beginning is kept.
fn too_large(event: &Event, bytes: usize) -> Rejected {
    let original = serde_json::to_vec(event).unwrap_or_default();
    let detail = format!("With its enrichments it has {bytes} bytes, which no message takes.");
    let rejected = Rejected::new(event.position, event.event_id, Reason::EventTooLarge, detail, &original);
    Rejected { replayable: false, ..rejected }
}

/// A bound that is cheap to compute: most requests are far below the limit.
fn surely_fits(envelope: &Envelope) -> bool {
    let json = |json: &Option<event_model::Json>| json.as_ref().map_or(0, |json| json.as_str().len());
    let events: usize = envelope
        .events
        .iter()
        .map(|event| {
            EVENT_OVERHEAD_BYTES + json(&event.properties) + json(&event.context) + json(&event.traits) + texts(event)
        })
        .sum();
    let rejected: usize = envelope.rejected.iter().map(|one| 512 + one.original.0.len() * 4 / 3).sum();
    events + rejected + ENVELOPE_OVERHEAD_BYTES < MAX_MESSAGE_BYTES
}

/// Names of all columns, ids, times and separators of an event.
const EVENT_OVERHEAD_BYTES: usize = 900;
/// Everything of an envelope but its events, a user agent of escapes included.
const ENVELOPE_OVERHEAD_BYTES: usize = 16 * 1024;

/// Six bytes for each byte of the texts: no escape is longer.
fn texts(event: &Event) -> usize {
    let texts = [
        &event.user_id,
        &event.anonymous_id,
        &event.previous_id,
        &event.session_id,
        &event.group_id,
        &event.library,
        &event.library_version,
        &event.service,
        &event.service_version,
        &event.request_id,
        &event.url,
        &event.path,
        &event.host,
        &event.title,
        &event.referrer,
        &event.referrer_host,
        &event.utm_source,
        &event.utm_medium,
        &event.utm_campaign,
        &event.utm_term,
        &event.utm_content,
        &event.click_id_type,
        &event.click_id,
        &event.channel,
        &event.browser,
        &event.browser_version,
        &event.os,
        &event.os_version,
        &event.device_type,
        &event.country,
        &event.region,
        &event.city,
        &event.timezone,
        &event.locale,
        &event.bot_reason,
    ];
    let optional: usize = texts.into_iter().flatten().map(String::len).sum();
    6 * (optional + event.event.len() + event.namespace.len() + event.source.len())
}

/// Exact length as JSON, in bytes.
fn length(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX / 2,
    }
}
