//! The funnel: how many persons did these steps one after the other, and how fast.
//!
//! Every event of the period that matches the first step begins an attempt, which has a window of time to go on; a person
//! counts by the deepest attempt, and by the earliest of those. For example, with the steps view, cart, buy and a window
//! of an hour:
//!
//! ```text
//! p   10:00 view   10:20 cart   11:10 view   11:30 cart   12:00 buy
//!
//!     from 10:00   view, cart           the window ends at 11:00
//!     from 11:10   view, cart, buy      deeper: p bought, 50 minutes after the view
//!
//! q   10:00 view   10:00 cart   10:30 cart
//!
//!     from 10:00   view, cart           at the same instant, but later in the order
//!
//! step   persons   from first   from previous   median seconds from previous
//! view      2         1             1
//! cart      2         1             1               600      of 1,200 and 0
//! buy       1         0.5           0.5           1,800
//! ```
//!
//! The events that some step or exclusion is about are sent to where their person is counted, gathered there compactly
//! ([`gather`]), put into order, and given to [`person`], which finds the attempts and adds what they reached to a tally
//! ([`tally`]). Only tallies travel on, and only one summary row comes to the caller. With a breakdown a first plan a
//! property ranks its values by the persons at the first step; with `compare` all is done again for the earlier period.

mod answer;
mod any_order;
mod attempts;
mod bytes;
mod exclusions;
mod gather;
mod operator;
mod person;
mod plan;
mod rules;
mod sessions;
mod summary;
mod tally;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use event_model::Problem;
use query_model::answer::{FunnelGroup, FunnelResult, FunnelTimes, FunnelTrendGroup, PeriodName};
use query_model::compare::Compare;
use query_model::funnel::{Funnel, FunnelView};
use query_model::interval::Span;
use query_model::{Calendar, Intervals, Matcher, Question, Range};

use self::plan::{Planner, Values};
use self::rules::{Rules, View};
use self::summary::Summary;
use crate::matching::{check_of, check_supported, reads_traits};
use crate::problem::internal;
use crate::ranking::Ranking;
use crate::source::Source;

/// A funnel on its way: what is known so far, and which plan comes next.
#[derive(Debug)]
pub(crate) struct FunnelInsight {
    funnel: Funnel,
    calendar: Calendar,
    periods: Vec<(PeriodName, Intervals)>,
    /// The rankings of the period that is being counted, as far as they are known.
    rankings: Vec<Ranking>,
    /// The periods that are done.
    done: usize,
    steps: Vec<FunnelGroup>,
    trend: Vec<FunnelTrendGroup>,
    times: Vec<FunnelTimes>,
}

impl FunnelInsight {
    /// Checks that the engine can answer it, and cuts its periods.
    pub(crate) fn new(question: &Question, funnel: &Funnel, calendar: Calendar, exact: Range) -> Result<Self, Problem> {
        matchers(funnel).try_for_each(|matcher| check_supported(&matcher.filters))?;
        question.common.breakdown.iter().try_for_each(|breakdown| check_of(breakdown.of))?;
        let interval = question.common.interval();
        let compare = question.common.compare;
        // A funnel counts exactly its period; intervals are only there to be shown, or to tell how long it is.
        let current = if compare.is_some() || funnel.view == FunnelView::Trend {
            calendar.intervals(exact, interval)?
        } else {
            Intervals { exact, boundaries: Vec::new(), labels: Vec::new() }
        };
        let previous = compare.map(|compare| {
            let count = i64::try_from(current.len()).unwrap_or(i64::MAX);
            let by = match compare {
                Compare::To { .. } => Span { value: count, unit: interval },
                Compare::Shift { shift } => shift,
            };
            calendar.moved_back(&current, interval, by)
        });
        let mut periods = vec![(PeriodName::Current, current)];
        periods.extend(previous.transpose()?.map(|previous| (PeriodName::Previous, previous)));
        let (rankings, steps, trend, times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { funnel: funnel.clone(), calendar, periods, rankings, done: 0, steps, trend, times })
    }

    /// Whether it reads traits of persons.
    pub(crate) fn needs_traits(&self, question: &Question) -> bool {
        let breakdowns = &question.common.breakdown;
        breakdowns.iter().any(|breakdown| breakdown.of == query_model::Of::Person)
            || matchers(&self.funnel).any(|matcher| reads_traits(&matcher.filters))
    }

