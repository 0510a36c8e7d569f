//! What a drain did, for logs and metrics.

use std::time::Duration;

use event_model::ProjectId;
use lake::MessageCounts;

/// What one drain did. Counts of events unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Messages received.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Events in the messages that could be read, rejected ones included.
    pub events: u64,
    /// Added to `events`.
    pub stored: u64,
    /// Added to `quarantine`, those of unreadable messages included.
    pub quarantined: u64,
    /// There already, or twice in the drain.
    pub duplicates: u64,
    /// Messages that an earlier commit had counted already.
    pub repeated_messages: u64,
    /// Commits that name messages.
    pub commits: u64,
    /// How many times another writer was faster.
    pub conflicts: u64,
    /// Messages put into quarantine because they cannot be read or stored.
    pub unreadable_messages: u64,
    /// Messages of a newer version, left in the queue.
    pub newer_messages: u64,
    /// Messages put back into the queue, to be tried again.
    pub returned_messages: u64,
    /// Messages committed, but not acknowledged: they come again and change nothing.
    pub unacknowledged_messages: u64,
    /// Projects whose events wait in the queue because they could not be stored.
    pub failures: Vec<Failure>,
    /// Time spent decoding, in milliseconds.
    pub decode_ms: u64,
    /// Time spent committing, in milliseconds, of all projects together.
    pub commit_ms: u64,
    /// The longest commit: the drain interval follows it.
    pub slowest_commit: Duration,
    /// Whether it stopped because it had taken as much as it may, so that more is waiting.
    pub more: bool,
}

/// One project's failure in a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose events wait.
    pub project: ProjectId,
    /// Why, in the words of the lake.
    pub detail: String,
    /// Whether storage is to blame; otherwise one of the messages is, and it is being found out which.
    pub storage: bool,
}

impl DrainReport {
    /// Adds what another drain did.
    pub fn merge(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.events += other.events;
        self.stored += other.stored;
        self.quarantined += other.quarantined;
        self.duplicates += other.duplicates;
        self.repeated_messages += other.repeated_messages;
        self.commits += other.commits;
        self.conflicts += other.conflicts;
        self.unreadable_messages += other.unreadable_messages;
        self.newer_messages += other.newer_messages;
        self.returned_messages += other.returned_messages;
        self.unacknowledged_messages += other.unacknowledged_messages;
        self.failures.extend(other.failures);
        self.decode_ms += other.decode_ms;
        self.commit_ms += other.commit_ms;
        self.slowest_commit = self.slowest_commit.max(other.slowest_commit);
        self.more = other.more;
    }

    /// Counts what became of one message.
    pub(crate) fn count(&mut self, message: Option<MessageCounts>) {
        match message {
            Some(counts) => {
                self.stored += u64::from(counts.stored);
                self.quarantined += u64::from(counts.quarantined);
                self.duplicates += u64::from(counts.duplicates);
            }
            None => self.repeated_messages += 1,
        }
    }
}

/// Whoever keeps the metrics: told after each drain that received anything.
pub trait Observer: Send + Sync {
    /// A drain is over.
    fn drained(&self, report: &DrainReport);
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
