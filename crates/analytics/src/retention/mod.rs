//! Retention: of those who started in an interval, how many came back in the intervals after it.
//!
//! For example, visits by day, asked for 2026-01-01 to 2026-01-02 with three columns, where p visits on the 1st, the
//! 2nd and the 4th, and q on the 2nd and the 3rd:
//!
//! ```text
//! cohort      size   1   2
//! 2026-01-01    1    1   0      p; p came back on the 2nd, not on the 3rd
//! 2026-01-02    2    1   1      p and q; q came back on the 3rd, p on the 4th, which lies after the period
//! ```
//!
//! A first aggregate keeps of each person where they started and in which intervals they came back; a second one adds
//! the persons up to the table, so that no row a person leaves the engine. With a breakdown, plans before it rank the
//! values of each property by the persons who start with them. A cell whose interval has not begun is not there.

mod answer;
mod cohorts;
mod plan;
mod table;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use event_model::{ErrorCode, Problem, Timestamp};
use query_model::answer::{PeriodName, RetentionCohort, RetentionResult};
use query_model::compare::Compare;
use query_model::interval::Span;
use query_model::retention::{CohortBy, Retention};
use query_model::{Calendar, Of, Question, Range};

use self::cohorts::Cohorts;
use self::plan::Planner;
use crate::groups::Groups;
use crate::matching::{check_of, check_supported, reads_traits};
use crate::problem::internal;
use crate::ranking::Ranking;
use crate::source::Source;

/// Most numbers in one answer.
const MAX_NUMBERS: usize = 2_000_000;

/// A retention on its way: what is known so far, and which plan comes next.
#[derive(Debug)]
pub(crate) struct RetentionInsight {
    retention: Retention,
    calendar: Calendar,
    periods: Vec<(PeriodName, Cohorts)>,
    /// The rankings of the period that is being computed, as far as they are known.
    rankings: Vec<Ranking>,
    /// The periods that are done.
    done: usize,
    cohorts: Vec<RetentionCohort>,
}

impl RetentionInsight {
    /// Checks that the engine can answer it, and cuts its periods.
    pub(crate) fn new(
        question: &Question,
        retention: &Retention,
        calendar: Calendar,
        exact: Range,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        check_supported(&retention.start.filters)?;
        check_supported(&retention.back.filters)?;
        question.common.breakdown.iter().try_for_each(|breakdown| check_of(breakdown.of))?;
        let interval = question.common.interval();
        let current = calendar.intervals(exact, interval)?;
        let columns = usize::try_from(retention.periods).unwrap_or(usize::MAX);
        if current.len().saturating_mul(columns) > MAX_NUMBERS {
            return Err(too_large());
        }
        let previous = question.common.compare.map(|compare| {
            let count = i64::try_from(current.len()).unwrap_or(i64::MAX);
            let by = match compare {
                Compare::To { .. } => Span { value: count, unit: interval },
                Compare::Shift { shift } => shift,
            };
            calendar.moved_back(&current, interval, by)
        });
        let previous = previous.transpose()?;
        let named = [(PeriodName::Current, Some(current)), (PeriodName::Previous, previous)];
        let mut periods = Vec::new();
        for (name, intervals) in named {
            if let Some(intervals) = intervals {
                periods.push((name, Cohorts::cut(retention, &calendar, intervals, interval, now)?));
            }
        }
        Ok(Self { retention: retention.clone(), calendar, periods, rankings: Vec::new(), done: 0, cohorts: Vec::new() })
    }

    /// Whether it reads traits of persons.
    pub(crate) fn needs_traits(&self, question: &Question) -> bool {
        question.common.breakdown.iter().any(|breakdown| breakdown.of == Of::Person)
            || reads_traits(&self.retention.start.filters)
            || reads_traits(&self.retention.back.filters)
    }

    /// The next plan; `None` once there is nothing left to run.
    pub(crate) fn plan(&self, question: &Question, source: &Source) -> Result<Option<LogicalPlan>, Problem> {
        let Some((_, cohorts)) = self.periods.get(self.done) else { return Ok(None) };
        let timezone = &self.calendar.timezone;
        let planner = Planner { source, question, retention: &self.retention, timezone, cohorts };
        let plan = match question.common.breakdown.get(self.rankings.len()) {
            Some(breakdown) => planner.ranking(breakdown)?,
            None => planner.table(&Groups::new(self.rankings.clone()))?,
        };
        Ok(Some(plan))
    }

    /// Takes the rows of the plan that was given out last.
    pub(crate) fn take(&mut self, question: &Question, batches: &[RecordBatch]) -> Result<(), Problem> {
        if let Some(breakdown) = question.common.breakdown.get(self.rankings.len()) {
            self.rankings.push(Ranking::read(batches, breakdown.limit)?);
            return Ok(());
        }
        let (period, cohorts) = self.periods.get(self.done).ok_or_else(|| internal("rows after the last plan"))?;
        let groups = Groups::new(std::mem::take(&mut self.rankings));
        let always = question.common.breakdown.is_empty();
        self.cohorts.extend(answer::cohorts(*period, cohorts, &groups, always, batches)?);
        if self.cohorts.len().saturating_mul(cohorts.columns) > MAX_NUMBERS {
            return Err(too_large());
        }
        self.done += 1;
        Ok(())
    }

    /// The result, once every plan has run.
    pub(crate) fn result(&mut self) -> RetentionResult {
        RetentionResult { cohorts: std::mem::take(&mut self.cohorts) }
    }
}

/// Whether only one of a person's starts counts.
fn only_first(retention: &Retention) -> bool {
    retention.cohort_by != CohortBy::Recurring
}

fn too_large() -> Problem {
    let detail = format!("The answer has more than {MAX_NUMBERS} numbers; ask for fewer intervals, periods or groups.");
    Problem::new(ErrorCode::QuestionTooComplex, detail)
}
