//! The trend: one number an interval, for each series and group.
//!
//! A series over intervals counts every interval in full, from the start of the one that contains `from` to the end of
//! the one that contains `to`; its `total` counts exactly `from` to `to`. For example, purchases by day from
//! 2026-01-01T12:00 to 2026-01-02, where p buys at 10:00 and 14:00 on the first day and q at 09:00 on the second:
//!
//! ```text
//! measure          2026-01-01   2026-01-02   total
//! total                 2            1          2     the purchase at 10:00 lies before `from`
//! unique_persons        1            1          2     p and q
//! ```
//!
//! With a breakdown a first plan a property ranks its values; a last one computes all numbers with the values below
//! the limit put together, so that a person in `other` is one person. With `compare` the same is done again for the
//! earlier period, which ranks its own values.

mod answer;
mod days;
mod plan;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use event_model::Problem;
use query_model::answer::{PeriodName, SeriesResult, TrendResult};
use query_model::compare::Compare;
use query_model::interval::Span;
use query_model::{Calendar, Display, Intervals, Question, Range, Trend};

use self::days::Days;
use self::plan::Planner;
use crate::matching::{check_of, check_supported, reads_traits};
use crate::problem::internal;
use crate::ranking::Ranking;
use crate::source::Source;

/// A trend on its way: what is known so far, and which plan comes next.
#[derive(Debug)]
pub(crate) struct TrendInsight {
    trend: Trend,
    calendar: Calendar,
    periods: Vec<(PeriodName, Intervals)>,
    /// The rankings of the period that is being computed, as far as they are known.
    rankings: Vec<Ranking>,
    /// The periods that are done.
    done: usize,
    series: Vec<SeriesResult>,
}

impl TrendInsight {
    /// Checks that the engine can answer it, and cuts its periods.
    pub(crate) fn new(question: &Question, trend: &Trend, calendar: Calendar, exact: Range) -> Result<Self, Problem> {
        for series in &trend.series {
            plan::kind(series)?;
            check_supported(&series.matcher.filters)?;
        }
        plan::check_together(trend, question)?;
        question.common.breakdown.iter().try_for_each(|breakdown| check_of(breakdown.of))?;
        let interval = question.common.interval();
        let current = calendar.intervals(exact, interval)?;
        let previous = question.common.compare.map(|compare| {
            let count = i64::try_from(current.len()).unwrap_or(i64::MAX);
            let by = match compare {
                Compare::To { .. } => Span { value: count, unit: interval },
                Compare::Shift { shift } => shift,
            };
            calendar.moved_back(&current, interval, by)
        });
        let mut periods = vec![(PeriodName::Current, current)];
        periods.extend(previous.transpose()?.map(|previous| (PeriodName::Previous, previous)));
        Ok(Self { trend: trend.clone(), calendar, periods, rankings: Vec::new(), done: 0, series: Vec::new() })
    }

    /// Whether it reads traits of persons.
    pub(crate) fn needs_traits(&self, question: &Question) -> bool {
        let breakdowns = &question.common.breakdown;
        breakdowns.iter().any(|breakdown| breakdown.of == query_model::Of::Person)
            || self.trend.series.iter().any(|series| reads_traits(&series.matcher.filters))
    }

    /// The next plan; `None` once there is nothing left to run.
    pub(crate) fn plan(&self, question: &Question, source: &Source) -> Result<Option<LogicalPlan>, Problem> {
        let Some((_, intervals)) = self.periods.get(self.done) else { return Ok(None) };
        let timezone = &self.calendar.timezone;
        let days = Days::of(&self.trend, &self.calendar, intervals)?;
        let planner = Planner { source, question, trend: &self.trend, timezone, intervals, days };
        let plan = match question.common.breakdown.get(self.rankings.len()) {
            Some(breakdown) => planner.ranking(breakdown)?,
            None => planner.numbers(&self.rankings)?,
        };
        Ok(Some(plan))
    }

    /// Takes the rows of the plan that was given out last.
    pub(crate) fn take(&mut self, question: &Question, batches: &[RecordBatch]) -> Result<(), Problem> {
        if let Some(breakdown) = question.common.breakdown.get(self.rankings.len()) {
            self.rankings.push(Ranking::read(batches, breakdown.limit)?);
            return Ok(());
        }
        let (period, _) = self.periods.get(self.done).ok_or_else(|| internal("rows after the last plan"))?;
        let rankings = std::mem::take(&mut self.rankings);
        self.series.extend(answer::series(&self.trend, *period, &rankings, batches)?);
        self.done += 1;
        Ok(())
    }

    /// The result, once every plan has run.
    pub(crate) fn result(&mut self) -> TrendResult {
        let intervals = match (self.trend.display, self.periods.first()) {
            (Display::Total, _) | (_, None) => Vec::new(),
            (_, Some((_, intervals))) => intervals.labels.clone(),
        };
        TrendResult { intervals, series: std::mem::take(&mut self.series) }
    }
}
