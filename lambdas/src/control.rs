//! What the query side may ask of the queue in the cloud: how much it holds. Events are stored by another function,
//! which is called within seconds of their arrival and cannot be told to hurry.

use std::sync::Arc;

use async_trait::async_trait;
use event_model::{ErrorCode, Problem, ProjectId};
use event_queue::{Queue, QueueStats};
use query_lambda::{Control, QueueSide, QueueStatus, Redriven, Replayed, Selection};

/// Seconds after which trying again makes sense.
const RETRY_SECONDS: u32 = 5;

/// The queue, to be looked at.
pub(crate) struct CloudControl {
    pub(crate) queue: Arc<dyn Queue>,
}

#[async_trait]
impl Control for CloudControl {
    async fn flush(&self, _: &ProjectId) -> Result<(), Problem> {
        Err(not_here("events are stored some seconds after they arrive, and cannot be flushed"))
    }

    async fn replay(&self, _: &ProjectId, _: Selection) -> Result<Replayed, Problem> {
        Err(not_here("quarantine cannot be replayed by the function that answers questions"))
    }

    /// SQS does not count events, and does not tell projects apart: that a message carries at least one event is all
    /// that is known.
    async fn queue(&self, _: &ProjectId) -> Result<QueueSide, Problem> {
        let stats = self.stats().await?;
        Ok(QueueSide { sent: None, in_flight: stats.visible + stats.in_flight, dead: stats.dead })
    }

    async fn queue_status(&self) -> Result<QueueStatus, Problem> {
        let stats = self.stats().await?;
        Ok(QueueStatus {
            waiting_messages: stats.visible,
            in_flight_messages: stats.in_flight,
            dead_messages: stats.dead,
            events: stats.events,
            bytes: stats.bytes,
            oldest_seconds: stats.oldest_age.map(|age| age.as_secs()),
            approximate: stats.approximate,
        })
    }

    async fn redrive(&self) -> Result<Redriven, Problem> {
        Err(not_here("dead letters are put back with `aws sqs start-message-move-task`"))
    }
}

impl CloudControl {
    async fn stats(&self) -> Result<QueueStats, Problem> {
        let unavailable = |error| Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(error);
        self.queue.stats().await.map_err(unavailable)
    }
}

fn not_here(why: &str) -> Problem {
    Problem::new(ErrorCode::NotSupported, format!("In this deployment {why}."))
}
