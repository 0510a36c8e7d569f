//! The contract of every queue: at least once, visibility timeout, dead letters.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use event_model::{EventId, ProjectId};
use thiserror::Error;

/// The 16 bytes that name a message, made by the collector: a queue's own id changes when a send is retried.
pub type MessageId = EventId;

/// A message on its way into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its name.
    pub message_id: MessageId,
    /// Whose events it carries.
    pub project: ProjectId,
    /// How many events it carries, accepted and rejected ones together: the unit of the ledger's equation.
    pub events: u32,
    /// The encoded envelope.
    pub body: Bytes,
}

/// A message handed to a consumer, hidden from others until its visibility timeout ends.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What `ack` and `extend` want back. Each delivery has a new one.
    pub receipt: Receipt,
    /// The message's name.
    pub message_id: MessageId,
    /// Whose events it carries, where the queue knows it without reading the envelope: a damaged one can then be
    /// kept in its project's quarantine.
    pub project: Option<ProjectId>,
    /// How many events it carries, where the queue knows it: what a damaged envelope counts for in the ledger.
    pub events: Option<u32>,
    /// How many times the message has been delivered, this one included.
    pub receive_count: u32,
    /// The encoded envelope.
    pub body: Bytes,
}

/// The right to acknowledge one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// What a queue holds. Counts are of messages unless they say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Waiting and visible.
    pub visible: u64,
    /// Delivered, neither acknowledged nor timed out.
    pub in_flight: u64,
    /// Dead letters.
    pub dead: u64,
    /// Bytes of all bodies that are kept, dead letters included, where the queue knows it (SQS does not).
    pub bytes: Option<u64>,
    /// Events in visible, in-flight and dead messages, where the queue knows it (SQS does not).
    pub events: Option<u64>,
    /// Events in all messages ever sent, where the queue knows it (it outlives restarts).
    pub events_sent: Option<u64>,
    /// Age of the oldest message that is neither acknowledged nor dead; `None` too where the queue does not know it.
    pub oldest_age: Option<Duration>,
    /// The figures are roughly right, a while ago (SQS: up to a minute): zero is no proof that nothing waits.
    pub approximate: bool,
}

/// What a queue holds of one project, in events and exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectStats {
    /// In all messages ever sent. `None` where some of the queue's events are of nobody knows which project: those sent
    /// before projects were told apart, and those lost to damage.
    pub sent: Option<u64>,
    /// In messages that wait or are delivered.
    pub waiting: u64,
    /// In dead letters.
    pub dead: u64,
}

/// Why a queue did not do what it was asked.
#[derive(Debug, Error)]
pub enum QueueError {
    /// No room (size or reserve of free space): try again after the wait; nothing was taken.
    #[error("the queue is full")]
    Full {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// It could not be made durable, or did not answer, or asks for fewer calls: try again; nothing was acknowledged
    /// to the client.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// It was asked for something that it does not allow or does not have: no access, no such queue, no credentials.
    /// Trying again does not help; an operator must see to it.
    #[error("the queue refuses: {0}")]
    Refused(String),
    /// A message is larger than the queue takes. The sender must cut it; trying again does not help.
    #[error("a message of {bytes} bytes is larger than {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest that is taken.
        limit: usize,
    },
    /// What the queue finds was written by a newer version: upgrade; nothing was changed.
    #[error("the queue was written by a newer version ({found}, this build reads {supported})")]
    Newer {
        /// The version found.
        found: u32,
        /// The newest version that is read.
        supported: u32,
    },
}

/// A place where messages wait. Implementations pass `conformance::run`.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Makes all messages durable, in order, and returns only then. On an error none counts as sent (some may still
    /// arrive: consumers remove duplicates).
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError>;

    /// Up to `max` visible messages, oldest first, each hidden for `visibility`. Waits up to `wait` for the first
    /// one; an empty list means that there was none.
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Removes delivered messages for good. A receipt that has expired or was used already changes nothing.
    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// Hides delivered messages for `visibility` from now; zero makes them visible at once. A receipt that has
    /// expired or was used already changes nothing.
    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError>;

    /// Puts delivered messages back until `delay` from now, for a reason that is not theirs: the delivery does not
    /// count towards becoming a dead letter, and `true` is answered. A queue that cannot take a count back (SQS) only
    /// hides them and answers `false`. A receipt that has expired or was used already changes nothing.
    async fn release(&self, receipts: &[Receipt], delay: Duration) -> Result<bool, QueueError> {
        self.extend(receipts, delay).await.map(|()| false)
    }

    /// What it holds now.
    async fn stats(&self) -> Result<QueueStats, QueueError>;

    /// What it holds of one project now; `None` from a queue that does not tell projects apart (SQS).
    async fn project_stats(&self, project: &ProjectId) -> Result<Option<ProjectStats>, QueueError> {
        let _ = project;
        Ok(None)
    }
}
