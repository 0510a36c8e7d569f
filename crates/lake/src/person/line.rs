//! One row of a table as one line of JSON.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use event_model::{EventId, Timestamp, columns};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::LakeError;
use crate::schema::TRAITS_PLACES;

/// Texts that are JSON.
const JSON: &[&str] = &[columns::PROPERTIES, columns::CONTEXT, columns::TRAITS, TRAITS_PLACES];
const MICROS_A_DAY: i64 = 86_400_000_000;

/// `{"table": ..., "row": {...}}` and a line feed; columns without a value are left out.
///
/// # Errors
/// [`LakeError::Shape`] if a column has a type that no table has.
pub(super) fn write(table: &str, rows: &RecordBatch, row: usize, out: &mut String) -> Result<(), LakeError> {
    let mut members = Map::new();
    let mut raw = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if column.is_null(row) {
            continue;
        }
        let name = field.name().as_str();
        match column.as_string_opt::<i32>() {
            // Taken over as it stands: large numbers stay exact.
            Some(texts) if JSON.contains(&name) && is_json(texts.value(row)) => {
                raw.push((name.to_owned(), texts.value(row).to_owned()));
            }
            _ => {
                members.insert(name.to_owned(), value(name, column.as_ref(), row)?);
            }
        }
    }
    let shape = |error: serde_json::Error| LakeError::Shape(error.to_string());
    out.push_str("{\"table\":");
    out.push_str(&serde_json::to_string(table).map_err(shape)?);
    out.push_str(",\"row\":");
    let text = serde_json::to_string(&members).map_err(shape)?;
    out.push_str(text.trim_end_matches('}'));
    for (name, json) in raw {
        if !out.ends_with('{') {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(&name).map_err(shape)?);
        out.push(':');
        out.push_str(&json);
    }
    out.push_str("}}\n");
    Ok(())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

fn value(name: &str, column: &dyn Array, row: usize) -> Result<Value, LakeError> {
    Ok(match column.data_type() {
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(row)),
        DataType::Boolean => Value::from(column.as_boolean().value(row)),
        DataType::Int32 => Value::from(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Date32 => {
            let instant = i64::from(column.as_primitive::<Date32Type>().value(row)) * MICROS_A_DAY;
            let text = Timestamp(instant).to_string();
            Value::from(text.get(..10).unwrap_or(&text))
        }
        DataType::Timestamp(..) => {
            Value::from(Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row)).to_string())
        }
        DataType::Binary => bytes(column.as_binary::<i32>().value(row), name),
        other => return Err(LakeError::Shape(format!("column {name} has the type {other}"))),
    })
}

/// Ids as UUIDs; other bytes as text if they are UTF-8, and as hexadecimal otherwise.
fn bytes(bytes: &[u8], name: &str) -> Value {
    if name != "original"
        && let Ok(id) = <[u8; 16]>::try_from(bytes)
    {
        return Value::from(EventId(id).to_string());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
