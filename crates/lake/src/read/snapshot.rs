//! The file lists of tables, refreshed by what is new.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use deltalake_core::DeltaTable;
use object_store::ObjectStore;
use parking_lot::Mutex;

use super::times;
use crate::derived::seen_erase;
use crate::erase;
use crate::error::LakeError;
use crate::files::FileList;
use crate::schema::{TableSpec, is_derived};
use crate::tables::{Table, version_of};

/// How often it is looked whether readers have gone.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
    /// The oldest version that may be read: earlier ones hold what was erased.
    pub readable_from: u64,
    /// Of a derived table: the `readable_from` of `events` at the last erase that it has been through.
    pub seen_erase: u64,
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
            readable_from: erase::readable_from(table, snapshot).await?,
            seen_erase: if is_derived(table.spec()) { seen_erase(table, snapshot).await? } else { 0 },
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
    /// All that somebody may still hold.
    given: Mutex<Vec<(&'static str, Weak<TableView>)>>,
}

impl Snapshots {
    /// The newest version. Costs one look for the next entry of the log if nothing is new.
    pub(super) async fn newest(&self, table: &Table) -> Result<Arc<TableView>, LakeError> {
        self.view_of(table, &table.refresh().await?).await
    }

    /// The newest version that this process knows, without a look.
    pub(super) async fn known(&self, table: &Table) -> Result<Arc<TableView>, LakeError> {
        self.view_of(table, &table.cached().await).await
    }

    async fn view_of(&self, table: &Table, snapshot: &DeltaTable) -> Result<Arc<TableView>, LakeError> {
        let spec = table.spec();
        let known = self.newest.lock().get(spec.name).cloned();
        match known {
            Some(view) if Some(view.version) == snapshot.version() => Ok(view),
            Some(view) => self.take_over(table, spec, snapshot, &view.files).await,
            None => self.take_over(table, spec, snapshot, &FileList::default()).await,
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
        self.note(spec.name, &view);
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
        self.note(name, &view);
        self.earlier.lock().insert(name, Arc::clone(&view));
        Ok(view)
    }

    fn note(&self, name: &'static str, view: &Arc<TableView>) {
        let mut given = self.given.lock();
        given.retain(|(_, view)| view.strong_count() > 0);
        given.push((name, Arc::downgrade(view)));
    }

    /// Waits until nobody holds a view of a table before `version`, at most as long as `grace`.
    pub(super) async fn wait_until_left(&self, table: &Table, version: u64, grace: Duration) -> Result<(), LakeError> {
        let name = table.spec().name;
        self.newest(table).await?;
        self.earlier.lock().retain(|_, view| view.path != table.path() || view.version >= version);
        let is_held = || {
            let given = self.given.lock();
            let mut views = given.iter().filter(|(of, _)| *of == name).filter_map(|(_, view)| view.upgrade());
            views.any(|view| view.version < version)
        };
        let until = Instant::now() + grace;
        while is_held() && Instant::now() < until {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// The version that was the newest at a moment (in milliseconds since 1970).
    pub(super) async fn as_of(&self, table: &Table, moment: i64) -> Result<Arc<TableView>, LakeError> {
        let newest = self.newest(table).await?;
        // What was erased since is not read again, whatever the moment.
        let version = times::version_at(table, newest.version, moment).await?.max(newest.readable_from);
        self.at(table, version).await
    }
}
