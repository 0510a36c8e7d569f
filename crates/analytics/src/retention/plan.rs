//! The plans of a retention: one that ranks a property's values, and one that computes the table.
//!
//! ```text
//! Aggregate     the table
//!   Aggregate     by person         starts or first start, returns
//!     Projection    person, interval, started, returned, start
//!       Filter        type, timestamp, event: plain columns, which prune; then conditions on properties
//!         TableScan     events
//! ```

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, when};
use event_model::Problem;
use query_model::retention::{CohortBy, Retention};
use query_model::{Breakdown, Matcher, Of, Question, Range};

use super::cohorts::Cohorts;
use super::only_first;
use super::table::Rule;
use crate::earliest::{Taken, earliest, order};
use crate::events_table::{column, happened_in, instant, interval_among, is_counted, person, scan};
use crate::groups::Groups;
use crate::marks::{Shape, bytes, marks};
use crate::matching::{all, balanced, matches, names, truth};
use crate::measure::{Kind, measure};
use crate::problem::internal;
use crate::property;
use crate::source::Source;
use crate::tally::tally;

const PERSON: &str = "person";
const INTERVAL: &str = "interval";
/// Whether a row may put a person into a cohort.
const STARTED: &str = "started";
const RETURNED: &str = "returned";
/// The group and the cohort of a start.
const START: &str = "start";
const VALUE: &str = "value";

/// What both plans need.
pub(super) struct Planner<'a> {
    pub(super) source: &'a Source,
    pub(super) question: &'a Question,
    pub(super) retention: &'a Retention,
    pub(super) timezone: &'a jiff::tz::TimeZone,
    pub(super) cohorts: &'a Cohorts,
}

