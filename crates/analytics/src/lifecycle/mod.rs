//! Lifecycle: who is new in an interval, who returns, who is back after a break and who stays away.
//!
//! For example, visits by day from 2026-01-02 to 2026-01-04, where p visits on the 1st, the 2nd and the 4th, and q on
//! the 3rd:
//!
//! ```text
//! interval     new   returning   resurrecting   dormant
//! 2026-01-02    0        1            0            0       p was here the day before, which is read too
//! 2026-01-03    1        0            0           -1       q; p stays away
//! 2026-01-04    0        0            1           -1       p is back; q stays away
//! ```
//!
//! A first aggregate keeps of each person in which intervals they were active, with one place for all of the time
//! before the interval that precedes the period; a second one adds the persons up to the four states. Nobody is
//! dormant in an interval that has not begun.

mod plan;
mod states;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use event_model::{Problem, Timestamp};
use query_model::answer::LifecycleResult;
use query_model::stickiness::{Lifecycle, SingleSeries};
use query_model::{Calendar, Intervals, Question, Range};

use crate::matching::{check_not_compared, check_supported, reads_traits};
use crate::problem::internal;
use crate::source::Source;
use crate::tally::counts;

/// A lifecycle question on its way.
#[derive(Debug)]
pub(crate) struct LifecycleInsight {
    series: SingleSeries,
    calendar: Calendar,
    intervals: Intervals,
    /// Where the interval before the period begins.
    before: i64,
    now: Timestamp,
    result: Option<LifecycleResult>,
}

impl LifecycleInsight {
    /// Checks that the engine can answer it, and cuts its period.
    pub(crate) fn new(
        question: &Question,
        lifecycle: &Lifecycle,
        calendar: Calendar,
        exact: Range,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        check_not_compared(question)?;
        let series = lifecycle.series.first().cloned().ok_or_else(|| internal("a lifecycle without a series"))?;
        check_supported(&series.matcher.filters)?;
        let interval = question.common.interval();
        let intervals = calendar.intervals(exact, interval)?;
        // At the beginning of the calendar there is none: then it is empty.
        let first = intervals.full().from;
        let before = calendar.floor(first - 1, interval).unwrap_or(first);
        Ok(Self { series, calendar, intervals, before, now, result: None })
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
        let timezone = &self.calendar.timezone;
        let planner = plan::Planner { source, question, timezone, intervals: &self.intervals, before: self.before };
        planner.states(&self.series.matcher).map(Some)
    }

    /// Takes the rows of the plan.
    pub(crate) fn take(&mut self, batches: &[RecordBatch]) -> Result<(), Problem> {
        let rows = counts(batches, self.intervals.len())?.into_rows();
        let begun = self.intervals.boundaries.iter().take(self.intervals.len()).filter(|start| **start <= self.now.0);
        self.result = Some(states::result(&self.intervals.labels, rows, begun.count()));
        Ok(())
    }

    /// The result, once the plan has run.
    pub(crate) fn result(&mut self) -> Option<LifecycleResult> {
        self.result.take()
    }
}
