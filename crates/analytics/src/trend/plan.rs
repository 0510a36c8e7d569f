//! The plans of a trend: one that ranks a property's values, and one that computes every number.
//!
//! ```text
//! Aggregate   by group_0..           measure_0 .. measure_n    one list of numbers each, the total last
//!   Projection  interval, exact, person, operand_i, matches_i, group_j
//!     Filter      type, timestamp, event: plain columns, which prune; then conditions on properties
//!       TableScan   events
//! ```

use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder};
use event_model::{Problem, columns};
use query_model::trend::PerPerson;
use query_model::{Breakdown, Display, Intervals, Matcher, Measure, Of, Question, Range, Series, Trend};

use super::days::Days;
use crate::events_table::{column, happened_in, instant, interval_among, interval_index, is_counted, person, scan};
use crate::matching::{all, balanced, matches, names, truth};
use crate::measure::{Kind, OfPersons, measure, windowed};
use crate::problem::{internal, not_supported};
use crate::property;
use crate::ranking::Ranking;
use crate::source::Source;

const INTERVAL: &str = "interval";
const EXACT: &str = "exact";
const PERSON: &str = "person";
const DAY: &str = "day";

/// What both plans need.
pub(super) struct Planner<'a> {
    pub(super) source: &'a Source,
    pub(super) question: &'a Question,
    pub(super) trend: &'a Trend,
    pub(super) timezone: &'a jiff::tz::TimeZone,
    pub(super) intervals: &'a Intervals,
    /// If any series looks back.
    pub(super) days: Option<Days>,
}

/// The engine's kind of a series; what it does not have yet is refused.
pub(super) fn kind(series: &Series) -> Result<Kind, Problem> {
    Ok(match series.measure {
        Measure::Total => Kind::Rows,
        Measure::UniquePersons => Kind::Persons,
        Measure::Sum => Kind::Sum,
        Measure::Avg => Kind::Average,
        Measure::Min => Kind::Least,
        Measure::Max => Kind::Greatest,
        Measure::Median => Kind::Percentile(50),
        Measure::P75 => Kind::Percentile(75),
        Measure::P90 => Kind::Percentile(90),
        Measure::P95 => Kind::Percentile(95),
        Measure::P99 => Kind::Percentile(99),
        Measure::Distinct => Kind::Distinct,
        Measure::PerPerson => Kind::PerPerson(match series.of.unwrap_or(PerPerson::Avg) {
            PerPerson::Avg => OfPersons::Average,
            PerPerson::Median => OfPersons::Percentile(50),
            PerPerson::P90 => OfPersons::Percentile(90),
            PerPerson::Min => OfPersons::Least,
            PerPerson::Max => OfPersons::Greatest,
        }),
        Measure::Wau | Measure::Mau => Kind::Window,
        Measure::FirstTime => Kind::First,
        other @ Measure::Sessions => return Err(not_supported(format_args!("The measure {}", other.as_str()))),
    })
}

/// Refuses `cumulative` of measures that would have to look at everything again for each interval, and groups by a value
/// of what was first, which rows of one group cannot know.
pub(super) fn check_together(trend: &Trend, question: &Question) -> Result<(), Problem> {
    for series in &trend.series {
        let (kind, name) = (kind(series)?, series.measure.as_str());
        let again = matches!(kind, Kind::Percentile(_) | Kind::PerPerson(_) | Kind::Window);
        if again && trend.display == Display::Cumulative {
            return Err(not_supported(format_args!("`cumulative` of the measure {name}")));
        }
        if kind == Kind::First && !question.common.breakdown.is_empty() {
            return Err(not_supported(format_args!("A breakdown of the measure {name}")));
        }
    }
    Ok(())
}

