//! Writes rewritten rows as files of a table, as they come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{SortOptions, concat_batches, filter_record_batch, sort_to_indices, take};
use arrow::datatypes::{Date32Type, Schema, SchemaRef};
use deltalake_core::kernel::Add;
use event_model::columns;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use serde_json::Value;

use super::MaintenanceSettings;
use crate::commit::token;
use crate::encode::{self, statistics};
use crate::error::LakeError;
use crate::rows::failure;
use crate::schema::TableSpec;
use crate::tables::Table;

/// Files of one month (or of a table without months) that are being written.
pub(crate) struct Output {
    table: Arc<Table>,
    schema: SchemaRef,
    month: Option<String>,
    by_date: bool,
    target_bytes: u64,
    zstd_level: i32,
    open: BTreeMap<Option<i32>, OpenFile>,
    done: Vec<Add>,
}

impl Output {
    pub(crate) fn new(table: Arc<Table>, month: Option<String>, by_date: bool, settings: &MaintenanceSettings) -> Self {
        Self {
            schema: encode::file_schema(table.spec()),
            table,
            month,
            by_date,
            target_bytes: settings.target_bytes,
            zstd_level: settings.zstd_level,
            open: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// Takes rows that have the table's columns by name; those that a file was written without become null.
    pub(crate) async fn write(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        let rows = self.align(rows)?;
        if !self.by_date {
            return self.write_to(None, &rows).await;
        }
        let dates = rows.column_by_name(columns::DATE).and_then(|dates| dates.as_primitive_opt::<Date32Type>());
        let dates = dates.cloned().ok_or_else(|| LakeError::Shape("rows without a date".to_owned()))?;
        let mut different: Vec<i32> = dates.values().to_vec();
        different.sort_unstable();
        different.dedup();
        for date in different {
            let is_it: BooleanArray = dates.values().iter().map(|other| Some(*other == date)).collect();
            self.write_to(Some(date), &filter_record_batch(&rows, &is_it)?).await?;
        }
        Ok(())
    }

    /// Ends all files and returns the actions that add them.
    pub(crate) async fn close(mut self) -> Result<Vec<Add>, LakeError> {
        for (_, file) in std::mem::take(&mut self.open) {
            self.done.push(file.close(self.table.spec(), self.month.as_ref()).await?);
        }
        Ok(self.done)
    }

    fn align(&self, rows: &RecordBatch) -> Result<RecordBatch, LakeError> {
        let columns = self.schema.fields().iter().map(|field| -> ArrayRef {
            let column = rows.column_by_name(field.name()).cloned();
            column.unwrap_or_else(|| new_null_array(field.data_type(), rows.num_rows()))
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())?)
    }

    async fn write_to(&mut self, date: Option<i32>, rows: &RecordBatch) -> Result<(), LakeError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut file = match self.open.remove(&date) {
            Some(file) => file,
            None => OpenFile::new(&self.table, self.month.as_deref(), &self.schema, self.zstd_level)?,
        };
        file.write(self.table.spec(), rows).await?;
        if file.bytes() >= self.target_bytes {
            self.done.push(file.close(self.table.spec(), self.month.as_ref()).await?);
        } else {
            self.open.insert(date, file);
        }
        Ok(())
    }
}

/// One file.
struct OpenFile {
    path: String,
    writer: AsyncArrowWriter<BufWriter>,
    rows: u64,
    /// The least and the largest values of each batch, of the columns that have bounds in the log.
    extremes: Vec<RecordBatch>,
}

impl OpenFile {
    fn new(table: &Table, month: Option<&str>, schema: &SchemaRef, zstd_level: i32) -> Result<Self, LakeError> {
        let name = format!("{}.zstd.parquet", token());
        let path = match month {
            Some(month) => format!("{}={month}/{name}", columns::MONTH),
            None => name,
        };
        let upload = BufWriter::new(table.object_store(), Path::from(path.as_str()));
        let properties = encode::properties(table.spec(), zstd_level);
        let writer = AsyncArrowWriter::try_new(upload, Arc::clone(schema), Some(properties));
        let writer = writer.map_err(|error| failure(&path, error))?;
        Ok(Self { path, writer, rows: 0, extremes: Vec::new() })
    }

    async fn write(&mut self, spec: &TableSpec, rows: &RecordBatch) -> Result<(), LakeError> {
        self.writer.write(rows).await.map_err(|error| failure(&self.path, error))?;
        self.rows += rows.num_rows() as u64;
        self.extremes.push(extremes(spec, rows)?);
        Ok(())
    }

    /// About as many bytes as it will have.
    fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    async fn close(mut self, spec: &TableSpec, month: Option<&String>) -> Result<Add, LakeError> {
        self.writer.finish().await.map_err(|error| failure(&self.path, error))?;
        let schema = self.extremes.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        let mut known = statistics::of(spec, &concat_batches(&schema, &self.extremes)?);
        if let Some(rows) = known.get_mut("numRecords") {
            *rows = Value::from(self.rows);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(Add {
            size: i64::try_from(self.writer.bytes_written()).unwrap_or(i64::MAX),
            path: self.path,
            partition_values: month.iter().map(|month| (columns::MONTH.to_owned(), Some((*month).clone()))).collect(),
            modification_time: i64::try_from(now).unwrap_or(i64::MAX),
            data_change: true,
            stats: Some(known.to_string()),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }
}

/// The least and the largest value of each column that has bounds in the log, as two rows.
fn extremes(spec: &TableSpec, rows: &RecordBatch) -> Result<RecordBatch, LakeError> {
    let mut columns = Vec::new();
    for name in spec.statistics {
        let Some(column) = rows.column_by_name(name) else { continue };
        let end = |descending| {
            let options = SortOptions { descending, nulls_first: false };
            let place = sort_to_indices(column, Some(options), Some(1))?;
            take(column, &place, None)
        };
        let (least, largest) = (end(false)?, end(true)?);
        columns.push((*name, arrow::compute::concat(&[least.as_ref(), largest.as_ref()])?));
    }
    Ok(RecordBatch::try_from_iter(columns)?)
}
