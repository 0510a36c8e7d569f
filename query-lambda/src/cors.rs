//! Which web pages may ask: only origins that some key lists.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use event_model::project::{Key, Scope};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::service::QueryService;

/// Answers preflights itself and adds the headers that let an allowed page read the answer. An unknown origin gets
/// 204 without them: the browser then keeps the request to itself.
pub(crate) async fn answer(State(service): State<Arc<QueryService>>, request: Request, next: Next) -> Response {
    let allowed = allowed_origin(&service, request.headers());
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { preflight(allowed.is_some()) } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
    }
    response
}

/// Whether a page from this request's origin may use the key. Requests without an origin (no browser) and from the
/// page's own host may always.
pub(crate) fn may_use(key: &Key, headers: &HeaderMap) -> bool {
    let Some(origin) = text(headers, header::ORIGIN) else { return true };
    let own_host = origin.split_once("://").map(|(_, host)| host);
    key.allowed_origins.is_empty()
        || key.allowed_origins.iter().any(|allowed| allowed == origin)
        || (own_host.is_some() && own_host == text(headers, header::HOST))
}

fn allowed_origin(service: &QueryService, headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(header::ORIGIN)?;
    let origin = value.to_str().ok()?;
    let directory = service.directory.get().ok()?;
    let lists = |key: &Key| {
        key.enabled && (key.may(Scope::Read)) && key.allowed_origins.iter().any(|allowed| allowed == origin)
    };
    directory.projects().iter().any(|project| project.keys.iter().any(lists)).then(|| value.clone())
}

fn preflight(allowed: bool) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if allowed {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, x-project-id, x-request-id"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
