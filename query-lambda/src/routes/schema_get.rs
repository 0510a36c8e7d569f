//! `GET /api/v1/schema`: which events and properties there are, how often and of which types.

use std::sync::Arc;

use analytics::Source;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use axum::extract::State;
use axum::response::Response;
use datafusion::common::ScalarValue;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col, lit};
use event_model::{EventType, Problem, Timestamp, columns};
use http::Uri;
use lake::read::At;
use query_model::answer::SchemaAnswer;
use serde::Deserialize;

use super::{json_text, parameters};
use crate::answer::{Asking, run, text};
use crate::auth::Reader;
use crate::engine::{Running, problem};
use crate::problem::Failure;
use crate::seen::Seen;
use crate::service::QueryService;

/// The columns it looks at, in the order of [`count`].
const LOOKED_AT: [&str; 5] = [columns::TYPE, columns::EVENT, columns::TIMESTAMP, columns::PROPERTIES, columns::TRAITS];

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parameters {
    from: Option<Instant>,
    to: Option<Instant>,
}

/// A timestamp in the query string.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Instant(Timestamp);

impl TryFrom<String> for Instant {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Timestamp::parse(&text).map(Self).ok_or("it takes a date such as 2026-01-31 or an instant in RFC 3339")
    }
}

pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Reader(project): Reader,
    uri: Uri,
) -> Result<Response, Failure> {
    let parameters: Parameters = parameters(&uri)?;
    let answer = run(&service, &project, "schema", async move |asking: Asking| answer(asking, parameters).await);
    Ok(json_text(answer.await?))
}

async fn answer(asking: Asking, parameters: Parameters) -> Result<String, Problem> {
    let view = asking.view(At::Latest).await?;
    let _place = asking.enter().await?;
    let plan = plan(&asking.source(&view, false).await?, parameters).map_err(problem)?;
    let mut running = Running::start(&asking.service.engine.session(), &plan).await?;
    let mut seen = Seen::default();
    while let Some(batch) = running.next().await? {
        count(&mut seen, &batch).map_err(problem)?;
    }
    let (events, truncated) = seen.finish();
    let meta = asking.meta(&view, Some(running.scanned()), asking.project.timezone.clone());
    text(&SchemaAnswer { events, truncated, meta })
}

/// The columns of the rows whose timestamp lies in the bounds.
fn plan(source: &Source, bounds: Parameters) -> PlanResult<LogicalPlan> {
    let mut plan = LogicalPlanBuilder::scan("events", provider_as_source(Arc::clone(&source.events)), None)?;
    let instant = |at: Instant| lit(ScalarValue::TimestampMicrosecond(Some(at.0.0), Some("UTC".into())));
    if let Some(from) = bounds.from {
        plan = plan.filter(col(columns::TIMESTAMP).gt_eq(instant(from)))?;
    }
    if let Some(to) = bounds.to {
        plan = plan.filter(col(columns::TIMESTAMP).lt_eq(instant(to)))?;
    }
    plan.project(LOOKED_AT.map(col))?.build()
}

/// Counts the rows of one batch.
fn count(seen: &mut Seen, batch: &RecordBatch) -> PlanResult<()> {
    let [kind, event, timestamp, properties, traits] = LOOKED_AT.map(|name| batch.column_by_name(name));
    let (kinds, events) = (texts(kind)?, texts(event)?);
    let (properties, traits) = (texts(properties)?, texts(traits)?);
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let timestamps = cast(timestamp.ok_or_else(missing)?, &micros)?;
    let timestamps = timestamps.as_primitive::<TimestampMicrosecondType>();
    for row in 0..batch.num_rows() {
        let Some(kind) = EventType::parse(kinds.value(row)) else { continue };
        let json = if kind.is_counted() { &properties } else { &traits };
        seen.add(kind, events.value(row), timestamps.value(row), json.is_valid(row).then(|| json.value(row)));
    }
    Ok(())
}

/// A text column, whether plain, a view or a dictionary.
fn texts(column: Option<&ArrayRef>) -> PlanResult<StringArray> {
    Ok(cast(column.ok_or_else(missing)?, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn missing() -> DataFusionError {
    DataFusionError::Internal("a column is missing".to_owned())
}
