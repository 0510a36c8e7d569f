//! The plan of a funnel: the events that some step or exclusion is about, counted person by person.
//!
//! ```text
//! TableScan     funnel: the operators, over
//!   Projection    person, the order of events, steps, exclusions, (key), (session, filter), value_j
//!     Filter        type, timestamp, event: plain columns, which prune; then conditions on properties
//!       TableScan     events
//! ```
//!
//! Steps that must follow directly need every event that passes the filters, and sessions need every event at all,
//! because any of them may end an attempt, or keep a session going.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use event_model::{Problem, columns};
use query_model::funnel::{Attribution, Funnel, FunnelCount, StepOrder};
use query_model::{Breakdown, Matcher, Of, Question, Range};

use super::gather::Layout;
use super::operator::FunnelTable;
use super::rules::Rules;
use crate::events_table::{column, first, happened_in, is_counted, person, scan};
use crate::function::call;
use crate::matching::{all, balanced, matches, names, truth};
use crate::problem::internal;
use crate::property;
use crate::ranking::Ranking;
use crate::source::Source;
use crate::value::Texts;

/// What the plans of one period need.
pub(super) struct Planner<'a> {
    pub(super) source: &'a Source,
    pub(super) question: &'a Question,
    pub(super) funnel: &'a Funnel,
    pub(super) timezone: &'a jiff::tz::TimeZone,
}

