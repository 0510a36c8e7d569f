//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::routes::{
    events_query_post, flush_post, insights_query_post, ledger_get, persons_erase_post, persons_erasure_get,
    persons_export_post, quarantine_get, quarantine_replay_post, queue_get, queue_redrive_post, schema_get,
};
use crate::service::QueryService;
use crate::{cors, problem, request_log};

/// The query side's endpoints. It has no fallback, so that it can be merged with the collector's router; give the
/// whole [`crate::not_found`] as fallback.
pub fn router(service: Arc<QueryService>) -> Router {
    Router::new()
        .route("/api/v1/insights/query", post(insights_query_post::handle))
        .route("/api/v1/events/query", post(events_query_post::handle))
        .route("/api/v1/schema", get(schema_get::handle))
        .route("/api/v1/persons/erase", post(persons_erase_post::handle))
        .route("/api/v1/persons/erasures/{erasure}", get(persons_erasure_get::handle))
        .route("/api/v1/persons/export", post(persons_export_post::handle))
        .route("/api/v1/quarantine", get(quarantine_get::handle))
        .route("/api/v1/quarantine/replay", post(quarantine_replay_post::handle))
        .route("/api/v1/ledger", get(ledger_get::handle))
        .route("/api/v1/queue", get(queue_get::handle))
        .route("/api/v1/queue/redrive", post(queue_redrive_post::handle))
        .route("/api/v1/flush", post(flush_post::handle))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .route_layer(from_fn_with_state(Arc::clone(&service), cors::answer))
        .route_layer(from_fn(request_log::log))
        .with_state(service)
}
