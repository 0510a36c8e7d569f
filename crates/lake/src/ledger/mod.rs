//! The ledger: every message is named, with what became of its events, by one ingest commit; the table `ledger` takes
//! these names over before the log is cleaned.
//!
//! ```text
//! log of events:  ... | commits that the table has taken over | the tail: read from the log |
//! table ledger:     rows, and as transactions the version it covers and the totals
//! ```

mod entry;
mod names;
mod roll;

pub(crate) use self::entry::{Entry, read, write};
pub(crate) use self::names::Names;
pub use self::roll::RollReport;
pub(crate) use self::roll::roll;

/// The key of `commitInfo.headwater` that holds the names.
pub(crate) const MESSAGES: &str = "messages";

/// The sums over all messages that were ever named: `accepted = stored + quarantined + duplicates + in flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerTotals {
    /// Messages that are done.
    pub messages: u64,
    /// Events added to `events`.
    pub stored: u64,
    /// Events added to `quarantine`.
    pub quarantined: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Rows of quarantine that were decoded again and stored; their events are counted as those of a message of
    /// their own, too.
    pub replayed: u64,
    /// The version of `events` up to which this counts.
    pub covers: u64,
}

impl LedgerTotals {
    fn add(&mut self, entry: &Entry) {
        self.messages += u64::from(entry.complete);
        self.stored += u64::from(entry.counts.stored);
        self.quarantined += u64::from(entry.counts.quarantined);
        self.duplicates += u64::from(entry.counts.duplicates);
    }
}
