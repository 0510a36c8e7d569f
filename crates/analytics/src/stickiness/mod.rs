//! Stickiness: persons by the number of distinct intervals of the period in which they did something.
//!
//! For example, visits by day from 2026-01-01 to 2026-01-03, where p visits on all three days, q twice on the 1st and
//! r on the 1st and the 3rd:
//!
//! ```text
//! intervals   persons   cumulative
//!     1          1          3         q; all three
//!     2          1          2         r; p and r
//!     3          1          1         p
//! ```
//!
//! A first aggregate keeps of each person in which intervals they did it, a second one counts the persons by how many
//! those are. Intervals count in full, as those of a series do.

mod buckets;
mod plan;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use event_model::Problem;
use query_model::answer::StickinessResult;
use query_model::stickiness::{SingleSeries, Stickiness};
use query_model::{Calendar, Intervals, Question, Range};

use crate::matching::{check_not_compared, check_supported, reads_traits};
use crate::problem::internal;
use crate::source::Source;
use crate::tally::counts;

/// A stickiness question on its way.
#[derive(Debug)]
pub(crate) struct StickinessInsight {
    series: SingleSeries,
    cumulative: bool,
    calendar: Calendar,
    intervals: Intervals,
    result: Option<StickinessResult>,
}

impl StickinessInsight {
    /// Checks that the engine can answer it, and cuts its period.
    pub(crate) fn new(
        question: &Question,
        stickiness: &Stickiness,
        calendar: Calendar,
        exact: Range,
    ) -> Result<Self, Problem> {
        check_not_compared(question)?;
        let series = stickiness.series.first().cloned().ok_or_else(|| internal("stickiness without a series"))?;
        check_supported(&series.matcher.filters)?;
        let intervals = calendar.intervals(exact, question.common.interval())?;
        Ok(Self { series, cumulative: stickiness.cumulative, calendar, intervals, result: None })
    }

    /// Whether it reads traits of persons.
    pub(crate) fn needs_traits(&self) -> bool {
        reads_traits(&self.series.matcher.filters)
    }

    /// The next plan; `None` once there is nothing left to run.
    pub(crate) fn plan(&self, question: &Question, source: &Source) -> Result<Option<LogicalPlan>, Problem> {
        if self.result.is_some() {
            return Ok(None);
        }
        plan::persons(source, question, &self.series.matcher, &self.calendar.timezone, &self.intervals).map(Some)
    }

    /// Takes the rows of the plan.
    pub(crate) fn take(&mut self, batches: &[RecordBatch]) -> Result<(), Problem> {
        let counts = counts(batches, self.intervals.len())?.into_rows().remove(&0);
        let exactly = counts.unwrap_or_else(|| vec![0; self.intervals.len()]);
        self.result = Some(buckets::result(exactly, self.cumulative));
        Ok(())
    }

    /// The result, once the plan has run.
    pub(crate) fn result(&mut self) -> Option<StickinessResult> {
        self.result.take()
    }
}
