//! Reads a body with flat memory: never more than the limit, never longer than the timeout.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use event_model::{ErrorCode, Problem};
use http::HeaderMap;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// The whole body.
///
/// # Errors
/// `ambiguous_length`, `body_too_large` (from the announced length where there is one), `body_timeout`, or
/// `invalid_body` when the other end stops in the middle.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    let length = headers.get(http::header::CONTENT_LENGTH);
    if length.is_some() && headers.contains_key(http::header::TRANSFER_ENCODING) {
        return Err(ErrorCode::AmbiguousLength.into());
    }
    let too_large = || Problem::new(ErrorCode::BodyTooLarge, format!("At most {max_bytes} bytes are taken."));
    let announced = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > max_bytes) {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(timeout, Limited::new(body, max_bytes).collect()).await;
    match collected {
        Err(_) => Err(ErrorCode::BodyTimeout.into()),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::new(ErrorCode::InvalidBody, "The body ended too early.").because(error)),
    }
}
