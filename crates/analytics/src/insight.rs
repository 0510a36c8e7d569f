//! A question being answered: it asks for plans to be run until it knows the answer, and touches nothing itself.
//!
//! ```text
//! Insight::new(question, settings, now)
//!   next(source, None)          -> Run(plan)      the caller runs it
//!   next(source, Some(batches)) -> Run(plan)
//!   next(source, Some(batches)) -> Done(result)
//! ```

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use event_model::{Problem, Timestamp};
use query_model::question::GroupBy;
use query_model::{Insight as Asked, ProjectSettings, Question};
use serde_json::value::RawValue;

use crate::funnel::FunnelInsight;
use crate::lifecycle::LifecycleInsight;
use crate::matching::{check_supported, reads_traits};
use crate::paths::PathsInsight;
use crate::problem::{internal, not_supported};
use crate::retention::RetentionInsight;
use crate::source::Source;
use crate::stickiness::StickinessInsight;
use crate::trend::TrendInsight;

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// Run this plan and come back with its batches.
    Run(LogicalPlan),
    /// The `result` of the answer, as JSON.
    Done(Box<RawValue>),
}

/// A question on its way to an answer.
#[derive(Debug)]
pub struct Insight {
    question: Question,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Trend(Box<TrendInsight>),
    Funnel(Box<FunnelInsight>),
    Retention(Box<RetentionInsight>),
    Stickiness(Box<StickinessInsight>),
    Lifecycle(Box<LifecycleInsight>),
    Paths(Box<PathsInsight>),
}

impl Insight {
    /// Takes a question. `now` decides what `last` means, and which intervals have begun.
    ///
    /// # Errors
    /// `not_supported` names the part that this version cannot answer; `invalid_question` and `too_many_intervals` if
    /// the period makes no sense in the project's time zone.
    pub fn new(question: Question, settings: &ProjectSettings, now: Timestamp) -> Result<Self, Problem> {
        let common = &question.common;
        if common.group_by != GroupBy::Person {
            return Err(not_supported(format_args!("`group_by: {}`", common.group_by.as_str())));
        }
        if common.sampling < 1.0 {
            return Err(not_supported("`sampling` below 1"));
        }
        check_supported(&common.filters)?;
        let (question, calendar, exact) = question.resolve(settings, now)?;
        let kind = match &question.insight {
            Asked::Trend(trend) => Kind::Trend(Box::new(TrendInsight::new(&question, trend, calendar, exact)?)),
            Asked::Funnel(funnel) => Kind::Funnel(Box::new(FunnelInsight::new(&question, funnel, calendar, exact)?)),
            Asked::Retention(retention) => {
                Kind::Retention(Box::new(RetentionInsight::new(&question, retention, calendar, exact, now)?))
            }
            Asked::Stickiness(stickiness) => {
                Kind::Stickiness(Box::new(StickinessInsight::new(&question, stickiness, calendar, exact)?))
            }
            Asked::Lifecycle(lifecycle) => {
                Kind::Lifecycle(Box::new(LifecycleInsight::new(&question, lifecycle, calendar, exact, now)?))
            }
            Asked::Paths(paths) => Kind::Paths(Box::new(PathsInsight::new(&question, paths, calendar, exact)?)),
        };
        Ok(Self { question, kind })
    }

    /// The question with every default written out and the period made absolute: what the answer shows, and what a
    /// cache may use as its key.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The time zone of the answer's dates.
    #[must_use]
    pub fn timezone(&self) -> &str {
        self.question.common.timezone.as_deref().unwrap_or("UTC")
    }

    /// Whether [`Source::traits`] must be there.
    #[must_use]
    pub fn needs_traits(&self) -> bool {
        reads_traits(&self.question.common.filters)
            || match &self.kind {
                Kind::Trend(trend) => trend.needs_traits(&self.question),
                Kind::Funnel(funnel) => funnel.needs_traits(&self.question),
                Kind::Retention(retention) => retention.needs_traits(&self.question),
                Kind::Stickiness(stickiness) => stickiness.needs_traits(),
                Kind::Lifecycle(lifecycle) => lifecycle.needs_traits(),
                Kind::Paths(_) => false,
            }
    }

    /// Goes one step on. The first call has no batches, each later one those of the plan that the call before gave.
    ///
    /// # Errors
    /// `internal` if the plan cannot be built or its batches do not fit it; `question_too_complex` if the answer would
    /// be too large.
    pub fn next(&mut self, source: &Source, batches: Option<Vec<RecordBatch>>) -> Result<Step, Problem> {
        if let Some(batches) = batches {
            match &mut self.kind {
                Kind::Trend(trend) => trend.take(&self.question, &batches)?,
                Kind::Funnel(funnel) => funnel.take(&self.question, &batches)?,
                Kind::Retention(retention) => retention.take(&self.question, &batches)?,
                Kind::Stickiness(stickiness) => stickiness.take(&batches)?,
                Kind::Lifecycle(lifecycle) => lifecycle.take(&batches)?,
                Kind::Paths(paths) => paths.take(&batches)?,
            }
        }
        let plan = match &self.kind {
            Kind::Trend(trend) => trend.plan(&self.question, source)?,
            Kind::Funnel(funnel) => funnel.plan(&self.question, source)?,
            Kind::Retention(retention) => retention.plan(&self.question, source)?,
            Kind::Stickiness(stickiness) => stickiness.plan(&self.question, source)?,
            Kind::Lifecycle(lifecycle) => lifecycle.plan(&self.question, source)?,
            Kind::Paths(paths) => paths.plan(&self.question, source)?,
        };
        if let Some(plan) = plan {
            return Ok(Step::Run(plan));
        }
        let result = match &mut self.kind {
            Kind::Trend(trend) => serde_json::value::to_raw_value(&trend.result()),
            Kind::Funnel(funnel) => serde_json::value::to_raw_value(&funnel.result()),
            Kind::Retention(retention) => serde_json::value::to_raw_value(&retention.result()),
            Kind::Stickiness(stickiness) => serde_json::value::to_raw_value(&stickiness.result()),
            Kind::Lifecycle(lifecycle) => serde_json::value::to_raw_value(&lifecycle.result()),
            Kind::Paths(paths) => serde_json::value::to_raw_value(&paths.result()),
        };
        result.map(Step::Done).map_err(internal)
    }
}
