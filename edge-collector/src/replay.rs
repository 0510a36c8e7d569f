//! Tries rejected events again, by the rules of today: pure, from the originals that quarantine keeps.
//!
//! An original is self-contained: when it was rejected, what its batch said for all events was merged into it, its type
//! was written into it where only the path had said it, and the key was left out. Personal fields were masked or hashed
//! before it was kept, and the sender's address was dropped, so a replay cannot make a cookieless visitor id.

use std::borrow::Cow;
use std::collections::BTreeMap;

use event_model::project::Key;
use event_model::{Event, EventId, Project, Reason, Timestamp};
use event_queue::{Envelope, Geo};

use crate::collect::event;
use crate::cut::cut;
use crate::decode::{Items, RequestFacts};
use crate::draft::Fault;
use crate::enrich::Circumstances;
use crate::entropy::Ids;
use crate::protocol;

/// A row of quarantine.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// The row's id, named in the message so that the row can be marked.
    pub row_id: EventId,
    /// The protocol it came in by.
    pub protocol: &'a str,
    /// The key it came in by.
    pub write_key_id: &'a str,
    /// When it was received; the replayed event keeps it.
    pub received_at: Timestamp,
    /// The id it was given then; the replayed event keeps it.
    pub event_id: EventId,
    /// Its index in the client's request; the replayed event keeps it.
    pub position: u32,
    /// The original bytes.
    pub original: &'a [u8],
    /// Whether the original is whole.
    pub replayable: bool,
}

/// What became of the rows.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Messages with the events that can be used now; each names the rows that it holds in `replays`.
    pub envelopes: Vec<Envelope>,
    /// Rows that stay as they are: why they still cannot be used.
    pub refused: Vec<StillRefused>,
}

/// A row that stays in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillRefused {
    /// The row's id.
    pub row_id: EventId,
    /// Why, by the rules of today.
    pub reason: Reason,
    /// A plain sentence.
    pub detail: String,
}

/// Decodes, enriches and checks the rows again. `seed` is fresh randomness for the ids of messages.
#[must_use]
pub fn replay(rows: &[Kept<'_>], project: &Project, now: Timestamp, seed: [u8; 32]) -> Replayed {
    let mut ids = Ids::new(seed, now);
    let mut replayed = Replayed::default();
    let mut requests: BTreeMap<_, (Vec<Event>, Vec<EventId>)> = BTreeMap::new();
    for row in rows {
        match again(row, project, &mut ids) {
            Ok(event) => {
                let request = requests.entry((row.received_at, row.write_key_id, row.protocol)).or_default();
                request.0.push(event);
                request.1.push(row.row_id);
            }
            Err(fault) => {
                let detail = fault.detail.into_owned();
                replayed.refused.push(StillRefused { row_id: row.row_id, reason: fault.reason, detail });
            }
        }
    }
    for ((received_at, write_key_id, protocol), (events, replays)) in requests {
        let envelope = Envelope {
            message_id: ids.next(),
            project: project.id.clone(),
            write_key_id: write_key_id.to_owned(),
            protocol: protocol.to_owned(),
            received_at,
            user_agent: None,
            geo: Geo::default(),
            events,
            rejected: Vec::new(),
            replays,
        };
        replayed.envelopes.extend(cut(envelope, &mut ids));
    }
    replayed
}

fn again(row: &Kept<'_>, project: &Project, ids: &mut Ids) -> Result<Event, Fault> {
    if !row.replayable {
        return Err(Fault::new(Reason::EventTooLarge, "Only the beginning of it is kept."));
    }
    let unreadable =
        || Fault::new(Reason::MessageUnreadable, "The original cannot be read as an event of its protocol.");
    let protocol = protocol::by_id(row.protocol).ok_or_else(unreadable)?;
    let text = std::str::from_utf8(row.original).map_err(|_| unreadable())?;
    let items = Items::of_one(Cow::Borrowed(text)).map_err(|_| unreadable())?;
    let item = items.iter().next().ok_or_else(unreadable)?;
    let key = key(project, row.write_key_id);
    // No salt: without the sender's address there is nothing to make a visitor id from.
    let mut circumstances = Circumstances::new(RequestFacts::default(), project, &key, row.received_at, &[0; 32]);
    let event = event(&item, protocol, None, &mut circumstances, ids).map_err(|(_, fault)| fault)?;
    Ok(Event { event_id: row.event_id, position: row.position, ..event })
}

/// The key by which it came, or, if that is gone, one of the same name that is believed nothing.
fn key(project: &Project, id: &str) -> Key {
    project.keys.iter().find(|key| key.id == id).cloned().unwrap_or_else(|| Key {
        id: id.to_owned(),
        sha256: String::new(),
        scopes: Vec::new(),
        expires_at: None,
        enabled: false,
        allowed_origins: Vec::new(),
        server_side: false,
    })
}
