//! Erasing one person: every row that names them goes, with the statistics, logs and files that still spoke of it.
//!
//! ```text
//! begin   request (a file)  -> kept out: what ingest gets of the person from now on is not stored
//! finish  events, identities, quarantine, persons, sequences, activity: rewritten, one commit a table
//!         -> readers of before are waited for -> checkpoint, log entries, files of before -> kept out until now
//!         -> the receipt is kept -> the request is deleted
//! ```
//!
//! Each step may be done again, so an erase that a crash cut off is ended by whoever next looks at the requests. The
//! order makes it right beside everything else:
//!
//! - The list of who is kept out is written before the tables are. Every table is committed to, also where nothing is
//!   removed: whoever decided what to write before that has to decide again, and then sees the list.
//! - `events` comes before what is made from it (`persons`, `sequences`, `activity`): a build that read the events of
//!   before is refused.
//! - `sequences` and `activity` name nobody: their rows are found by the keys of the events that were removed and of all
//!   who were ever tied to them, which are written down beside the request before events and ties go. Where others have
//!   rows under one of these keys the part goes as a whole, and is made anew.
//! - A version of before is refused (`version_gone`) from the commit on, and only then do its files go.

mod clean;
mod kept_out;
mod receipts;
mod request;
mod rewrite;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deltalake_core::DeltaTable;
use event_model::{EventId, KeyMap, PersonKey};
use serde::{Deserialize, Serialize};

pub(crate) use self::kept_out::KeptOut;
pub use self::request::Erasure;
use self::rewrite::Erasing;
use crate::error::LakeError;
use crate::files::FileList;
use crate::ids::list;
use crate::maintenance::MaintenanceSettings;
use crate::person::{PersonIds, Whose, belongs};
use crate::project::ProjectLake;
use crate::read::ties;
use crate::schema::{EVENTS, IDENTITIES};
use crate::tables::Table;

/// The application id whose version is the oldest version of the table that may be read: the one that the last erase
/// made.
pub(crate) const READABLE_FROM: &str = "readable_from";
/// The application id whose version is how many rows were ever erased (of `quarantine`: emptied), those included that
/// an ingest left out.
pub(crate) const ERASED_ROWS: &str = "erased";

/// How long an erase waits for readers of this process that still hold an earlier version.
pub const READER_GRACE: Duration = Duration::from_secs(30);

/// How far an erase has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErasureState {
    /// It is recorded. The next maintenance of whoever may write finishes it.
    Recorded,
    /// Nothing of the person is left.
    Finished(Receipt),
}

/// What an erase did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Names the erase.
    pub erasure: String,
    /// What it did to each table, in the order in which it was done.
    pub tables: Vec<ErasedTable>,
    /// Rejected messages that could not be read at all, so that nobody can say whom they name. They are kept.
    pub unreadable_messages: u64,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// What an erase did to one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedTable {
    /// The table.
    pub table: Cow<'static, str>,
    /// The version that the erase made: the oldest that can be read from now on.
    pub version: u64,
    /// Rows that were removed (of `quarantine`: emptied).
    pub rows: u64,
    /// Files that were searched.
    pub files_searched: u64,
    /// The size of the files that were searched.
    pub bytes_scanned: u64,
    /// Files that were written anew without the rows.
    pub files_rewritten: u64,
    /// Files that were deleted: those that held the rows, and all others that only earlier versions named.
    pub files_deleted: u64,
    /// Entries and checkpoints of the log that were deleted, or written anew without the statistics of those files.
    pub log_files: u64,
}

impl ProjectLake {
    /// Records that a person is to be erased. When it returns, this is durable, nothing of the person that is received
    /// until the erase has ended will be stored, and [`Self::finish_erasure`] can be called by anybody at any time.
    /// With `forbid` nothing is stored afterwards either; otherwise what is received later is of a person who came back.
    ///
    /// # Errors
    /// [`LakeError::Storage`] or [`LakeError::Conflict`]: it may have been recorded nevertheless, and is then finished by
    /// the next maintenance.
    pub async fn begin_erasure(&self, ids: PersonIds, forbid: bool) -> Result<Erasure, LakeError> {
        let erasure = self.record_erasure(ids, forbid).await?;
        self.keep_out(&erasure).await?;
        Ok(erasure)
    }

    /// Records that a person is to be erased, and nothing else: for whoever may not write tables. The next maintenance
    /// of whoever may finishes it; what is received of the person until it does is stored, and erased by it.
    ///
    /// # Errors
    /// [`LakeError::Storage`]: it may have been recorded nevertheless.
    pub async fn record_erasure(&self, ids: PersonIds, forbid: bool) -> Result<Erasure, LakeError> {
        let erasure = Erasure::new(ids, forbid, self.settings.clock.now());
        request::put(self, &erasure).await?;
        Ok(erasure)
    }

