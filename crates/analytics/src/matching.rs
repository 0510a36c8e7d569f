//! Matchers and filters as expressions: always true or false, never null, so that `not` is what it says.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use event_model::{Problem, columns};
use jiff::tz::TimeZone;
use query_model::{Filter, Matcher, Of, PropertyFilter, Question};

use crate::events_table::{column, is_counted, text};
use crate::predicate::Predicate;
use crate::problem::not_supported;
use crate::property;
use crate::source::Source;

/// Names and namespace of a matcher as plain comparisons of columns, which prune files; `None` if it takes every event.
pub(crate) fn names(matcher: &Matcher) -> Option<Expr> {
    let event = column(columns::EVENT);
    let named = match (&matcher.event, matcher.any_of.as_slice()) {
        (Some(name), _) => Some(event.eq(text(name))),
        (None, []) => None,
        (None, names) => Some(event.in_list(names.iter().map(|name| text(name)).collect(), false)),
    };
    let namespace = matcher.namespace.as_ref().map(|namespace| column(columns::NAMESPACE).eq(text(namespace)));
    match (named, namespace) {
        (Some(named), Some(namespace)) => Some(named.and(namespace)),
        (one, other) => one.or(other),
    }
}

/// The whole matcher.
pub(crate) fn matches(source: &Source, matcher: &Matcher, timezone: &TimeZone) -> Result<Expr, Problem> {
    let filters = all(source, &matcher.filters, timezone)?;
    Ok(match (names(matcher), filters) {
        (Some(names), Some(filters)) => names.and(filters),
        (one, other) => one.or(other).unwrap_or_else(|| truth(true)),
    })
}

/// All conditions of a list; `None` if there are none.
pub(crate) fn all(source: &Source, filters: &[Filter], timezone: &TimeZone) -> Result<Option<Expr>, Problem> {
    combine(source, filters, timezone, Expr::and)
}

/// The rows of a question about one matcher: plain columns first, which prune files, then conditions on properties.
pub(crate) fn rows_about(
    source: &Source,
    question: &Question,
    matcher: &Matcher,
    timezone: &TimeZone,
    in_time: Expr,
) -> Result<Expr, Problem> {
    let mut conditions = vec![is_counted(), in_time];
    conditions.extend(names(matcher));
    conditions.extend(all(source, &question.common.filters, timezone)?);
    conditions.extend(all(source, &matcher.filters, timezone)?);
    Ok(balanced(conditions, Expr::and).unwrap_or_else(|| truth(true)))
}

fn combine(
    source: &Source,
    filters: &[Filter],
    timezone: &TimeZone,
    with: fn(Expr, Expr) -> Expr,
) -> Result<Option<Expr>, Problem> {
    let parts = filters.iter().map(|filter| condition(source, filter, timezone)).collect::<Result<Vec<_>, _>>()?;
    Ok(balanced(parts, with))
}

/// Joins expressions as a balanced tree: the engine walks trees recursively, and a chain would be as deep as it is long.
pub(crate) fn balanced(mut parts: Vec<Expr>, with: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while parts.len() > 1 {
        let mut joined = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => with(left, right),
                None => left,
            });
        }
        parts = joined;
    }
    parts.pop()
}

fn condition(source: &Source, filter: &Filter, timezone: &TimeZone) -> Result<Expr, Problem> {
    Ok(match filter {
        Filter::Any { any } => combine(source, any, timezone, Expr::or)?.unwrap_or_else(|| truth(false)),
        Filter::All { all } => combine(source, all, timezone, Expr::and)?.unwrap_or_else(|| truth(true)),
        Filter::Not { not } => !condition(source, not, timezone)?,
        Filter::Cohort(cohort) => return Err(not_supported(format_args!("The operator {}", cohort.op.as_str()))),
        Filter::Property(filter) => property(source, filter, timezone)?,
    })
}

fn property(source: &Source, filter: &PropertyFilter, timezone: &TimeZone) -> Result<Expr, Problem> {
    let predicate = Predicate::new(filter, timezone)?;
    property::satisfies(source, filter.of, &filter.property, filter.op.as_str(), move |value| predicate.holds(value))
}

/// True or false as a literal.
pub(crate) fn truth(value: bool) -> Expr {
    Expr::Literal(ScalarValue::Boolean(Some(value)), None)
}

/// Refuses what no kind of question can filter by yet.
pub(crate) fn check_supported(filters: &[Filter]) -> Result<(), Problem> {
    filters.iter().try_for_each(|filter| match filter {
        Filter::Any { any: list } | Filter::All { all: list } => check_supported(list),
        Filter::Not { not } => check_supported(std::slice::from_ref(not)),
        Filter::Cohort(cohort) => Err(not_supported(format_args!("The operator {}", cohort.op.as_str()))),
        Filter::Property(filter) => check_of(filter.of),
    })
}

/// Refuses properties of groups and sessions.
pub(crate) fn check_of(of: Of) -> Result<(), Problem> {
    match of {
        Of::Event | Of::Person => Ok(()),
        Of::Group | Of::Session => Err(not_supported(format_args!("A property of: {}", of.as_str()))),
    }
}

/// Refuses `compare` of a kind whose answer is about one period.
pub(crate) fn check_not_compared(question: &Question) -> Result<(), Problem> {
    match question.common.compare {
        Some(_) => Err(not_supported(format_args!("`compare` of the kind {}", question.kind().as_str()))),
        None => Ok(()),
    }
}

/// Whether any condition reads a person's traits.
pub(crate) fn reads_traits(filters: &[Filter]) -> bool {
    filters.iter().any(|filter| match filter {
        Filter::Any { any: list } | Filter::All { all: list } => reads_traits(list),
        Filter::Not { not } => reads_traits(std::slice::from_ref(not)),
        Filter::Cohort(_) => false,
        Filter::Property(filter) => filter.of == Of::Person,
    })
}
