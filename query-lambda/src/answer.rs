//! What all questions have in common: they read one view of one project, on the engine, within the time limit, and
//! say how their answer was made.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use analytics::Source;
use event_model::{ErrorCode, Problem, Project, Timestamp};
use jiff::tz::TimeZone;
use lake::ProjectLake;
use lake::provider::ScanMetrics;
use lake::read::{At, ReadView};
use query_model::{Bound, Meta, Versions};
use serde::Serialize;
use tokio::time::Instant;

use crate::engine::problem;
use crate::gate::Place;
use crate::lake_problem::lake_problem;
use crate::metrics::Running;
use crate::service::QueryService;

/// One question on its way to an answer.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) service: Arc<QueryService>,
    pub(crate) project: Arc<Project>,
    start: Instant,
}

/// Runs a question on the engine, within the time limit, and counts how it ended.
///
/// # Errors
/// The question's own problem, or `question_timeout`.
pub(crate) async fn run<T, F>(
    service: &Arc<QueryService>,
    project: &Arc<Project>,
    kind: &'static str,
    question: impl FnOnce(Asking) -> F + Send,
) -> Result<T, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Problem>> + Send + 'static,
{
    let asking = Asking { service: Arc::clone(service), project: Arc::clone(project), start: Instant::now() };
    let start = asking.start;
    let answer = service.engine.run(start + service.settings.time_limit, question(asking)).await;
    let status = answer.as_ref().map_or_else(|problem| problem.code.status(), |_| 200);
    service.metrics.answered(kind, status, start.elapsed());
    answer
}

impl Asking {
    /// The project's tables at a version or moment.
    pub(crate) async fn view(&self, at: At) -> Result<ReadView, Problem> {
        self.lake().await?.read(at).await.map_err(lake_problem)
    }

    /// The project's tables; made on first use.
    pub(crate) async fn lake(&self) -> Result<Arc<ProjectLake>, Problem> {
        self.service.lake.project(&self.project.id).await.map_err(lake_problem)
    }

    /// What a plan may read: the view's events, who is who, and the persons' traits where they are needed.
    pub(crate) async fn source(&self, view: &ReadView, with_traits: bool) -> Result<Source, Problem> {
        let traits = if with_traits { Some(view.traits().await.map_err(lake_problem)?) } else { None };
        let keys = view.keys().await.map_err(lake_problem)?;
        Ok(Source { events: view.events().map_err(problem)?, keys, traits })
    }

    /// Waits for a place among the running questions, at most half of the time limit, so that a question that gets
    /// one has time to run.
    pub(crate) async fn enter(&self) -> Result<(Place, Running), Problem> {
        let place = self.service.gate.enter(self.start + self.service.settings.time_limit / 2).await?;
        Ok((place, self.service.metrics.running()))
    }

    /// How the answer was made. Also counts what was scanned.
    pub(crate) fn meta(&self, view: &ReadView, scanned: Option<ScanMetrics>, timezone: String) -> Meta {
        let read = scanned.unwrap_or_default();
        self.service.metrics.scanned(read.rows, read.bytes);
        Meta {
            versions: versions(view),
            newest_event: view.newest_event.map(|newest| newest.to_string()),
            rows_scanned: read.rows,
            bytes_scanned: read.bytes,
            elapsed_ms: millis(self.start.elapsed()),
            cached: scanned.is_none(),
            timezone,
        }
    }
}

/// Which state of the tables a question names.
pub(crate) fn at(version: Option<u64>, as_of: Option<Bound>, timezone: &TimeZone) -> Result<At, Problem> {
    match (version, as_of) {
        (Some(version), _) => Ok(At::Version(version)),
        (None, None) => Ok(At::Latest),
        // A date means all that was received on that day, as in a period.
        (None, Some(bound)) => match bound.end(timezone) {
            Some(end) => Ok(At::AsOf(Timestamp(end - 1))),
            None => Err(Problem::new(ErrorCode::InvalidQuestion, "as_of: lies beyond the calendar.")),
        },
    }
}

pub(crate) fn versions(view: &ReadView) -> Versions {
    let lake::read::Versions { events, identities, persons } = view.versions;
    Versions { events, identities, persons }
}

/// Whole milliseconds.
pub(crate) fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// The JSON text of an answer, made on the engine's threads since it may be long.
pub(crate) fn text<T: Serialize>(answer: &T) -> Result<String, Problem> {
    serde_json::to_string(answer).map_err(|cause| Problem::from(ErrorCode::Internal).because(cause))
}
