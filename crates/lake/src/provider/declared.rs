//! What the scan declares of its files: types, statistics and order.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::temporal_conversions::timestamp_ms_to_datetime;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use event_model::columns;

use super::pruning::LAST_MICROSECOND;
use crate::files::{Bounds, DataFile};

/// Columns with few different values in a file: read as dictionaries, a comparison with a constant looks at each
/// value once and a group-by at codes. Keys are 32 bits wide, since nothing forbids a client to send many values.
const FEW_VALUES: &[&str] = &[
    columns::TYPE,
    columns::EVENT,
    columns::NAMESPACE,
    columns::SOURCE,
    columns::LIBRARY,
    columns::LIBRARY_VERSION,
    columns::SERVICE,
    columns::SERVICE_VERSION,
    columns::HOST,
    columns::REFERRER_HOST,
    columns::UTM_SOURCE,
    columns::UTM_MEDIUM,
    columns::UTM_CAMPAIGN,
    columns::UTM_TERM,
    columns::UTM_CONTENT,
    columns::CLICK_ID_TYPE,
    columns::CHANNEL,
    columns::BROWSER,
    columns::BROWSER_VERSION,
    columns::OS,
    columns::OS_VERSION,
    columns::DEVICE_TYPE,
    columns::COUNTRY,
    columns::REGION,
    columns::CITY,
    columns::TIMEZONE,
    columns::LOCALE,
    columns::BOT_REASON,
    columns::PROTOCOL,
    columns::MONTH,
    crate::schema::DAYS_TIMEZONE,
];

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The declared types over a stored schema; `month` becomes a partition column, whose values come from the log.
pub(super) fn table_schema(stored: &Schema) -> TableSchema {
    let (partitions, columns): (Vec<FieldRef>, Vec<FieldRef>) =
        stored.fields().iter().map(declared).partition(|field| field.name() == columns::MONTH);
    TableSchema::builder(Arc::new(Schema::new(columns))).with_table_partition_cols(partitions).build()
}

fn declared(field: &FieldRef) -> FieldRef {
    let kind = match field.data_type() {
        DataType::Utf8 if FEW_VALUES.contains(&field.name().as_str()) => dictionary(),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), kind, field.is_nullable()))
}

/// The order of each file, in terms of the declared schema.
pub(super) fn ordering(order: &[&str], schema: &Schema) -> Option<LexOrdering> {
    let columns = order
        .iter()
        .map(|name| {
            let column = Column::new_with_schema(name, schema)?;
            Ok(PhysicalSortExpr::new(Arc::new(column), SortOptions { descending: false, nulls_first: false }))
        })
        .collect::<Result<Vec<_>>>()
        .ok()?;
    LexOrdering::new(columns)
}

/// A file as the scan wants it. The Arrow schema is given along, so that the reader decodes straight into the
/// declared types: what Parquet stores as a dictionary is never expanded into texts.
pub(super) fn scanned_file(
    file: &DataFile,
    schema: &TableSchema,
    ordering: Option<LexOrdering>,
) -> Result<PartitionedFile> {
    let location = Path::parse(&file.path).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    let modified = timestamp_ms_to_datetime(file.modified_millis).unwrap_or_default().and_utc();
    let meta = ObjectMeta { location, last_modified: modified, size: file.bytes, e_tag: None, version: None };
    let partition = schema.table_partition_cols().iter().map(|_| month(file)).collect();
    Ok(PartitionedFile::new_from_meta(meta)
        .with_partition_values(partition)
        .with_statistics(Arc::new(statistics(schema.file_schema(), file)))
        .with_ordering(ordering)
        .with_arrow_schema(Arc::clone(schema.file_schema())))
}

fn month(file: &DataFile) -> ScalarValue {
    dictionary_value(ScalarValue::Utf8(file.month.clone()))
}

fn dictionary_value(value: ScalarValue) -> ScalarValue {
    ScalarValue::Dictionary(Box::new(DataType::Int32), Box::new(value))
}

/// Statistics of one file over its own columns. Only the number of rows counts as exact: the log cuts timestamps to
/// milliseconds and long texts, and an optimizer answers `min` and `max` from what is called exact.
fn statistics(schema: &SchemaRef, file: &DataFile) -> Statistics {
    let mut all = Statistics::new_unknown(schema);
    all.num_rows = rows(file.rows);
    for (field, column) in schema.fields().iter().zip(&mut all.column_statistics) {
        if let Some((least, largest)) = bounds(field, &file.bounds) {
            *column = ColumnStatistics {
                min_value: Precision::Inexact(least),
                max_value: Precision::Inexact(largest),
                null_count: Precision::Exact(0),
                ..ColumnStatistics::new_unknown()
            };
        }
    }
    all
}

fn rows(count: Option<u64>) -> Precision<usize> {
    count.and_then(|count| usize::try_from(count).ok()).map_or(Precision::Absent, Precision::Exact)
}

fn bounds(field: &Field, bounds: &Bounds) -> Option<(ScalarValue, ScalarValue)> {
    match field.name().as_str() {
        columns::DATE => {
            bounds.date.map(|(low, high)| (ScalarValue::Date32(Some(low)), ScalarValue::Date32(Some(high))))
        }
        columns::TIMESTAMP => bounds.timestamp.map(|pair| instants(field, pair)),
        columns::RECEIVED_AT => bounds.received_at.map(|pair| instants(field, pair)),
        columns::EVENT => bounds.event.as_ref().map(|(low, high)| {
            (
                dictionary_value(ScalarValue::Utf8(Some(low.clone()))),
                dictionary_value(ScalarValue::Utf8(Some(high.clone()))),
            )
        }),
        columns::PERSON_KEY => bounds.person_key.map(integers),
        columns::INGEST_SEQ => bounds.ingest_seq.map(integers),
        _ => None,
    }
}

fn instants(field: &Field, (low, high): (i64, i64)) -> (ScalarValue, ScalarValue) {
    let zone = match field.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let high = high.saturating_add(LAST_MICROSECOND);
    (ScalarValue::TimestampMicrosecond(Some(low), zone.clone()), ScalarValue::TimestampMicrosecond(Some(high), zone))
}

fn integers((low, high): (i64, i64)) -> (ScalarValue, ScalarValue) {
    (ScalarValue::Int64(Some(low)), ScalarValue::Int64(Some(high)))
}

/// Statistics of all given files together.
pub(super) fn total_statistics(schema: &SchemaRef, files: &[Arc<DataFile>]) -> Result<Statistics> {
    let mut all = Statistics::new_unknown(schema);
    all.num_rows = rows(files.iter().map(|file| file.rows).sum());
    let bytes = files.iter().map(|file| file.bytes).sum::<u64>();
    all.total_byte_size = usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact);
    Ok(all)
}
