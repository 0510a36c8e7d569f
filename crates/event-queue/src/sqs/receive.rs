//! Receiving: one call waits for the first messages; while calls come back full, more of them run in parallel.

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

use super::persist::{in_parallel, within};
use super::{SqsQueue, seconds, visibility_seconds};
use crate::queue::{Delivery, QueueError};
use crate::sqs_format::{Known, MAX_ENTRIES, Received};

/// Longest time that SQS lets a call wait for a message.
const MAX_WAIT: Duration = Duration::from_secs(20);

impl SqsQueue {
    /// Up to `max` messages. With little traffic this is one call, since each costs money; a backlog is taken with
    /// ever more calls at a time, up to the settings' number.
    pub(super) async fn receive_some(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let mut deliveries = self.receive_first(max, visibility, wait).await?;
        let mut calls = 1;
        let mut asked = max.min(MAX_ENTRIES);
        let mut got = deliveries.len();
        // Less than half of what was asked for: the backlog is over, and further calls would be paid for nothing.
        while got > 0 && got * 2 > asked && deliveries.len() < max {
            calls = (calls * 2).min(self.settings.parallel_calls.max(1));
            match self.receive_round(calls, max - deliveries.len(), visibility).await {
                Ok(round) => {
                    (asked, got) = (round.asked, round.deliveries.len());
                    deliveries.extend(round.deliveries);
                }
                Err(error) => {
                    tracing::warn!(%error, "sqs failed after it had given messages");
                    break;
                }
            }
        }
        Ok(deliveries)
    }

    /// Waits for the first messages; a call waits 20 s at most, so a longer wait takes several.
    async fn receive_first(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let started = Instant::now();
        loop {
            let left = wait.saturating_sub(started.elapsed());
            let deliveries = self.clone().receive_call(max, visibility, left.min(MAX_WAIT)).await?;
            if !deliveries.is_empty() || wait.saturating_sub(started.elapsed()) < Duration::from_secs(1) {
                return Ok(deliveries);
            }
        }
    }

    async fn receive_round(&self, calls: usize, max: usize, visibility: Duration) -> Result<Round, QueueError> {
        let mut left = max;
        let mut tasks = Vec::new();
        for _ in 0..calls {
            let share = left.min(MAX_ENTRIES);
            if share > 0 {
                tasks.push(self.clone().receive_call(share, visibility, Duration::ZERO));
            }
            left -= share;
        }
        // Each result apart: what some calls gave is not lost because another one failed.
        let tasks = tasks.into_iter().map(|task| async { Ok(task.await) }).collect();
        let mut deliveries = Vec::new();
        let mut failure = None;
        for result in in_parallel(calls, tasks).await? {
            match result {
                Ok(some) => deliveries.extend(some),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if deliveries.is_empty() => Err(error),
            _ => Ok(Round { asked: max - left, deliveries }),
        }
    }

    /// One call. Where the wait is no whole number of seconds it is rounded up.
    async fn receive_call(self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let wait = seconds(wait);
        let call = self
            .client
            .receive_message()
            .queue_url(&self.settings.queue_url)
            .max_number_of_messages(i32::try_from(max.clamp(1, MAX_ENTRIES)).unwrap_or(1))
            .visibility_timeout(visibility_seconds(visibility))
            .wait_time_seconds(wait)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_attribute_names("All");
        let limit = Duration::from_secs(u64::try_from(wait).unwrap_or(0)) + self.settings.call_timeout;
        let output = within(limit, call.send()).await?;
        Ok(output.messages.unwrap_or_default().into_iter().filter_map(delivery).collect())
    }
}

/// What one round of parallel calls came to.
struct Round {
    /// Messages asked for.
    asked: usize,
    deliveries: Vec<Delivery>,
}

/// `None` is an answer without a receipt.
fn delivery(message: Message) -> Option<Delivery> {
    let mut known = Known::default();
    for (name, value) in message.message_attributes.iter().flatten() {
        known.note(name, value.string_value().unwrap_or_default());
    }
    let count =
        message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let received = Received {
        receipt: message.receipt_handle?,
        own_id: message.message_id.as_deref(),
        receive_count: count.map(String::as_str),
        known,
        body: message.body.unwrap_or_default(),
    };
    Some(received.into())
}
