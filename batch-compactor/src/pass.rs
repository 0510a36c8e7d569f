//! One drain: receive, decode, store, acknowledge; and what happens to a message where one of these fails.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event_model::Timestamp;
use event_model::limits::MAX_MESSAGE_BYTES;
use event_queue::{Delivery, MessageId, QueueError};
use futures::StreamExt as _;
use lake::IngestReport;
use tracing::{error, warn};

use crate::attempt::Attempt;
use crate::compactor::Compactor;
use crate::decode::{self, Decoded, ProjectBatch};
use crate::error::IngestFailure;
use crate::memory::{Aside, Memory};
use crate::receipts::{Receipts, acknowledge};
use crate::report::{DrainReport, Failure, millis};

/// One drain under way.
pub(crate) struct Pass<'c> {
    compactor: &'c Compactor,
    memory: &'c mut Memory,
    receipts: &'c Receipts,
    report: DrainReport,
}

/// How messages are put back.
#[derive(Clone, Copy)]
enum Comeback {
    /// At once: the next receive counts towards being processed alone.
    Now,
    /// After a while.
    After(Duration),
    /// After a while, and not held against them where the queue can take a delivery back.
    Uncounted(Duration),
}

/// Receives once, as much as the budget allows, and deals with all of it. Waits up to `wait` for the first message.
///
/// # Errors
/// Only if the queue gave nothing because it failed.
pub(crate) async fn run(compactor: &Compactor, memory: &mut Memory, wait: Duration) -> Result<DrainReport, QueueError> {
    let receipts = Receipts::default();
    let mut pass = Pass { compactor, memory, receipts: &receipts, report: DrainReport::default() };
    let deliveries = pass.receive(wait).await?;
    if deliveries.is_empty() {
        return Ok(pass.report);
    }
    let settings = &compactor.settings;
    let visibility = if settings.guards.heartbeat { settings.visibility } else { Duration::MAX };
    tokio::select! {
        report = pass.work(deliveries) => Ok(report),
        never = receipts.keep_hidden(compactor.queue.as_ref(), visibility) => match never {},
    }
}

