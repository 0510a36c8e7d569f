//! Cuts a request's events into messages that every queue takes.

use std::io;

use event_model::limits::MAX_MESSAGE_BYTES;
use event_model::{Event, Reason, Rejected};
use event_queue::Envelope;
use serde::Serialize;

use crate::entropy::Ids;

/// Cuts an envelope into as few as the largest message allows, in the order of the request; no events give none.
/// Positions stay, so the order of a request survives the cut. Where `replays` names rows, it names one for each event,
/// and each message keeps the names of its own.
pub(crate) fn cut(envelope: Envelope, ids: &mut Ids) -> Vec<Envelope> {
    if envelope.events.is_empty() && envelope.rejected.is_empty() {
        return Vec::new();
    }
    if surely_fits(&envelope) {
        return vec![envelope];
    }
    let mut shell = envelope;
    let (events, rejected) = (std::mem::take(&mut shell.events), std::mem::take(&mut shell.rejected));
    let mut replays = std::mem::take(&mut shell.replays).into_iter();
    let room = MAX_MESSAGE_BYTES.saturating_sub(length(&shell) + SPARE_BYTES);
    let mut done = Vec::new();
    let mut open = Message { envelope: shell, bytes: 0 };
    for event in events {
        let bytes = length(&event) + REPLAY_BYTES;
        if bytes > room {
            open.reject(too_large(&event, bytes), room, ids, &mut done);
        } else {
            open.make_room(bytes, room, ids, &mut done);
            open.envelope.events.push(event);
        }
        open.envelope.replays.extend(replays.next());
    }
    for one in rejected {
        open.reject(one, room, ids, &mut done);
    }
    done.push(open.envelope);
    done
}

/// The flag byte, the names of the two lists and their brackets.
const SPARE_BYTES: usize = 64;
/// A comma, and the row that an event replays with its quotes and comma.
const REPLAY_BYTES: usize = 1 + 39;

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
        replays: Vec::new(),
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
    let replays = envelope.replays.len() * REPLAY_BYTES;
    events + rejected + replays + ENVELOPE_OVERHEAD_BYTES < MAX_MESSAGE_BYTES
}

/// Names of all columns, ids, times and separators of an event.
const EVENT_OVERHEAD_BYTES: usize = 1_000;
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

#[cfg(test)]
mod tests {
    use event_model::{EventId, Json, ProjectId, Timestamp};
    use event_queue::{Compression, Geo};

    use super::*;

    fn envelope(events: usize, property_bytes: usize) -> Envelope {
        let properties = Json::parse(&format!("{{\"p\":\"{}\"}}", "x".repeat(property_bytes))).unwrap();
        let event = |position| Event { position, properties: Some(properties.clone()), ..Event::default() };
        let row = |place: u32| EventId(u128::from(place).to_be_bytes());
        Envelope {
            message_id: EventId([1; 16]),
            project: ProjectId::parse("shop").unwrap(),
            write_key_id: "k".into(),
            protocol: "native".into(),
            received_at: Timestamp(1),
            user_agent: None,
            geo: Geo::default(),
            events: (0..events as u32).map(event).collect(),
            rejected: (0..events as u32)
                .map(|n| Rejected::new(n, EventId([2; 16]), Reason::NotAnObject, "", &vec![b'7'; property_bytes]))
                .collect(),
            replays: (0..events as u32).map(row).collect(),
        }
    }

    fn check(events: usize, property_bytes: usize, expect_messages: usize) {
        let whole = envelope(events, property_bytes);
        let messages = cut(whole.clone(), &mut Ids::new([0; 32], Timestamp(1)));
        assert_eq!(messages.len(), expect_messages);
        for message in &messages {
            let bytes = message.encode(Compression::None).unwrap().len();
            assert!(bytes <= MAX_MESSAGE_BYTES, "{bytes}");
            let rows: Vec<_> = message.replays.iter().map(|row| u128::from_be_bytes(row.0) as u32).collect();
            assert_eq!(rows, message.events.iter().map(|event| event.position).collect::<Vec<_>>());
        }
        let events: Vec<Event> = messages.iter().flat_map(|message| message.events.clone()).collect();
        let rejected: Vec<Rejected> = messages.iter().flat_map(|message| message.rejected.clone()).collect();
        assert_eq!((events, rejected), (whole.events, whole.rejected));
        let ids: std::collections::BTreeSet<_> = messages.iter().map(|message| message.message_id).collect();
        assert_eq!(ids.len(), messages.len());
    }

    #[test]
    fn messages_are_as_few_as_fit_and_hold_everything_in_order() {
        check(0, 0, 0);
        check(1, 10, 1);
        check(50, 1_000, 1);
        check(100, 1_000, 2);
        check(8, 60_000, 7);
    }
}
