//! Reading a project: one consistent view of its tables, at the newest version, an earlier one, or a moment.
//!
//! ```text
//! At::Latest       the newest versions, rows that were just flushed included
//! At::Version(v)   events at v; identities and persons as of the time at which v was committed
//! At::AsOf(t)      the newest versions, but only rows, ties and traits received until t
//! ```
//!
//! A view is made of immutable files, so readers and writers never wait for each other.

mod derived;
mod keys;
mod plan;
mod snapshot;
mod times;
pub(crate) mod traits;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_model::{Json, KeyMap, Timestamp};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

pub use self::derived::Derived;
pub(crate) use self::keys::ties;
pub use self::plan::UsedPart;
pub use self::snapshot::TableView;
use crate::derived::DerivedTables;
use crate::error::LakeError;
#[cfg(feature = "query")]
use crate::files::DataFile;
#[cfg(feature = "query")]
use crate::schema::EVENTS;
use crate::settings::Clock;
use crate::store::kept;
use crate::tables::Table;

/// How many of a table's files, and how many bytes of them, are fetched before a question asks for them.
const FILES_AHEAD: usize = 256;
const BYTES_AHEAD: u64 = 8 << 20;

/// Which state of a project to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// The newest.
    #[default]
    Latest,
    /// A version of `events`.
    Version(u64),
    /// All that was received until then.
    AsOf(Timestamp),
}

/// The versions of the tables that a view reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Versions {
    /// Of `events`.
    pub events: u64,
    /// Of `identities`.
    pub identities: u64,
    /// Of `persons`; what it lacks is read from `events`.
    pub persons: u64,
}

/// Of events, identities and persons.
type Views = (Arc<TableView>, Arc<TableView>, Arc<TableView>);

/// Reads the tables of one project; keeps what it has read between questions.
#[derive(Debug)]
pub struct Reader {
    events: Arc<Table>,
    identities: Arc<Table>,
    persons: Arc<Table>,
    clock: Clock,
    snapshots: snapshot::Snapshots,
    keys: keys::Keys,
    traits: traits::Traits,
    /// Tables that are opened when they are asked for; none in a reader of three tables.
    tables: Option<Arc<DerivedTables>>,
    plans: derived::Plans,
    /// Whether files are still to be fetched before they are asked for.
    ahead: AtomicBool,
    #[cfg(feature = "query")]
    footers: crate::provider::FooterCache,
}

impl Reader {
    /// A reader of three tables of one project. The clock says which versions are too old to be read. Of a `distant`
    /// store the newest small files are fetched while the first view is made.
    #[must_use]
    pub fn new(events: Arc<Table>, identities: Arc<Table>, persons: Arc<Table>, clock: Clock, distant: bool) -> Self {
        Self {
            events,
            identities,
            persons,
            clock,
            snapshots: snapshot::Snapshots::default(),
            keys: keys::Keys::default(),
            traits: traits::Traits::default(),
            tables: None,
            plans: derived::Plans::default(),
            ahead: AtomicBool::new(distant),
            #[cfg(feature = "query")]
            footers: crate::provider::FooterCache::default(),
        }
    }

    /// The same, with the project's derived tables.
    pub(crate) fn with_derived(self, tables: Arc<DerivedTables>) -> Self {
        Self { tables: Some(tables), ..self }
    }

    /// A view of the project. What was committed before the call is in it.
    ///
    /// # Errors
    /// [`LakeError::VersionGone`] or [`LakeError::VersionUnknown`] for a version that is not kept or not there,
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn read(self: &Arc<Self>, at: At) -> Result<ReadView, LakeError> {
        let ((events, identities, persons), committed) = match at {
            At::Latest | At::AsOf(_) => {
                let wanted = self.wanted_ahead().await?;
                let (views, ()) = futures::join!(self.newest(), fetch(wanted));
                (views?, None)
            }
            At::Version(version) => self.snapshots_at(version).await?,
        };
        let as_of = match at {
            At::AsOf(moment) => Some(moment),
            At::Latest | At::Version(_) => None,
        };
        let newest = events.files.newest();
        Ok(ReadView {
            versions: Versions { events: events.version, identities: identities.version, persons: persons.version },
            newest_event: as_of.map_or(newest, |moment| newest.map(|newest| newest.min(moment))),
            file_count: events.files.files().len(),
            bytes: events.files.bytes(),
            reader: Arc::clone(self),
            events,
            identities,
            persons,
            as_of,
            committed,
        })
    }

    /// Waits until nobody in this process reads a version of the table before `version`, at most as long as `grace`.
    pub(crate) async fn wait_for_readers(&self, table: &Table, version: u64, grace: Duration) -> Result<(), LakeError> {
        self.snapshots.wait_until_left(table, version, grace).await
    }

    /// Identities after events: a drain commits its ties first, so the view has the ties of every event it shows. Persons
    /// before events: it then covers nothing that the events do not have.
    ///
    /// All are looked at side by side, since each look is a call of the store; what must come after something that turns
    /// out to be new is looked at again.
    async fn newest(&self) -> Result<Views, LakeError> {
        let (known_events, known_persons) =
            (self.events.cached().await.version(), self.persons.cached().await.version());
        let (mut events, mut identities, persons) = futures::try_join!(
            self.snapshots.newest(&self.events),
            self.snapshots.newest(&self.identities),
            self.snapshots.newest(&self.persons),
        )?;
        if Some(persons.version) != known_persons {
            events = self.snapshots.newest(&self.events).await?;
        }
        if Some(events.version) != known_events {
            identities = self.snapshots.newest(&self.identities).await?;
        }
        Ok((events, identities, persons))
    }