impl Pass<'_> {
    /// Messages until there are no more, or a budget is used up. A message that came twice is in the list once.
    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let settings = &self.compactor.settings;
        let largest = MAX_MESSAGE_BYTES as u64;
        let mut deliveries = Vec::new();
        let mut wait = wait;
        let mut first_at = None;
        loop {
            let room = settings.max_bytes.saturating_sub(self.report.bytes) / largest;
            let room = usize::try_from(room).unwrap_or(usize::MAX).max(usize::from(deliveries.is_empty()));
            let max = settings.max_messages.saturating_sub(deliveries.len()).min(settings.receive_messages).min(room);
            let late = first_at.is_some_and(|at: Instant| at.elapsed() >= settings.max_receive_time);
            if max == 0 || late {
                self.report.more = true;
                return Ok(deliveries);
            }
            let received = match self.compactor.queue.receive(max, settings.visibility, wait).await {
                Ok(received) => received,
                Err(error) if deliveries.is_empty() => return Err(error),
                Err(error) => {
                    warn!(%error, "the queue failed after it had given messages");
                    return Ok(deliveries);
                }
            };
            if received.is_empty() {
                return Ok(deliveries);
            }
            first_at.get_or_insert_with(Instant::now);
            wait = Duration::ZERO;
            for delivery in received {
                self.report.messages += 1;
                self.report.bytes += delivery.body.len() as u64;
                if self.receipts.hold(delivery.message_id, delivery.receipt.clone()) {
                    deliveries.push(delivery);
                }
            }
        }
    }

    /// Stores everything: first what was never in trouble, then each of the others alone.
    async fn work(mut self, deliveries: Vec<Delivery>) -> DrainReport {
        if !self.compactor.settings.guards.ack_after_commit {
            let messages: Vec<MessageId> = deliveries.iter().map(|delivery| delivery.message_id).collect();
            self.acknowledge(&messages).await;
        }
        let (suspects, mut ordinary): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| self.is_suspect(delivery));
        while !ordinary.is_empty() {
            ordinary = self.store(ordinary, false).await;
        }
        for suspect in suspects {
            self.store(vec![suspect], true).await;
        }
        self.report
    }

    /// Whether a message was received so often, without storage being to blame, that it is processed alone.
    fn is_suspect(&self, delivery: &Delivery) -> bool {
        let settings = &self.compactor.settings;
        let excused = self.memory.excused.get(&delivery.message_id).copied().unwrap_or(0);
        settings.guards.alone && delivery.receive_count.saturating_sub(excused) >= settings.alone_from_receive
    }

    /// Decodes messages and stores one batch a project; returns those that did not fit.
    async fn store(&mut self, deliveries: Vec<Delivery>, alone: bool) -> Vec<Delivery> {
        let started = Instant::now();
        let limit = self.compactor.settings.max_json_bytes;
        // Alone a message may go to quarantine, with all its bytes; of others the name is enough to put them back.
        let kept: Vec<Delivery> = deliveries
            .iter()
            .map(|kept| if alone { kept.clone() } else { decode::without_body(kept.clone()) })
            .collect();
        // Off the threads that answer requests, and where a panic costs no more than this batch.
        let decoded = tokio::task::spawn_blocking(move || decode::decode(deliveries, limit, alone)).await;
        self.report.decode_ms += millis(started.elapsed());
        let Decoded { batches, damaged, newer, rest, .. } = match decoded {
            Ok(Ok(decoded)) => decoded,
            Ok(Err(error)) => {
                self.refuse(kept, alone, &error.to_string()).await;
                return Vec::new();
            }
            Err(_) => {
                self.refuse(kept, alone, "decoding panicked").await;
                return Vec::new();
            }
        };
        self.leave(newer).await;
        for (delivery, what) in damaged {
            self.refuse(vec![delivery], alone, &what).await;
        }
        let compactor = self.compactor;
        let streaks: Vec<u32> = batches.iter().map(|batch| self.memory.streak(&batch.project)).collect();
        let attempts = batches.into_iter().zip(streaks).map(|(batch, streak)| compactor.attempt(batch, streak));
        let mut attempts = futures::stream::iter(attempts).buffer_unordered(compactor.settings.parallel_projects);
        while let Some(attempt) = attempts.next().await {
            self.settle(attempt, alone).await;
        }
        rest
    }

    /// Acts on what storing a project's batch came to.
    async fn settle(&mut self, attempt: Attempt, alone: bool) {
        let Attempt { batch, result, elapsed } = attempt;
        self.report.commit_ms += millis(elapsed);
        let blame_storage = self.compactor.settings.guards.storage_is_not_the_messages_fault;
        match result {
            Ok(ingest) => {
                self.report.events += batch.events;
                self.count(&ingest, elapsed);
                self.memory.stored(&batch);
                let messages: Vec<MessageId> = batch.batch.messages.iter().map(|message| message.message_id).collect();
                self.acknowledge(&messages).await;
            }
            Err(IngestFailure::Storage(error)) if blame_storage || !alone => {
                self.postpone(&batch, error.to_string()).await;
            }
            Err(failure) => {
                warn!(project = %batch.project, %failure, messages = batch.deliveries.len(), "a batch cannot be stored");
                if !alone {
                    let detail = failure.to_string();
                    self.report.failures.push(Failure { project: batch.project.clone(), detail, storage: false });
                }
                self.refuse(batch.deliveries, alone, "its events cannot be stored").await;
            }
        }
    }

    fn count(&mut self, ingest: &IngestReport, elapsed: Duration) {
        self.report.commits += u64::from(ingest.version.is_some());
        self.report.conflicts += u64::from(ingest.conflicts);
        self.report.slowest_commit = self.report.slowest_commit.max(elapsed);
        ingest.messages.iter().for_each(|message| self.report.count(*message));
    }

    /// Puts a project's messages back because its storage fails. It is not held against them.
    async fn postpone(&mut self, batch: &ProjectBatch, detail: String) {
        let streak = self.memory.failed(batch, &detail);
        let delay = self.compactor.backoff(streak);
        error!(
            project = %batch.project, error = detail, messages = batch.deliveries.len(),
            delay_ms = millis(delay), "events could not be stored; they wait in the queue"
        );
        self.report.failures.push(Failure { project: batch.project.clone(), detail, storage: true });
        self.put_back(&batch.deliveries, Comeback::Uncounted(delay)).await;
    }

    /// Deals with messages of which one at least cannot be read or stored: together they are put back, so that each
    /// is soon processed alone; alone it goes to quarantine.
    async fn refuse(&mut self, deliveries: Vec<Delivery>, alone: bool, detail: &str) {
        for delivery in deliveries {
            if alone {
                self.quarantine(delivery, detail).await;
            } else {
                self.put_back(&[delivery], Comeback::Now).await;
            }
        }
    }

    /// Keeps a whole message in its project's quarantine.
    async fn quarantine(&mut self, delivery: Delivery, detail: &str) {
        let message = delivery.message_id;
        let Some(project) = delivery.project.clone() else {
            error!(%message, detail, "a message that cannot be read names no project; the queue keeps it as a dead letter");
            let delay = self.compactor.backoff(delivery.receive_count);
            return self.put_back(&[delivery], Comeback::After(delay)).await;
        };
        let weigh = self.compactor.settings.guards.weigh_unreadable;
        let events = if weigh { delivery.events.unwrap_or(1) } else { 1 };
        let batch = match decode::unreadable(project.clone(), &delivery, events, detail, now()) {
            Ok(batch) => batch,
            Err(error) => {
                error!(%message, %error, "a message could not be put into quarantine");
                let delay = self.compactor.backoff(delivery.receive_count);
                return self.put_back(&[delivery], Comeback::After(delay)).await;
            }
        };
        let streak = self.memory.streak(&project);
        let Attempt { batch, result, elapsed } = self.compactor.attempt(batch, streak).await;
        match result {
            Ok(ingest) => {
                error!(%project, %message, events, detail, "a message cannot be stored; it is in quarantine");
                self.report.unreadable_messages += 1;
                self.count(&ingest, elapsed);
                self.memory.stored(&batch);
                self.acknowledge(&[message]).await;
            }
            Err(failure) => self.postpone(&batch, failure.to_string()).await,
        }
    }

    /// Leaves messages of a newer version where they are, and loudly.
    async fn leave(&mut self, newer: Vec<(Delivery, u8)>) {
        for (delivery, version) in newer {
            let message = delivery.message_id;
            if !self.compactor.settings.guards.leave_newer {
                self.quarantine(delivery, "a newer version").await;
                continue;
            }
            error!(%message, version, "a message was written by a newer version; it stays in the queue: upgrade");
            self.report.newer_messages += 1;
            let aside = Aside { receipts: self.receipts.take([message]), project: delivery.project };
            let rest = self.compactor.settings.newer_rest;
            if let Err(error) = self.compactor.queue.extend(&aside.receipts, rest).await {
                warn!(%error, "a message of a newer version could not be laid aside");
            }
            self.memory.newer.insert(message, aside);
        }
    }

    async fn acknowledge(&mut self, messages: &[MessageId]) {
        let receipts = self.receipts.take(messages.iter().copied());
        if let Err(error) = acknowledge(self.compactor.queue.as_ref(), &receipts).await {
            warn!(%error, messages = messages.len(), "stored messages could not be acknowledged; they come again");
            self.report.unacknowledged_messages += messages.len() as u64;
        }
    }

    async fn put_back(&mut self, deliveries: &[Delivery], comeback: Comeback) {
        let receipts = self.receipts.take(deliveries.iter().map(|delivery| delivery.message_id));
        self.report.returned_messages += deliveries.len() as u64;
        let queue = &self.compactor.queue;
        let put_back = match comeback {
            Comeback::Now => queue.extend(&receipts, Duration::ZERO).await,
            Comeback::After(delay) => queue.extend(&receipts, delay).await,
            Comeback::Uncounted(delay) => queue.release(&receipts, delay).await.map(|taken_back| {
                if !taken_back {
                    self.memory.excuse(deliveries);
                }
            }),
        };
        if let Err(error) = put_back {
            warn!(%error, "messages could not be put back; they come again when their time is over");
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
