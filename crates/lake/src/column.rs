//! Typed columns of a record batch by name, or a sentence about what is wrong with it.

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{Array, AsArray, BinaryArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::error::LakeError;

/// The column of that name.
///
/// # Errors
/// [`LakeError::Shape`] if it is missing.
pub(crate) fn any<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, LakeError> {
    let column = batch.column_by_name(name).ok_or_else(|| LakeError::Shape(format!("there is no column {name}")))?;
    Ok(column.as_ref())
}

fn wrong(name: &str) -> LakeError {
    LakeError::Shape(format!("column {name} has another type"))
}

/// As text.
///
/// # Errors
/// [`LakeError::Shape`] if it is missing or has another type; so do the others.
pub(crate) fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, LakeError> {
    any(batch, name)?.as_string_opt().ok_or_else(|| wrong(name))
}

/// As bytes.
pub(crate) fn bytes<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a BinaryArray, LakeError> {
    any(batch, name)?.as_binary_opt().ok_or_else(|| wrong(name))
}

/// As 64-bit integers.
pub(crate) fn long<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array, LakeError> {
    any(batch, name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(name))
}

/// As 32-bit integers.
pub(crate) fn integer<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int32Array, LakeError> {
    any(batch, name)?.as_primitive_opt::<Int32Type>().ok_or_else(|| wrong(name))
}

/// As instants in microseconds.
pub(crate) fn instant<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a TimestampMicrosecondArray, LakeError> {
    any(batch, name)?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| wrong(name))
}
/// As dates.
pub(crate) fn date<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Date32Array, LakeError> {
    any(batch, name)?.as_primitive_opt::<Date32Type>().ok_or_else(|| wrong(name))
}

/// The text of a row; `None` where it is null.
pub(crate) fn text_at(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}
