//! `GET /api/v1/queue`: what waits on its way into the lake, and what was given up on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::json;
use crate::auth::Admin;
use crate::problem::Failure;
use crate::service::QueryService;

/// The queue is one for all projects: its figures say nothing about any of them.
pub(crate) async fn handle(State(service): State<Arc<QueryService>>, _: Admin) -> Result<Response, Failure> {
    Ok(json(&service.control.queue_status().await?)?)
}
