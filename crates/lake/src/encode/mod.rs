//! Rows become Parquet files, one a month, sorted, with the encodings that reading wants.

mod file;
mod hybrid;
pub(crate) mod statistics;
mod texts;

use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use deltalake_core::kernel::Add;
use event_model::columns::{self, ColumnType};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::Value;

pub(crate) use self::file::Part;
use crate::commit::token;
use crate::error::LakeError;
use crate::schema::{self, TableSpec};
use crate::tables::Table;

/// Larger files are put in parts of this size.
const PUT_AT_ONCE_BYTES: usize = 16 * 1024 * 1024;
/// The largest dictionary of the keys of persons: a million of them.
const LARGEST_KEYS_BYTES: usize = 8 * 1024 * 1024;
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

/// Writes each part as one file and returns the actions that add them to the table, in the order of the parts.
///
/// # Errors
/// [`LakeError::Storage`]. Files that were written stay: no commit names them, and vacuum takes them away.
pub(crate) async fn write(table: &Table, parts: Vec<Part>, zstd_level: i32) -> Result<Vec<Add>, LakeError> {
    let spec = table.spec();
    let encoding = parts.into_iter().map(|part| {
        // Encoding is work for a processor: it must not hold up a thread that answers requests.
        tokio::task::spawn_blocking(move || {
            let (bytes, statistics) = part.encode(spec, zstd_level)?;
            Ok::<_, LakeError>((part.month, bytes, statistics))
        })
    });
    let encoding: Vec<_> = encoding.collect();
    let mut adds = Vec::with_capacity(encoding.len());
    for encoded in encoding {
        let (month, bytes, statistics) = encoded.await.map_err(|error| LakeError::storage(table.path(), error))??;
        adds.push(upload(table, month.as_ref(), bytes, &statistics).await?);
    }
    Ok(adds)
}

async fn upload(table: &Table, month: Option<&String>, bytes: Vec<u8>, statistics: &Value) -> Result<Add, LakeError> {
    let name = format!("{}.zstd.parquet", token());
    let path = match month {
        Some(month) => format!("{}={month}/{name}", columns::MONTH),
        None => name,
    };
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let failed = |error| LakeError::storage(format!("{}/{path}", table.path()), error);
    put(&*table.object_store(), &Path::from(path.as_str()), bytes.into()).await.map_err(failed)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(Add {
        path,
        partition_values: month.iter().map(|month| (columns::MONTH.to_owned(), Some((*month).clone()))).collect(),
        size,
        modification_time: i64::try_from(now).unwrap_or(i64::MAX),
        data_change: true,
        stats: Some(statistics.to_string()),
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

/// Cuts a small batch of a table that is partitioned by month into parts. Rows keep their order.
pub(crate) fn by_month(rows: &RecordBatch, months: &[String], sequence: i64) -> Vec<Part> {
    let mut chosen: std::collections::BTreeMap<&str, Vec<u32>> = std::collections::BTreeMap::new();
    for (row, month) in months.iter().enumerate() {
        chosen.entry(month).or_default().push(u32::try_from(row).unwrap_or(u32::MAX));
    }
    let part = |(month, chosen): (&str, Vec<u32>)| Part {
        month: Some(month.to_owned()),
        rows: rows.clone(),
        chosen: UInt32Array::from(chosen),
        sequence,
    };
    chosen.into_iter().map(part).collect()
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
        // In a derived table a person's rows follow each other: one number of a dictionary, many times.
        if column.name == columns::PERSON_KEY && schema::is_derived(spec) {
            builder = builder
                .set_column_dictionary_enabled(path(), true)
                .set_column_encoding(path(), Encoding::PLAIN)
                .set_column_dictionary_page_size_limit(path(), LARGEST_KEYS_BYTES);
        }
        // All rows of a request share it, wherever the order of the file has put them.
        if column.name == columns::RECEIVED_AT {
            builder = builder.set_column_dictionary_enabled(path(), true);
        }
        if DISTINCT.contains(&column.name) {
            builder = builder.set_column_dictionary_enabled(path(), false);
        }
        builder = builder.set_column_statistics_enabled(path(), bounds_of(spec, column.name));
    }
    if !spec.order.is_empty() {
        builder = builder.set_sorting_columns(Some(sorting(spec)));
    }
    builder.build()
}

/// Where the bounds of a column are kept: for each page where they let readers skip.
fn bounds_of(spec: &TableSpec, column: &str) -> EnabledStatistics {
    if spec.statistics.contains(&column) {
        EnabledStatistics::Page
    } else if BOUNDLESS.contains(&column) {
        EnabledStatistics::None
    } else {
        EnabledStatistics::Chunk
    }
}

/// `events` files are sorted by event, person, time: an event filter prunes, and a person's events are a run.
fn sorting(spec: &TableSpec) -> Vec<SortingColumn> {
    let place = |name: &&str| spec.columns.iter().position(|column| column.name == *name);
    spec.order
        .iter()
        .filter_map(place)
        .filter_map(|place| i32::try_from(place).ok())
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true })
        .collect()
}

/// A text column from options.
pub(crate) fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}
