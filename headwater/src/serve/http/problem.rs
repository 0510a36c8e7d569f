//! Problems as HTTP answers, for what neither the collector nor the query side answers themselves.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use event_model::{Problem, problem};

/// The answer that carries a problem; the private cause goes to the log.
pub(crate) fn respond(problem: &Problem) -> Response {
    if let Some(cause) = &problem.cause {
        tracing::warn!(code = problem.code.as_str(), %cause, "request refused");
    }
    let mut response = Response::new(Body::from(problem.to_json()));
    *response.status_mut() = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