/// What becomes of the breakdown.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    /// The values of one property are ranked.
    Ranked(&'a Breakdown),
    /// Every property's values are put into their groups.
    Grouped(&'a [Ranking]),
}

impl Planner<'_> {
    /// Counts by these rules, which get to know what their events carry.
    pub(super) fn plan(&self, mut rules: Rules, values: Values<'_>) -> Result<LogicalPlan, Problem> {
        let texts = self.texts(values)?;
        let holds_values = self.funnel.attribution == Attribution::AllSteps && !texts.is_empty();
        rules.is_held = holds_values || !self.funnel.hold_constant.is_empty();
        rules.breakdowns = texts.len();
        let layout = Layout {
            key: rules.is_held,
            sessions: rules.count == FunnelCount::Sessions,
            values: texts.len(),
            are_texts: matches!(values, Values::Ranked(_)),
        };

        let steps = self.funnel.steps.iter().map(|step| &step.matcher);
        let exclusions = self.funnel.exclusions.iter().map(|exclusion| &exclusion.matcher);
        let mut columns = vec![person(&self.source.keys).alias("person")];
        columns.extend([columns::TIMESTAMP, columns::RECEIVED_AT, columns::POSITION, columns::EVENT_ID].map(column));
        columns.push(self.mask("steps", steps)?);
        columns.push(self.mask("exclusions", exclusions)?);
        if layout.key {
            columns.push(self.key(if holds_values { &texts } else { &[] })?);
        }
        if layout.sessions {
            columns.push(session(column(columns::SESSION_ID)).alias("session"));
            let filters = all(self.source, &self.question.common.filters, self.timezone)?;
            columns.push(filters.unwrap_or_else(|| truth(true)).alias("filter"));
        }
        for (place, text) in texts.into_iter().enumerate() {
            let value = match values {
                Values::Ranked(_) => text,
                // From 1, 0 being the rows without a value.
                Values::Grouped(rankings) => match rankings.get(place) {
                    Some(ranking) => ranking.code(text) + Expr::Literal(ScalarValue::Int32(Some(1)), None),
                    None => return Err(internal("a property has not been ranked")),
                },
            };
            columns.push(value.alias(format!("value_{place}")));
        }
        let range = Range { from: rules.period.from, until: rules.period.until.saturating_add(rules.window) };
        let events = self.rows(range)?.project(columns).and_then(LogicalPlanBuilder::build).map_err(internal)?;
        let table = Arc::new(FunnelTable { events, rules: Arc::new(rules), layout });
        LogicalPlanBuilder::scan("funnel", provider_as_source(table), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// The breakdown's values as texts.
    fn texts(&self, values: Values<'_>) -> Result<Vec<Expr>, Problem> {
        let text = |breakdown: &Breakdown| property::as_text(self.source, breakdown.of, &breakdown.property);
        match values {
            Values::Ranked(breakdown) => Ok(vec![text(breakdown)?]),
            Values::Grouped(_) => self.question.common.breakdown.iter().map(text).collect(),
        }
    }

    /// The events that can matter: those that some step or exclusion is about, unless all do.
    fn rows(&self, range: Range) -> Result<LogicalPlanBuilder, Problem> {
        let (funnel, common) = (self.funnel, &self.question.common);
        let is_sessions = funnel.count == FunnelCount::Sessions;
        let known = column(columns::PERSON_KEY).is_not_null();
        let mut conditions = vec![is_counted(), happened_in(self.source, range), known];
        let matchers: Vec<&Matcher> = funnel
            .steps
            .iter()
            .map(|step| &step.matcher)
            .chain(funnel.exclusions.iter().map(|exclusion| &exclusion.matcher))
            .collect();
        let needs_all = is_sessions || funnel.order == StepOrder::Strict;
        if !needs_all {
            if let Some(mut named) = matchers.iter().map(|matcher| names(matcher)).collect::<Option<Vec<_>>>() {
                named.sort_unstable_by_key(ToString::to_string);
                named.dedup();
                conditions.extend(balanced(named, Expr::or));
            }
        }
        if !is_sessions {
            conditions.extend(all(self.source, &common.filters, self.timezone)?);
        }
        // Where no matcher has filters the names alone have said it.
        if !needs_all && matchers.iter().any(|matcher| !matcher.filters.is_empty()) {
            let matched = matchers.iter().map(|matcher| matches(self.source, matcher, self.timezone));
            conditions.extend(balanced(matched.collect::<Result<Vec<_>, _>>()?, Expr::or));
        }
        let condition = balanced(conditions, Expr::and).unwrap_or_else(|| truth(true));
        scan(self.source)?.filter(condition).map_err(internal)
    }

    /// Which of the matchers an event matches, as bits.
    fn mask<'m>(&self, name: &str, matchers: impl Iterator<Item = &'m Matcher>) -> Result<Expr, Problem> {
        let matchers = matchers.map(|matcher| matches(self.source, matcher, self.timezone));
        let matchers = matchers.collect::<Result<Vec<_>, _>>()?;
        if matchers.is_empty() {
            return Ok(Expr::Literal(ScalarValue::Int64(Some(0)), None).alias(name));
        }
        let mask = call("mask", matchers, DataType::Int64, |arguments| {
            let mut masks = vec![0_i64; first(arguments)?.len()];
            for (place, matched) in arguments.iter().enumerate() {
                let matched: &BooleanArray = matched.as_boolean();
                for (row, mask) in masks.iter_mut().enumerate() {
                    *mask |= i64::from(matched.is_valid(row) && matched.value(row)) << place;
                }
            }
            Ok(Arc::new(Int64Array::from(masks)) as ArrayRef)
        });
        Ok(mask.alias(name))
    }

    /// A hash of what all steps of an attempt must carry: the properties to be held, each of which must be there, and
    /// the breakdown's values, for which nothing is a value too.
    fn key(&self, values: &[Expr]) -> Result<Expr, Problem> {
        let held = &self.funnel.hold_constant;
        let texts = held.iter().map(|name| property::as_text(self.source, Of::Event, name));
        let mut arguments = texts.collect::<Result<Vec<_>, _>>()?;
        arguments.extend_from_slice(values);
        Ok(hashed("key", arguments, held.len()).alias("key"))
    }
}

/// The session that the client names; null where it names none.
fn session(id: Expr) -> Expr {
    hashed("session", vec![id], 1)
}

/// A 64-bit hash of some texts with a secret of its own, never 0; null if one of the first `required` is missing.
fn hashed(name: &str, texts: Vec<Expr>, required: usize) -> Expr {
    let secret = RandomState::new();
    call(name, texts, DataType::Int64, move |arguments| {
        let texts = arguments.iter().map(Texts::new).collect::<Result<Vec<_>, _>>()?;
        let hash = |row: usize| {
            let mut hasher = secret.build_hasher();
            for (place, texts) in texts.iter().enumerate() {
                let text = texts.get(row);
                if text.is_none() && place < required {
                    return None;
                }
                text.hash(&mut hasher);
            }
            Some(hasher.finish().max(1).cast_signed())
        };
        Ok(Arc::new((0..first(arguments)?.len()).map(hash).collect::<Int64Array>()) as ArrayRef)
    })
}
