//! One file an endpoint and verb, in the order of their use.

pub(crate) mod events_query_post;
pub(crate) mod flush_post;
pub(crate) mod insights_query_post;
pub(crate) mod ledger_get;
pub(crate) mod persons_erase_post;
pub(crate) mod persons_erasure_get;
pub(crate) mod persons_export_post;
pub(crate) mod quarantine_get;
pub(crate) mod quarantine_replay_post;
pub(crate) mod queue_get;
pub(crate) mod queue_redrive_post;
pub(crate) mod schema_get;

use axum::body::Body;
use axum::response::Response;
use event_model::{ErrorCode, Problem};
use http::{HeaderValue, Uri, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer;

/// 200 with a JSON body.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<Response, Problem> {
    answer::text(value).map(json_text)
}

/// 200 with a body that is JSON already.
pub(crate) fn json_text(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The parameters of the query string.
///
/// # Errors
/// `invalid_question` with what is wrong.
pub(crate) fn parameters<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    use std::error::Error as _;
    axum::extract::Query::<T>::try_from_uri(uri).map(|query| query.0).map_err(|error| {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Problem::new(ErrorCode::InvalidQuestion, format!("Query string: {reason}."))
    })
}
