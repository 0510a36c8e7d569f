//! What the query side asks of the writing side: flush, replay, and what waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use batch_compactor::{Compactor, CompactorError};
use event_model::project::SharedDirectory;
use event_model::{ErrorCode, Problem, ProjectId};
use event_queue::disk::DiskQueue;
use event_queue::{Compression, Envelope, ProjectStats, Queue};
use lake::maintenance::MaintenanceSettings;
use lake::{Erasure, Lake, LakeError, PersonIds, ProjectLake};
use query_lambda::{Control, Erased, QueueSide, QueueStatus, Redriven, Replay, Replayed, Selection, queue_problem};

/// Rows of quarantine that are read and sent at a time.
const PAGE: usize = 500;
/// How long an erase waits for the queue to delete the files of what was drained.
const QUEUE_PATIENCE: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Seconds after which trying again makes sense.
const RETRY_SECONDS: u32 = 5;

/// The writing side of this process.
pub(crate) struct LocalControl {
    pub(crate) queue: Arc<DiskQueue>,
    pub(crate) lake: Arc<Lake>,
    pub(crate) compactor: Arc<Compactor>,
    pub(crate) directory: SharedDirectory,
}

#[async_trait]
impl Control for LocalControl {
    async fn flush(&self, project: &ProjectId) -> Result<(), Problem> {
        match self.compactor.flush_project(project).await {
            Ok(_) => Ok(()),
            Err(CompactorError::Queue(error)) => Err(queue_problem(error)),
            Err(error @ CompactorError::NotStored { .. }) => {
                Err(Problem::from(ErrorCode::LakeUnavailable).retry_after(RETRY_SECONDS).because(error))
            }
            Err(error @ CompactorError::Newer { .. }) => Err(Problem::new(ErrorCode::DataNewer, error.to_string())),
        }
    }

    async fn replay(&self, project: &ProjectId, selection: Selection) -> Result<Replayed, Problem> {
        let replay = Replay {
            lake: &self.lake,
            queue: self.queue.as_ref(),
            directory: &self.directory,
            // Bytes on a local disk cost less than cycles.
            compression: Compression::None,
        };
        replay.rows(project, &selection, crate::clock::now()).await
    }

    async fn queue(&self, project: &ProjectId) -> Result<QueueSide, Problem> {
        let ProjectStats { sent, waiting, dead } = self.project_stats(project).await?;
        let sent = match sent {
            Some(sent) => Some(sent),
            None => self.sent_by_subtraction(project).await?,
        };
        Ok(QueueSide { sent, in_flight: waiting, dead })
    }

    async fn queue_status(&self) -> Result<QueueStatus, Problem> {
        self.queue.stats().await.map(QueueStatus::from).map_err(queue_problem)
    }

    async fn erase(&self, project: &ProjectId, ids: PersonIds, forbid: bool) -> Result<Erased, Problem> {
        let lake = self.lake.project(project).await.map_err(lake_problem)?;
        let erasure = lake.begin_erasure(ids, forbid).await.map_err(lake_problem)?;
        self.finish_erasure(&lake, &erasure).await
    }

    async fn redrive(&self) -> Result<Redriven, Problem> {
        let mut messages = 0;
        for some in self.queue.dead_sequences().chunks(PAGE) {
            messages += self.queue.redrive(some).await.map_err(queue_problem)? as u64;
        }
        Ok(Redriven { messages })
    }
}

impl LocalControl {
    /// Finishes the erasures of a project that were cut off.
    ///
    /// # Errors
    /// Of the queue or the lake: they stay recorded.
    pub(crate) async fn finish_erasures(&self, project: &ProjectId) -> Result<(), Problem> {
        let lake = self.lake.project(project).await.map_err(lake_problem)?;
        for erasure in lake.erasures().await.map_err(lake_problem)? {
            self.finish_erasure(&lake, &erasure).await?;
        }
        Ok(())
    }

