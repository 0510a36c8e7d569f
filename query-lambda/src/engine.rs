//! Runs plans: on threads of its own, in a session of the project's own, within bounds of memory and time.

use std::future::Future;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use event_model::{ErrorCode, Problem};
use futures::TryStreamExt as _;
use lake::provider::{ScanMetrics, scan_metrics};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::service::StartError;
use crate::settings::QuerySettings;

/// Where questions run.
///
/// Questions are CPU work of seconds. In the local binary they would starve the collector, which answers within a
/// millisecond, if they shared its threads: so they have a runtime of their own, and the operating system divides
/// the cores between the two. Being asynchronous all through, a question that is dropped stops at its next batch.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Always there, until the engine is dropped.
    runtime: Option<Runtime>,
    /// Shared by all sessions: the bound of memory. It knows no object store; those travel inside the plans.
    environment: Arc<RuntimeEnv>,
    partitions: usize,
}

impl Engine {
    /// Starts the threads.
    pub(crate) fn start(settings: &QuerySettings) -> Result<Self, StartError> {
        let threads = settings.threads.max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("question")
            .enable_all()
            .build()?;
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(settings.memory_bytes)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()?;
        Ok(Self { runtime: Some(runtime), environment, partitions: threads })
    }

    /// Runs a question on the engine's threads until `deadline`. When the caller goes away, it stops.
    ///
    /// # Errors
    /// The question's own problem, `question_timeout`, or `internal` if it panicked.
    pub(crate) async fn run<T, F>(&self, deadline: Instant, question: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().ok_or(Problem::from(ErrorCode::Internal))?;
        let mut task = StopOnDrop(runtime.spawn(question.in_current_span()));
        match timeout_at(deadline, &mut task.0).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(cause)) => Err(Problem::from(ErrorCode::Internal).because(cause)),
            Err(_) => Err(ErrorCode::QuestionTimeout.into()),
        }
    }

    /// A fresh session: no table is registered in it, plans carry the providers they were given.
    pub(crate) fn session(&self) -> SessionContext {
        let config = SessionConfig::new().with_target_partitions(self.partitions);
        SessionContext::new_with_config_rt(config, Arc::clone(&self.environment))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Waiting for the threads here would block an asynchronous caller, which tokio forbids.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct StopOnDrop<T>(JoinHandle<T>);

impl<T> Drop for StopOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A plan that runs.
pub(crate) struct Running {
    plan: Arc<dyn ExecutionPlan>,
    batches: SendableRecordBatchStream,
}

impl Running {
    /// Starts a plan.
    ///
    /// # Errors
    /// `question_memory`, `lake_unavailable` or `internal`, as the two below.
    pub(crate) async fn start(session: &SessionContext, plan: &LogicalPlan) -> Result<Self, Problem> {
        let plan = session.state().create_physical_plan(plan).await.map_err(problem)?;
        let batches = execute_stream(Arc::clone(&plan), session.task_ctx()).map_err(problem)?;
        Ok(Self { plan, batches })
    }

    /// The next rows; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, Problem> {
        self.batches.try_next().await.map_err(problem)
    }

    /// What it has read so far.
    pub(crate) fn scanned(&self) -> ScanMetrics {
        scan_metrics(self.plan.as_ref())
    }
}

/// Runs one plan to its end.
///
/// # Errors
/// `question_memory`, `lake_unavailable` or `internal`.
pub(crate) async fn collect(
    session: &SessionContext,
    plan: &LogicalPlan,
) -> Result<(Vec<RecordBatch>, ScanMetrics), Problem> {
    let mut running = Running::start(session, plan).await?;
    let mut batches = Vec::new();
    while let Some(batch) = running.next().await? {
        batches.push(batch);
    }
    Ok((batches, running.scanned()))
}

/// What an error of DataFusion means to the caller.
#[allow(clippy::needless_pass_by_value, reason = "it is an argument of map_err")]
pub(crate) fn problem(error: DataFusionError) -> Problem {
    let code = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => ErrorCode::QuestionMemory,
        DataFusionError::ObjectStore(_) | DataFusionError::ParquetError(_) | DataFusionError::IoError(_) => {
            ErrorCode::LakeUnavailable
        }
        _ => ErrorCode::Internal,
    };
    Problem::from(code).because(cause(&error))
}

/// What the log may know. Errors of computing and casting quote the value that they fail on, which may be a
/// property's, so only their kind is told.
fn cause(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::ArrowError(_, _) => "arrow error".to_owned(),
        DataFusionError::Execution(_) => "execution error".to_owned(),
        _ => error.strip_backtrace(),
    }
}
