//! The table `events` inside a plan: its scan, its columns, and who and when a row is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use event_model::{EventType, KeyMap, PersonKey, Problem, columns};
use query_model::{Intervals, Range};

use crate::function::call;
use crate::problem::internal;
use crate::source::Source;

/// A plan that reads the table.
pub(crate) fn scan(source: &Source) -> Result<LogicalPlanBuilder, Problem> {
    LogicalPlanBuilder::scan("events", provider_as_source(Arc::clone(&source.events)), None).map_err(internal)
}

/// A column by its exact name.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// Text as a literal. Whatever it holds, it is data.
pub(crate) fn text(value: &str) -> Expr {
    Expr::Literal(ScalarValue::Utf8(Some(value.to_owned())), None)
}

/// An instant as a literal of the column's own type, so that the comparison stays one that prunes files.
pub(crate) fn instant(source: &Source, micros: i64) -> Expr {
    let schema = source.events.schema();
    let zone = match schema.field_with_name(columns::TIMESTAMP).map(arrow::datatypes::Field::data_type) {
        Ok(DataType::Timestamp(_, zone)) => zone.clone(),
        _ => Some("UTC".into()),
    };
    Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), zone), None)
}

/// The rows whose `timestamp` lies in a range.
pub(crate) fn happened_in(source: &Source, range: Range) -> Expr {
    let timestamp = column(columns::TIMESTAMP);
    timestamp.clone().gt_eq(instant(source, range.from)).and(timestamp.lt(instant(source, range.until)))
}

/// The rows that are events: track, page and screen.
pub(crate) fn is_counted() -> Expr {
    let counted = [EventType::Track, EventType::Page, EventType::Screen];
    column(columns::TYPE).in_list(counted.iter().map(|kind| text(kind.as_str())).collect(), false)
}

/// The canonical key of a row's person.
pub(crate) fn person(keys: &Arc<KeyMap>) -> Expr {
    let key = column(columns::PERSON_KEY);
    if keys.is_empty() {
        return key;
    }
    let keys = Arc::clone(keys);
    call("person", vec![key], DataType::Int64, move |arguments| {
        let array = integers(arguments)?;
        let resolve = |key: i64| keys.resolve(PersonKey(key)).0;
        Ok(Arc::new(array.iter().map(|key| key.map(resolve)).collect::<Int64Array>()) as ArrayRef)
    })
}

/// The place of a row's interval, from 0; null outside all of them. Boundaries are in UTC and were computed with the
/// calendar, so daylight saving needs nothing here.
pub(crate) fn interval_index(intervals: &Intervals) -> Expr {
    interval_among(intervals.boundaries.clone())
}

/// The same among intervals that are known by their boundaries only: the last one is the end of the last interval.
pub(crate) fn interval_among(boundaries: Vec<i64>) -> Expr {
    call("interval", vec![column(columns::TIMESTAMP)], DataType::Int32, move |arguments| {
        let times = micros(arguments)?;
        let index = |time: i64| {
            let after = boundaries.partition_point(|boundary| *boundary <= time);
            let place = after.checked_sub(1).filter(|_| after < boundaries.len())?;
            i32::try_from(place).ok()
        };
        Ok(Arc::new(times.iter().map(|time| time.and_then(index)).collect::<Int32Array>()) as ArrayRef)
    })
}

/// The only argument as 64-bit integers.
pub(crate) fn integers(arguments: &[ArrayRef]) -> datafusion::error::Result<Int64Array> {
    Ok(cast(first(arguments)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// The only argument as microseconds.
pub(crate) fn micros(arguments: &[ArrayRef]) -> datafusion::error::Result<arrow::array::TimestampMicrosecondArray> {
    let array = first(arguments)?;
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    Ok(micros.as_primitive::<TimestampMicrosecondType>().clone())
}

/// The first argument of a function that was given at least one.
pub(crate) fn first(arguments: &[ArrayRef]) -> datafusion::error::Result<&ArrayRef> {
    arguments.first().ok_or_else(|| datafusion::error::DataFusionError::Internal("an argument is missing".to_owned()))
}