    /// The newest small files of what is known, for the first view of a distant store; none after that.
    async fn wanted_ahead(&self) -> Result<Vec<(Arc<dyn ObjectStore>, Path)>, LakeError> {
        let mut wanted = Vec::new();
        if !self.ahead.swap(false, Ordering::Relaxed) {
            return Ok(wanted);
        }
        for table in [&self.identities, &self.persons, &self.events] {
            let view = self.snapshots.known(table).await?;
            let mut files: Vec<_> = view.files.files().iter().filter(|file| file.bytes <= kept::SMALL).collect();
            files.sort_by_key(|file| Reverse(file.modified_millis));
            let mut bytes = 0;
            for file in files.into_iter().take(FILES_AHEAD) {
                bytes += file.bytes;
                if bytes <= BYTES_AHEAD
                    && let Ok(path) = Path::parse(&file.path)
                {
                    wanted.push((Arc::clone(&view.store), path));
                }
            }
        }
        Ok(wanted)
    }

    /// The views of a version of `events`, and when it was committed.
    async fn snapshots_at(&self, version: u64) -> Result<(Views, Option<i64>), LakeError> {
        let newest = self.snapshots.newest(&self.events).await?;
        times::check_kept(&self.events, version, &newest, self.clock.now()).await?;
        let events = if version == newest.version { newest } else { self.snapshots.at(&self.events, version).await? };
        let Some(moment) = times::committed_millis(&self.events, version).await? else {
            // Only the newest version can lack its entry: a checkpoint carries it.
            let identities = self.snapshots.newest(&self.identities).await?;
            return Ok(((events, identities, self.snapshots.newest(&self.persons).await?), None));
        };
        let identities = self.snapshots.as_of(&self.identities, moment).await?;
        let persons = self.snapshots.as_of(&self.persons, moment).await?;
        Ok(((events, identities, persons), Some(moment)))
    }
}

/// Lets a store that keeps small files fetch them, all at the same time. What fails is asked for again when it is needed.
async fn fetch(wanted: Vec<(Arc<dyn ObjectStore>, Path)>) {
    let fetches = wanted.into_iter().map(|(store, path)| async move { store.get_range(&path, 0..1).await.map(drop) });
    futures::future::join_all(fetches).await;
}

/// One consistent state of a project. Cheap to keep: it holds lists of files, not rows.
#[derive(Clone, Debug)]
pub struct ReadView {
    /// The versions read.
    pub versions: Versions,
    /// The latest timestamp of any event, exact to the millisecond. For [`At::AsOf`] an upper bound.
    pub newest_event: Option<Timestamp>,
    /// How many files `events` has.
    pub file_count: usize,
    /// How many bytes they have.
    pub bytes: u64,
    reader: Arc<Reader>,
    events: Arc<TableView>,
    identities: Arc<TableView>,
    persons: Arc<TableView>,
    as_of: Option<Timestamp>,
    /// When the version of `events` was committed, in milliseconds since 1970, where an earlier one was asked for.
    committed: Option<i64>,
}

impl ReadView {
    /// All live ties, closed transitively.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn keys(&self) -> Result<Arc<KeyMap>, LakeError> {
        self.reader.keys.get(&self.identities, self.as_of).await
    }

    /// The latest traits of each person that has any, by canonical key: JSON objects, their members sorted.
    ///
    /// Only identify calls set traits (`context.traits` on other calls stays in `context`). A trait's value is that of
    /// the latest identify call that names it, in the total order (timestamp, received_at, position, event_id), over
    /// all ids of the person; an explicit null is a value.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn traits(&self) -> Result<Arc<HashMap<i64, Json>>, LakeError> {
        let keys = self.keys().await?;
        self.reader.traits.get(&self.events, &self.persons, self.versions, &keys, self.as_of).await
    }

    /// The files of `events`.
    #[must_use]
    pub fn event_files(&self) -> &TableView {
        &self.events
    }

    /// The table `events` for DataFusion. Its columns have the names of [`event_model::columns`].
    ///
    /// # Errors
    /// Where the plan of an [`At::AsOf`] view cannot be made; the others always can.
    #[cfg(feature = "query")]
    pub fn events(&self) -> datafusion::error::Result<Arc<dyn datafusion::catalog::TableProvider>> {
        self.events_in(self.events.files.files().to_vec())
    }

    /// Some files of `events` as a table.
    #[cfg(feature = "query")]
    fn events_in(
        &self,
        files: Vec<Arc<DataFile>>,
    ) -> datafusion::error::Result<Arc<dyn datafusion::catalog::TableProvider>> {
        use crate::provider::{FilesTable, received_until};
        let table: Arc<dyn datafusion::catalog::TableProvider> = Arc::new(FilesTable::new(
            &EVENTS,
            &self.events.schema,
            files,
            Arc::clone(&self.events.store),
            self.reader.footers.clone(),
        ));
        match self.as_of {
            Some(moment) => received_until(table, moment),
            None => Ok(table),
        }
    }
}
