//! The statistics of a file as the log has them: what lets readers skip it.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use event_model::Timestamp;
use serde_json::{Map, Value};

use crate::schema::TableSpec;

/// Longer texts are cut: a bound need not be a value.
const LONGEST_BYTES: usize = 64;

/// `numRecords`, and for the columns that the table names `minValues`, `maxValues` and `nullCount`.
pub(crate) fn of(spec: &TableSpec, rows: &RecordBatch) -> Value {
    let mut known = Known::default();
    for name in spec.statistics {
        if let Some(column) = rows.column_by_name(name) {
            known.add(name, column);
        }
    }
    known.into_value(rows.num_rows())
}

/// What is known of a file's columns while it is written: bounds, and how many rows are null.
#[derive(Default)]
pub(super) struct Known(BTreeMap<String, (Option<Bounds>, usize)>);

/// The least and the largest value of a column.
enum Bounds {
    Number(i64, i64),
    Date(i32, i32),
    Instant(i64, i64),
    Text(String, String),
}

impl Known {
    /// Takes in the rows of a row group.
    pub(super) fn add(&mut self, name: &str, column: &ArrayRef) {
        let (known, nulls) = self.0.entry(name.to_owned()).or_default();
        *nulls += column.logical_null_count();
        *known = match (known.take(), bounds(column)) {
            (Some(known), Some(more)) => known.and(more),
            (known, more) => known.or(more),
        };
    }

    /// As the log has it.
    pub(super) fn into_value(self, rows: usize) -> Value {
        let (mut least, mut largest, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (name, (bounds, count)) in self.0 {
            if let Some((low, high)) = bounds.map(Bounds::into_values) {
                least.insert(name.clone(), low);
                largest.insert(name.clone(), high);
            }
            nulls.insert(name, Value::from(count));
        }
        serde_json::json!({ "numRecords": rows, "minValues": least, "maxValues": largest, "nullCount": nulls })
    }
}

impl Bounds {
    /// Of the rows of both; `None` if they are not of one kind.
    fn and(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Number(low, high), Self::Number(other_low, other_high)) => {
                Self::Number(low.min(other_low), high.max(other_high))
            }
            (Self::Date(low, high), Self::Date(other_low, other_high)) => {
                Self::Date(low.min(other_low), high.max(other_high))
            }
            (Self::Instant(low, high), Self::Instant(other_low, other_high)) => {
                Self::Instant(low.min(other_low), high.max(other_high))
            }
            (Self::Text(low, high), Self::Text(other_low, other_high)) => {
                Self::Text(low.min(other_low), high.max(other_high))
            }
            _ => return None,
        })
    }

    fn into_values(self) -> (Value, Value) {
        let instant = |micros| Value::from(Timestamp(micros).to_string());
        match self {
            Self::Number(low, high) => (Value::from(low), Value::from(high)),
            Self::Date(low, high) => (date(low), date(high)),
            Self::Instant(low, high) => (instant(low), instant(high)),
            Self::Text(low, high) => (Value::from(at_most(&low)), Value::from(at_least(&high))),
        }
    }
}

fn bounds(column: &ArrayRef) -> Option<Bounds> {
    match column.data_type() {
        DataType::Int64 => {
            let column = column.as_primitive::<Int64Type>();
            Some(Bounds::Number(min(column)?, max(column)?))
        }
        DataType::Int32 => {
            let column = column.as_primitive::<Int32Type>();
            Some(Bounds::Number(min(column)?.into(), max(column)?.into()))
        }
        DataType::Date32 => {
            let column = column.as_primitive::<Date32Type>();
            Some(Bounds::Date(min(column)?, max(column)?))
        }
        DataType::Timestamp(..) => {
            let column = column.as_primitive::<TimestampMicrosecondType>();
            Some(Bounds::Instant(min(column)?, max(column)?))
        }
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            Some(Bounds::Text(min_string(column)?.to_owned(), max_string(column)?.to_owned()))
        }
        DataType::Dictionary(..) => {
            let column = column.as_dictionary_opt::<Int32Type>()?;
            let texts = column.values().as_string_opt::<i32>()?;
            // Each text is looked at once, however many rows have it.
            let occupied = column.occupancy();
            let used = || occupied.set_indices().map(|number| texts.value(number));
            Some(Bounds::Text(used().min()?.to_owned(), used().max()?.to_owned()))
        }
        _ => None,
    }
}

/// A date as the log has it.
pub(crate) fn date(days: i32) -> Value {
    let (year, month, day) = Timestamp(i64::from(days) * 86_400_000_000).civil();
    Value::from(format!("{year:04}-{month:02}-{day:02}"))
}

/// A text that is not after this one, and short.
fn at_most(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_BYTES)).unwrap_or(text)
}

/// A text that is not before this one, and short.
fn at_least(text: &str) -> String {
    let kept = at_most(text);
    let rest = text.get(kept.len()..).unwrap_or_default();
    if rest.is_empty() || rest.starts_with(char::MAX) {
        return text.to_owned();
    }
    format!("{kept}{}", char::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, DictionaryArray, StringArray, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn bounds_of_long_texts_are_short_and_still_bounds() {
        let long = |first: &str| format!("{first}{}", "é".repeat(600));
        for text in [
            long("a"),
            long("ab"),
            String::new(),
            "plain".to_owned(),
            "é".repeat(32),
            format!("{}{}", "x".repeat(64), char::MAX),
        ] {
            assert!(at_most(&text) <= text.as_str() && at_least(&text).as_str() >= text.as_str(), "{text}");
            assert!(at_most(&text).len() <= 64);
        }
    }

    #[test]
    fn bounds_are_written_as_the_protocol_has_them() {
        let check = |column: ArrayRef, low: &str, high: &str| {
            let found = bounds(&column).map(Bounds::into_values);
            assert_eq!(found, Some((Value::from(low), Value::from(high))));
        };
        check(Arc::new(Date32Array::from(vec![Some(19_782), None, Some(-1)])), "1969-12-31", "2024-02-29");
        let instants = TimestampMicrosecondArray::from(vec![0, 1_500]).with_timezone("UTC");
        check(Arc::new(instants), "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001500Z");
        check(Arc::new(StringArray::from(vec!["b", "a"])), "a", "b");
        let numbers: ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![7, -3]));
        assert_eq!(bounds(&numbers).map(Bounds::into_values), Some((Value::from(-3), Value::from(7))));
        let numbered = DictionaryArray::<Int32Type>::from_iter([Some("c"), Some("b"), None, Some("a")]);
        check(Arc::new(numbered.slice(0, 3)), "b", "c");
        assert!(bounds(&(Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef)).is_none());
    }
}
