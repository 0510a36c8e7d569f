//! Sends rows of quarantine through the collector's stages again, and what is usable now into the queue.
//!
//! The same wherever the queue is: a row keeps the event id that it was given when it came, so it lands once, however
//! often it is replayed, and a replay that is broken off may be asked for again.

use std::sync::Arc;

use edge_collector::{Kept, pack};
use event_model::project::SharedDirectory;
use event_model::{ErrorCode, EventId, Problem, Project, ProjectId, Timestamp};
use event_queue::{Compression, Queue, QueueError};
use lake::{Lake, QuarantineEntry, QuarantineFilter};

use crate::control::{Replayed, Selection};
use crate::lake_problem::lake_problem;

/// Rows that are read and sent at a time.
const PAGE: usize = 500;
/// Seconds after which trying again makes sense.
const RETRY_SECONDS: u32 = 5;

/// Where rows come from and go to.
pub struct Replay<'a> {
    /// Has the quarantine.
    pub lake: &'a Lake,
    /// Takes what is usable now.
    pub queue: &'a dyn Queue,
    /// Has the rules by which events are judged today.
    pub directory: &'a SharedDirectory,
    /// How messages are packed.
    pub compression: Compression,
}

impl Replay<'_> {
    /// Replays the selected rows of a project. They are durable in the queue when it returns.
    ///
    /// # Errors
    /// `not_found` for a project that is not there any more, and what lake and queue say. Rows before the error were
    /// sent.
    pub async fn rows(&self, project: &ProjectId, selection: &Selection, now: Timestamp) -> Result<Replayed, Problem> {
        let project = self.rules_of(project)?;
        let lake = self.lake.project(&project.id).await.map_err(lake_problem)?;
        let mut replayed = Replayed::default();
        let mut filter = QuarantineFilter { limit: PAGE, ..QuarantineFilter::default() };
        match selection {
            Selection::Reason(reason) => filter.reason = Some(reason.as_str().to_owned()),
            // A row that is named is sent again even if it was before: it lands once.
            Selection::Rows(_) => filter.include_replayed = true,
            Selection::All => {}
        }
        loop {
            let page = lake.quarantine(filter.clone()).await.map_err(lake_problem)?;
            let chosen: Vec<QuarantineEntry> =
                page.entries.into_iter().filter(|entry| is_chosen(selection, entry.row_id)).collect();
            self.send_again(&project, &chosen, now, &mut replayed).await?;
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => return Ok(replayed),
            }
        }
    }

    fn rules_of(&self, id: &ProjectId) -> Result<Arc<Project>, Problem> {
        let unavailable = |why| Problem::from(ErrorCode::SnapshotUnavailable).retry_after(RETRY_SECONDS).because(why);
        let directory = self.directory.get().map_err(unavailable)?;
        let found = directory.projects().iter().find(|project| project.id == *id);
        found.cloned().ok_or_else(|| Problem::from(ErrorCode::NotFound))
    }

    async fn send_again(
        &self,
        project: &Project,
        rows: &[QuarantineEntry],
        now: Timestamp,
        replayed: &mut Replayed,
    ) -> Result<(), Problem> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| Problem::from(ErrorCode::Internal).because(error))?;
        let kept: Vec<Kept<'_>> = rows.iter().map(kept).collect();
        let outcome = edge_collector::replay(&kept, project, now, seed);
        let messages = pack(&outcome.envelopes, self.compression)?;
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

/// What an error of the queue means to the caller.
#[allow(clippy::needless_pass_by_value, reason = "it is an argument of map_err")]
#[must_use]
pub fn queue_problem(error: QueueError) -> Problem {
    match error {
        QueueError::Full { retry_after } => {
            let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1);
            Problem::from(ErrorCode::QueueFull).retry_after(seconds)
        }
        other => Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(other),
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
