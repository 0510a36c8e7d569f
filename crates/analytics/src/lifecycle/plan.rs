//! The plan of a lifecycle.
//!
//! ```text
//! Aggregate     four rows of counts
//!   Aggregate     by person       in which intervals they were active
//!     Projection    person, interval
//!       Filter        type, timestamp, event: plain columns, which prune; then conditions on properties
//!         TableScan     events
//! ```

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use event_model::{Problem, columns};
use jiff::tz::TimeZone;
use query_model::{Intervals, Matcher, Question};

use super::states::{FIRST, add};
use crate::events_table::{column, instant, interval_among, person, scan};
use crate::marks::{Shape, bytes, marks};
use crate::matching::rows_about;
use crate::problem::internal;
use crate::source::Source;
use crate::tally::tally;

const PERSON: &str = "person";
const INTERVAL: &str = "interval";

/// What the plan needs.
pub(super) struct Planner<'a> {
    pub(super) source: &'a Source,
    pub(super) question: &'a Question,
    pub(super) timezone: &'a TimeZone,
    pub(super) intervals: &'a Intervals,
    pub(super) before: i64,
}

impl Planner<'_> {
    /// Counts persons by state and interval. All history is read: it says who is new.
    pub(super) fn states(&self, matcher: &Matcher) -> Result<LogicalPlan, Problem> {
        let until = instant(self.source, self.intervals.full().until);
        let in_time = column(columns::TIMESTAMP).lt(until);
        let rows = rows_about(self.source, self.question, matcher, self.timezone, in_time)?;
        let boundaries = [i64::MIN, self.before].into_iter().chain(self.intervals.boundaries.iter().copied()).collect();
        let shape = Shape { places: self.intervals.len() as u64 + FIRST, minimum: 1 };
        let count = tally(self.intervals.len(), vec![column(INTERVAL)], move |arrays, counts| {
            let Some(sets) = arrays.first() else { return Ok(()) };
            let mut places = Vec::new();
            for set in bytes(sets)?.iter().flatten() {
                shape.read(set, &mut places);
                add(&places, counts);
            }
            Ok(())
        });
        let columns = vec![person(&self.source.keys).alias(PERSON), interval_among(boundaries).alias(INTERVAL)];
        scan(self.source)?
            .filter(rows)
            .and_then(|plan| plan.project(columns))
            .and_then(|plan| plan.aggregate(vec![column(PERSON)], vec![marks(shape, column(INTERVAL)).alias(INTERVAL)]))
            .and_then(|plan| plan.aggregate(Vec::<Expr>::new(), vec![count]))
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }
}
