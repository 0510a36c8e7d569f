//! Messages to batches: each envelope is streamed into the rows of its project.
//!
//! One pass over the bytes. Where a message cannot be read, or holds an event that cannot be stored, what it has added
//! is taken back, and a repaired copy of it is tried.

use std::collections::BTreeMap;

use arrow::error::ArrowError;
use event_model::{EventId, ProjectId, Reason, Rejected, Timestamp};
use event_queue::envelope::unpack;
use event_queue::{Delivery, Envelope, EnvelopeError};
use lake::{IncomingMessage, IngestBatch, QuarantineRow};

use crate::envelope_reader::{Problem, read_envelope};
use crate::rows::{RequestFacts, Rows, RowsMark, Unusable};

/// What one pass over messages gives.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// One batch a project.
    pub(crate) batches: Vec<ProjectBatch>,
    /// Messages that no build of ours wrote, with what is wrong with them.
    pub(crate) damaged: Vec<(Delivery, String)>,
    /// Messages of a newer build, with their version.
    pub(crate) newer: Vec<(Delivery, u8)>,
    /// Messages that did not fit; they come next.
    pub(crate) rest: Vec<Delivery>,
    /// Bytes of the JSON that was read.
    pub(crate) json_bytes: u64,
}

/// One project's share of a pass.
#[derive(Clone, Debug)]
pub(crate) struct ProjectBatch {
    pub(crate) project: ProjectId,
    /// The messages, in the order of `batch.messages`.
    pub(crate) deliveries: Vec<Delivery>,
    /// How many events the messages carry, rejected ones included.
    pub(crate) events: u64,
    pub(crate) batch: IngestBatch,
}

/// A project's batch while it grows.
pub(crate) struct Growing {
    pub(crate) rows: Rows,
    pub(crate) messages: Vec<IncomingMessage>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) quarantine: Vec<QuarantineRow>,
    pub(crate) replays: Vec<EventId>,
}

impl Growing {
    fn new() -> Self {
        Self {
            rows: Rows::new(),
            messages: Vec::new(),
            deliveries: Vec::new(),
            quarantine: Vec::new(),
            replays: Vec::new(),
        }
    }
}

/// All batches while they grow. A `BTreeMap`, so that the same messages always give the same batches in the same order.
pub(crate) type Batches = BTreeMap<ProjectId, Growing>;

/// Decodes messages until `json_bytes` of JSON have been read; at least one message is decoded. With `keep_bodies` off
/// the bodies of what was decoded are given up as soon as they are read.
///
/// # Errors
/// Only if the columns do not fit the lake's schema, which is a bug.
pub(crate) fn decode(deliveries: Vec<Delivery>, json_bytes: u64, keep_bodies: bool) -> Result<Decoded, ArrowError> {
    let mut decoded = Decoded::default();
    let mut batches = Batches::new();
    let mut deliveries = deliveries.into_iter();
    while let Some(delivery) = deliveries.next() {
        let json = match unpack(&delivery.body) {
            Ok(json) => json,
            Err(EnvelopeError::Newer(version)) => {
                decoded.newer.push((delivery, version));
                continue;
            }
            Err(EnvelopeError::Damaged(what)) => {
                decoded.damaged.push((delivery, what));
                continue;
            }
        };
        if decoded.json_bytes > 0 && decoded.json_bytes + json.len() as u64 > json_bytes {
            drop(json);
            decoded.rest = std::iter::once(delivery).chain(deliveries).collect();
            break;
        }
        decoded.json_bytes += json.len() as u64;
        let read = read_envelope(&json, &delivery, &mut batches).or_else(|problem| match problem {
            Problem::Damaged(what) => Err(what),
            Problem::NeedsRepair => read_repaired(&delivery, &mut batches),
        });
        drop(json);
        let growing = read.map(|project| batches.get_mut(&project));
        match growing {
            Ok(Some(growing)) if keep_bodies => growing.deliveries.push(delivery),
            Ok(Some(growing)) => growing.deliveries.push(without_body(delivery)),
            Ok(None) => {}
            Err(what) => decoded.damaged.push((delivery, what)),
        }
    }
    decoded.batches = finish(batches)?;
    Ok(decoded)
}

/// Reads a message that cannot be read in one pass.
fn read_repaired(delivery: &Delivery, batches: &mut Batches) -> Result<ProjectId, String> {
    let json = repair(delivery)?;
    read_envelope(&json, delivery, batches).map_err(|problem| match problem {
        Problem::Damaged(what) => what,
        Problem::NeedsRepair => "it cannot be repaired".to_owned(),
    })
}