impl Planner<'_> {
    /// Ranks the values of one property by the persons who are in a cohort with them.
    pub(super) fn ranking(&self, breakdown: &Breakdown) -> Result<LogicalPlan, Problem> {
        let value = property::as_text(self.source, breakdown.of, &breakdown.property)?;
        let rows = scan(self.source)?.filter(self.rows(false)?).map_err(internal)?;
        let persons = measure(
            Kind::Persons,
            0,
            false,
            vec![Expr::Literal(datafusion::scalar::ScalarValue::Int32(None), None), truth(true), column(PERSON)],
        );
        let mut columns = vec![person(&self.source.keys).alias(PERSON)];
        let by_value = if only_first(self.retention) {
            columns.extend(order(self.ties_matter()));
            columns.push(self.if_in_a_cohort(value)?.alias(VALUE));
            rows.project(columns).and_then(|plan| {
                plan.aggregate(vec![column(PERSON)], vec![earliest(Taken::Text, column(VALUE)).alias(VALUE)])
            })
        } else {
            columns.push(value.alias(VALUE));
            rows.project(columns)
        };
        by_value
            .and_then(|plan| plan.filter(column(VALUE).is_not_null()))
            .and_then(|plan| plan.aggregate(vec![column(VALUE)], vec![persons]))
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// Computes the table of every group.
    pub(super) fn table(&self, groups: &Groups) -> Result<LogicalPlan, Problem> {
        let count = self.cohorts.len() as u64;
        let breakdown = &self.question.common.breakdown;
        let values = breakdown.iter().map(|one| property::as_text(self.source, one.of, &one.property));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let in_cohorts = self.cohorts.boundaries.iter().take(self.cohorts.len() + 1).copied().collect();
        let start = groups.with_interval(interval_among(in_cohorts), values, count);

        let mut columns = vec![
            person(&self.source.keys).alias(PERSON),
            interval_among(self.cohorts.boundaries.clone()).alias(INTERVAL),
            self.may_start()?.alias(STARTED),
            self.returns()?.alias(RETURNED),
        ];
        let starts = if only_first(self.retention) {
            columns.extend(order(self.ties_matter()));
            columns.push(self.if_in_a_cohort(start)?.alias(START));
            earliest(Taken::Number, column(START))
        } else {
            columns.push(start.alias(START));
            marks(self.starts(groups), column(START))
        };
        let started = starts.filter(column(STARTED)).build().map_err(internal)?.alias(START);
        let returned = marks(self.returned(), column(INTERVAL)).filter(column(RETURNED)).build().map_err(internal)?;
        scan(self.source)?
            .filter(self.rows(true)?)
            .and_then(|plan| plan.project(columns))
            .and_then(|plan| plan.aggregate(vec![column(PERSON)], vec![started, returned.alias(RETURNED)]))
            .and_then(|plan| plan.aggregate(Vec::<Expr>::new(), vec![self.add_up(groups)]))
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// The starts of a person: places of groups and cohorts.
    fn starts(&self, groups: &Groups) -> Shape {
        Shape { places: groups.count().saturating_mul(self.cohorts.len() as u64), minimum: 1 }
    }

    /// The returns of a person: places of intervals.
    fn returned(&self) -> Shape {
        let places = self.cohorts.boundaries.len() as u64 - 1;
        Shape { places, minimum: self.retention.minimum_occurrences }
    }

    fn add_up(&self, groups: &Groups) -> Expr {
        let (first, starts, returned) = (only_first(self.retention), self.starts(groups), self.returned());
        let rule = Rule::new(self.retention, self.cohorts.len());
        tally(self.cohorts.columns, vec![column(START), column(RETURNED)], move |arrays, counts| {
            let [start, back, ..] = arrays else { return Ok(()) };
            let back = bytes(back)?;
            let (mut own_starts, mut own_returns) = (Vec::new(), Vec::new());
            let mut add = |row: usize, own_starts: &[u64]| {
                returned.read(if back.is_valid(row) { back.value(row) } else { &[] }, &mut own_returns);
                rule.count(own_starts, &own_returns, counts);
            };
            if first {
                let start = start.as_primitive::<Int64Type>();
                for row in (0..start.len()).filter(|row| start.is_valid(*row)) {
                    add(row, &[start.value(row).unsigned_abs()]);
                }
            } else {
                let start = bytes(start)?;
                for row in (0..start.len()).filter(|row| start.is_valid(*row)) {
                    starts.read(start.value(row), &mut own_starts);
                    add(row, &own_starts);
                }
            }
            Ok(())
        })
    }

    /// The events that a plan reads: those that may start and, for the table, returns.
    fn rows(&self, with_returns: bool) -> Result<Expr, Problem> {
        let (start, back) = (&self.retention.start, &self.retention.back);
        let until = if with_returns { self.cohorts.returns().until } else { self.cohorts.starts().until };
        let mut conditions = vec![is_counted()];
        if only_first(self.retention) {
            conditions.push(column(event_model::columns::TIMESTAMP).lt(instant(self.source, until)));
        } else {
            conditions.push(happened_in(self.source, Range { from: self.cohorts.starts().from, until }));
        }
        let named = match (names(start), names(back)) {
            (Some(start), _) if !with_returns => Some(start),
            (Some(start), Some(back)) if start == back => Some(start),
            (Some(start), Some(back)) => Some(start.or(back)),
            _ => None,
        };
        conditions.extend(named);
        let starts = self.may_start()?;
        conditions.push(if with_returns { starts.or(self.returns()?) } else { starts });
        Ok(balanced(conditions, Expr::and).unwrap_or_else(|| truth(true)))
    }

    /// Whether a row may put its person into a cohort: it matches or, for `first_ever`, has the name. History before
    /// the period counts for what is first.
    fn may_start(&self) -> Result<Expr, Problem> {
        let range = self.cohorts.starts();
        let in_time = if only_first(self.retention) {
            column(event_model::columns::TIMESTAMP).lt(instant(self.source, range.until))
        } else {
            happened_in(self.source, range)
        };
        let row = match self.retention.cohort_by {
            CohortBy::FirstEver => names(&self.retention.start).unwrap_or_else(|| truth(true)),
            CohortBy::Recurring | CohortBy::FirstTime => self.matches(&self.retention.start)?,
        };
        Ok(in_time.and(row))
    }

    /// Whether it matters which of a person's rows of one instant is first: they may differ in value, and in whether they
    /// match, but not in their interval.
    fn ties_matter(&self) -> bool {
        self.retention.cohort_by == CohortBy::FirstEver
            || self.question.common.breakdown.iter().any(|breakdown| breakdown.of == Of::Event)
    }

    /// A value of a person's first row, if that row puts them into a cohort; null otherwise.
    fn if_in_a_cohort(&self, value: Expr) -> Result<Expr, Problem> {
        let mut condition = happened_in(self.source, self.cohorts.starts());
        if self.retention.cohort_by == CohortBy::FirstEver {
            condition = condition.and(self.matches(&self.retention.start)?);
        }
        when(condition, value).end().map_err(internal)
    }

    fn returns(&self) -> Result<Expr, Problem> {
        Ok(happened_in(self.source, self.cohorts.returns()).and(self.matches(&self.retention.back)?))
    }

    /// A matcher together with the question's filters.
    fn matches(&self, matcher: &Matcher) -> Result<Expr, Problem> {
        let matched = matches(self.source, matcher, self.timezone)?;
        let filters = all(self.source, &self.question.common.filters, self.timezone)?;
        Ok(filters.map_or_else(|| matched.clone(), |filters| matched.clone().and(filters)))
    }
}
