//! A table of the lake as DataFusion sees it: the live files of one version, with everything the planner can use.
//!
//! delta-rs has a scan of its own; this one declares what that one does not: the sort order of each file, dictionary
//! types for columns with few values, and file groups. A file is read only if the log's statistics leave it a chance.
//!
//! A session reaches nothing but these files: the store travels inside the plan, and what the session's runtime knows
//! by the scan's address is an empty store.

mod declared;
mod groups;
mod metrics;
mod pruning;
mod received;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::memory::InMemory;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::metrics::MetricBuilder;
use url::Url;

pub use self::metrics::{ScanMetrics, scan_metrics};
pub(crate) use self::received::received_until;
use crate::files::DataFile;
use crate::schema::TableSpec;

/// The address of every scan. What is registered there is empty.
const ADDRESS: &str = "headwater-lake://files";
/// Read from the end of a file at once: footer and page index of a usual file, so that most files need one request
/// before their data.
const FOOTER_BYTES: usize = 128 * 1024;
/// Memory for the footers that one table keeps between questions.
const FOOTER_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The footers that a table has read already. Files never change, so they are kept until memory is short.
#[derive(Clone)]
pub struct FooterCache(Arc<FileMetadataCache>);

impl Default for FooterCache {
    fn default() -> Self {
        Self(Arc::new(DefaultCache::new(FOOTER_CACHE_BYTES)))
    }
}

impl fmt::Debug for FooterCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FooterCache").finish_non_exhaustive()
    }
}

/// Files of one version of a table.
pub struct FilesTable {
    order: &'static [&'static str],
    schema: TableSchema,
    files: Vec<Arc<DataFile>>,
    store: Arc<dyn ObjectStore>,
    footers: FooterCache,
}

impl FilesTable {
    /// A provider over live files of a kind of table.
    ///
    /// `stored` is the table's schema as the log has it, the partition column included; `store` has the table's
    /// folder as its root.
    #[must_use]
    pub fn new(
        spec: &'static TableSpec,
        stored: &SchemaRef,
        files: Vec<Arc<DataFile>>,
        store: Arc<dyn ObjectStore>,
        footers: FooterCache,
    ) -> Self {
        Self { order: spec.order, schema: declared::table_schema(stored), files, store, footers }
    }

    fn source(&self, pruned: usize) -> Arc<dyn FileSource> {
        let factory = CachedParquetFileReaderFactory::new(Arc::clone(&self.store), Arc::clone(&self.footers.0));
        let source = ParquetSource::new(self.schema.clone())
            .with_parquet_file_reader_factory(Arc::new(factory))
            .with_metadata_size_hint(FOOTER_BYTES)
            .with_pushdown_filters(true)
            .with_enable_page_index(true);
        MetricBuilder::new(source.metrics()).global_counter(metrics::FILES_PRUNED).add(pruned);
        Arc::new(source)
    }

    /// The files that may hold a row which passes the filters.
    fn live(&self, session: &dyn Session, filters: &[Expr]) -> Result<Vec<Arc<DataFile>>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(self.files.clone()) };
        let schema = self.schema.table_schema();
        let filter = session.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(schema))?)?;
        Ok(pruning::keep(filter, schema, &self.files))
    }
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters prune files, row groups and pages here; the physical optimizer moves those that the Parquet reader can
    /// evaluate into it, and keeps a filter above the scan for the others.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        declared::total_statistics(self.schema.table_schema(), &self.files).ok()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.live(session, filters)?;
        if files.is_empty() {
            // A scan of no file groups has no partition, which most operators refuse.
            return Ok(Arc::new(EmptyExec::new(project_schema(self.schema.table_schema(), projection)?)));
        }
        let url = ObjectStoreUrl::parse(ADDRESS)?;
        let address = Url::parse(ADDRESS).map_err(|error| DataFusionError::External(Box::new(error)))?;
        session.runtime_env().register_object_store(&address, Arc::new(InMemory::new()));

        let ordering = declared::ordering(self.order, self.schema.table_schema());
        let scanned = files
            .iter()
            .map(|file| declared::scanned_file(file, &self.schema, ordering.clone()))
            .collect::<Result<Vec<PartitionedFile>>>()?;
        let (groups, in_order) = groups::of(scanned, session.config().target_partitions());
        let config = FileScanConfigBuilder::new(url, self.source(self.files.len() - files.len()))
            .with_statistics(declared::total_statistics(self.schema.table_schema(), &files)?)
            .with_file_groups(groups)
            .with_output_ordering(ordering.filter(|_| in_order).into_iter().collect())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl fmt::Debug for FilesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesTable").field("files", &self.files.len()).finish_non_exhaustive()
    }
}
