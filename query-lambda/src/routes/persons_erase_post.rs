//! `POST /api/v1/persons/erase`: removes a person, for good.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use event_model::{ErrorCode, Problem};
use http::StatusCode;

use super::json;
use crate::answer::{Asking, run};
use crate::auth::Admin;
use crate::body::Body;
use crate::control::ErasureState;
use crate::lake_problem::lake_problem;
use crate::person::PersonRequest;
use crate::problem::Failure;
use crate::service::QueryService;

/// Answers when nothing of the person is left, or, where another part of the deployment does it, 202 when it is recorded.
/// Whoever goes away before does not stop it.
pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Admin(project): Admin,
    body: Body,
) -> Result<Response, Failure> {
    let request = body.parse::<PersonRequest>()?;
    let (id, is_exact) = (request.id()?, request.is_exact());
    let ids = run(&service, &project, "erase", async move |asking: Asking| {
        asking.lake().await?.ids_of(&id, is_exact).await.map_err(lake_problem)
    });
    let ids = ids.await?;
    let control = Arc::clone(&service.control);
    let work = tokio::spawn(async move { control.erase(&project.id, ids, request.forbids()).await });
    let erased = work.await.map_err(|cause| Problem::from(ErrorCode::Internal).because(cause))??;
    let mut answer = json(&erased)?;
    if erased.state == ErasureState::Recorded {
        *answer.status_mut() = StatusCode::ACCEPTED;
    }
    Ok(answer)
}
