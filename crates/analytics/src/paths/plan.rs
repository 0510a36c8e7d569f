//! The plan of paths.
//!
//! ```text
//! Aggregate     the most frequent edges
//!   Aggregate     by person       their edges
//!     Projection    person, session, item, and what orders events
//!       Filter        type, timestamp: plain columns, which prune; then conditions on properties
//!         TableScan     events
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use event_model::{EventType, Problem, columns};
use jiff::tz::TimeZone;
use query_model::paths::{ItemKind, Paths};
use query_model::{Of, Question, Range};

use super::edges::edges;
use super::items::items;
use super::sessions::{Rule, trimmed};
use crate::earliest::order;
use crate::events_table::{column, first, happened_in, person, scan, text};
use crate::function::call;
use crate::matching::{all, balanced, truth};
use crate::problem::internal;
use crate::property;
use crate::source::Source;
use crate::value::Texts;

const PERSON: &str = "person";
const ITEM: &str = "item";

/// Adds up the edges of all persons over exactly the period.
pub(super) fn edges_of(
    source: &Source,
    question: &Question,
    paths: &Paths,
    timezone: &TimeZone,
    exact: Range,
) -> Result<LogicalPlan, Problem> {
    let mut conditions = vec![is_included(paths), happened_in(source, exact)];
    conditions.extend(all(source, &question.common.filters, timezone)?);
    let condition = balanced(conditions, Expr::and).unwrap_or_else(|| truth(true));
    let mut columns = vec![person(&source.keys).alias(PERSON)];
    columns.extend(order(true));
    columns.extend([column(columns::SESSION_ID), item(source, paths)?.alias(ITEM)]);
    let of_person = items(Rule::new(paths), column(columns::SESSION_ID), column(ITEM)).alias(ITEM);
    let most = usize::try_from(paths.edges).unwrap_or(usize::MAX);
    scan(source)?
        .filter(condition)
        .and_then(|plan| plan.project(columns))
        .and_then(|plan| plan.aggregate(vec![column(PERSON)], vec![of_person]))
        .and_then(|plan| plan.aggregate(Vec::<Expr>::new(), vec![edges(most, column(ITEM))]))
        .and_then(LogicalPlanBuilder::build)
        .map_err(internal)
}

/// The kinds of events that are items.
fn is_included(paths: &Paths) -> Expr {
    let kind = |kind: &ItemKind| match kind {
        ItemKind::Page => EventType::Page,
        ItemKind::Screen => EventType::Screen,
        ItemKind::Event => EventType::Track,
    };
    let kinds = paths.include.iter().map(|one| text(kind(one).as_str())).collect();
    column(columns::TYPE).in_list(kinds, false)
}

/// The item of a row: the property that the question names, or the path of a page, the name of a screen, the name of
/// any other event. A page without a path and a screen without a name are items by the event's name; a row without the
/// named property is none.
fn item(source: &Source, paths: &Paths) -> Result<Expr, Problem> {
    let property = |name: &str| property::as_text(source, Of::Event, name);
    if let Some(name) = &paths.item {
        return Ok(call("item", vec![property(name)?], DataType::Utf8, |arrays| {
            let values = Texts::new(first(arrays)?)?;
            Ok(build(first(arrays)?.len(), |row| values.get(row)))
        }));
    }
    let sources = vec![
        column(columns::TYPE),
        column(columns::EVENT),
        property(columns::PATH)?,
        property("name")?,
        property(columns::TITLE)?,
    ];
    Ok(call("item", sources, DataType::Utf8, |arrays| {
        let columns = arrays.iter().map(Texts::new).collect::<datafusion::error::Result<Vec<_>>>()?;
        let get = |place: usize, row: usize| columns.get(place).and_then(|texts| texts.get(row));
        Ok(build(first(arrays)?.len(), |row| {
            let own = match get(0, row).and_then(EventType::parse) {
                Some(EventType::Page) => get(2, row),
                Some(EventType::Screen) => get(3, row).or_else(|| get(4, row)),
                _ => None,
            };
            own.or_else(|| get(1, row))
        }))
    }))
}

fn build<'a>(rows: usize, item: impl Fn(usize) -> Option<&'a str>) -> ArrayRef {
    Arc::new((0..rows).map(|row| item(row).map(trimmed)).collect::<StringArray>())
}
