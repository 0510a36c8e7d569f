//! `GET /health`: whether this process can take events and answer questions.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use event_model::project::SharedDirectory;
use event_queue::Queue;
use serde_json::{Value, json};

use super::metrics::DrainFigures;

/// 200 while events are taken; 503 when they cannot be made durable or no key can be known. A lake that cannot be
/// written at the moment makes it `degraded`, but not unhealthy: events wait in the queue, and a restart would not
/// help. So do dead letters, and a `projects.json` whose last change cannot be read.
pub(crate) async fn answer(queue: &dyn Queue, projects: &SharedDirectory, drains: &DrainFigures) -> Response {
    let queue_check = match queue.stats().await {
        Ok(stats) => json!({
            "status": if stats.dead == 0 { "ok" } else { "dead_letters" },
            "messages": stats.visible + stats.in_flight,
            "dead": stats.dead,
        }),
        Err(error) => {
            tracing::warn!(%error, "the queue is not well");
            json!({ "status": "failed" })
        }
    };
    let lake_check = match drains.last_failure() {
        None => json!({ "status": "ok" }),
        Some(_) => {
            json!({ "status": "failed", "detail": "The last drain failed: see the log. Events wait in the queue." })
        }
    };
    let projects_check = match projects.get() {
        Err(_) => json!({ "status": "failed", "detail": "No projects can be read: see the log." }),
        // Why is in the log: this answer is for everybody, and the reason names a path.
        Ok(directory) if directory.stale().is_some() => json!({
            "status": "stale",
            "detail": "projects.json has changed and cannot be used: see the log. The one before stays in force.",
        }),
        Ok(_) => json!({ "status": "ok" }),
    };
    let is = |check: &Value, word: &str| check.get("status").is_some_and(|status| status == word);
    let (status, word) = if is(&queue_check, "failed") || is(&projects_check, "failed") {
        (StatusCode::SERVICE_UNAVAILABLE, "failed")
    } else if [&queue_check, &projects_check, &lake_check].iter().all(|check| is(check, "ok")) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::OK, "degraded")
    };
    let body = json!({
        "status": word,
        "version": env!("CARGO_PKG_VERSION"),
        "checks": { "queue": queue_check, "projects": projects_check, "lake": lake_check },
    });
    (status, Json(body)).into_response()
}
