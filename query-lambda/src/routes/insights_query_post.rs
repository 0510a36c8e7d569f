//! `POST /api/v1/insights/query`: a question in, its numbers and how they were made out.

use std::sync::Arc;

use analytics::{Insight, Step};
use axum::extract::State;
use axum::response::Response;
use event_model::{ErrorCode, Problem, Timestamp};
use lake::provider::ScanMetrics;
use lake::read::{ReadView, Versions};
use query_model::{Answer, Bound, Calendar, Common, Kind, Period, ProjectSettings, Question};
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
    let ends_now = matches!(question.common.period, Period::Last { .. });
    let now = now();
    let insight = Insight::new(question, &settings, now)?;
    let question = insight.question().clone();
    let calendar = settings.calendar(question.common.timezone.as_deref(), question.common.week_start)?;
    let view = asking.view(at(question.common.table_version, question.common.as_of, &calendar.timezone)?).await?;

    let asked = match settled_end(&question, &calendar, view.newest_event).filter(|_| ends_now) {
        Some(end) => ending_at(&question, end),
        None => question.clone(),
    };
    let key = cache_key(&asking, &asked, &calendar, now, view.versions)?;
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

/// A period that ends now would never be asked for twice. As long as no event lies in the running interval's rest, its
/// end changes nothing but the clock: then the start of that interval stands for it. `None` where the result depends
/// on the moment itself: an event is newer than it, or an earlier period is cut as far into its interval.
fn settled_end(question: &Question, calendar: &Calendar, newest: Option<Timestamp>) -> Option<Timestamp> {
    let Common { period: Period::Between { to: Bound::Instant(to), .. }, interval: Some(interval), .. } =
        question.common
    else {
        return None;
    };
    if question.common.compare.is_some() || question.common.as_of.is_some() {
        return None;
    }
    // The newest event is known to the millisecond.
    let now = to.as_microsecond();
    if newest.is_some_and(|newest| newest.0.saturating_add(1_000) > now) {
        return None;
    }
    calendar.floor(now, interval).map(Timestamp)
}

fn ending_at(question: &Question, end: Timestamp) -> Question {
    let mut question = question.clone();
    if let (Period::Between { to, .. }, Ok(end)) =
        (&mut question.common.period, jiff::Timestamp::from_microsecond(end.0))
    {
        *to = Bound::Instant(end);
    }
    question
}

/// Everything that the result depends on: the project, the question with its period in absolute terms and the
/// project's settings written out, and the versions of all tables read; for kinds that ask which intervals have begun,
/// also the running one. `None` where that is beyond the calendar.
fn cache_key(
    asking: &Asking,
    question: &Question,
    calendar: &Calendar,
    now: Timestamp,
    versions: Versions,
) -> Result<Option<String>, Problem> {
    let running = match question.kind() {
        Kind::Trend | Kind::Funnel | Kind::Stickiness | Kind::Paths => String::new(),
        Kind::Retention | Kind::Lifecycle => match calendar.floor(now.0, question.common.interval()) {
            Some(start) => start.to_string(),
            None => return Ok(None),
        },
    };
    let Versions { events, identities, persons } = versions;
    let asked = Question { common: Common { refresh: false, ..question.common.clone() }, ..question.clone() };
    let question = text(&asked)?;
    Ok(Some(format!("{} {events} {identities} {persons} {running} {question}", asking.project.id)))
}

fn internal(cause: impl std::fmt::Display) -> Problem {
    Problem::from(ErrorCode::Internal).because(cause)
}
