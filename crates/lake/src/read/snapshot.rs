//! The file lists of tables, refreshed by what is new.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use deltalake_core::DeltaTable;
use object_store::ObjectStore;
use parking_lot::Mutex;

use super::times;
use crate::error::LakeError;
use crate::files::FileList;
use crate::schema::TableSpec;
use crate::tables::{Table, version_of};

/// One version of one table: immutable.
#[derive(Clone)]
pub struct TableView {
    /// Its version.
    pub version: u64,
    /// Its live files.
    pub files: FileList,
    /// Its columns, the partition column included.
    pub schema: SchemaRef,
    /// The number that the last append to it carries (of persons: the ingest commit up to which it covers events).
    pub sequence: Option<i64>,
    /// Where it lies, for messages.
    pub path: String,
    /// The store, with its root at the table's folder.
    pub store: Arc<dyn ObjectStore>,
}

impl TableView {
    async fn new(table: &Table, snapshot: &DeltaTable, earlier: &FileList) -> Result<Self, LakeError> {
        let path = table.path().to_owned();
        let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(path.as_str(), error))?;
        Ok(Self {
            version: version_of(snapshot, &path)?,
            files: FileList::new(state.log_data().iter(), earlier),
            schema: state.snapshot().arrow_schema(),
            sequence: table.transaction(snapshot, table.spec().application).await?,
            store: table.object_store(),
            path,
        })
    }
}

impl std::fmt::Debug for TableView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at version {}, {} files", self.path, self.version, self.files.files().len())
    }
}

/// The newest view of each table that was asked for, and the last earlier one.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    newest: Mutex<HashMap<&'static str, Arc<TableView>>>,
    earlier: Mutex<HashMap<&'static str, Arc<TableView>>>,
}

impl Snapshots {
    /// The newest version. Costs one look for the next entry of the log if nothing is new.
    pub(super) async fn newest(&self, table: &Table) -> Result<Arc<TableView>, LakeError> {
        let spec = table.spec();
        let snapshot = table.refresh().await?;
        let known = self.newest.lock().get(spec.name).cloned();
        match known {
            Some(view) if Some(view.version) == snapshot.version() => Ok(view),
            Some(view) => self.take_over(table, spec, &snapshot, &view.files).await,
            None => self.take_over(table, spec, &snapshot, &FileList::default()).await,
        }
    }

    async fn take_over(
        &self,
        table: &Table,
        spec: &'static TableSpec,
        snapshot: &DeltaTable,
        earlier: &FileList,
    ) -> Result<Arc<TableView>, LakeError> {
        let view = Arc::new(TableView::new(table, snapshot, earlier).await?);
        let mut newest = self.newest.lock();
        let kept = newest.entry(spec.name).or_insert_with(|| Arc::clone(&view));
        // Two reads at a time may end in either order; a later version is never replaced by an earlier one.
        if kept.version <= view.version {
            *kept = Arc::clone(&view);
        }
        Ok(view)
    }

    /// An earlier version.
    pub(super) async fn at(&self, table: &Table, version: u64) -> Result<Arc<TableView>, LakeError> {
        let name = table.spec().name;
        let newest = self.newest(table).await?;
        if newest.version == version {
            return Ok(newest);
        }
        if let Some(view) = self.earlier.lock().get(name).filter(|view| view.version == version) {
            return Ok(Arc::clone(view));
        }
        let snapshot = table.at(version).await?;
        let view = Arc::new(TableView::new(table, &snapshot, &newest.files).await?);
        self.earlier.lock().insert(name, Arc::clone(&view));
        Ok(view)
    }

    /// The version that was the newest at a moment (in milliseconds since 1970).
    pub(super) async fn as_of(&self, table: &Table, moment: i64) -> Result<Arc<TableView>, LakeError> {
        let newest = self.newest(table).await?;
        let version = times::version_at(table, newest.version, moment).await?;
        self.at(table, version).await
    }
}
