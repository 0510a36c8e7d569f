//! `POST /api/v1/quarantine/replay`: sends kept events through the collector's stages again.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use event_model::{ErrorCode, EventId, Problem, Reason};
use schemars::JsonSchema;
use serde::Deserialize;

use super::json;
use crate::auth::Admin;
use crate::body::Body;
use crate::control::Selection;
use crate::problem::Failure;
use crate::service::QueryService;

/// Which rows of quarantine to replay: exactly one of the fields.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// These rows.
    #[schemars(with = "Option<Vec<String>>")]
    row_ids: Option<Vec<EventId>>,
    /// All rows with this reason that were not replayed yet.
    #[schemars(with = "Option<String>")]
    reason: Option<Reason>,
    /// All rows that were not replayed yet.
    all: Option<bool>,
}

/// Answers once the events are durable in the queue again; each lands once, however often it is replayed.
pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Admin(project): Admin,
    body: Body,
) -> Result<Response, Failure> {
    let selection = body.parse::<ReplayRequest>()?.selection()?;
    let replayed = service.control.replay(&project.id, selection).await?;
    Ok(json(&replayed)?)
}

impl ReplayRequest {
    fn selection(self) -> Result<Selection, Problem> {
        match (self.row_ids, self.reason, self.all) {
            (Some(rows), None, None) => Ok(Selection::Rows(rows)),
            (None, Some(reason), None) => Ok(Selection::Reason(reason)),
            (None, None, Some(true)) => Ok(Selection::All),
            _ => Err(Problem::new(
                ErrorCode::InvalidBody,
                "Give exactly one of `row_ids` (a list), `reason` (a text) and `all` (true).",
            )),
        }
    }
}
