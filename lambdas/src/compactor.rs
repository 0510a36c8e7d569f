//! The function that stores events: called with messages by the queue, and with a job by a schedule.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use aws_lambda_events::sqs::SqsEvent;
use batch_compactor::{Compactor, CompactorSettings, DrainReport};
use event_queue::Queue;
use event_queue::sqs::{SqsQueue, SqsSettings};
use lake::maintenance::MaintenanceSettings;
use lake::{Lake, LakeSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::brought::BroughtQueue;
use crate::budget::TimeBudget;
use crate::environment::{self, FURTHER_RECEIVES, LAKE_URL, LOOK_BACK_DAYS, QUEUE_URL, TIME_LIMIT_SECONDS};

/// A job that a schedule asks for: `{"job": "drain"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Job {
    /// Store what waits in the queue.
    Drain,
    /// Keep the tables tidy.
    Maintain,
}

/// What the function keeps from call to call.
pub struct CompactorFunction {
    brought: Arc<BroughtQueue>,
    compactor: Compactor,
    lake: Arc<Lake>,
    fetches: bool,
}

impl CompactorFunction {
    /// As the environment says.
    ///
    /// # Errors
    /// A variable that is missing, a lake that cannot be opened.
    pub async fn start() -> anyhow::Result<Self> {
        let queue = SqsQueue::connect(SqsSettings::new(environment::required::<String>(QUEUE_URL)?)).await?;
        let settings =
            LakeSettings { look_back_days: environment::required(LOOK_BACK_DAYS)?, ..LakeSettings::default() };
        let lake = Lake::open_s3(environment::url(LAKE_URL)?, settings).await.context("the lake cannot be opened")?;
        let time_limit = Duration::from_secs(environment::required(TIME_LIMIT_SECONDS)?);
        let settings = settings_for(environment::memory_bytes()?, time_limit);
        Ok(Self::new(Arc::new(queue), Arc::new(lake), settings, environment::required(FURTHER_RECEIVES)?))
    }

    /// From a queue into a lake.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, lake: Arc<Lake>, settings: CompactorSettings, fetches: bool) -> Self {
        let brought = Arc::new(BroughtQueue::new(queue, fetches));
        let compactor = Compactor::new(Arc::clone(&brought) as Arc<dyn Queue>, Arc::clone(&lake), settings);
        Self { brought, compactor, lake, fetches }
    }

    /// One call.
    ///
    /// # Errors
    /// If the call is none of ours, or nothing could be done. All messages that it brought then come again.
    pub async fn call(&self, payload: Value, budget: TimeBudget) -> anyhow::Result<Value> {
        if payload.get("Records").is_some() {
            let event: SqsEvent = serde_json::from_value(payload).context("the records are not those of SQS")?;
            let messages = event.records.len();
            self.brought.bring(event)?;
            let drained = self.drain(budget).await;
            let failures = self.brought.failures();
            if let Err(error) = drained {
                tracing::error!(error = format!("{error:#}"), "the queue could not be drained");
            }
            let failed = failures.batch_item_failures.len();
            tracing::info!(messages, failed, "messages that were brought are done");
            return Ok(serde_json::to_value(failures)?);
        }
        let Some(job) = payload.get("job") else { bail!("the call names neither records of SQS nor a job") };
        match Job::deserialize(job).context("there is no such job")? {
            Job::Drain if !self.fetches => bail!("{FURTHER_RECEIVES} is false: nothing may be fetched"),
            Job::Drain => {
                let report = self.drain(budget).await?;
                Ok(json!({ "messages": report.messages, "stored": report.stored, "more": report.more }))
            }
            Job::Maintain => self.maintain(budget).await,
        }
    }

    /// Stores what was brought, and goes on with what waits for as long as the time allows.
    async fn drain(&self, budget: TimeBudget) -> anyhow::Result<DrainReport> {
        let mut total = DrainReport::default();
        loop {
            let started = Instant::now();
            let Ok(drained) = tokio::time::timeout_at(budget.end().into(), self.compactor.drain()).await else {
                tracing::warn!("the time is over in the middle of a drain; its messages come again");
                break;
            };
            let report = drained?;
            let nothing = report.messages == 0;
            total.merge(report);
            if nothing || !budget.allows(started.elapsed()) {
                break;
            }
        }
        tracing::info!(
            messages = total.messages,
            stored = total.stored,
            quarantined = total.quarantined,
            duplicates = total.duplicates,
            commits = total.commits,
            conflicts = total.conflicts,
            returned_messages = total.returned_messages,
            "drained"
        );
        Ok(total)
    }

    /// Goes round all projects once. What fails, or is left when the time is over, is tried again in the next round.
    async fn maintain(&self, budget: TimeBudget) -> anyhow::Result<Value> {
        let settings = MaintenanceSettings::default();
        let projects = self.lake.projects().await.context("the projects cannot be listed")?;
        let (mut done, mut failed, mut left) = (0, 0, 0);
        for id in projects {
            let round = async { self.lake.project(&id).await?.maintain(&settings).await };
            match tokio::time::timeout_at(budget.end().into(), round).await {
                Ok(Ok(_)) => done += 1,
                Ok(Err(error)) => {
                    failed += 1;
                    tracing::warn!(project = %id, %error, "maintenance failed");
                }
                Err(_) => left += 1,
            }
        }
        tracing::info!(done, failed, left, "maintained");
        Ok(json!({ "done": done, "failed": failed, "left": left }))
    }
}

