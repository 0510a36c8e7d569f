//! What the query side asks of the writing side: flush, replay, and what waits.

use std::sync::Arc;

use async_trait::async_trait;
use batch_compactor::{Compactor, CompactorError};
use bytes::Bytes;
use edge_collector::Kept;
use event_model::project::SharedDirectory;
use event_model::{ErrorCode, EventId, Problem, Project, ProjectId};
use event_queue::disk::DiskQueue;
use event_queue::{Compression, Envelope, Outgoing, Queue, QueueError};
use lake::{Lake, LakeError, QuarantineEntry, QuarantineFilter};
use query_lambda::{Control, QueueSide, Replayed, Selection};

/// Rows of quarantine that are read and sent at a time.
const PAGE: usize = 500;
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
        let project = self.rules_of(project)?;
        let lake = self.lake.project(&project.id).await.map_err(lake_problem)?;
        let mut replayed = Replayed::default();
        let mut filter = QuarantineFilter { limit: PAGE, ..QuarantineFilter::default() };
        match &selection {
            Selection::Reason(reason) => filter.reason = Some(reason.as_str().to_owned()),
            // A row that is named is sent again even if it was before: it lands once.
            Selection::Rows(_) => filter.include_replayed = true,
            Selection::All => {}
        }
        loop {
            let page = lake.quarantine(filter.clone()).await.map_err(lake_problem)?;
            let chosen: Vec<QuarantineEntry> =
                page.entries.into_iter().filter(|entry| is_chosen(&selection, entry.row_id)).collect();
            self.send_again(&project, &chosen, &mut replayed).await?;
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => return Ok(replayed),
            }
        }
    }

    /// The queue counts what was ever sent for all projects together. What the lake holds of the others is taken off,
    /// so that the equation of one project holds if and only if everything is accounted for; `in_flight` and `dead`
    /// are of all projects.
    async fn queue(&self, project: &ProjectId) -> Result<QueueSide, Problem> {
        let stats = self.queue.stats().await.map_err(queue_problem)?;
        let dead = if stats.dead == 0 { 0 } else { self.dead_events().await? };
        let mut of_others = 0;
        for other in self.lake.projects().await.map_err(lake_problem)? {
            if other != *project {
                let lake = self.lake.project(&other).await.map_err(lake_problem)?;
                let totals = lake.ledger().await.map_err(lake_problem)?;
                of_others += totals.stored + totals.quarantined + totals.duplicates;
            }
        }
        Ok(QueueSide {
            sent: stats.events_sent.map(|sent| sent.saturating_sub(of_others)),
            in_flight: stats.events.unwrap_or(0).saturating_sub(dead),
            dead,
        })
    }
}

impl LocalControl {
    /// The project, with the rules by which its events are judged today.
    fn rules_of(&self, id: &ProjectId) -> Result<Arc<Project>, Problem> {
        let unavailable = |why| Problem::from(ErrorCode::SnapshotUnavailable).retry_after(RETRY_SECONDS).because(why);
        let directory = self.directory.get().map_err(unavailable)?;
        let found = directory.projects().iter().find(|project| project.id == *id);
        found.cloned().ok_or_else(|| Problem::from(ErrorCode::NotFound))
    }

    async fn dead_events(&self) -> Result<u64, Problem> {
        let letters = self.queue.dead_letters(usize::MAX).await.map_err(queue_problem)?;
        Ok(letters.iter().map(|letter| u64::from(letter.events)).sum())
    }

    async fn send_again(
        &self,
        project: &Project,
        rows: &[QuarantineEntry],
        replayed: &mut Replayed,
    ) -> Result<(), Problem> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| Problem::from(ErrorCode::Internal).because(error))?;
        let kept: Vec<Kept<'_>> = rows.iter().map(kept).collect();
        let outcome = edge_collector::replay(&kept, project, crate::clock::now(), seed);
        let messages = outcome.envelopes.iter().map(outgoing).collect::<Result<Vec<_>, _>>()?;
        if !messages.is_empty() {
            self.queue.send(messages).await.map_err(queue_problem)?;
        }
        let not_replayable = rows.iter().filter(|row| !row.rejected.replayable).count() as u64;
        replayed.not_replayable += not_replayable;
        replayed.still_rejected += (outcome.refused.len() as u64).saturating_sub(not_replayable);
        replayed.accepted += outcome.envelopes.iter().map(|envelope| u64::from(envelope.event_count())).sum::<u64>();
        Ok(())
    }
}

fn kept(row: &QuarantineEntry) -> Kept<'_> {
    Kept {
        row_id: row.row_id,
        protocol: &row.protocol,
        write_key_id: &row.write_key_id,
        received_at: row.received_at,
        event_id: row.rejected.event_id,
        position: row.rejected.position,
        original: &row.rejected.original.0,
        replayable: row.rejected.replayable,
    }
}

fn is_chosen(selection: &Selection, row: EventId) -> bool {
    match selection {
        Selection::Rows(rows) => rows.contains(&row),
        Selection::Reason(_) | Selection::All => true,
    }
}

fn outgoing(envelope: &Envelope) -> Result<Outgoing, Problem> {
    let body = envelope.encode(Compression::None).map_err(|error| Problem::from(ErrorCode::Internal).because(error))?;
    Ok(Outgoing {
        message_id: envelope.message_id,
        project: envelope.project.clone(),
        events: envelope.event_count(),
        body: Bytes::from(body),
    })
}

fn queue_problem(error: QueueError) -> Problem {
    match error {
        QueueError::Full { retry_after } => {
            let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1);
            Problem::from(ErrorCode::QueueFull).retry_after(seconds)
        }
        other => Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(other),
    }
}

fn lake_problem(error: LakeError) -> Problem {
    match error {
        LakeError::Newer { .. } => Problem::new(ErrorCode::DataNewer, error.to_string()),
        other => Problem::from(ErrorCode::LakeUnavailable).retry_after(RETRY_SECONDS).because(other),
    }
}
