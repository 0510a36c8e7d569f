//! What an operator may set about the lake, and what tests may switch off.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use event_model::Timestamp;

/// The settings of a [`crate::Lake`].
#[derive(Clone, Debug)]
pub struct LakeSettings {
    /// How many days back, by receive time, an event's id is looked for before it is stored. Default: 14, the longest
    /// that a queue keeps a message.
    pub look_back_days: u32,
    /// How many months one commit writes at most; an import over more is cut into several. Default: 24.
    pub months_per_commit: usize,
    /// How often a commit is tried again when another writer was faster. Default: 20.
    pub commit_attempts: u32,
    /// The zstd level of data files. Default: 1, because the next merge writes the file again anyway.
    pub zstd_level: i32,
    /// The clock. It only decides what is kept in memory, never what is stored.
    pub clock: Clock,
    /// Guards that tests switch off to see that they are needed. All are on.
    #[doc(hidden)]
    pub guards: Guards,
}

impl Default for LakeSettings {
    fn default() -> Self {
        Self {
            look_back_days: 14,
            months_per_commit: 24,
            commit_attempts: 20,
            zstd_level: 1,
            clock: Clock::system(),
            guards: Guards::default(),
        }
    }
}

/// Tells the time; a test gives its own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
        })
    }

    /// A clock of the caller's.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Each field is one guard of "exactly once", or of derived tables saying what `events` says; a fault test counts only if
/// it fails with its guard off.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Look for the ids of a batch among the ids that are stored.
    pub look_back: bool,
    /// Look for the same id twice inside a batch.
    pub batch_duplicates: bool,
    /// Skip messages that an earlier commit names.
    pub message_names: bool,
    /// Carry an application transaction, so that two ingest commits conflict.
    pub transaction: bool,
    /// Commit against the very snapshot that was looked back into.
    pub same_snapshot: bool,
    /// Recognise one's own commit after a lost answer.
    pub commit_token: bool,
    /// Look for the row ids of quarantine and the edge ids of identities before adding them.
    pub row_ids: bool,
    /// Add a part of a derived table only if nobody else has added it.
    pub derived_alone: bool,
    /// Use a part of a derived table only if it covers nothing that the view lacks.
    pub derived_covers: bool,
    /// Leave persons whose ties have changed to `events`.
    pub derived_touched: bool,
    /// Leave persons to `events` who have a later row at the very timestamp of an earlier one.
    pub derived_places: bool,
    /// Read rows from `events` that a part does not cover yet.
    pub derived_late: bool,
    /// Use no part of a derived table that an erase has not been through yet.
    pub derived_erased: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            look_back: true,
            batch_duplicates: true,
            message_names: true,
            transaction: true,
            same_snapshot: true,
            commit_token: true,
            row_ids: true,
            derived_alone: true,
            derived_covers: true,
            derived_touched: true,
            derived_places: true,
            derived_late: true,
            derived_erased: true,
        }
    }
}
