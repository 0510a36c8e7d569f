//! `POST /api/v1/flush`: returns once all that was accepted before it is in the lake.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use lake::read::At;
use query_model::Versions;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::answer::{Asking, millis, run, versions};
use crate::auth::Admin;
use crate::problem::Failure;
use crate::service::QueryService;

/// What a flush did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Flushed {
    /// Versions of the tables that hold all that was accepted before the request.
    versions: Versions,
    /// How long it took, in milliseconds.
    elapsed_ms: u64,
}

pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Admin(project): Admin,
) -> Result<Response, Failure> {
    let start = Instant::now();
    // Not on the engine and not within the time limit of questions: a long queue takes as long as it takes, and what
    // is drained stays drained if the caller goes away.
    service.control.flush(&project.id).await?;
    let view = run(&service, &project, "flush", async |asking: Asking| asking.view(At::Latest).await).await?;
    Ok(json(&Flushed { versions: versions(&view), elapsed_ms: millis(start.elapsed()) })?)
}
