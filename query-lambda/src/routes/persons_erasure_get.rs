//! `GET /api/v1/persons/erasures/{erasure}`: how far an erase has come, and its receipt.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use event_model::{ErrorCode, Problem};

use super::json;
use crate::answer::{Asking, run};
use crate::auth::Admin;
use crate::control::Erased;
use crate::lake_problem::lake_problem;
use crate::problem::Failure;
use crate::service::QueryService;

pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Admin(project): Admin,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let erased = run(&service, &project, "erasure", async move |asking: Asking| {
        let state = asking.lake().await?.erasure(&name).await.map_err(lake_problem)?;
        match state {
            Some(lake::ErasureState::Recorded) => Ok(Erased::recorded(&name)),
            Some(lake::ErasureState::Finished(receipt)) => Ok(receipt.into()),
            None => Err(Problem::new(ErrorCode::NotFound, "No erase of this project has this name.")),
        }
    });
    Ok(json(&erased.await?)?)
}
