//! One project's tables, and everything that may be done with them.

use std::sync::Arc;

use event_model::{ProjectId, Timestamp};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::Mutex;
use url::Url;

use crate::batch::{IngestBatch, IngestReport};
use crate::derived::{DerivedTables, Looked};
use crate::erase::KeptOut;
use crate::error::LakeError;
use crate::identities::Edges;
use crate::ids::{EventIds, Index};
use crate::ingest;
use crate::ledger::{self, LedgerTotals, Names, RollReport};
use crate::quarantine::{self, QuarantineFilter, QuarantinePage, RowIds};
use crate::read::{At, ReadView, Reader};
use crate::schema::{self, TableSpec};
use crate::settings::LakeSettings;
use crate::tables::{Table, version_of};

/// One project's tables.
#[derive(Debug)]
pub struct ProjectLake {
    pub(crate) id: ProjectId,
    pub(crate) settings: LakeSettings,
    pub(crate) events: Arc<Table>,
    pub(crate) quarantine: Arc<Table>,
    pub(crate) identities: Arc<Table>,
    pub(crate) ledger: Arc<Table>,
    pub(crate) persons: Arc<Table>,
    pub(crate) kept_out: Arc<Table>,
    /// Made and opened when they are needed.
    pub(crate) derived: Arc<DerivedTables>,
    /// Where its files lie that are no table's.
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) folder: Path,
    pub(crate) reader: Arc<Reader>,
    /// Inside one process a single ingest of a project at a time: two would only conflict.
    pub(crate) writing: Mutex<Writing>,
    pub(crate) names: Mutex<Names>,
    /// Inside one process one erase after the other.
    pub(crate) erasing: Mutex<()>,
    /// When maintenance last looked for files and entries of the log that may go.
    pub(crate) swept: parking_lot::Mutex<Option<Timestamp>>,
    /// When maintenance last looked what of the derived tables is due.
    pub(crate) derived_at: parking_lot::Mutex<Option<Timestamp>>,
    /// What it found of their parts.
    pub(crate) derived_looked: Mutex<Looked>,
}

/// What an ingest knows from the ones before it.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    pub(crate) events: Index<EventIds>,
    pub(crate) quarantine: Index<RowIds>,
    pub(crate) identities: Index<Edges>,
    pub(crate) kept_out: KeptOut,
}

impl ProjectLake {
    /// Opens the tables below `url`, and makes those that are not there.
    ///
    /// # Errors
    /// [`LakeError::Newer`] if a newer version made one of them; [`LakeError::Storage`].
    pub(crate) async fn open(
        store: &Arc<dyn ObjectStore>,
        url: &Url,
        id: ProjectId,
        settings: LakeSettings,
        distant: bool,
    ) -> Result<Self, LakeError> {
        let (events, quarantine, identities, ledger, persons, kept_out) = futures::try_join!(
            open(store, url, &schema::EVENTS),
            open(store, url, &schema::QUARANTINE),
            open(store, url, &schema::IDENTITIES),
            open(store, url, &schema::LEDGER),
            open(store, url, &schema::PERSONS),
            open(store, url, &schema::KEPT_OUT),
        )?;
        let folder = Path::from_url_path(url.path())
            .map_err(|error| LakeError::damaged(url.as_str(), format!("not a place in a store: {error}")))?;
        let tables = (Arc::clone(&events), Arc::clone(&identities), Arc::clone(&persons));
        let derived = Arc::new(DerivedTables::new(Arc::clone(store), url.clone(), settings.guards));
        let reader = Reader::new(tables.0, tables.1, tables.2, settings.clock.clone(), distant);
        let reader = Arc::new(reader.with_derived(Arc::clone(&derived)));
        Ok(Self {
            id,
            settings,
            events,
            quarantine,
            identities,
            ledger,
            persons,
            kept_out,
            derived,
            store: Arc::clone(store),
            folder,
            reader,
            writing: Mutex::default(),
            names: Mutex::default(),
            erasing: Mutex::default(),
            swept: parking_lot::Mutex::default(),
            derived_at: parking_lot::Mutex::default(),
            derived_looked: Mutex::default(),
        })
    }

    /// Whose tables these are.
    #[must_use]
    pub fn id(&self) -> &ProjectId {
        &self.id
    }

    /// Stores a batch: identities, quarantine, events, marks of replay, in this order, each exactly once however often
    /// and by however many processes it is asked for. When it returns, all of it is durable and its messages may be
    /// acknowledged.
    ///
    /// # Errors
    /// [`LakeError::Storage`] and [`LakeError::Conflict`]: ask again later with the same messages, whatever of them is
    /// stored by now. [`LakeError::Shape`]: a bug in the caller; nothing is stored. [`LakeError::Newer`],
    /// [`LakeError::Damaged`].
    pub async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport, LakeError> {
        ingest::ingest(self, batch).await
    }

    /// A view of the project: newest, at a version, or as of a moment. What was committed before the call is in it, and
    /// it never changes.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub async fn read(&self, at: At) -> Result<ReadView, LakeError> {
        self.reader.read(at).await
    }

    /// The sums over all messages ever stored here.
    ///
    /// # Errors
    /// [`LakeError::Storage`] or [`LakeError::Damaged`].
    pub async fn ledger(&self) -> Result<LedgerTotals, LakeError> {
        let events = self.events.refresh().await?;
        let version = version_of(&events, self.events.path())?;
        let mut names = self.names.lock().await;
        names.refresh(&self.events, &self.ledger, version, self.floor()).await?;
        let totals = names.totals();
        drop(names);
        let quarantine = self.quarantine.refresh().await?;
        let replayed = self.quarantine.transaction(&quarantine, quarantine::REPLAYED).await?;
        Ok(LedgerTotals { replayed: replayed.and_then(|count| u64::try_from(count).ok()).unwrap_or(0), ..totals })
    }

    /// Takes the names of messages over from the log of `events` into the table `ledger`. Must be done before the log is
    /// cleaned, and not only then: whoever starts reads what is not taken over yet from the log.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Conflict`] or [`LakeError::Damaged`].
    pub async fn roll_ledger(&self) -> Result<RollReport, LakeError> {
        ledger::roll(&self.events, &self.ledger, &self.settings).await
    }

    /// Some of what could not be used, newest first, with its original bytes.
    ///
    /// # Errors
    /// [`LakeError::Shape`] if the cursor is not one of ours; [`LakeError::Storage`] or [`LakeError::Damaged`].
    pub async fn quarantine(&self, filter: QuarantineFilter) -> Result<QuarantinePage, LakeError> {
        quarantine::page(&self.quarantine, &filter).await
    }

    /// The first day of receipt that the indexes keep: the look-back, and a day for what waited in the queue.
    pub(crate) fn floor(&self) -> i32 {
        let days = i32::try_from(self.settings.look_back_days).unwrap_or(i32::MAX);
        self.settings.clock.now().days().saturating_sub(days).saturating_sub(1)
    }
}

async fn open(store: &Arc<dyn ObjectStore>, url: &Url, spec: &'static TableSpec) -> Result<Arc<Table>, LakeError> {
    let url = url.join(&format!("{}/", spec.name)).map_err(|error| LakeError::storage(url.as_str(), error))?;
    Ok(Arc::new(Table::open(Arc::clone(store), url, spec).await?))
}
