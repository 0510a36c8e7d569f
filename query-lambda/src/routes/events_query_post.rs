//! `POST /api/v1/events/query`: the events themselves, newest first, page by page.

use std::sync::Arc;

use analytics::EventsQuery;
use axum::extract::State;
use axum::response::Response;
use event_model::Problem;
use query_model::answer::EventsAnswer;
use query_model::{EventsQuestion, ProjectSettings};

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
    let question = EventsQuestion::parse(&body.0).inspect_err(|problem| service.metrics.refused(problem))?;
    if let Some(named) = &question.project {
        require_project(&project, named.as_str())?;
    }
    let answer = run(&service, &project, "events", |asking| answer(asking, question)).await?;
    Ok(json_text(answer))
}

async fn answer(asking: Asking, question: EventsQuestion) -> Result<String, Problem> {
    let settings = ProjectSettings::from(asking.project.as_ref());
    let query = EventsQuery::new(question, &settings, now())?;
    let question = query.question();
    let view = asking.view(at(question.table_version, question.as_of, &query.calendar().timezone)?).await?;
    let _place = asking.enter().await?;
    let source = asking.source(&view, query.needs_traits()).await?;
    let (batches, scanned) = collect(&asking.service.engine.session(), &query.plan(&source)?).await?;
    let (events, next_cursor) = query.rows(&batches)?;
    let timezone = question.timezone.clone().unwrap_or(settings.timezone);
    text(&EventsAnswer { events, next_cursor, meta: asking.meta(&view, Some(scanned), timezone) })
}