/// What is left to do with a delivery whose events are in a batch needs its name alone.
pub(crate) fn without_body(delivery: Delivery) -> Delivery {
    Delivery { body: bytes::Bytes::new(), ..delivery }
}

/// How far a batch had grown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    rows: RowsMark,
    messages: usize,
    quarantine: usize,
    replays: usize,
}

impl Growing {
    /// The batch of a project, with a new message in it; the facts that its events take over; and where it stood before.
    pub(crate) fn add_message<'b>(
        batches: &'b mut Batches,
        project: &ProjectId,
        delivery: &Delivery,
        facts: impl FnOnce(u32) -> RequestFacts,
    ) -> (&'b mut Self, RequestFacts, Mark) {
        let growing = batches.entry(project.clone()).or_insert_with(Self::new);
        let mark = Mark {
            rows: growing.rows.mark(),
            messages: growing.messages.len(),
            quarantine: growing.quarantine.len(),
            replays: growing.replays.len(),
        };
        let facts = facts(u32::try_from(growing.messages.len()).unwrap_or(u32::MAX));
        growing.messages.push(IncomingMessage { message_id: delivery.message_id, received_at: facts.received_at });
        (growing, facts, mark)
    }

    /// Takes back what a message has added.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.rows.back_to(mark.rows);
        self.messages.truncate(mark.messages);
        self.quarantine.truncate(mark.quarantine);
        self.replays.truncate(mark.replays);
    }
}

fn finish(batches: Batches) -> Result<Vec<ProjectBatch>, ArrowError> {
    let finish_one = |(project, growing): (ProjectId, Growing)| {
        let Growing { rows, messages, deliveries, quarantine, replays } = growing;
        let refused: u64 = quarantine.iter().map(|row| u64::from(row.events)).sum();
        let events = rows.len() as u64 + refused;
        let (rows, ties) = rows.finish()?;
        let batch = IngestBatch { messages, events: rows, quarantine, ties, replays };
        Ok(ProjectBatch { project, deliveries, events, batch })
    };
    // A message that was taken back may have been the only one of its project.
    batches.into_iter().filter(|(_, growing)| !growing.messages.is_empty()).map(finish_one).collect()
}

/// A copy of the message's JSON in the order of fields that the stream needs, and with the events that cannot be
/// stored among the rejected ones.
fn repair(delivery: &Delivery) -> Result<Vec<u8>, String> {
    let mut envelope = Envelope::decode(&delivery.body).map_err(|error| error.to_string())?;
    let received_at = envelope.received_at;
    for event in std::mem::take(&mut envelope.events) {
        let reason = match Unusable::check(event.person_key().is_some(), event.timestamp, received_at) {
            None => {
                envelope.events.push(event);
                continue;
            }
            Some(Unusable::NoPersonId) => Reason::PersonIdMissing,
            Some(Unusable::TimestampOutOfRange) => Reason::TimestampOutOfRange,
        };
        let json = serde_json::to_vec(&event).map_err(|error| error.to_string())?;
        let detail = "the event passed the collector, but cannot be stored; these are not the client's bytes";
        // What is kept is the canonical event and not what the client sent, so no protocol can decode it again.
        let rejected =
            Rejected { replayable: false, ..Rejected::new(event.position, event.event_id, reason, detail, &json) };
        envelope.rejected.push(rejected);
    }
    serde_json::to_vec(&envelope).map_err(|error| error.to_string())
}

/// A batch that puts a whole message into quarantine: all its bytes, for as many events as it carried.
///
/// # Errors
/// Only if the columns do not fit the lake's schema, which is a bug.
pub(crate) fn unreadable(
    project: ProjectId,
    delivery: &Delivery,
    events: u32,
    detail: &str,
    now: Timestamp,
) -> Result<ProjectBatch, ArrowError> {
    let whole = event_model::rejection::Bytes64(delivery.body.to_vec());
    let cut = Rejected::new(0, delivery.message_id, Reason::MessageUnreadable, detail, &delivery.body);
    let row = QuarantineRow {
        message: 0,
        protocol: "queue".to_owned(),
        write_key_id: String::new(),
        received_at: now,
        events,
        // All bytes, however many: they may be whole events, and there is no other copy.
        rejected: Rejected { original: whole, replayable: false, ..cut },
    };
    let (rows, ties) = Rows::new().finish()?;
    let batch = IngestBatch {
        messages: vec![IncomingMessage { message_id: delivery.message_id, received_at: now }],
        events: rows,
        quarantine: vec![row],
        ties,
        replays: Vec::new(),
    };
    Ok(ProjectBatch { project, deliveries: vec![delivery.clone()], events: u64::from(events), batch })
}
