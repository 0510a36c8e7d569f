//! What the compactor hands to the lake in one drain, and what it gets back.

use arrow::record_batch::RecordBatch;
use event_model::{EventId, Rejected, Tie, Timestamp};

/// The name of the extra column of [`IngestBatch::events`]: UInt32, the index of the row's message in
/// [`IngestBatch::messages`].
pub const MESSAGE: &str = "message";

/// Everything that one drain of one project writes.
#[derive(Clone, Debug)]
pub struct IngestBatch {
    /// The drained messages. Each is named by exactly one ingest commit, also when it adds no rows.
    pub messages: Vec<IncomingMessage>,
    /// The events, in any order, duplicates included: the columns of `schema::incoming_events()`, that is those of
    /// `events` without `ingest_seq`, and [`MESSAGE`] last. Dates and months are filled in.
    pub events: RecordBatch,
    /// The events that cannot be used.
    pub quarantine: Vec<QuarantineRow>,
    /// The ties that the events make.
    pub ties: Vec<Tie>,
    /// Rows of quarantine, by row id, that these messages replay.
    pub replays: Vec<EventId>,
}

/// One drained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// Its name, made by the collector.
    pub message_id: EventId,
    /// When the collector received its events.
    pub received_at: Timestamp,
}

/// One row of `quarantine`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The index of its message in [`IngestBatch::messages`].
    pub message: u32,
    /// The protocol it came in by.
    pub protocol: String,
    /// The key it came in by.
    pub write_key_id: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// How many accepted events it stands for: 1, or all those of a message whose envelope cannot be read. The ledger
    /// counts these, and the table keeps the number (`events`) so that the two can be compared.
    pub events: u32,
    /// What was refused, and why. The row id is a hash of the message id and `rejected.position`.
    pub rejected: Rejected,
}

/// What one ingest did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// The version of `events` that holds it; `None` if all messages were named by earlier commits.
    pub version: Option<u64>,
    /// Its number.
    pub ingest_seq: Option<i64>,
    /// What became of each message's events, in the order of [`IngestBatch::messages`]; `None`: the message was
    /// already counted by an earlier commit and may be acknowledged.
    pub messages: Vec<Option<MessageCounts>>,
    /// How many times another writer was faster.
    pub conflicts: u32,
}

/// What became of one message's events. The three add up to what the message carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Rows added to `events`, those included that were left out at once because their person was erased.
    pub stored: u32,
    /// Events that rows added to `quarantine` stand for ([`QuarantineRow::events`]).
    pub quarantined: u32,
    /// Events that were there already, or twice in this batch.
    pub duplicates: u32,
}
