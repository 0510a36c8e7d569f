//! Storing one project's batch: again while storage fails and patience lasts, and apart from everything else.

use std::future::Future;
use std::time::{Duration, Instant};

use lake::IngestReport;
use tokio::task::JoinSet;
use tracing::warn;

use crate::compactor::Compactor;
use crate::decode::ProjectBatch;
use crate::error::IngestFailure;
use crate::report::millis;

/// What storing one project's batch came to.
pub(crate) struct Attempt {
    pub(crate) batch: ProjectBatch,
    pub(crate) result: Result<IngestReport, IngestFailure>,
    pub(crate) elapsed: Duration,
}

impl Compactor {
    /// Stores a batch, trying again while storage fails and patience lasts. A project that was in trouble already
    /// gets one try a drain, so that others do not wait for it.
    pub(crate) async fn attempt(&self, batch: ProjectBatch, streak: u32) -> Attempt {
        let started = Instant::now();
        let mut tries = 0;
        loop {
            let tried = Instant::now();
            let (destination, project, rows) = (self.destination.clone(), batch.project.clone(), batch.batch.clone());
            let result = apart(async move { destination.ingest(&project, rows).await }).await;
            let result = match result {
                Some(result) => result.map_err(IngestFailure::from),
                None => Err(IngestFailure::Batch("storing it panicked".to_owned())),
            };
            tries += 1;
            let wait = self.backoff(tries);
            let patient = streak == 0 && started.elapsed() + wait < self.settings.storage_patience;
            match result {
                Err(IngestFailure::Storage(error)) if patient => {
                    warn!(project = %batch.project, %error, wait_ms = millis(wait), "storage failed; trying again");
                    tokio::time::sleep(wait).await;
                }
                result => return Attempt { batch, result, elapsed: tried.elapsed() },
            }
        }
    }

    /// The wait after the `count`-th failure in a row: doubling, half of it by chance so that compactors that failed
    /// together do not return together.
    pub(crate) fn backoff(&self, count: u32) -> Duration {
        let full = self.settings.first_backoff.saturating_mul(1 << count.saturating_sub(1).min(20));
        full.min(self.settings.visibility).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Runs a future as a task of its own, which a panic ends alone and which ends with its caller; `None`: it panicked.
async fn apart<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(future);
    tasks.join_next().await?.ok()
}
