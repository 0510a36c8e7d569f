//! Rows become Parquet files, one a month, sorted, with the encodings that reading wants.

pub(crate) mod statistics;

use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use deltalake_core::kernel::Add;
use event_model::columns::{self, ColumnType};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::commit::token;
use crate::error::LakeError;
use crate::schema::{self, TableSpec};
use crate::tables::Table;

/// Larger files are put in parts of this size.
const PUT_AT_ONCE_BYTES: usize = 16 * 1024 * 1024;
/// Columns whose values hardly ever repeat: a dictionary would be built for nothing.
const DISTINCT: &[&str] =
    &[columns::EVENT_ID, columns::PROPERTIES, columns::TRAITS, "row_id", "edge_id", "message_id", "original", "sha256"];
/// Columns whose bounds say nothing: random bytes and JSON.
const BOUNDLESS: &[&str] = &[
    columns::EVENT_ID,
    columns::PROPERTIES,
    columns::CONTEXT,
    columns::TRAITS,
    "row_id",
    "edge_id",
    "message_id",
    "original",
    "sha256",
];

/// One file to be.
#[derive(Debug)]
pub(crate) struct Part {
    /// `YYYY-MM`; `None` for a table without partitions.
    pub(crate) month: Option<String>,
    /// The rows, in the file's order, without the partition column.
    pub(crate) rows: RecordBatch,
}

/// Writes each part as one file and returns the actions that add them to the table, in the order of the parts.
///
/// # Errors
/// [`LakeError::Storage`]. Files that were written stay: no commit names them, and vacuum takes them away.
pub(crate) async fn write(table: &Table, parts: Vec<Part>, zstd_level: i32) -> Result<Vec<Add>, LakeError> {
    let properties = properties(table.spec(), zstd_level);
    let encoding = parts.into_iter().map(|part| {
        let properties = properties.clone();
        // Encoding is work for a processor: it must not hold up a thread that answers requests.
        tokio::task::spawn_blocking(move || -> Result<_, ParquetError> {
            let bytes = parquet(&part.rows, properties)?;
            Ok((part, bytes))
        })
    });
    let encoding: Vec<_> = encoding.collect();
    let mut adds = Vec::with_capacity(encoding.len());
    for encoded in encoding {
        let encoded = encoded.await.map_err(|error| LakeError::storage(table.path(), error))?;
        let (part, bytes) = encoded.map_err(|error| LakeError::Shape(error.to_string()))?;
        adds.push(upload(table, &part, bytes).await?);
    }
    Ok(adds)
}

fn parquet(rows: &RecordBatch, properties: WriterProperties) -> Result<Vec<u8>, ParquetError> {
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties))?;
    writer.write(rows)?;
    writer.into_inner()
}

