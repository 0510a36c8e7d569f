//! The messages that a drain holds: who may acknowledge them, give them back, or keep them hidden.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_queue::{MessageId, Queue, QueueError, Receipt};
use tracing::warn;

/// How often messages are kept hidden within one visibility timeout: two beats may fail.
const BEATS: u32 = 3;

/// The receipts that a drain holds. A message that was received twice has two.
#[derive(Debug, Default)]
pub(crate) struct Receipts(Mutex<HashMap<MessageId, Vec<Receipt>>>);

impl Receipts {
    /// Notes a delivery; false if the message is held already.
    pub(crate) fn hold(&self, message: MessageId, receipt: Receipt) -> bool {
        let mut held = self.lock();
        let receipts = held.entry(message).or_default();
        receipts.push(receipt);
        receipts.len() == 1
    }

    /// Lets go of messages.
    pub(crate) fn take(&self, messages: impl IntoIterator<Item = MessageId>) -> Vec<Receipt> {
        let mut held = self.lock();
        messages.into_iter().filter_map(|message| held.remove(&message)).flatten().collect()
    }

    /// Keeps what is held hidden, for ever: drop the future to stop.
    pub(crate) async fn keep_hidden(&self, queue: &dyn Queue, visibility: Duration) -> Infallible {
        loop {
            tokio::time::sleep(visibility / BEATS).await;
            let receipts: Vec<Receipt> = self.lock().values().flatten().cloned().collect();
            if let Err(error) = queue.extend(&receipts, visibility).await {
                // The worst that follows is that another compactor does the same work again.
                warn!(%error, messages = receipts.len(), "messages could not be kept hidden");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, Vec<Receipt>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Acknowledges, with one more try: the commit is done, and all that a failure costs is work done twice.
pub(crate) async fn acknowledge(queue: &dyn Queue, receipts: &[Receipt]) -> Result<(), QueueError> {
    match queue.ack(receipts).await {
        Err(QueueError::Unavailable(_)) => queue.ack(receipts).await,
        result => result,
    }
}