impl Planner<'_> {
    /// Ranks the values of one property: each value with the first series' measure over the exact period. Values that
    /// only other series or the edges of the period have rank with a total of nothing.
    pub(super) fn ranking(&self, breakdown: &Breakdown) -> Result<LogicalPlan, Problem> {
        let value = property::as_text(self.source, breakdown.of, &breakdown.property)?;
        let first = self.trend.series.first().ok_or_else(|| internal("a trend without series"))?;
        let rows = self.rows()?;
        let mut columns = self.columns(std::slice::from_ref(first))?;
        columns.push(value.alias("value"));
        let measure = self.measure(0, first, 0, false)?;
        rows.project(columns)
            .and_then(|plan| plan.filter(column("value").is_not_null()))
            .and_then(|plan| plan.aggregate(vec![column("value")], vec![measure]))
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// Computes every series in every group and interval.
    pub(super) fn numbers(&self, rankings: &[Ranking]) -> Result<LogicalPlan, Problem> {
        let mut columns = self.columns(&self.trend.series)?;
        let mut groups = Vec::new();
        for (place, (breakdown, ranking)) in self.question.common.breakdown.iter().zip(rankings).enumerate() {
            let name = format!("group_{place}");
            let value = property::as_text(self.source, breakdown.of, &breakdown.property)?;
            columns.push(ranking.code(value).alias(&name));
            groups.push(column(&name));
        }
        let cumulative = self.trend.display == Display::Cumulative;
        let intervals = if self.trend.display == Display::Total { 0 } else { self.intervals.len() };
        let measures = self
            .trend
            .series
            .iter()
            .enumerate()
            .map(|(place, series)| self.measure(place, series, intervals, cumulative))
            .collect::<Result<Vec<_>, _>>()?;
        self.rows()?
            .project(columns)
            .and_then(|plan| plan.aggregate(groups, measures))
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// The events of the period that at least one series is about.
    fn rows(&self) -> Result<LogicalPlanBuilder, Problem> {
        let series = &self.trend.series;
        let mut conditions = vec![is_counted(), self.in_time()];
        if let Some(mut named) = series.iter().map(|one| names(&one.matcher)).collect::<Option<Vec<_>>>() {
            named.dedup();
            conditions.extend(balanced(named, Expr::or));
        }
        conditions.extend(all(self.source, &self.question.common.filters, self.timezone)?);
        // Where no series has filters the names alone have said it.
        if series.iter().any(|one| !one.matcher.filters.is_empty()) {
            let matchers = series.iter().map(|one| self.matches(&one.matcher)).collect::<Result<Vec<_>, _>>()?;
            conditions.extend(balanced(matchers, Expr::or));
        }
        let condition = balanced(conditions, Expr::and).unwrap_or_else(|| truth(true));
        scan(self.source)?.filter(condition).map_err(internal)
    }

    /// Intervals are counted in full, totals exactly: the exact period lies within its intervals.
    fn range(&self) -> Range {
        if self.trend.display == Display::Total { self.intervals.exact } else { self.intervals.full() }
    }

    /// When the rows that are read happened: in the period, and before it as far as a series looks back.
    fn in_time(&self) -> Expr {
        let Range { from, until } = self.range();
        if self.trend.series.iter().any(|one| one.measure == Measure::FirstTime) {
            return column(columns::TIMESTAMP).lt(instant(self.source, until));
        }
        let from = self.days.as_ref().map_or(from, |days| days.from().min(from));
        happened_in(self.source, Range { from, until })
    }

    fn matches(&self, matcher: &Matcher) -> Result<Expr, Problem> {
        matches(self.source, matcher, self.timezone)
    }

    /// Whether a row belongs to a series. Of a single one every row does that was let through.
    fn belongs(&self, series: &Series) -> Result<Expr, Problem> {
        if self.trend.series.len() == 1 { Ok(truth(true)) } else { self.matches(&series.matcher) }
    }

    /// The columns that the measures of these series read.
    fn columns(&self, series: &[Series]) -> Result<Vec<Expr>, Problem> {
        let mut columns = vec![
            interval_index(self.intervals).alias(INTERVAL),
            happened_in(self.source, self.intervals.exact).alias(EXACT),
        ];
        let reads_persons =
            [Measure::UniquePersons, Measure::PerPerson, Measure::Wau, Measure::Mau, Measure::FirstTime];
        if series.iter().any(|one| reads_persons.contains(&one.measure)) {
            columns.push(person(&self.source.keys).alias(PERSON));
        }
        if let Some(days) = &self.days {
            columns.push(interval_among(days.boundaries.clone()).alias(DAY));
        }
        if series.iter().any(|one| one.measure == Measure::FirstTime) {
            columns.push(column(columns::TIMESTAMP));
        }
        for (place, one) in series.iter().enumerate() {
            columns.push(self.belongs(one)?.alias(format!("matches_{place}")));
            if let Some(name) = &one.property {
                let operand = match one.measure {
                    Measure::Distinct => property::as_text(self.source, Of::Event, name)?,
                    _ => property::as_number(self.source, Of::Event, name)?,
                };
                columns.push(operand.alias(format!("operand_{place}")));
            }
        }
        Ok(columns)
    }

    fn measure(&self, place: usize, series: &Series, intervals: usize, cumulative: bool) -> Result<Expr, Problem> {
        let kind = kind(series)?;
        let mut arguments = vec![column(INTERVAL), column(EXACT)];
        match kind {
            Kind::Rows => {}
            Kind::Persons => arguments.push(column(PERSON)),
            Kind::First => arguments.extend([column(PERSON), column(columns::TIMESTAMP)]),
            Kind::Window => {}
            Kind::PerPerson(_) => {
                arguments.push(column(PERSON));
                arguments.extend(series.property.as_ref().map(|_| column(&format!("operand_{place}"))));
            }
            _ => arguments.push(column(&format!("operand_{place}"))),
        }
        // Without intervals every place would be beyond the last one, which is the total's.
        if let (0, Some(interval)) = (intervals, arguments.first_mut()) {
            *interval = Expr::Literal(datafusion::scalar::ScalarValue::Int32(None), None);
        }
        let aggregate = match (kind, &self.days) {
            (Kind::Window, Some(days)) => {
                let windows = if intervals == 0 { Vec::new() } else { self.windows(days, series.measure)? };
                windowed(windows, column(DAY), column(PERSON))
            }
            _ => measure(kind, intervals, cumulative, arguments),
        };
        let filtered = aggregate.filter(column(&format!("matches_{place}"))).build().map_err(internal)?;
        Ok(filtered.alias(format!("measure_{place}")))
    }

    fn windows(&self, days: &Days, measure: Measure) -> Result<Vec<(u32, u32)>, Problem> {
        days.windows(measure, self.question.common.interval(), self.intervals)
    }
}
