//! Reads a request's body: bounded in bytes and in time.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use event_model::{ErrorCode, Problem};
use futures::StreamExt as _;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::problem::Failure;
use crate::service::QueryService;
use crate::settings::{BODY_TIME_LIMIT, MAX_BODY_BYTES};

/// The whole body. The content type is not looked at: what is not JSON is refused as such.
#[derive(Debug)]
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<Arc<QueryService>> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, _service: &Arc<QueryService>) -> Result<Self, Failure> {
        refuse_encodings(request.headers())?;
        if announced_length(request.headers()).is_some_and(|length| length > MAX_BODY_BYTES as u64) {
            return Err(too_large().into());
        }
        let read = timeout(BODY_TIME_LIMIT, read(request)).await;
        Ok(Self(read.map_err(|_| Problem::from(ErrorCode::BodyTimeout))??))
    }
}

impl Body {
    /// Reads JSON of a given shape.
    ///
    /// # Errors
    /// `invalid_json`, or `invalid_body` with the path of the field that is wrong.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let mut reader = serde_json::Deserializer::from_slice(&self.0);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let (path, inner) = (error.path().to_string(), error.inner());
            if inner.is_data() {
                // A dot is the whole body.
                let place = if path == "." { String::new() } else { format!("{path}: ") };
                Problem::new(ErrorCode::InvalidBody, format!("{place}{}", sentence(inner)))
            } else {
                Problem::new(ErrorCode::InvalidJson, sentence(inner))
            }
        })?;
        reader.end().map_err(|error| Problem::new(ErrorCode::InvalidJson, sentence(&error)))?;
        Ok(value)
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let mut stream = request.into_body().into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.map_err(|cause| Problem::new(ErrorCode::InvalidBody, "The body broke off.").because(cause))?;
        if whole.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn refuse_encodings(headers: &HeaderMap) -> Result<(), Problem> {
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(Problem::new(ErrorCode::UnsupportedEncoding, "Questions are taken without compression."));
    }
    Ok(())
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Problem {
    Problem::new(ErrorCode::BodyTooLarge, format!("The limit is {MAX_BODY_BYTES} bytes."))
}

/// An error of serde as a sentence.
fn sentence(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    text.push('.');
    text
}
