//! Every request gets an id and one line in the log; private causes are written here and nowhere else.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use event_model::Problem;
use http::{HeaderName, HeaderValue};
use tracing::{Instrument as _, Span, error, field, info, info_span};

/// Names a request in the answer and in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id (the caller's own, where it is a short plain word), runs it, and logs how it ended.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned().unwrap_or_else(fresh_id);
    let route = request.extensions().get::<MatchedPath>().map_or("", |path| path.as_str()).to_owned();
    let span = info_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method = request.method().as_str(),
        route,
        project = field::Empty,
    );
    let start = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| line(&response, start));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Notes whose request this is; called once the key is known.
pub(crate) fn note_project(project: &str) {
    Span::current().record("project", project);
}

fn line(response: &Response, start: Instant) {
    let status = response.status().as_u16();
    let elapsed_ms = start.elapsed().as_secs_f64() * 1_000.0;
    match response.extensions().get::<Problem>() {
        None => info!(status, elapsed_ms, "answered"),
        Some(problem) => {
            let (code, cause) = (problem.code.as_str(), problem.cause.as_deref().unwrap_or_default());
            if status >= 500 {
                error!(status, elapsed_ms, code, cause, "failed")
            } else {
                info!(status, elapsed_ms, code, "refused")
            }
        }
    }
}

fn is_plain(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

fn fresh_id() -> HeaderValue {
    let mut bytes = [0_u8; 16];
    // Zeros where there is no randomness: an id that repeats only makes a log harder to read.
    let _ = getrandom::fill(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}
