//! The compactor: drains the queue once, until all that was accepted is stored, or for as long as the process lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_model::ProjectId;
use event_queue::{Queue, Receipt};
use lake::Lake;
use tokio::sync::{Mutex, watch};
use tracing::{debug, error};

use crate::destination::Destination;
use crate::error::CompactorError;
use crate::memory::Memory;
use crate::pass;
use crate::report::{DrainReport, Observer};
use crate::settings::CompactorSettings;

/// How long a flush waits for messages that are in somebody's hands before it looks again.
const FLUSH_WAIT: Duration = Duration::from_millis(50);
/// What the age of a message may be off by.
const AGE_SLACK: Duration = Duration::from_millis(5);

/// Moves events from one queue to one lake. Any number of them may work on the same queue and lake.
pub struct Compactor {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) destination: Arc<dyn Destination>,
    pub(crate) settings: CompactorSettings,
    observer: Option<Arc<dyn Observer>>,
    /// Held for the length of a drain: two in one process would only take each other's messages.
    memory: Mutex<Memory>,
}

impl Compactor {
    /// From a queue into a lake.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, lake: Arc<Lake>, settings: CompactorSettings) -> Self {
        Self::with_destination(queue, lake, settings)
    }

    /// From a queue into something that takes batches as a lake does.
    #[must_use]
    pub fn with_destination(
        queue: Arc<dyn Queue>,
        destination: Arc<dyn Destination>,
        settings: CompactorSettings,
    ) -> Self {
        Self { queue, destination, settings, observer: None, memory: Mutex::default() }
    }

    /// Tells an observer about each drain.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Takes what is visible now, up to the budget, and stores it. Each project succeeds or fails on its own; what
    /// could not be stored is in the queue again, and the report says so.
    ///
    /// # Errors
    /// [`CompactorError::Queue`] if the queue could not be read.
    pub async fn drain(&self) -> Result<DrainReport, CompactorError> {
        self.drain_waiting(Duration::ZERO).await
    }

    /// Drains until the queue gives nothing more: what others hold, or what waits after a failure, stays.
    ///
    /// # Errors
    /// As [`Self::drain`].
    pub async fn drain_until_empty(&self) -> Result<DrainReport, CompactorError> {
        let mut total = DrainReport::default();
        loop {
            let report = self.drain().await?;
            let empty = report.messages == 0;
            total.merge(report);
            if empty {
                return Ok(total);
            }
        }
    }

    /// Returns once everything that was accepted before the call is in the lake, whoever drains it. Where the queue's
    /// figures are approximate (SQS), that is once they say so and a receive has found nothing.
    ///
    /// # Errors
    /// [`CompactorError::NotStored`] if a project's storage fails, [`CompactorError::Newer`] if messages of a newer
    /// version are left, [`CompactorError::Queue`] if the queue fails. Nothing is lost by any of them.
    pub async fn flush(&self) -> Result<DrainReport, CompactorError> {
        self.flush_of(None).await
    }

    /// As [`Self::flush`], for the events of one project: another project's trouble is not waited for.
    ///
    /// # Errors
    /// As [`Self::flush`], where they concern the project.
    pub async fn flush_project(&self, project: &ProjectId) -> Result<DrainReport, CompactorError> {
        self.flush_of(Some(project)).await
    }

    async fn flush_of(&self, project: Option<&ProjectId>) -> Result<DrainReport, CompactorError> {
        let called = Instant::now();
        let concerns = |found: &ProjectId| project.is_none_or(|project| project == found);
        let mut total = DrainReport::default();
        let mut found_nothing = false;
        loop {
            let stats = self.queue.stats().await?;
            // What is left was sent after the call.
            let all_later = stats.oldest_age.is_some_and(|age| age + AGE_SLACK < called.elapsed());
            let nothing = stats.visible + stats.in_flight == 0 && (found_nothing || !stats.approximate);
            if nothing || all_later {
                return Ok(total);
            }
            let report = self.drain_waiting(FLUSH_WAIT).await?;
            if let Some(failure) = report.failures.iter().find(|failure| failure.storage && concerns(&failure.project))
            {
                let (project, detail) = (failure.project.clone(), failure.detail.clone());
                return Err(CompactorError::NotStored { project, detail });
            }
            let (more, received) = (report.more, report.messages);
            found_nothing = received == 0;
            total.merge(report);
            if more {
                continue;
            }
            let memory = self.memory.lock().await;
            let newer = memory.newer.values().filter(|aside| aside.project.as_ref().is_none_or(concerns)).count();
            if newer > 0 {
                return Err(CompactorError::Newer { messages: newer });
            }
            if received > 0 {
                continue;
            }
            // Rather than wait for the next try, which may be a minute away.
            if let Some((project, detail)) = memory.trouble(concerns) {
                return Err(CompactorError::NotStored { project, detail });
            }
            if stats.visible == 0 && stats.in_flight <= memory.of_others(concerns) {
                return Ok(total);
            }
        }
    }

    /// Drains again and again until `shutdown` turns true or its sender is gone; then the drain under way is finished.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        let mut failures = 0;
        while !*shutdown.borrow() {
            let started = Instant::now();
            let pause = match self.drain_waiting(self.settings.poll).await {
                Ok(report) => {
                    failures = 0;
                    self.pause_after(&report).saturating_sub(started.elapsed())
                }
                Err(error) => {
                    failures += 1;
                    error!(%error, failures, "the queue could not be drained");
                    self.backoff(failures)
                }
            };
            let stop = async { shutdown.wait_for(|stop| *stop).await.map(|_| ()) };
            tokio::select! {
                _ = stop => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The least time from one drain to the next.
    fn pause_after(&self, report: &DrainReport) -> Duration {
        if report.more {
            Duration::ZERO
        } else if report.messages == 0 {
            // The receive has waited already; this only bounds a queue that does not wait.
            self.settings.poll
        } else {
            let by_commit = report.slowest_commit.saturating_mul(self.settings.interval_per_commit);
            by_commit.max(self.settings.min_interval)
        }
    }

    async fn drain_waiting(&self, wait: Duration) -> Result<DrainReport, CompactorError> {
        let mut memory = self.memory.lock().await;
        self.lay_newer_aside(&mut memory).await;
        let report = pass::run(self, &mut memory, wait).await?;
        drop(memory);
        if report.messages > 0 {
            debug!(
                messages = report.messages,
                events = report.events,
                stored = report.stored,
                quarantined = report.quarantined,
                duplicates = report.duplicates,
                decode_ms = report.decode_ms,
                commit_ms = report.commit_ms,
                "drained"
            );
            if let Some(observer) = &self.observer {
                observer.drained(&report);
            }
        }
        Ok(report)
    }

    /// Keeps messages of a newer version hidden, so that they are not received over and over until they count as
    /// dead letters.
    async fn lay_newer_aside(&self, memory: &mut Memory) {
        let due = memory.newer_at.is_none_or(|at| at.elapsed() >= self.settings.newer_rest / 3);
        if memory.newer.is_empty() || !due {
            return;
        }
        let receipts: Vec<Receipt> = memory.newer.values().flat_map(|aside| &aside.receipts).cloned().collect();
        match self.queue.extend(&receipts, self.settings.newer_rest).await {
            Ok(()) => memory.newer_at = Some(Instant::now()),
            Err(error) => error!(%error, "messages of a newer version could not be kept aside"),
        }
    }
}
