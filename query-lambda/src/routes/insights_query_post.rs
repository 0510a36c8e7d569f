//! `POST /api/v1/insights/query`: a question in, its numbers and how they were made out.

use std::sync::Arc;

use analytics::{Insight, Step};
use axum::extract::State;
use axum::response::Response;
use event_model::{ErrorCode, Problem};
use lake::provider::ScanMetrics;
use lake::read::{ReadView, Versions};
use query_model::{Answer, Common, Kind, ProjectSettings, Question};
use serde_json::value::RawValue;

use super::json_text;
use crate::answer::{Asking, at, run, text};
use crate::auth::{Reader, now, require_project};
use crate::body::Body;
use crate::engine::collect;
use crate::problem::Failure;
use crate::service::QueryService;

pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Reader(project): Reader,
    body: Body,
) -> Result<Response, Failure> {
    let question = Question::parse(&body.0).inspect_err(|problem| service.metrics.refused(problem))?;
    if let Some(named) = &question.common.project {
        require_project(&project, named.as_str())?;
    }
    let kind = question.kind().as_str();
    let answer = run(&service, &project, kind, |asking| answer(asking, question)).await?;
    Ok(json_text(answer))
}

async fn answer(asking: Asking, question: Question) -> Result<String, Problem> {
    let settings = ProjectSettings::from(asking.project.as_ref());
    let insight = Insight::new(question, &settings, now())?;
    let question = insight.question().clone();
    let calendar = settings.calendar(question.common.timezone.as_deref(), question.common.week_start)?;
    let view = asking.view(at(question.common.table_version, question.common.as_of, &calendar.timezone)?).await?;

    let key = cache_key(&asking, &question, view.versions)?;
    let wanted = key.as_deref().filter(|_| !question.common.refresh);
    let (result, scanned) = match wanted.and_then(|key| asking.service.look_up(key)) {
        Some(result) => (RawValue::from_string(result.as_ref().to_owned()).map_err(internal)?, None),
        None => {
            let (result, scanned) = compute(&asking, insight, &view).await?;
            if let Some(key) = &key {
                asking.service.cache.put(key, result.get().into());
            }
            (result, Some(scanned))
        }
    };
    let timezone = question.common.timezone.clone().unwrap_or(settings.timezone);
    text(&Answer { kind: question.kind(), meta: asking.meta(&view, scanned, timezone), question, result })
}

/// Plans and runs until the insight has what it needs.
async fn compute(
    asking: &Asking,
    mut insight: Insight,
    view: &ReadView,
) -> Result<(Box<RawValue>, ScanMetrics), Problem> {
    let _place = asking.enter().await?;
    let source = asking.source(view, insight.needs_traits()).await?;
    let session = asking.service.engine.session();
    let mut scanned = ScanMetrics::default();
    let mut batches = None;
    loop {
        let plan = match insight.next(&source, batches)? {
            Step::Done(result) => return Ok((result, scanned)),
            Step::Run(plan) => plan,
        };
        let (collected, read) = collect(&session, &plan).await?;
        scanned.rows += read.rows;
        scanned.bytes += read.bytes;
        batches = Some(collected);
    }
}

/// Everything that the result depends on: the project, the question with its period in absolute terms and the
/// project's settings written out, and the versions of all tables read. `None` for kinds whose answer also depends on
/// the time of asking.
fn cache_key(asking: &Asking, question: &Question, versions: Versions) -> Result<Option<String>, Problem> {
    if question.kind() != Kind::Trend {
        return Ok(None);
    }
    let Versions { events, identities, persons } = versions;
    let asked = Question { common: Common { refresh: false, ..question.common.clone() }, ..question.clone() };
    let question = text(&asked)?;
    Ok(Some(format!("{} {events} {identities} {persons} {question}", asking.project.id)))
}

fn internal(cause: impl std::fmt::Display) -> Problem {
    Problem::from(ErrorCode::Internal).because(cause)
}
