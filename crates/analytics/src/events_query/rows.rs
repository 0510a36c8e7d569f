//! Batches as rows of JSON: ids as UUID text, times in RFC 3339, JSON columns as objects.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use event_model::{EventId, Problem, columns};
use query_model::answer::EventRow;
use query_model::events::{EventsOrder, PERSON_ID};
use serde_json::value::{RawValue, to_raw_value};

use super::cursor::Cursor;
use crate::problem::internal;
use crate::value::{Column, Texts, Value};

/// One column of a batch, read as it is shown.
enum Shown {
    /// As a JSON value of its own type.
    Plain(Column),
    /// JSON text, shown as what it says.
    Json(Texts),
    /// A key of a person, shown as 16 hexadecimal digits.
    Person(arrow::array::Int64Array),
}

/// The first `limit` rows, and where they ended if there are more.
pub(super) fn rows(
    batches: &[RecordBatch],
    names: &[&str],
    keep_nulls: bool,
    limit: usize,
    order: EventsOrder,
) -> Result<(Vec<EventRow>, Option<String>), Problem> {
    let mut rows = Vec::new();
    let mut last = None;
    for batch in batches {
        let shown = names.iter().map(|name| Shown::new(batch, name)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if rows.len() == limit {
                return Ok((rows, last.map(|(batch, row)| place(batch, row, order)).transpose()?));
            }
            let mut fields = Vec::with_capacity(names.len());
            for (name, column) in names.iter().zip(&shown) {
                match column.get(row)? {
                    Some(value) => fields.push(((*name).to_owned(), value)),
                    None if keep_nulls => fields.push(((*name).to_owned(), RawValue::NULL.to_owned())),
                    None => {}
                }
            }
            rows.push(EventRow(fields));
            last = Some((batch, row));
        }
    }
    Ok((rows, None))
}

impl Shown {
    fn new(batch: &RecordBatch, name: &str) -> Result<Self, Problem> {
        let array = find(batch, name)?;
        Ok(match name {
            columns::PROPERTIES | columns::CONTEXT | columns::TRAITS => {
                Self::Json(Texts::new(array).map_err(internal)?)
            }
            PERSON_ID => Self::Person(integers(array)?),
            _ => Self::Plain(Column::new(array).map_err(internal)?),
        })
    }

    fn get(&self, row: usize) -> Result<Option<Box<RawValue>>, Problem> {
        let value = match self {
            Self::Json(texts) => texts.get(row).map(|json| RawValue::from_string(json.to_owned())),
            Self::Person(keys) => keys.is_valid(row).then(|| to_raw_value(&format!("{:016x}", keys.value(row)))),
            Self::Plain(column) => column.get(row).map(|value| match value {
                Value::Bool(value) => to_raw_value(&value),
                Value::Number(text) => RawValue::from_string(text.into_owned()),
                other => to_raw_value(&other.text()),
            }),
        };
        value.transpose().map_err(internal)
    }
}

fn place(batch: &RecordBatch, row: usize, order: EventsOrder) -> Result<String, Problem> {
    let time = |name| match Column::new(find(batch, name)?).map_err(internal)?.get(row) {
        Some(Value::Time(micros)) => Ok(micros),
        _ => Err(internal("a time of the order is missing")),
    };
    let ids = cast(find(batch, columns::EVENT_ID)?, &DataType::Binary).map_err(internal)?;
    let ids: &BinaryArray = ids.as_binary();
    let cursor = Cursor {
        timestamp: time(columns::TIMESTAMP)?,
        received_at: time(columns::RECEIVED_AT)?,
        position: i32::try_from(integers(find(batch, columns::POSITION)?)?.value(row)).map_err(internal)?,
        event_id: EventId(ids.value(row).try_into().map_err(internal)?),
    };
    Ok(cursor.write(order))
}

fn find<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Problem> {
    batch.column_by_name(name).ok_or_else(|| internal(format_args!("the column {name} is missing")))
}

fn integers(array: &ArrayRef) -> Result<arrow::array::Int64Array, Problem> {
    Ok(cast(array, &DataType::Int64).map_err(internal)?.as_primitive::<Int64Type>().clone())
}
