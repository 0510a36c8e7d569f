//! The queue in Amazon SQS: a standard queue with a redrive policy of its own.
//!
//! What differs from the local queues: order is only rough, an expired receipt stays good until the message is
//! delivered again, a release counts as a delivery, and the figures are approximate and up to a minute late. SQS knows
//! neither bytes nor events nor the age of the oldest message, so [`QueueStats`] leaves them out. Dead letters are
//! moved by SQS itself; `aws sqs start-message-move-task` puts them back.

// From the operator's words to a client.
mod client;
mod settings;

// What is done with it, in the order of a message's life.
mod receipts;
mod receive;
mod send;
mod stats;

// What they share.
mod error;
mod persist;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_model::limits::MAX_MESSAGE_BYTES;
use tokio::sync::OnceCell;

pub use settings::{Keys, SqsSettings};

use crate::queue::{Delivery, Outgoing, Queue, QueueError, QueueStats, Receipt};

/// Longest visibility timeout that SQS takes.
const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

/// The queue. Clones share their connections.
#[derive(Clone)]
pub struct SqsQueue {
    client: aws_sdk_sqs::Client,
    settings: Arc<SqsSettings>,
    /// The URL of the queue that dead letters are moved to; `None` inside: there is none.
    dead_letter_url: Arc<OnceCell<Option<String>>>,
}

impl SqsQueue {
    /// Makes a client. Credentials come from the environment, the profile files, or the role of the machine or
    /// function, in this order, when the first call needs them.
    ///
    /// # Errors
    /// [`QueueError::Refused`] if no region is known.
    pub async fn connect(settings: SqsSettings) -> Result<Self, QueueError> {
        let client = client::connect(&settings).await?;
        Ok(Self { client, settings: Arc::new(settings), dead_letter_url: Arc::default() })
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        if let Some(large) = messages.iter().find(|message| message.body.len() > MAX_MESSAGE_BYTES) {
            return Err(QueueError::TooLarge { bytes: large.body.len(), limit: MAX_MESSAGE_BYTES });
        }
        self.send_all(&messages).await
    }

    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.receive_some(max, visibility, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.delete(receipts).await
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.change_visibility(receipts, visibility).await
    }

    async fn stats(&self) -> Result<QueueStats, QueueError> {
        self.approximate_stats().await
    }
}

/// Whole seconds, rounded up: SQS knows no shorter ones, and hiding a message for too short would be a delivery more.
fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// A visibility timeout as SQS takes it.
fn visibility_seconds(visibility: Duration) -> i32 {
    seconds(visibility.min(MAX_VISIBILITY))
}
