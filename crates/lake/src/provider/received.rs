//! A table cut down to what was received until a moment.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
use event_model::{Timestamp, columns};

/// A view: what the planner sees is the table and a filter, which prunes files like any other.
pub(crate) fn received_until(table: Arc<dyn TableProvider>, moment: Timestamp) -> Result<Arc<dyn TableProvider>> {
    let moment = ScalarValue::TimestampMicrosecond(Some(moment.0), Some("UTC".into()));
    let plan = LogicalPlanBuilder::scan("events", provider_as_source(table), None)?
        .filter(col(columns::RECEIVED_AT).lt_eq(lit(moment)))?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
