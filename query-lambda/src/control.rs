//! What questions need from the writing side of a deployment: flush, replay, and what the queue still holds.

use async_trait::async_trait;
use event_model::{EventId, Problem, ProjectId, Reason};
use event_queue::QueueStats;
use lake::{PersonIds, Receipt};
use schemars::JsonSchema;
use serde::Serialize;

/// The writing side, as the query side may use it. The local binary implements it on its own queue and compactor, a
/// cloud deployment on its queue's.
#[async_trait]
pub trait Control: Send + Sync {
    /// Returns once everything that was accepted for the project before the call is in the lake.
    async fn flush(&self, project: &ProjectId) -> Result<(), Problem>;

    /// Sends rows of quarantine through the collector's stages again. Durable in the queue when it returns.
    async fn replay(&self, project: &ProjectId, selection: Selection) -> Result<Replayed, Problem>;

    /// The queue's side of the equation of the ledger.
    async fn queue(&self, project: &ProjectId) -> Result<QueueSide, Problem>;

    /// What the queue holds, of all projects together.
    async fn queue_status(&self) -> Result<QueueStatus, Problem>;

    /// Erases a person: from the queue, the tables, their logs and earlier versions. With `forbid` nothing of the person is
    /// stored afterwards either. An erase that breaks off is recorded and finished later; one that another part of the
    /// deployment does is only recorded when this returns.
    async fn erase(&self, project: &ProjectId, ids: PersonIds, forbid: bool) -> Result<Erased, Problem>;

    /// Puts all dead letters back into the queue, of all projects. Durable when it returns.
    async fn redrive(&self) -> Result<Redriven, Problem>;
}

/// Which rows of quarantine are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These rows, by row id.
    Rows(Vec<EventId>),
    /// All with this reason that were not replayed yet.
    Reason(Reason),
    /// All that were not replayed yet.
    All,
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Replayed {
    /// Rows that were sent again and are usable now: after the next drain they are events, once each.
    pub accepted: u64,
    /// Rows that are still refused and stay as they are.
    pub still_rejected: u64,
    /// Rows whose original is not whole, so that it cannot be decoded again.
    pub not_replayable: u64,
}

/// The receipt of an erase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Erased {
    /// Names the erase, and nobody.
    pub erasure: String,
    /// How far it has come.
    pub state: ErasureState,
    /// What was done to each table; nothing yet where it is only recorded.
    pub tables: Vec<ErasedTable>,
    /// Dead letters with events of the person that were put back into the queue, so that their other events are stored.
    pub redriven_messages: u64,
    /// Messages that cannot be read at all, in quarantine or as dead letters, so that nobody can say whom they name. They
    /// are kept.
    pub unreadable_messages: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// How far an erase has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// It is recorded, and the next maintenance does it.
    Recorded,
    /// Nothing of the person is left.
    #[default]
    Finished,
}

/// What an erase did to one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErasedTable {
    /// The table.
    pub table: String,
    /// The version that the erase made: the oldest that can be read from now on.
    pub version: u64,
    /// Rows that were removed; of `quarantine`: emptied.
    pub rows: u64,
    /// Files that were searched.
    pub files_searched: u64,
    /// The size of the files that were searched.
    pub bytes_scanned: u64,
    /// Files that were written anew without the rows.
    pub files_rewritten: u64,
    /// Files that were deleted: those that held the rows, and all others that only earlier versions named.
    pub files_deleted: u64,
    /// Entries and checkpoints of the log that were deleted, or written anew without statistics of those files.
    pub log_files: u64,
}

impl Erased {
    /// Of an erase that is recorded and not finished.
    #[must_use]
    pub fn recorded(erasure: &str) -> Self {
        Self { erasure: erasure.to_owned(), state: ErasureState::Recorded, ..Self::default() }
    }
}

impl From<Receipt> for Erased {
    fn from(receipt: Receipt) -> Self {
        let table = |table: lake::erase::ErasedTable| ErasedTable {
            table: table.table.into_owned(),
            version: table.version,
            rows: table.rows,
            files_searched: table.files_searched,
            bytes_scanned: table.bytes_scanned,
            files_rewritten: table.files_rewritten,
            files_deleted: table.files_deleted,
            log_files: table.log_files,
        };
        Self {
            erasure: receipt.erasure,
            state: ErasureState::Finished,
            tables: receipt.tables.into_iter().map(table).collect(),
            redriven_messages: 0,
            unreadable_messages: receipt.unreadable_messages,
            elapsed_ms: receipt.elapsed_ms,
        }
    }
}

/// What the queue holds, of all projects together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QueueStatus {
    /// Messages that wait to be stored. One holds the events of one request, or a part of them.
    pub waiting_messages: u64,
    /// Messages that are being stored.
    pub in_flight_messages: u64,
    /// Messages that were given up on: kept, but no longer tried until they are put back.
    pub dead_messages: u64,
    /// Events in all of these; null where the queue does not count them.
    pub events: Option<u64>,
    /// Bytes of all of these; null where the queue does not count them.
    pub bytes: Option<u64>,
    /// Age of the oldest message that is not dead, in seconds; null if there is none, or the queue does not know it.
    pub oldest_seconds: Option<u64>,
    /// Whether the figures are only roughly right, and a while old.
    pub approximate: bool,
}

impl From<QueueStats> for QueueStatus {
    fn from(stats: QueueStats) -> Self {
        Self {
            waiting_messages: stats.visible,
            in_flight_messages: stats.in_flight,
            dead_messages: stats.dead,
            events: stats.events,
            bytes: stats.bytes,
            oldest_seconds: stats.oldest_age.map(|age| age.as_secs()),
            approximate: stats.approximate,
        }
    }
}

/// What was put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Redriven {
    /// Dead letters that wait to be stored again.
    pub messages: u64,
}

/// What the queue knows about a project's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSide {
    /// Events in all messages ever sent, rejected ones included; `None` where the queue does not know it.
    pub sent: Option<u64>,
    /// Events in messages that wait or are being drained.
    pub in_flight: u64,
    /// Events in dead letters.
    pub dead: u64,
}
