//! Paths: what people do one after the other within a session, as edges from one item to the next.
//!
//! For example, with three steps, where p sees `/`, `/pricing/`, `/pricing` and `/buy` within a minute each, and q sees
//! `/` and, 40 minutes later, `/pricing`:
//!
//! ```text
//! p          /  /pricing  /buy        /pricing/ and /pricing are one item, neighbours merge
//! q          /                        a gap of more than 30 minutes begins a new session
//! q          /pricing
//!
//! step  from      to        count  average seconds
//!   1   /         /pricing    1          60
//!   2   /pricing  /buy        1         120        from the first /pricing
//! ```
//!
//! A first aggregate keeps of each person the items with their times, and makes edges of them once all are there; a
//! second one adds equal edges up and keeps the most frequent. What counts as an item is said by the plan, how sessions
//! are cut by `sessions.rs`.

mod answer;
mod edges;
mod items;
mod plan;
mod sessions;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use event_model::Problem;
use query_model::answer::PathsResult;
use query_model::paths::Paths;
use query_model::{Calendar, Question, Range};

use crate::matching::check_not_compared;
use crate::source::Source;

/// A paths question on its way.
#[derive(Debug)]
pub(crate) struct PathsInsight {
    paths: Paths,
    calendar: Calendar,
    exact: Range,
    result: Option<PathsResult>,
}

impl PathsInsight {
    /// Checks that the engine can answer it.
    pub(crate) fn new(question: &Question, paths: &Paths, calendar: Calendar, exact: Range) -> Result<Self, Problem> {
        check_not_compared(question)?;
        Ok(Self { paths: paths.clone(), calendar, exact, result: None })
    }

    /// The next plan; `None` once there is nothing left to run.
    pub(crate) fn plan(&self, question: &Question, source: &Source) -> Result<Option<LogicalPlan>, Problem> {
        if self.result.is_some() {
            return Ok(None);
        }
        plan::edges_of(source, question, &self.paths, &self.calendar.timezone, self.exact).map(Some)
    }

    /// Takes the rows of the plan.
    pub(crate) fn take(&mut self, batches: &[RecordBatch]) -> Result<(), Problem> {
        self.result = Some(answer::result(batches)?);
        Ok(())
    }

    /// The result, once the plan has run.
    pub(crate) fn result(&mut self) -> Option<PathsResult> {
        self.result.take()
    }
}
