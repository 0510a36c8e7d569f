//! The core's replies as axum sends them.

use axum::body::Body;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::reply::Reply;

/// The reply as HTTP.
pub(super) fn send(reply: Reply) -> http::Response<Body> {
    let mut http = http::Response::new(Body::from(reply.body));
    *http.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            http.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    http
}
