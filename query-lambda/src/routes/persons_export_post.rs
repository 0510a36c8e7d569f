//! `POST /api/v1/persons/export`: every row that names a person, as lines of JSON.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as AnswerBody;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use event_model::{ErrorCode, PersonId, Problem, ProjectId};
use futures::{StreamExt as _, stream};
use http::{HeaderValue, header};
use lake::person::Export;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::answer::{Asking, run};
use crate::auth::{Admin, now};
use crate::body::Body;
use crate::lake_problem::lake_problem;
use crate::person::PersonRequest;
use crate::problem::Failure;
use crate::service::QueryService;

/// How long an export may take; its rows are sent as they are found.
const TIME_LIMIT: Duration = Duration::from_secs(3_600);
/// Batches of rows that wait for a slow reader.
const AHEAD: usize = 4;

#[derive(Serialize)]
struct Header<'a> {
    project: &'a ProjectId,
    ids: Vec<PersonId>,
    versions: &'a BTreeMap<&'static str, u64>,
    exported_at: String,
}

pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Admin(project): Admin,
    body: Body,
) -> Result<Response, Failure> {
    let request = body.parse::<PersonRequest>()?;
    let id = request.id()?;
    let export = run(&service, &project, "export", async move |asking: Asking| {
        let lake = asking.lake().await?;
        let ids = lake.ids_of(&id, request.is_exact()).await.map_err(lake_problem)?;
        lake.export(ids).await.map_err(lake_problem)
    });
    let export = export.await?;
    let Export { ids, versions, .. } = &export;
    let exported_at = now().to_string();
    let header = Header { project: &project.id, ids: ids.iter().collect(), versions, exported_at };
    let head = line("header", &header)?;
    let (lines, received) = mpsc::channel(AHEAD);
    // Its rows are read on the engine's threads; whoever goes away stops it, because nobody takes them any more.
    tokio::spawn(async move {
        let work = write(export, lines.clone());
        if let Err(problem) = service.engine.run(Instant::now() + TIME_LIMIT, work).await {
            tracing::warn!(cause = problem.cause.as_deref().unwrap_or_default(), "an export broke off");
            // The answer ends without its last line, and the connection with an error.
            drop(lines.send(Err(io::Error::other("the export broke off"))).await);
        }
    });
    let rest = stream::unfold(received, async |mut received| Some((received.recv().await?, received)));
    let body = stream::iter([Ok(Bytes::from(head))]).chain(rest);
    let mut response = Response::new(AnswerBody::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Sends all rows and, as the last line, how many there were of each table.
async fn write(export: Export, lines: mpsc::Sender<io::Result<Bytes>>) -> Result<(), Problem> {
    let mut counts: BTreeMap<&str, u64> = export.versions.keys().map(|table| (*table, 0)).collect();
    let mut rows = export.rows;
    while let Some(some) = rows.next().await {
        let some = some.map_err(lake_problem)?;
        *counts.entry(some.table).or_default() += some.rows;
        if lines.send(Ok(Bytes::from(some.lines))).await.is_err() {
            return Ok(());
        }
    }
    let end = line("end", &serde_json::json!({ "rows": counts }))?;
    drop(lines.send(Ok(Bytes::from(end))).await);
    Ok(())
}

fn line<T: Serialize>(name: &str, value: &T) -> Result<String, Problem> {
    let failed = |cause: serde_json::Error| Problem::from(ErrorCode::Internal).because(cause);
    let value = serde_json::to_string(value).map_err(failed)?;
    Ok(format!("{{\"{name}\":{value}}}\n"))
}
