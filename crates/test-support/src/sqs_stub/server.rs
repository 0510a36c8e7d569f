//! The stub over HTTP: which action a request names, and what becomes of its answer.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::actions::Account;
use super::faults::Fate;

const MEDIA_TYPE: &str = "application/x-amz-json-1.0";
/// Ten messages of the largest size, with what JSON adds.
const MAX_BODY_BYTES: usize = 16 << 20;

/// Answers until the task is ended.
pub(super) async fn run(listener: TcpListener, account: Arc<Account>) {
    let router = Router::new().fallback(answer).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(account);
    // Accepting goes on after errors, so this ends with the task only.
    drop(axum::serve(listener, router).await);
}

async fn answer(State(account): State<Arc<Account>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = target.strip_prefix("AmazonSQS.").unwrap_or(target).to_owned();
    let (fate, delay) = account.fate();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match fate {
        Fate::Answered => {}
        Fate::Unavailable { done } => {
            if done {
                drop(account.act(&action, &body).await);
            }
            let body = json!({ "__type": "com.amazonaws.sqs#ServiceUnavailable", "message": "by order" });
            return respond(StatusCode::SERVICE_UNAVAILABLE, None, &body);
        }
        Fate::Stalled { done } => {
            if done {
                drop(account.act(&action, &body).await);
            }
            return std::future::pending().await;
        }
    }
    match account.act(&action, &body).await {
        Ok(body) => respond(StatusCode::OK, None, &body),
        Err(refusal) => respond(StatusCode::BAD_REQUEST, Some(refusal.query_code), &refusal.body()),
    }
}

fn respond(status: StatusCode, query_code: Option<&str>, body: &Value) -> Response {
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, MEDIA_TYPE);
    if let Some(code) = query_code {
        response = response.header("x-amzn-query-error", format!("{code};Sender"));
    }
    response.body(Body::from(body.to_string())).unwrap_or_default()
}
