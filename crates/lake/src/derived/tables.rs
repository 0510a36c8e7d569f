//! The derived tables of a project, opened when they are first needed: each look at a table is calls of the store, which
//! a function that starts cold must not spend for nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deltalake_core::DeltaTable;
use object_store::ObjectStore;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use url::Url;

use crate::error::LakeError;
use crate::schema::{ACTIVITY, SEQUENCES, TableSpec};
use crate::settings::Guards;
use crate::tables::Table;

/// The application id whose version is the `readable_from` of `events` at the last erase that this table has been through.
pub(crate) const EVENTS_READABLE_FROM: &str = "events_readable_from";
/// How long it is believed that there is no table, because maintenance has not made it yet.
const BELIEVED: Duration = Duration::from_secs(60);

/// The derived tables of one project.
#[derive(Debug)]
pub(crate) struct DerivedTables {
    store: Arc<dyn ObjectStore>,
    /// The project's place.
    url: Url,
    sequences: Cell,
    activity: Cell,
    /// Guards that tests switch off.
    pub(crate) guards: Guards,
}

#[derive(Debug, Default)]
struct Cell {
    table: OnceCell<Arc<Table>>,
    absent: Mutex<Option<Instant>>,
}

impl DerivedTables {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, url: Url, guards: Guards) -> Self {
        Self { store, url, sequences: Cell::default(), activity: Cell::default(), guards }
    }

    fn cell(&self, spec: &TableSpec) -> &Cell {
        if spec.name == ACTIVITY.name { &self.activity } else { &self.sequences }
    }

    fn place(&self, spec: &TableSpec) -> Result<Url, LakeError> {
        self.url.join(&format!("{}/", spec.name)).map_err(|error| LakeError::storage(self.url.as_str(), error))
    }

    /// The table, made if it is not there.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub(crate) async fn open(&self, spec: &'static TableSpec) -> Result<Arc<Table>, LakeError> {
        let open = || async { Table::open(Arc::clone(&self.store), self.place(spec)?, spec).await.map(Arc::new) };
        self.cell(spec).table.get_or_try_init(open).await.cloned()
    }

    /// The table, if somebody has made it.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub(crate) async fn find(&self, spec: &'static TableSpec) -> Result<Option<Arc<Table>>, LakeError> {
        let cell = self.cell(spec);
        if let Some(table) = cell.table.get() {
            return Ok(Some(Arc::clone(table)));
        }
        if cell.absent.lock().is_some_and(|looked| looked.elapsed() < BELIEVED) {
            return Ok(None);
        }
        match Table::find(Arc::clone(&self.store), self.place(spec)?, spec).await? {
            Some(found) => {
                let found = Arc::new(found);
                Ok(Some(Arc::clone(cell.table.get_or_init(|| async { found }).await)))
            }
            None => {
                *cell.absent.lock() = Some(Instant::now());
                Ok(None)
            }
        }
    }

    /// Those that are there.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) async fn all(&self) -> Result<Vec<Arc<Table>>, LakeError> {
        let mut found = Vec::new();
        for spec in [&SEQUENCES, &ACTIVITY] {
            found.extend(self.find(spec).await?);
        }
        Ok(found)
    }
}

/// The `readable_from` of `events` at the last erase that a derived table has been through, as of a snapshot.
///
/// # Errors
/// [`LakeError::Storage`].
pub(crate) async fn seen_erase(table: &Table, snapshot: &DeltaTable) -> Result<u64, LakeError> {
    let seen = table.transaction(snapshot, EVENTS_READABLE_FROM).await?;
    Ok(seen.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
}
