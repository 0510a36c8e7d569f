//! Messages to batches: each envelope is streamed into the rows of its project.
//!
//! Almost always this is one pass over the bytes. Where a message cannot be read, or holds an event that cannot be
//! stored, rows are half written; then the pass starts again without that message, or with a repaired copy of it.
//! Both are so rare that the second pass costs nothing over a day.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use arrow::error::ArrowError;
use event_model::{EventId, ProjectId, Reason, Rejected, Timestamp};
use event_queue::envelope::unpack;
use event_queue::{Delivery, Envelope, EnvelopeError};
use lake::{IncomingMessage, IngestBatch, QuarantineRow};

use crate::envelope_reader::{EnvelopeSeed, Problem};
use crate::rows::{RequestFacts, Rows, Unusable};

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

/// Decodes messages until `json_bytes` of JSON have been read; at least one message is decoded.
///
/// # Errors
/// Only if the columns do not fit the lake's schema, which is a bug.
pub(crate) fn decode(deliveries: Vec<Delivery>, json_bytes: u64) -> Result<Decoded, ArrowError> {
    let mut decoded = Decoded::default();
    let mut repaired: HashMap<EventId, Vec<u8>> = HashMap::new();
    let mut deliveries = deliveries;
    loop {
        match pass(&deliveries, &repaired, json_bytes) {
            Pass::Whole { batches, json_bytes, taken } => {
                decoded.rest = deliveries.split_off(taken);
                decoded.json_bytes = json_bytes;
                decoded.batches = finish(batches)?;
                return Ok(decoded);
            }
            Pass::Stopped { at, problem } => {
                let delivery = deliveries.remove(at);
                match problem {
                    Problem::Newer(version) => decoded.newer.push((delivery, version)),
                    Problem::Damaged(what) => decoded.damaged.push((delivery, what)),
                    Problem::NeedsRepair => {
                        let again = repaired.contains_key(&delivery.message_id);
                        match if again { Err("it cannot be repaired".to_owned()) } else { repair(&delivery) } {
                            Ok(json) => {
                                repaired.insert(delivery.message_id, json);
                                deliveries.insert(at, delivery);
                            }
                            Err(what) => decoded.damaged.push((delivery, what)),
                        }
                    }
                }
            }
        }
    }
}

enum Pass {
    /// The first `taken` messages were read.
    Whole { batches: Batches, json_bytes: u64, taken: usize },
    /// The message `at` stopped it.
    Stopped { at: usize, problem: Problem },
}

fn pass(deliveries: &[Delivery], repaired: &HashMap<EventId, Vec<u8>>, limit: u64) -> Pass {
    let mut batches = Batches::new();
    let mut json_bytes = 0;
    for (at, delivery) in deliveries.iter().enumerate() {
        let json = match repaired.get(&delivery.message_id) {
            Some(json) => Cow::Borrowed(json.as_slice()),
            None => match unpack(&delivery.body) {
                Ok(json) => json,
                Err(EnvelopeError::Newer(version)) => return Pass::Stopped { at, problem: Problem::Newer(version) },
                Err(EnvelopeError::Damaged(what)) => return Pass::Stopped { at, problem: Problem::Damaged(what) },
            },
        };
        if at > 0 && json_bytes + json.len() as u64 > limit {
            return Pass::Whole { batches, json_bytes, taken: at };
        }
        json_bytes += json.len() as u64;
        if let Err(problem) = EnvelopeSeed::read(&json, delivery, &mut batches) {
            return Pass::Stopped { at, problem };
        }
    }
    Pass::Whole { batches, json_bytes, taken: deliveries.len() }
}

impl Growing {
    /// The batch of a project, with a new message in it; the facts that its events take over.
    pub(crate) fn add_message<'b>(
        batches: &'b mut Batches,
        project: &ProjectId,
        delivery: &Delivery,
        facts: impl FnOnce(u32) -> RequestFacts,
    ) -> (&'b mut Self, RequestFacts) {
        let growing = batches.entry(project.clone()).or_insert_with(Self::new);
        let facts = facts(u32::try_from(growing.messages.len()).unwrap_or(u32::MAX));
        growing.messages.push(IncomingMessage { message_id: delivery.message_id, received_at: facts.received_at });
        growing.deliveries.push(delivery.clone());
        (growing, facts)
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
    batches.into_iter().map(finish_one).collect()
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
