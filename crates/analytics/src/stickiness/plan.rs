//! The plan of stickiness.
//!
//! ```text
//! Aggregate     persons by how many intervals
//!   Aggregate     by person       in which intervals
//!     Projection    person, interval
//!       Filter        type, timestamp, event: plain columns, which prune; then conditions on properties
//!         TableScan     events
//! ```

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use event_model::Problem;
use jiff::tz::TimeZone;
use query_model::{Intervals, Matcher, Question};

use crate::events_table::{column, happened_in, interval_index, person, scan};
use crate::marks::{Shape, bytes, marks};
use crate::matching::rows_about;
use crate::problem::internal;
use crate::source::Source;
use crate::tally::tally;

const PERSON: &str = "person";
const INTERVAL: &str = "interval";

/// Counts persons by the number of their intervals: one row, a count for 1, 2, ... intervals.
pub(super) fn persons(
    source: &Source,
    question: &Question,
    matcher: &Matcher,
    timezone: &TimeZone,
    intervals: &Intervals,
) -> Result<LogicalPlan, Problem> {
    let rows = rows_about(source, question, matcher, timezone, happened_in(source, intervals.full()))?;
    let shape = Shape { places: intervals.len() as u64, minimum: 1 };
    let count = tally(intervals.len(), vec![column(INTERVAL)], move |arrays, counts| {
        let Some(sets) = arrays.first() else { return Ok(()) };
        let mut places = Vec::new();
        for set in bytes(sets)?.iter().flatten() {
            shape.read(set, &mut places);
            if let Some(bucket) = places.len().checked_sub(1) {
                counts.add(0, bucket);
            }
        }
        Ok(())
    });
    scan(source)?
        .filter(rows)
        .and_then(|plan| {
            plan.project(vec![person(&source.keys).alias(PERSON), interval_index(intervals).alias(INTERVAL)])
        })
        .and_then(|plan| plan.aggregate(vec![column(PERSON)], vec![marks(shape, column(INTERVAL)).alias(INTERVAL)]))
        .and_then(|plan| plan.aggregate(Vec::<Expr>::new(), vec![count]))
        .and_then(LogicalPlanBuilder::build)
        .map_err(internal)
}
