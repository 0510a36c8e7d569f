//! `POST /api/v1/queue/redrive`: tries again what was given up on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::json;
use crate::auth::Admin;
use crate::problem::Failure;
use crate::service::QueryService;

/// Answers once all dead letters are durable in the queue again, with no deliveries counted. They are of any project:
/// what made one dead was no project's doing, and trying it again can lose or double nothing.
pub(crate) async fn handle(State(service): State<Arc<QueryService>>, _: Admin) -> Result<Response, Failure> {
    Ok(json(&service.control.redrive().await?)?)
}
