//! What the query side may ask of the writing side in the cloud: how much the queue holds, and to take events of
//! quarantine once more. Events are stored by another function, which is called within seconds of their arrival and
//! cannot be told to hurry.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use event_model::project::SharedDirectory;
use event_model::{ErrorCode, Problem, ProjectId, Timestamp};
use event_queue::{Compression, Queue};
use lake::{Lake, LakeError, PersonIds};
use query_lambda::{Control, Erased, QueueSide, QueueStatus, Redriven, Replay, Replayed, Selection, queue_problem};

/// What the function that answers may use of the writing side.
pub(crate) struct CloudControl {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) lake: Arc<Lake>,
    pub(crate) directory: SharedDirectory,
    /// How long a call may take.
    pub(crate) time_limit: Duration,
}

#[async_trait]
impl Control for CloudControl {
    /// SQS cannot prove that it holds nothing: its figures are a minute old, and what another function has received is
    /// seen by nobody. A flush that returned all the same would promise what it does not know.
    async fn flush(&self, _: &ProjectId) -> Result<(), Problem> {
        Err(not_here("events are stored some seconds after they arrive, and cannot be flushed"))
    }

    async fn replay(&self, project: &ProjectId, selection: Selection) -> Result<Replayed, Problem> {
        let replay = Replay {
            lake: &self.lake,
            queue: self.queue.as_ref(),
            directory: &self.directory,
            compression: Compression::Deflate,
        };
        let late = |_| {
            let detail = "A part of the rows was sent again. Ask once more: none lands twice.";
            Problem::new(ErrorCode::QuestionTimeout, detail)
        };
        let rows = replay.rows(project, &selection, now());
        tokio::time::timeout(self.time_limit, rows).await.map_err(late)?
    }

    /// SQS does not count events, and does not tell projects apart: that a message carries at least one event is all
    /// that is known.
    async fn queue(&self, _: &ProjectId) -> Result<QueueSide, Problem> {
        let stats = self.queue.stats().await.map_err(queue_problem)?;
        Ok(QueueSide { sent: None, in_flight: stats.visible + stats.in_flight, dead: stats.dead })
    }

    async fn queue_status(&self) -> Result<QueueStatus, Problem> {
        self.queue.stats().await.map(QueueStatus::from).map_err(queue_problem)
    }

    /// The function that answers may only record it: the one that stores events does it with its next maintenance. What
    /// waits in SQS is kept out when it is drained.
    async fn erase(&self, project: &ProjectId, ids: PersonIds, forbid: bool) -> Result<Erased, Problem> {
        let failed = |error: LakeError| Problem::from(ErrorCode::LakeUnavailable).because(error);
        let lake = self.lake.project(project).await.map_err(failed)?;
        let erasure = lake.record_erasure(ids, forbid).await.map_err(failed)?;
        Ok(Erased::recorded(erasure.name()))
    }

    async fn redrive(&self) -> Result<Redriven, Problem> {
        Err(not_here("dead letters are put back with `aws sqs start-message-move-task`"))
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn not_here(why: &str) -> Problem {
    Problem::new(ErrorCode::NotSupported, format!("In this deployment {why}."))
}

#[cfg(test)]
mod tests {
    use batch_compactor::{Compactor, CompactorSettings};
    use event_model::project::Directory;
    use event_model::{EventId, Reason, Rejected};
    use event_queue::memory::MemoryQueue;
    use event_queue::{Envelope, Geo, Outgoing};
    use lake::LakeSettings;

    use super::*;

    /// One event in quarantine that is fine by today's rules, and one that never will be.
    async fn quarantine(queue: &MemoryQueue, project: &ProjectId) {
        let rejected = |position: u32, original: &str| {
            let id = EventId([u8::try_from(position).unwrap() + 1; 16]);
            Rejected::new(position, id, Reason::EventNameMissing, String::new(), original.as_bytes())
        };
        let envelope = Envelope {
            message_id: EventId([9; 16]),
            project: project.clone(),
            write_key_id: "web".to_owned(),
            protocol: "native".to_owned(),
            received_at: now(),
            user_agent: None,
            geo: Geo::default(),
            events: Vec::new(),
            rejected: vec![rejected(0, r#"{"event": "Paid", "user_id": "u"}"#), rejected(1, r#"{"user_id": "u"}"#)],
            replays: Vec::new(),
        };
        let body = envelope.encode(Compression::None).unwrap().into();
        let (message_id, project) = (envelope.message_id, project.clone());
        queue.send(vec![Outgoing { message_id, project, events: 2, body }]).await.unwrap();
    }

    async fn control(folder: &std::path::Path, time_limit: Duration) -> (CloudControl, Compactor, ProjectId) {
        let queue = Arc::new(MemoryQueue::default());
        let lake = Arc::new(Lake::open_local(folder, LakeSettings::default()).await.unwrap());
        let compactor = Compactor::new(queue.clone(), lake.clone(), CompactorSettings::default());
        let shop = ProjectId::parse("shop").unwrap();
        quarantine(&queue, &shop).await;
        compactor.drain_until_empty().await.unwrap();
        let directory = Directory::parse(r#"{"version": 1, "projects": [{"id": "shop"}]}"#).unwrap();
        let directory = SharedDirectory::new(directory);
        (CloudControl { queue, lake, directory, time_limit }, compactor, shop)
    }

    #[tokio::test]
    async fn what_is_usable_now_is_sent_again_and_lands_once_however_often_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (control, compactor, shop) = control(folder.path(), Duration::from_secs(60)).await;
        for _ in 0..2 {
            let replayed = control.replay(&shop, Selection::All).await.unwrap();
            assert_eq!(replayed, Replayed { accepted: 1, still_rejected: 1, not_replayable: 0 });
        }
        compactor.drain_until_empty().await.unwrap();
        let lake = control.lake.project(&shop).await.unwrap();
        assert_eq!(lake.ledger().await.unwrap().stored, 1);
        // The lake knows by now that it was.
        let replayed = control.replay(&shop, Selection::All).await.unwrap();
        assert_eq!(replayed, Replayed { accepted: 0, still_rejected: 1, not_replayable: 0 });
        let nobody = ProjectId::parse("nobody").unwrap();
        assert_eq!(control.replay(&nobody, Selection::All).await.unwrap_err().code, ErrorCode::NotFound);
    }

    #[tokio::test]
    async fn an_erase_is_recorded_here_and_done_by_the_next_maintenance() {
        let folder = tempfile::tempdir().unwrap();
        let (control, _, shop) = control(folder.path(), Duration::from_secs(60)).await;
        let ids = [event_model::PersonId::User("u".to_owned())].into_iter().collect();
        let recorded = control.erase(&shop, ids, false).await.unwrap();
        assert_eq!((recorded.state, recorded.tables), (query_lambda::ErasureState::Recorded, Vec::new()));
        let lake = control.lake.project(&shop).await.unwrap();
        lake.maintain(&lake::MaintenanceSettings::default()).await.unwrap();
        let finished = lake.erasure(&recorded.erasure).await.unwrap();
        assert!(matches!(finished, Some(lake::ErasureState::Finished(_))), "{finished:?}");
    }

    #[tokio::test]
    async fn a_replay_ends_before_the_function_does_and_says_that_it_may_be_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let (control, _, shop) = control(folder.path(), Duration::ZERO).await;
        let problem = control.replay(&shop, Selection::All).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::QuestionTimeout);
        assert!(problem.detail.contains("Ask once more"), "{}", problem.detail);
    }
}
