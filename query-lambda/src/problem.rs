//! A problem becomes an HTTP answer: `application/problem+json` for the caller, the private cause for the log.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use event_model::problem::MEDIA_TYPE;
use event_model::{ErrorCode, Problem};
use http::{HeaderValue, StatusCode, header};

/// The answer that a problem is. The problem itself rides along as an extension, so that the log at the rim can
/// write its private cause next to the request id.
#[must_use]
pub fn problem_response(problem: &Problem) -> Response {
    let mut response = Response::new(Body::from(problem.to_json()));
    *response.status_mut() = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.code.status() == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response.extensions_mut().insert(problem.clone());
    response
}

/// The error type of every handler.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        problem_response(&self.0)
    }
}

/// Answers for paths that nobody has; the binary uses it as its fallback too.
pub async fn not_found() -> Response {
    problem_response(&ErrorCode::NotFound.into())
}

/// Answers for known paths and wrong methods; axum adds `Allow`.
pub(crate) async fn method_not_allowed() -> Response {
    problem_response(&ErrorCode::MethodNotAllowed.into())
}