    /// The queue first: what is drained from now on stays out, and the lake forgets the request at its end.
    async fn finish_erasure(&self, lake: &ProjectLake, erasure: &Erasure) -> Result<Erased, Problem> {
        lake.keep_out(erasure).await.map_err(lake_problem)?;
        let started = Instant::now();
        let (redriven_messages, unreadable_letters) = self.clear_queue(lake.id(), &erasure.ids).await?;
        let receipt = lake.finish_erasure(erasure, &MaintenanceSettings::default()).await.map_err(lake_problem)?;
        let mut erased = Erased { redriven_messages, ..receipt.into() };
        erased.unreadable_messages += unreadable_letters;
        erased.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(erased)
    }

    /// Drains all that was sent until now, dead letters of the person included, and waits until its files are deleted.
    /// Returns how many dead letters that were, and how many cannot be read.
    async fn clear_queue(&self, project: &ProjectId, ids: &PersonIds) -> Result<(u64, u64), Problem> {
        let (mut theirs, mut unreadable) = (Vec::new(), 0);
        for letter in self.queue.dead_letters(usize::MAX).await.map_err(queue_problem)? {
            match Envelope::decode(&letter.body) {
                Ok(envelope) if envelope.project == *project && names(&envelope, ids) => theirs.push(letter.sequence),
                Ok(_) => {}
                Err(_) => unreadable += u64::from(letter.project.is_none_or(|of| of == *project)),
            }
        }
        let redriven = self.queue.redrive(&theirs).await.map_err(queue_problem)? as u64;
        let cut = self.queue.cut().await.map_err(queue_problem)?;
        match self.compactor.flush().await {
            Ok(_) => {}
            Err(CompactorError::Queue(error)) => return Err(queue_problem(error)),
            Err(error) => {
                return Err(Problem::from(ErrorCode::LakeUnavailable).retry_after(RETRY_SECONDS).because(error));
            }
        }
        let patience = Instant::now() + QUEUE_PATIENCE;
        while self.queue.holds_before(cut) {
            if Instant::now() > patience {
                let why = "the queue still holds messages from before the erase; it is recorded and will be finished";
                return Err(Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(why));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if redriven > 0 && !self.queue.compact_letters().await.map_err(queue_problem)? {
            let why = "the files of dead letters could not be written anew; the erase is recorded and will be finished";
            return Err(Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(why));
        }
        Ok((redriven, unreadable))
    }

    async fn project_stats(&self, project: &ProjectId) -> Result<ProjectStats, Problem> {
        let stats = self.queue.project_stats(project).await.map_err(queue_problem)?;
        stats.ok_or_else(|| Problem::from(ErrorCode::Internal).because("the queue does not tell projects apart"))
    }

    /// What was sent for a project, where some of the queue's events are of nobody knows which: all that was sent less
    /// what the lake and the queue hold of the others. So a loss shows in the ledger of every project.
    async fn sent_by_subtraction(&self, project: &ProjectId) -> Result<Option<u64>, Problem> {
        let mut of_others = 0;
        for other in self.lake.projects().await.map_err(lake_problem)? {
            if other != *project {
                let lake = self.lake.project(&other).await.map_err(lake_problem)?;
                let totals = lake.ledger().await.map_err(lake_problem)?;
                let ProjectStats { waiting, dead, .. } = self.project_stats(&other).await?;
                of_others += totals.stored + totals.quarantined + totals.duplicates + waiting + dead;
            }
        }
        let stats = self.queue.stats().await.map_err(queue_problem)?;
        Ok(stats.events_sent.map(|sent| sent.saturating_sub(of_others)))
    }
}

/// Whether a message has events of the person, rejected ones included.
fn names(envelope: &Envelope, ids: &PersonIds) -> bool {
    let is_theirs = |event: &event_model::Event| {
        event.user_id.as_deref().is_some_and(|id| ids.has_user(id))
            || event.anonymous_id.as_deref().is_some_and(|id| ids.has_visitor(id))
            || event.previous_id.as_deref().is_some_and(|id| ids.has_user(id) || ids.has_visitor(id))
    };
    envelope.events.iter().any(is_theirs) || envelope.rejected.iter().any(|row| ids.are_named_in(&row.original.0))
}

fn lake_problem(error: LakeError) -> Problem {
    match error {
        LakeError::Newer { .. } => Problem::new(ErrorCode::DataNewer, error.to_string()),
        other => Problem::from(ErrorCode::LakeUnavailable).retry_after(RETRY_SECONDS).because(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use batch_compactor::CompactorSettings;
    use event_model::project::Directory;
    use event_queue::conformance::{message, project};
    use event_queue::disk::DiskSettings;
    use event_queue::{Delivery, Receipt};
    use lake::LakeSettings;

    use super::*;

    const HIDDEN: Duration = Duration::from_secs(60);

    async fn control(folder: &std::path::Path, settings: DiskSettings) -> LocalControl {
        let queue = Arc::new(DiskQueue::open(folder.join("queue"), settings).unwrap());
        let lake = Arc::new(Lake::open_local(folder.join("lake"), LakeSettings::default()).await.unwrap());
        let compactor = Arc::new(Compactor::new(queue.clone(), lake.clone(), CompactorSettings::default()));
        let directory = SharedDirectory::new(Directory::parse(r#"{"version": 1, "projects": []}"#).unwrap());
        LocalControl { queue, lake, compactor, directory }
    }

    async fn receive(control: &LocalControl) -> Vec<Delivery> {
        control.queue.receive(100, HIDDEN, Duration::ZERO).await.unwrap()
    }

    fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
        deliveries.iter().map(|delivery| delivery.receipt.clone()).collect()
    }

    fn events(numbers: &[u32]) -> u64 {
        numbers.iter().map(|number| u64::from(message(*number).events)).sum()
    }

    #[tokio::test]
    async fn the_queues_side_of_one_project_is_its_own_whatever_waits_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let control = control(folder.path(), DiskSettings { max_receives: 1, ..DiskSettings::default() }).await;
        control.queue.send((0..9).map(message).collect()).await.unwrap();
        let side = |sent: &[u32], in_flight: &[u32], dead: &[u32]| QueueSide {
            sent: Some(events(sent)),
            in_flight: events(in_flight),
            dead: events(dead),
        };
        assert_eq!(control.queue(&project(0)).await.unwrap(), side(&[0, 3, 6], &[0, 3, 6], &[]));
        // Of the first project everything is in somebody's hands, of the second one message is dead.
        let taken = receive(&control).await;
        control.queue.extend(&receipts(&taken[4..5]), Duration::ZERO).await.unwrap();
        assert_eq!(control.queue(&project(0)).await.unwrap(), side(&[0, 3, 6], &[0, 3, 6], &[]));
        assert_eq!(control.queue(&project(1)).await.unwrap(), side(&[1, 4, 7], &[1, 7], &[4]));
        assert_eq!(control.queue(&project(2)).await.unwrap(), side(&[2, 5, 8], &[2, 5, 8], &[]));
    }

    #[tokio::test]
    async fn dead_letters_come_back_when_they_are_redriven() {
        let folder = tempfile::tempdir().unwrap();
        let control = control(folder.path(), DiskSettings { max_receives: 1, ..DiskSettings::default() }).await;
        control.queue.send((0..3).map(message).collect()).await.unwrap();
        let taken = receive(&control).await;
        control.queue.extend(&receipts(&taken), Duration::ZERO).await.unwrap();
        let status = control.queue_status().await.unwrap();
        assert_eq!((status.dead_messages, status.waiting_messages, status.approximate), (3, 0, false));
        assert_eq!(status.events, Some(events(&[0, 1, 2])));
        assert_eq!(control.redrive().await.unwrap(), Redriven { messages: 3 });
        assert_eq!(control.redrive().await.unwrap(), Redriven { messages: 0 });
        assert_eq!(receive(&control).await.len(), 3);
        assert_eq!(control.queue_status().await.unwrap().dead_messages, 0);
    }
}