/// How much one commit holds, and how long a message stays hidden.
fn settings_for(memory_bytes: u64, time_limit: Duration) -> CompactorSettings {
    CompactorSettings {
        // As text, as JSON, as rows and as Parquet: an eighth is taken several times over.
        max_json_bytes: memory_bytes / 8,
        max_bytes: memory_bytes / 16,
        parallel_projects: 2,
        // Until the call ends for certain: what was brought is deleted only then.
        visibility: time_limit + Duration::from_secs(30),
        ..CompactorSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use event_queue::memory::MemoryQueue;

    use super::*;

    /// An envelope of version 1 whose JSON breaks off.
    const DAMAGED: &str = "EHs=";

    fn a_minute() -> TimeBudget {
        TimeBudget::lasting(Duration::from_secs(60))
    }

    async fn function(folder: &std::path::Path, fetches: bool) -> CompactorFunction {
        let lake = Arc::new(Lake::open_local(folder, LakeSettings::default()).await.unwrap());
        let settings = settings_for(1 << 30, Duration::from_secs(120));
        CompactorFunction::new(Arc::new(MemoryQueue::default()), lake, settings, fetches)
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_stored_now_is_the_only_one_that_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let function = function(folder.path(), true).await;
        let record = |number: u32, receives: &str, body: &str| {
            json!({
                "messageId": format!("00000000-0000-4000-8000-{number:012}"), "receiptHandle": format!("receipt-{number}"),
                "body": body, "attributes": { "ApproximateReceiveCount": receives },
                "messageAttributes": {
                    "project": { "stringValue": "shop", "dataType": "String" },
                    "message_id": { "stringValue": format!("10000000-0000-4000-8000-{number:012}"), "dataType": "String" },
                },
            })
        };
        let event = json!({ "Records": [record(1, "1", DAMAGED), record(2, "3", DAMAGED)] });
        let answer = function.call(event, a_minute()).await.unwrap();
        // The first is tried again; the other was tried often enough and is in quarantine.
        assert_eq!(answer["batchItemFailures"], json!([{ "itemIdentifier": "00000000-0000-4000-8000-000000000001" }]));
        let shop = event_model::ProjectId::parse("shop").unwrap();
        let ledger = function.lake.project(&shop).await.unwrap().ledger().await.unwrap();
        assert_eq!((ledger.quarantined, ledger.stored), (1, 0));
        assert_eq!(function.call(json!({ "job": "maintain" }), a_minute()).await.unwrap()["done"], 1);
    }

    #[tokio::test]
    async fn what_is_no_call_of_ours_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let function = function(folder.path(), false).await;
        for payload in [json!({}), json!({ "job": "sing" }), json!({ "Records": 1 }), json!({ "job": "drain" })] {
            assert!(function.call(payload.clone(), a_minute()).await.is_err(), "{payload}");
        }
    }

    #[tokio::test]
    async fn messages_that_no_time_is_left_for_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let function = function(folder.path(), true).await;
        let event = json!({ "Records": [{ "messageId": "a", "receiptHandle": "b", "body": "c" }] });
        let answer = function.call(event, TimeBudget::lasting(Duration::ZERO)).await.unwrap();
        assert_eq!(answer["batchItemFailures"], json!([{ "itemIdentifier": "a" }]));
    }
}
