//! The core's replies as axum sends them.

use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::reply::Reply;

/// The reply as HTTP.
pub(super) fn send(reply: Reply) -> http::Response<Body> {
    let mut http = http::Response::new(Body::from(reply.body));
    *http.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        let value = match value {
            Cow::Borrowed(value) => Ok(HeaderValue::from_static(value)),
            Cow::Owned(value) => HeaderValue::try_from(value),
        };
        if let Ok(value) = value {
            http.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    http
}