async fn upload(table: &Table, part: &Part, bytes: Vec<u8>) -> Result<Add, LakeError> {
    let name = format!("{}.zstd.parquet", token());
    let path = match &part.month {
        Some(month) => format!("{}={month}/{name}", columns::MONTH),
        None => name,
    };
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let failed = |error| LakeError::storage(format!("{}/{path}", table.path()), error);
    put(&*table.object_store(), &Path::from(path.as_str()), bytes.into()).await.map_err(failed)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(Add {
        path,
        partition_values: part.month.iter().map(|month| (columns::MONTH.to_owned(), Some(month.clone()))).collect(),
        size,
        modification_time: i64::try_from(now).unwrap_or(i64::MAX),
        data_change: true,
        stats: Some(statistics::of(table.spec(), &part.rows).to_string()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    })
}

/// Puts an object at once if it is small, otherwise in parts.
async fn put(store: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<(), object_store::Error> {
    if bytes.len() <= PUT_AT_ONCE_BYTES {
        return store.put(path, bytes.into()).await.map(drop);
    }
    let mut upload = store.put_multipart(path).await?;
    let cuts = (0..bytes.len()).step_by(PUT_AT_ONCE_BYTES);
    let parts: Vec<_> =
        cuts.map(|from| upload.put_part(bytes.slice(from..bytes.len().min(from + PUT_AT_ONCE_BYTES)).into())).collect();
    let sent = match futures::future::try_join_all(parts).await {
        Ok(_) => upload.complete().await.map(drop),
        Err(error) => Err(error),
    };
    if sent.is_err() {
        // Best effort: what is left of it is no object.
        let _ = upload.abort().await;
    }
    sent
}

/// The schema of a table's files: all columns but the partition's.
pub(crate) fn file_schema(spec: &TableSpec) -> SchemaRef {
    let fields =
        spec.arrow().fields().iter().filter(|field| field.name() != columns::MONTH).cloned().collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// Picks rows of a batch for a file of a table: by name, in the table's order, numbered with `sequence`.
pub(crate) fn pick(
    spec: &TableSpec,
    file: &SchemaRef,
    rows: &RecordBatch,
    chosen: &UInt32Array,
    sequence: i64,
) -> Result<RecordBatch, LakeError> {
    let columns = file
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef, LakeError> {
            if field.name() == columns::INGEST_SEQ {
                return Ok(Arc::new(Int64Array::from_value(sequence, chosen.len())));
            }
            let column = rows.column_by_name(field.name());
            let column = column.ok_or_else(|| LakeError::Shape(format!("{} has no {}", spec.name, field.name())))?;
            Ok(take(column, chosen, None)?)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(file), columns)?)
}

/// Cuts a small batch of a table that is partitioned by month into parts. Rows keep their order.
pub(crate) fn by_month(
    spec: &TableSpec,
    rows: &RecordBatch,
    months: &[String],
    sequence: i64,
) -> Result<Vec<Part>, LakeError> {
    let mut chosen: std::collections::BTreeMap<&str, Vec<u32>> = std::collections::BTreeMap::new();
    for (row, month) in months.iter().enumerate() {
        chosen.entry(month).or_default().push(u32::try_from(row).unwrap_or(u32::MAX));
    }
    let file = file_schema(spec);
    chosen
        .into_iter()
        .map(|(month, chosen)| {
            let rows = pick(spec, &file, rows, &UInt32Array::from(chosen), sequence)?;
            Ok(Part { month: Some(month.to_owned()), rows })
        })
        .collect()
}

/// The writer's settings for a table.
pub(crate) fn properties(spec: &TableSpec, zstd_level: i32) -> WriterProperties {
    let level = ZstdLevel::try_new(zstd_level).unwrap_or_default();
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("headwater ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for column in spec.columns.iter().filter(|column| column.name != columns::MONTH) {
        let path = || ColumnPath::from(column.name);
        // Instants, dates and numbers of one file lie close together: deltas decode in a third of the time of zstd.
        if matches!(column.kind, ColumnType::Timestamp | ColumnType::Date32 | ColumnType::Int32 | ColumnType::Int64) {
            builder = builder
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        }
        if DISTINCT.contains(&column.name) {
            builder = builder.set_column_dictionary_enabled(path(), false);
        }
        if BOUNDLESS.contains(&column.name) {
            builder = builder.set_column_statistics_enabled(path(), EnabledStatistics::None);
        }
        if spec.statistics.contains(&column.name) {
            builder = builder.set_column_statistics_enabled(path(), EnabledStatistics::Page);
        }
    }
    if spec.name == schema::EVENTS.name {
        builder = builder.set_sorting_columns(Some(sorting(spec)));
    }
    builder.build()
}

/// `events` files are sorted by event, person, time: an event filter prunes, and a person's events are a run.
fn sorting(spec: &TableSpec) -> Vec<SortingColumn> {
    let place = |name| spec.columns.iter().position(|column| column.name == name);
    [columns::EVENT, columns::PERSON_KEY, columns::TIMESTAMP]
        .into_iter()
        .filter_map(place)
        .filter_map(|place| i32::try_from(place).ok())
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true })
        .collect()
}

/// A text column from options.
pub(crate) fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}
