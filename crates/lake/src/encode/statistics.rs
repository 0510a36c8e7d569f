//! The statistics of a file as the log has them: what lets readers skip it.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType};
use event_model::Timestamp;
use serde_json::{Map, Value};

use crate::schema::TableSpec;

/// Longer texts are cut: a bound need not be a value.
const LONGEST_BYTES: usize = 64;

/// `numRecords`, and for the columns that the table names `minValues`, `maxValues` and `nullCount`.
pub(crate) fn of(spec: &TableSpec, rows: &RecordBatch) -> Value {
    let (mut least, mut largest, mut nulls) = (Map::new(), Map::new(), Map::new());
    for name in spec.statistics {
        let Some(column) = rows.column_by_name(name) else { continue };
        if let Some((low, high)) = bounds(column) {
            least.insert((*name).to_owned(), low);
            largest.insert((*name).to_owned(), high);
        }
        nulls.insert((*name).to_owned(), Value::from(column.null_count()));
    }
    serde_json::json!({
        "numRecords": rows.num_rows(),
        "minValues": least,
        "maxValues": largest,
        "nullCount": nulls,
    })
}

fn bounds(column: &ArrayRef) -> Option<(Value, Value)> {
    match column.data_type() {
        DataType::Int64 => {
            let column = column.as_primitive::<Int64Type>();
            Some((Value::from(min(column)?), Value::from(max(column)?)))
        }
        DataType::Date32 => {
            let column = column.as_primitive::<Date32Type>();
            Some((date(min(column)?), date(max(column)?)))
        }
        DataType::Timestamp(..) => {
            let column = column.as_primitive::<TimestampMicrosecondType>();
            let instant = |micros| Value::from(Timestamp(micros).to_string());
            Some((instant(min(column)?), instant(max(column)?)))
        }
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            Some((Value::from(at_most(min_string(column)?)), Value::from(at_least(max_string(column)?))))
        }
        _ => None,
    }
}

fn date(days: i32) -> Value {
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

    use arrow::array::{Date32Array, StringArray, TimestampMicrosecondArray};

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
            assert_eq!(bounds(&column), Some((Value::from(low), Value::from(high))));
        };
        check(Arc::new(Date32Array::from(vec![Some(19_782), None, Some(-1)])), "1969-12-31", "2024-02-29");
        let instants = TimestampMicrosecondArray::from(vec![0, 1_500]).with_timezone("UTC");
        check(Arc::new(instants), "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001500Z");
        check(Arc::new(StringArray::from(vec!["b", "a"])), "a", "b");
        assert_eq!(bounds(&(Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef)), None);
    }
}
