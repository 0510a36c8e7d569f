//! Writes rewritten rows as files of a table, as they come.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Date32Type, SchemaRef};
use delta_kernel::expressions::Scalar;
use delta_kernel::table_properties::DataSkippingNumIndexedCols;
use deltalake_core::datafile::writer::{PartitionWriter, PartitionWriterConfig};
use deltalake_core::kernel::Add;
use event_model::columns;
use indexmap::IndexMap;

use super::MaintenanceSettings;
use crate::encode;
use crate::error::LakeError;
use crate::tables::Table;

/// Rows that one call hands to the Parquet writer.
const WRITE_BATCH_ROWS: usize = 16 * 1024;

/// Files of one month (or of a table without months) that are being written.
pub(crate) struct Output {
    table: Arc<Table>,
    schema: SchemaRef,
    month: Option<String>,
    by_date: bool,
    target_bytes: u64,
    zstd_level: i32,
    writers: BTreeMap<Option<i32>, PartitionWriter>,
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
            writers: BTreeMap::new(),
        }
    }

    /// Takes rows that have the table's columns by name; those that a file was written without become null.
    pub(crate) async fn write(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        let rows = self.align(rows)?;
        if !self.by_date {
            return self.write_to(None, &rows).await;
        }
        let dates =
            rows.column_by_name(columns::DATE).and_then(|dates| dates.as_primitive_opt::<Date32Type>()).cloned();
        let dates = dates.ok_or_else(|| LakeError::Shape("rows without a date".to_owned()))?;
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
    pub(crate) async fn close(self) -> Result<Vec<Add>, LakeError> {
        let mut adds = Vec::new();
        for (_, writer) in self.writers {
            adds.extend(writer.close().await.map_err(|error| LakeError::of_delta(self.table.path(), error))?);
        }
        Ok(adds)
    }

    fn align(&self, rows: &RecordBatch) -> Result<RecordBatch, LakeError> {
        let columns = self.schema.fields().iter().map(|field| -> ArrayRef {
            let column = rows.column_by_name(field.name()).cloned();
            column.unwrap_or_else(|| new_null_array(field.data_type(), rows.num_rows()))
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())?)
    }

    async fn write_to(&mut self, date: Option<i32>, rows: &RecordBatch) -> Result<(), LakeError> {
        let failed = |error| LakeError::of_delta(self.table.path(), error);
        let writer = match self.writers.entry(date) {
            std::collections::btree_map::Entry::Occupied(writer) => writer.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let spec = self.table.spec();
                let month = self.month.clone().map(|month| (columns::MONTH.to_owned(), Scalar::String(month)));
                let config = PartitionWriterConfig::try_new(
                    Arc::clone(&self.schema),
                    IndexMap::from_iter(month),
                    Some(encode::properties(spec, self.zstd_level)),
                    NonZeroU64::new(self.target_bytes),
                    Some(WRITE_BATCH_ROWS),
                    None,
                    None,
                )
                .map_err(failed)?;
                let statistics = spec.statistics.iter().map(|name| (*name).to_owned()).collect();
                let indexed = DataSkippingNumIndexedCols::NumColumns(0);
                let store = self.table.object_store();
                place
                    .insert(PartitionWriter::try_with_config(store, config, indexed, Some(statistics)).map_err(failed)?)
            }
        };
        writer.write(rows).await.map_err(failed)
    }
}
