//! The queue as the compactor's function sees it: first the messages that it was called with, then what it fetches.
//!
//! Those that were brought are deleted by Lambda once the function says that they did not fail, so to acknowledge one is
//! to strike it off the list of failures. Whatever was not acknowledged when the call ends is on it, and comes again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use event_queue::sqs_format::{Known, Received};
use event_queue::{Delivery, Outgoing, Queue, QueueError, QueueStats, Receipt};
use parking_lot::Mutex;

/// See the module.
pub struct BroughtQueue {
    queue: Arc<dyn Queue>,
    /// Whether more is fetched than was brought.
    fetches: bool,
    brought: Mutex<Brought>,
}

/// What a call brought.
#[derive(Default)]
struct Brought {
    /// Not handed out yet, last one first.
    waiting: Vec<Delivery>,
    /// The ids that Lambda knows messages by; those of messages that are not acknowledged.
    open: HashMap<Receipt, String>,
}

impl BroughtQueue {
    /// In front of a queue.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, fetches: bool) -> Self {
        Self { queue, fetches, brought: Mutex::default() }
    }

    /// Takes what a call brought. What an earlier call left is forgotten: Lambda was told of it, or gave that call up.
    ///
    /// # Errors
    /// If a message has no receipt or no id. The call must then fail as a whole: Lambda deletes what is not named as
    /// failed, and this one cannot be named.
    pub fn bring(&self, event: SqsEvent) -> anyhow::Result<()> {
        let mut brought = Brought::default();
        for message in event.records.into_iter().rev() {
            let receipt = message.receipt_handle.clone().context("a message has no receipt")?;
            let id = message.message_id.clone().context("a message has no id")?;
            brought.open.insert(Receipt(receipt.clone()), id);
            brought.waiting.push(delivery(receipt, message));
        }
        *self.brought.lock() = brought;
        Ok(())
    }

    /// What Lambda is told: the messages that must come again.
    #[must_use]
    pub fn failures(&self) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        let mut brought = self.brought.lock();
        brought.waiting.clear();
        brought.open.drain().for_each(|(_, id)| response.add_failure(id));
        response
    }
}

#[async_trait]
impl Queue for BroughtQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.queue.send(messages).await
    }

    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let handed_out = {
            let waiting = &mut self.brought.lock().waiting;
            let keep = waiting.len().saturating_sub(max);
            let mut some = waiting.split_off(keep);
            some.reverse();
            some
        };
        if !handed_out.is_empty() || !self.fetches {
            return Ok(handed_out);
        }
        self.queue.receive(max, visibility, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let fetched: Vec<Receipt> = {
            let open = &mut self.brought.lock().open;
            receipts.iter().filter(|receipt| open.remove(receipt).is_none()).cloned().collect()
        };
        if fetched.is_empty() { Ok(()) } else { self.queue.ack(&fetched).await }
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.queue.extend(receipts, visibility).await
    }

    async fn stats(&self) -> Result<QueueStats, QueueError> {
        self.queue.stats().await
    }
}

fn delivery(receipt: String, message: SqsMessage) -> Delivery {
    let mut known = Known::default();
    for (name, value) in &message.message_attributes {
        known.note(name, value.string_value.as_deref().unwrap_or_default());
    }
    Delivery::from(Received {
        receipt,
        own_id: message.message_id.as_deref(),
        receive_count: message.attributes.get("ApproximateReceiveCount").map(String::as_str),
        known,
        body: message.body.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use event_queue::memory::MemoryQueue;
    use serde_json::json;

    use super::*;

    const HIDDEN: Duration = Duration::from_secs(60);

    fn event(count: usize) -> SqsEvent {
        let record = |number: usize| {
            json!({
                "messageId": format!("00000000-0000-4000-8000-{number:012}"),
                "receiptHandle": format!("receipt-{number}"),
                "body": "not an envelope",
                "attributes": { "ApproximateReceiveCount": "2" },
                "messageAttributes": {
                    "project": { "stringValue": "shop", "dataType": "String" },
                    "events": { "stringValue": "7", "dataType": "Number" },
                },
            })
        };
        serde_json::from_value(json!({ "Records": (0..count).map(record).collect::<Vec<_>>() })).unwrap()
    }

    fn queue(fetches: bool) -> BroughtQueue {
        BroughtQueue::new(Arc::new(MemoryQueue::default()), fetches)
    }

    #[tokio::test]
    async fn a_message_that_could_not_be_named_as_failed_fails_the_call() {
        for missing in ["messageId", "receiptHandle"] {
            let mut records = serde_json::to_value(event(2)).unwrap();
            records["Records"][1].as_object_mut().unwrap().remove(missing);
            let queue = queue(true);
            assert!(queue.bring(serde_json::from_value(records).unwrap()).is_err(), "{missing}");
            assert!(queue.receive(9, HIDDEN, Duration::ZERO).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_not_acknowledged_is_what_failed() {
        let queue = queue(true);
        queue.bring(event(3)).unwrap();
        let first = queue.receive(2, HIDDEN, Duration::ZERO).await.unwrap();
        let receipts: Vec<&str> = first.iter().map(|delivery| delivery.receipt.0.as_str()).collect();
        assert_eq!(receipts, ["receipt-0", "receipt-1"]);
        queue.ack(&[first[1].receipt.clone()]).await.unwrap();
        let mut failed: Vec<String> =
            queue.failures().batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        failed.sort();
        assert_eq!(failed, ["00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000002"]);
        assert!(queue.receive(9, HIDDEN, Duration::ZERO).await.unwrap().is_empty());
        assert!(queue.failures().batch_item_failures.is_empty(), "what was said once is forgotten");
    }

    #[tokio::test]
    async fn what_the_attributes_say_is_known_of_a_message_that_cannot_be_read() {
        let queue = queue(false);
        queue.bring(event(1)).unwrap();
        let delivery = queue.receive(9, HIDDEN, Duration::ZERO).await.unwrap().remove(0);
        let project = delivery.project.as_ref().map(ToString::to_string);
        assert_eq!((project.as_deref(), delivery.events, delivery.receive_count), (Some("shop"), Some(7), 2));
        assert_eq!(delivery.message_id.to_string(), "00000000-0000-4000-8000-000000000000");
    }

    #[tokio::test]
    async fn more_is_fetched_once_everything_brought_is_handed_out_unless_it_may_not_be() {
        let message = event_queue::Outgoing {
            message_id: event_model::EventId([1; 16]),
            project: event_model::ProjectId::parse("shop").unwrap(),
            events: 1,
            body: b"waiting".to_vec().into(),
        };
        for (fetches, found) in [(true, 1), (false, 0)] {
            let queue = queue(fetches);
            queue.send(vec![message.clone()]).await.unwrap();
            queue.bring(event(1)).unwrap();
            assert_eq!(queue.receive(9, HIDDEN, Duration::ZERO).await.unwrap().len(), 1);
            let fetched = queue.receive(9, HIDDEN, Duration::ZERO).await.unwrap();
            assert_eq!(fetched.len(), found);
            queue.ack(&fetched.iter().map(|delivery| delivery.receipt.clone()).collect::<Vec<_>>()).await.unwrap();
            assert_eq!(queue.failures().batch_item_failures.len(), 1, "a fetched message is not Lambda's");
            assert_eq!(queue.stats().await.unwrap().visible, 1 - found as u64);
        }
    }
}