    /// The next plan; `None` once there is nothing left to run.
    pub(crate) fn plan(&self, question: &Question, source: &Source) -> Result<Option<LogicalPlan>, Problem> {
        let Some((_, intervals)) = self.periods.get(self.done) else { return Ok(None) };
        let planner = Planner { source, question, funnel: &self.funnel, timezone: &self.calendar.timezone };
        let rules = self.rules(self.view(question, intervals), intervals.exact);
        let plan = match question.common.breakdown.get(self.rankings.len()) {
            Some(breakdown) => planner.plan(rules, Values::Ranked(breakdown))?,
            None => planner.plan(rules, Values::Grouped(&self.rankings))?,
        };
        Ok(Some(plan))
    }

    /// Takes the rows of the plan that was given out last.
    pub(crate) fn take(&mut self, question: &Question, batches: &[RecordBatch]) -> Result<(), Problem> {
        let (period, intervals) = self.periods.get(self.done).ok_or_else(|| internal("rows after the last plan"))?;
        let view = self.view(question, intervals);
        let rankings = &self.rankings;
        match answer::summary(&view, batches)? {
            Summary::Values(values) => {
                self.rankings.push(Ranking::of(values));
                return Ok(());
            }
            Summary::Steps(groups) => {
                let rules = self.rules(view, intervals.exact);
                self.steps.extend(answer::steps(&self.funnel, &rules, *period, rankings, groups)?);
            }
            Summary::Trend(counts) => {
                self.trend.extend(answer::trend(intervals.len(), *period, rankings, counts)?);
            }
            Summary::Times { lengths, bins } => self.times.push(answer::times(lengths, bins)),
        }
        self.rankings.clear();
        self.done += 1;
        Ok(())
    }

    /// The result, once every plan has run.
    pub(crate) fn result(&mut self) -> FunnelResult {
        match self.funnel.view {
            FunnelView::Steps => FunnelResult::Steps { groups: std::mem::take(&mut self.steps) },
            FunnelView::Trend => {
                let intervals = self.periods.first().map(|(_, intervals)| intervals.labels.clone());
                FunnelResult::Trend {
                    intervals: intervals.unwrap_or_default(),
                    groups: std::mem::take(&mut self.trend),
                }
            }
            FunnelView::TimeToConvert => {
                let mut times = std::mem::take(&mut self.times).into_iter();
                FunnelResult::TimeToConvert { current: times.next().unwrap_or_default(), previous: times.next() }
            }
        }
    }

    /// What the next plan keeps.
    fn view(&self, question: &Question, intervals: &Intervals) -> View {
        if let Some(breakdown) = question.common.breakdown.get(self.rankings.len()) {
            return View::Values { limit: breakdown.limit };
        }
        let step = |step: Option<u32>| step.and_then(|step| u8::try_from(step).ok()).unwrap_or_default();
        let (from, to) = (step(self.funnel.from_step), step(self.funnel.to_step));
        match self.funnel.view {
            FunnelView::Steps => View::Steps,
            FunnelView::Trend => View::Trend { from, to, boundaries: intervals.boundaries.clone() },
            FunnelView::TimeToConvert => View::Times { from, to, bins: self.funnel.bins.unwrap_or(1) },
        }
    }

    fn rules(&self, view: View, period: Range) -> Rules {
        let funnel = &self.funnel;
        let optional: Vec<bool> = funnel.steps.iter().map(|step| step.optional).collect();
        let step = |step: u32| u8::try_from(step).unwrap_or(u8::MAX);
        let exclusions = funnel.exclusions.iter().map(|exclusion| (step(exclusion.from_step), step(exclusion.to_step)));
        let window = funnel.window.seconds().saturating_mul(1_000_000);
        let (order, count, attribution) = (funnel.order, funnel.count, funnel.attribution);
        Rules::new(&optional, order, window, period, exclusions.collect(), count, attribution, view)
    }
}

/// Everything that events are held against.
fn matchers(funnel: &Funnel) -> impl Iterator<Item = &Matcher> {
    let steps = funnel.steps.iter().map(|step| &step.matcher);
    steps.chain(funnel.exclusions.iter().map(|exclusion| &exclusion.matcher))
}