    /// How far the erase of that name has come; `None` if there was none.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn erasure(&self, name: &str) -> Result<Option<ErasureState>, LakeError> {
        if !request::is_name(name) {
            return Ok(None);
        }
        // The receipt is kept before the request is deleted, so one of the two is there.
        if request::is_recorded(self, name).await? {
            return Ok(Some(ErasureState::Recorded));
        }
        Ok(receipts::get(self, name).await?.map(ErasureState::Finished))
    }

    /// The erasures that are recorded and not finished.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn erasures(&self) -> Result<Vec<Erasure>, LakeError> {
        request::list(self).await
    }

    /// Keeps whatever is ingested of the person out, until the erase is finished. Done by [`Self::begin_erasure`]; after
    /// a crash it may have to be done again.
    ///
    /// # Errors
    /// [`LakeError::Storage`] or [`LakeError::Conflict`].
    pub async fn keep_out(&self, erasure: &Erasure) -> Result<(), LakeError> {
        kept_out::add_persons(self, &erasure.ids, None).await
    }

    /// Erases what is recorded. It may be called again after an error, and by several at a time.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Conflict`] or [`LakeError::Damaged`]: what was done stays done, and the
    /// request stays recorded.
    pub async fn finish_erasure(
        &self,
        erasure: &Erasure,
        settings: &MaintenanceSettings,
    ) -> Result<Receipt, LakeError> {
        let started = Instant::now();
        let _one = self.erasing.lock().await;
        let mut receipt = Receipt { erasure: erasure.name().to_owned(), ..Receipt::default() };
        if !self.erasures().await?.contains(erasure) {
            // Somebody else has finished it.
            return Ok(receipts::get(self, erasure.name()).await?.unwrap_or(receipt));
        }
        self.keep_out(erasure).await?;
        let mut whose = Whose::of(&erasure.ids);
        whose.keys.extend(request::keys(self, erasure).await?);
        let mut erasing = Erasing { erasure, whose, events_version: None };
        let mut tables: Vec<Arc<Table>> = Vec::new();
        for spec in belongs::TABLES {
            if spec.name == IDENTITIES.name {
                self.close_keys(&mut erasing).await?;
            }
            tables.push(Arc::clone(self.table_of_persons(spec.name)));
            let done = rewrite::table(self, self.table_of_persons(spec.name), &mut erasing, settings).await?;
            if spec.name == EVENTS.name {
                erasing.events_version = Some(done.version);
            }
            receipt.tables.push(done);
        }
        // Made if need be: a build that has read the events of before must find that it is too late.
        for spec in belongs::DERIVED {
            let table = self.derived.open(spec).await?;
            receipt.tables.push(rewrite::table(self, &table, &mut erasing, settings).await?);
            tables.push(table);
        }
        // What the log of events says of messages must be in the ledger before entries go.
        self.roll_ledger().await?;
        for (done, table) in receipt.tables.iter_mut().zip(&tables) {
            self.reader.wait_for_readers(table, done.version, READER_GRACE).await?;
            clean::table(table, done, &erasing.whose, self.settings.clock.now()).await?;
        }
        receipt.unreadable_messages = rewrite::unreadable_messages(&self.quarantine).await?;
        let until = (!erasure.forbid).then(|| self.settings.clock.now());
        if until.is_some() {
            kept_out::add_persons(self, &erasure.ids, until).await?;
        }
        receipt.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        receipts::put(self, &receipt).await?;
        request::delete(self, erasure).await?;
        tracing::info!(project = %self.id, erasure = erasure.name(), rows = receipt.rows(), "a person was erased");
        Ok(receipt)
    }

    /// Adds the keys of all who were ever one person with somebody whose key is known: a derived table that was made then
    /// has the rows under one of these. Before the ties are erased, which are the only ones to tell.
    async fn close_keys(&self, erasing: &mut Erasing<'_>) -> Result<(), LakeError> {
        let snapshot = self.identities.refresh().await?;
        let files = list(&self.identities, &snapshot, &FileList::default())?;
        let ties = ties(&self.identities.object_store(), &files).await?;
        let ever = KeyMap::ever_tied(ties.iter().map(|(tie, _)| tie));
        let ids = erasing.whose.keys.iter().flat_map(|key| ever.ids(ever.resolve(PersonKey(*key))));
        let closed: BTreeSet<i64> = ids.map(|id| id.key().0).collect();
        request::add_keys(self, erasing.erasure, &mut erasing.whose.keys, closed).await
    }

    /// Finishes what is recorded; returns what was done.
    ///
    /// # Errors
    /// As [`Self::finish_erasure`].
    pub(crate) async fn finish_erasures(&self, settings: &MaintenanceSettings) -> Result<Vec<Receipt>, LakeError> {
        let mut receipts = Vec::new();
        for erasure in self.erasures().await? {
            receipts.push(self.finish_erasure(&erasure, settings).await?);
        }
        Ok(receipts)
    }
}

impl Receipt {
    /// All rows that were removed or emptied.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// In place of an event's id: it cannot be turned back into it.
pub(crate) fn hidden(id: EventId) -> EventId {
    EventId(kept_out::of_event(u128::from_be_bytes(id.0)).to_be_bytes())
}

/// The list of who is kept out, to be read anew at each try of an append.
pub(crate) struct Out<'a> {
    /// The list's table.
    pub(crate) table: &'a Table,
    /// What is known of it.
    pub(crate) list: &'a mut KeptOut,
}

/// The oldest version of a table that may be read, as of a snapshot: earlier ones hold what was erased since.
///
/// # Errors
/// [`LakeError::Storage`].
pub(crate) async fn readable_from(table: &Table, snapshot: &DeltaTable) -> Result<u64, LakeError> {
    Ok(count(table.transaction(snapshot, READABLE_FROM).await?))
}

/// How many rows of a table were erased, as of a snapshot.
///
/// # Errors
/// [`LakeError::Storage`].
pub(crate) async fn erased_rows(table: &Table, snapshot: &DeltaTable) -> Result<u64, LakeError> {
    Ok(count(table.transaction(snapshot, ERASED_ROWS).await?))
}

fn count(transaction: Option<i64>) -> u64 {
    transaction.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

/// Whether rows of the table are counted one by one in the ledger.
fn is_events(table: &Table) -> bool {
    table.spec().name == EVENTS.name
}
