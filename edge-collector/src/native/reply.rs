//! Answers as HTTP: the core's, problems, and the headers that browsers need on all of them.

use axum::body::Body;
use event_model::Problem;
use event_model::problem::MEDIA_TYPE;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_TYPE, RETRY_AFTER,
};
use http::{HeaderValue, StatusCode};

use crate::request::Response;

type HttpResponse = http::Response<Body>;

/// The core's answer.
pub(super) fn answer(response: Response) -> HttpResponse {
    let mut http = HttpResponse::new(Body::from(response.body));
    *http.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(response.content_type));
    with_origin(http)
}

/// A problem, with `Retry-After` where waiting helps and `Allow` where the method was wrong.
pub(super) fn problem(problem: &Problem) -> HttpResponse {
    let mut http = HttpResponse::new(Body::from(problem.to_json()));
    *http.status_mut() = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = http.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.code.status() == 405 {
        headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    }
    with_origin(http)
}

/// The answer to a browser's preflight: the same for everybody, so no key is looked at, and kept for a day.
pub(super) fn preflight() -> HttpResponse {
    let mut http = HttpResponse::new(Body::empty());
    *http.status_mut() = StatusCode::NO_CONTENT;
    let headers = http.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, Content-Encoding, X-Write-Key, X-Retry-Count"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    with_origin(http)
}

/// Any origin, since no cookie is ever read: which origins a key takes is checked by the key.
fn with_origin(mut http: HttpResponse) -> HttpResponse {
    http.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    http.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    http
}
