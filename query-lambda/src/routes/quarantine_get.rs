//! `GET /api/v1/quarantine`: the events that could not be used, newest first, with their original bytes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::{ErrorCode, Problem, Reason};
use http::Uri;
use lake::{LakeError, QuarantineEntry, QuarantineFilter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{json, parameters};
use crate::answer::{Asking, run};
use crate::auth::Reader;
use crate::lake_problem::lake_problem;
use crate::problem::Failure;
use crate::service::QueryService;

/// Most rows a page: each may carry 64 KiB.
const MAX_LIMIT: usize = 1_000;
/// Rows a page unless the request says otherwise.
const DEFAULT_LIMIT: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parameters {
    reason: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    include_replayed: bool,
}

/// A page of quarantine.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct QuarantineList {
    /// The rows, newest first.
    events: Vec<QuarantineRow>,
    /// What to send as `cursor` for the next rows; null after the last.
    next_cursor: Option<String>,
}

/// One event that could not be used.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "QuarantinedEvent")]
struct QuarantineRow {
    /// Names the row; what a replay takes.
    row_id: String,
    /// The id that the event has, and keeps when it is replayed.
    event_id: String,
    /// Why it could not be used. All reasons are in docs/reference/error-codes.md.
    reason: &'static str,
    /// The same as a sentence.
    detail: String,
    /// When it was received (RFC 3339).
    received_at: String,
    /// The protocol it came in by.
    protocol: String,
    /// The id of the key it came in by.
    write_key_id: String,
    /// The message that carried it.
    message_id: String,
    /// Its place in the client's request.
    position: u32,
    /// The original, or its first 64 KiB: as it came where it is UTF-8, otherwise in base64.
    original: String,
    /// How `original` is written.
    original_encoding: OriginalEncoding,
    /// How long the whole original was, in bytes.
    full_length: u64,
    /// SHA-256 of the whole original, in hexadecimal.
    sha256: String,
    /// Whether the original is whole, so that it can be decoded again.
    replayable: bool,
    /// Whether it has been replayed and is an event now.
    replayed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OriginalEncoding {
    Text,
    Base64,
}

pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Reader(project): Reader,
    uri: Uri,
) -> Result<Response, Failure> {
    let filter = filter(parameters(&uri)?)?;
    let list = run(&service, &project, "quarantine", async |asking: Asking| {
        let page = asking.lake().await?.quarantine(filter).await.map_err(|error| match error {
            // The only thing of the caller's that the lake reads itself.
            LakeError::Shape(_) => ErrorCode::InvalidCursor.into(),
            other => lake_problem(other),
        })?;
        Ok(QuarantineList { events: page.entries.into_iter().map(row).collect(), next_cursor: page.next })
    });
    Ok(json(&list.await?)?)
}

fn filter(parameters: Parameters) -> Result<QuarantineFilter, Problem> {
    let refuse = |detail: String| Problem::new(ErrorCode::InvalidQuestion, detail);
    let limit = parameters.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(refuse(format!("limit: takes 1 to {MAX_LIMIT}.")));
    }
    if let Some(reason) = &parameters.reason
        && Reason::parse(reason).is_none()
    {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        return Err(refuse(format!("reason: takes one of {}.", known.join(", "))));
    }
    let Parameters { reason, cursor, include_replayed, .. } = parameters;
    Ok(QuarantineFilter { reason, limit, cursor, include_replayed })
}

fn row(entry: QuarantineEntry) -> QuarantineRow {
    let rejected = entry.rejected;
    let (original, original_encoding) = match String::from_utf8(rejected.original.0) {
        Ok(text) => (text, OriginalEncoding::Text),
        Err(bytes) => (STANDARD.encode(bytes.as_bytes()), OriginalEncoding::Base64),
    };
    QuarantineRow {
        row_id: entry.row_id.to_string(),
        event_id: rejected.event_id.to_string(),
        reason: rejected.reason.as_str(),
        detail: rejected.detail,
        received_at: entry.received_at.to_string(),
        protocol: entry.protocol,
        write_key_id: entry.write_key_id,
        message_id: entry.message_id.to_string(),
        position: rejected.position,
        original,
        original_encoding,
        full_length: rejected.full_length,
        sha256: rejected.sha256,
        replayable: rejected.replayable,
        replayed: entry.replayed,
    }
}
