//! A message that was delivered too often without acknowledgement: kept for whoever finds out why.

use bytes::Bytes;
use event_model::{ProjectId, Timestamp};

use crate::queue::MessageId;

/// A dead letter as a queue lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the queue's order: what `redrive` wants.
    pub sequence: u64,
    /// The message's name.
    pub message_id: MessageId,
    /// Whose events it carries.
    pub project: Option<ProjectId>,
    /// How many events it carries.
    pub events: u32,
    /// How often it was delivered.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// The encoded envelope.
    pub body: Bytes,
}
