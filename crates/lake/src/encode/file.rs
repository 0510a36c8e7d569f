//! One file's bytes: the columns are picked, encoded and let go one after the other, so that no sorted copy of all rows
//! is ever in memory.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Int32Type};
use event_model::columns;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnDescPtr;
use serde_json::Value;

use super::statistics::Known;
use super::texts::{Numbered, encode_nulls};
use super::{file_schema, properties};
use crate::error::LakeError;
use crate::schema::TableSpec;

/// Rows of a row group.
const GROUP_ROWS: usize = 1024 * 1024;

/// One file to be.
#[derive(Debug)]
pub(crate) struct Part {
    /// `YYYY-MM`; `None` for a table without partitions.
    pub(crate) month: Option<String>,
    /// The columns of the table by name, those of the file at least. A text column may also be a dictionary with 32-bit
    /// keys, or have the type Null where there is no text.
    pub(crate) rows: RecordBatch,
    /// Which of these rows the file has, in its order.
    pub(crate) chosen: UInt32Array,
    /// The `ingest_seq` of all rows.
    pub(crate) sequence: i64,
}

impl Part {
    /// The file and what the log says of it.
    ///
    /// # Errors
    /// [`LakeError::Shape`] if the rows are not the table's.
    pub(super) fn encode(&self, spec: &TableSpec, zstd_level: i32) -> Result<(Vec<u8>, Value), LakeError> {
        let failed = |error: ParquetError| LakeError::Shape(error.to_string());
        let schema = file_schema(spec);
        let parquet = ArrowSchemaConverter::new().convert(&schema).map_err(failed)?;
        let properties = Arc::new(properties(spec, zstd_level));
        let mut writer =
            SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), properties).map_err(failed)?;
        let mut known = Known::default();
        for (number, start) in (0..self.chosen.len()).step_by(GROUP_ROWS).enumerate() {
            let rows = start..self.chosen.len().min(start + GROUP_ROWS);
            let columns = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
            let columns = columns.create_column_writers(number).map_err(failed)?;
            let mut group = writer.next_row_group().map_err(failed)?;
            for ((field, column), encoder) in schema.fields().iter().zip(parquet.columns()).zip(columns) {
                let values = self.column(spec, field, rows.clone())?;
                if spec.statistics.contains(&field.name().as_str()) {
                    known.add(field.name(), &values);
                }
                let done = encode(&mut group, field, column, &values, encoder, spec, zstd_level);
                done.map_err(failed)?;
            }
            group.close().map_err(failed)?;
        }
        Ok((writer.into_inner().map_err(failed)?, known.into_value(self.chosen.len())))
    }

    /// Some of the chosen rows of a column.
    fn column(&self, spec: &TableSpec, field: &Field, rows: Range<usize>) -> Result<ArrayRef, LakeError> {
        if field.name() == columns::INGEST_SEQ {
            return Ok(Arc::new(Int64Array::from_value(self.sequence, rows.len())));
        }
        let column = self.rows.column_by_name(field.name());
        let column = column.ok_or_else(|| LakeError::Shape(format!("{} has no {}", spec.name, field.name())))?;
        Ok(take(column, &self.chosen.slice(rows.start, rows.len()), None)?)
    }
}

fn encode(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    field: &Arc<Field>,
    column: &ColumnDescPtr,
    values: &ArrayRef,
    encoder: ArrowColumnWriter,
    spec: &TableSpec,
    zstd_level: i32,
) -> Result<(), ParquetError> {
    let chunk = match values.data_type() {
        DataType::Null if field.is_nullable() && field.data_type() == &DataType::Utf8 => {
            Some(encode_nulls(values.len(), column, zstd_level)?)
        }
        DataType::Dictionary(..) => {
            let dictionary = values.as_dictionary::<Int32Type>();
            let numbered = Numbered::new(dictionary.keys(), dictionary.values().as_string::<i32>());
            let bounds = super::bounds_of(spec, field.name());
            numbered.map(|numbered| numbered.encode(column, bounds, zstd_level)).transpose()?
        }
        _ => None,
    };
    if let Some(chunk) = chunk {
        return group.append_column(&chunk.bytes, chunk.close);
    }
    let values =
        if values.data_type() == field.data_type() { Arc::clone(values) } else { cast(values, field.data_type())? };
    let mut encoder = encoder;
    for leaf in compute_leaves(field, &values)? {
        encoder.write(&leaf)?;
    }
    encoder.close()?.append_to_row_group(group)
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Int32Array, NullArray, StringArray, TimestampMicrosecondArray,
    };
    use arrow::compute::concat_batches;
    use arrow::datatypes::Schema;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::file::metadata::PageIndexPolicy;

    use super::*;
    use crate::schema::{EVENTS, incoming_events};

    /// Rows of `events`; each column of texts has so many different ones, none where that is 0.
    fn rows(seed: u64, count: usize) -> RecordBatch {
        let mut random = fastrand::Rng::with_seed(seed);
        let column = |field: &Arc<Field>| -> ArrayRef {
            let different = random.choice([0, 1, 2, 9, 300, 100_000]).unwrap();
            let gaps = field.is_nullable() && random.bool();
            let mut some = |most: u32| (!gaps || random.bool()).then(|| random.u32(0..most));
            let texts = |most: u32, some: &mut dyn FnMut(u32) -> Option<u32>| -> StringArray {
                (0..count).map(|_| some(most).map(|number| format!("text {number}"))).collect()
            };
            match field.data_type() {
                DataType::Utf8 if different == 0 && field.is_nullable() => {
                    Arc::new((0..count).map(|_| None::<&str>).collect::<StringArray>())
                }
                DataType::Utf8 => Arc::new(texts(different.max(1), &mut some)),
                DataType::Binary => Arc::new(BinaryArray::from_iter_values((0..count).map(|row| row.to_be_bytes()))),
                DataType::Boolean => {
                    Arc::new((0..count).map(|_| some(2).map(|one| one == 1)).collect::<BooleanArray>())
                }
                DataType::Date32 => Arc::new(Date32Array::from_iter_values((0..count).map(|row| row as i32 / 5_000))),
                DataType::Int32 => Arc::new(Int32Array::from_iter_values((0..count).map(|row| row as i32 % 50))),
                DataType::Int64 => Arc::new((0..count).map(|_| some(u32::MAX).map(i64::from)).collect::<Int64Array>()),
                DataType::Timestamp(..) => {
                    let instants: TimestampMicrosecondArray = (0..count).map(|_| some(9_999).map(i64::from)).collect();
                    Arc::new(instants.with_timezone("UTC"))
                }
                DataType::UInt32 => Arc::new(UInt32Array::from_value(0, count)),
                other => panic!("no column has the type {other}"),
            }
        };
        let schema = incoming_events();
        RecordBatch::try_new(Arc::clone(&schema), schema.fields().iter().map(column).collect()).unwrap()
    }

    /// The same rows with texts as the compactor hands them over.
    fn numbered(rows: &RecordBatch) -> RecordBatch {
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = rows
            .schema()
            .fields()
            .iter()
            .zip(rows.columns())
            .map(|(field, column)| {
                let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                let column: ArrayRef = match column.data_type() {
                    DataType::Utf8 if column.null_count() == column.len() => Arc::new(NullArray::new(column.len())),
                    DataType::Utf8 => cast(column, &dictionary).unwrap(),
                    _ => Arc::clone(column),
                };
                (Field::new(field.name(), column.data_type().clone(), true), column)
            })
            .unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn encoded(rows: &RecordBatch, chosen: &[u32]) -> (Bytes, Value) {
        let part = Part { month: None, rows: rows.clone(), chosen: chosen.to_vec().into(), sequence: 7 };
        let (bytes, statistics) = part.encode(&EVENTS, 1).unwrap();
        (bytes.into(), statistics)
    }

    fn decoded(bytes: &Bytes) -> RecordBatch {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().build().unwrap();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        concat_batches(&batches[0].schema(), &batches).unwrap()
    }

    #[test]
    fn a_file_holds_the_same_rows_however_their_texts_come() {
        for (seed, count) in [1, 7, 64, 19_999, 20_000, 20_001, 50_000].into_iter().enumerate() {
            let rows = rows(seed as u64, count);
            let mut random = fastrand::Rng::with_seed(seed as u64);
            let mut chosen: Vec<u32> = (0..count as u32).filter(|row| row % 7 != 3 || count < 8).collect();
            random.shuffle(&mut chosen);
            if random.bool() {
                chosen.sort_unstable();
            }
            let ((plain, plain_statistics), (short, statistics)) =
                (encoded(&rows, &chosen), encoded(&numbered(&rows), &chosen));
            assert_eq!(statistics, plain_statistics, "{count} rows");
            let (plain, short) = (decoded(&plain), decoded(&short));
            assert_eq!(short.schema().fields(), file_schema(&EVENTS).fields());
            for (index, field) in plain.schema().fields().iter().enumerate() {
                assert_eq!(short.column(index), plain.column(index), "{count} rows, {}", field.name());
            }
        }
    }

    #[test]
    fn the_bounds_of_chunks_and_pages_are_those_of_their_rows() {
        let rows = rows(3, 50_000);
        let chosen: Vec<u32> = (0..50_000).collect();
        let (bytes, _) = encoded(&numbered(&rows), &chosen);
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).unwrap();
        let metadata = reader.metadata();
        let event = file_schema(&EVENTS).index_of(columns::EVENT).unwrap();
        let texts = rows.column_by_name(columns::EVENT).unwrap().as_string::<i32>();
        let of = |rows: Range<usize>| {
            let texts = || rows.clone().map(|row| texts.value(row));
            (texts().min().unwrap().as_bytes(), texts().max().unwrap().as_bytes())
        };
        let chunk = metadata.row_group(0).column(event).statistics().unwrap();
        assert_eq!((chunk.min_bytes_opt().unwrap(), chunk.max_bytes_opt().unwrap()), of(0..50_000));
        assert_eq!(chunk.null_count_opt(), Some(0));
        let parquet::file::page_index::column_index::ColumnIndexMetaData::BYTE_ARRAY(pages) =
            &metadata.column_index().unwrap()[0][event]
        else {
            panic!("pages of texts have bounds");
        };
        let places = &metadata.offset_index().unwrap()[0][event].page_locations;
        for (page, place) in places.iter().enumerate() {
            let start = usize::try_from(place.first_row_index).unwrap();
            let end = places.get(page + 1).map_or(50_000, |next| usize::try_from(next.first_row_index).unwrap());
            assert_eq!((pages.min_value(page).unwrap(), pages.max_value(page).unwrap()), of(start..end));
        }
    }
}
