//! Verifies a project's tables: is every file there and whole, is every row valid, does the ledger's equation hold.
//!
//! What is wrong is named with its table, its file and what to do about it. A check reads; it never changes anything.
//! It may run beside ingests: it looks at one version of each table.

mod damage;
mod files;
mod ids;
mod ledger;
mod log;
mod parts;
mod rows;

use std::sync::Arc;
use std::time::Instant;

use deltalake_core::DeltaTable;
use event_model::ProjectId;

pub use self::damage::{Damage, DamageKind};
use crate::Lake;
use crate::erase;
use crate::error::LakeError;
use crate::files::FileList;
use crate::ledger::LedgerTotals;
use crate::project::ProjectLake;
use crate::schema;
use crate::tables::{Table, version_of};

/// How much is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The log, and of each file its size and footer: requests, hardly any bytes.
    Footers,
    /// Every column of every row.
    #[default]
    Rows,
}

/// One table, as it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTable {
    /// Its name.
    pub table: &'static str,
    /// Its version.
    pub version: u64,
    /// How many files that version has.
    pub files: u64,
    /// Their bytes, as the log says.
    pub bytes: u64,
    /// Their rows, as the log says.
    pub rows: u64,
    /// Rows that were ever erased from it (of `quarantine`: emptied).
    pub erased: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// The tables that could be opened.
    pub tables: Vec<CheckedTable>,
    /// Everything that is wrong; empty if all is well.
    pub damage: Vec<Damage>,
    /// What the ledger says.
    pub ledger: LedgerTotals,
    /// Rows of quarantine whose message no ingest commit names yet: their drain was cut short or is running, and the
    /// queue delivers the message again. Not damage.
    pub quarantined_in_flight: u64,
    /// Persons whose erase was asked for and is not finished: the next maintenance does it. Not damage.
    pub unfinished_erasures: u64,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

/// One table at the version that is checked.
struct Checked {
    table: Arc<Table>,
    version: u64,
    files: FileList,
    /// The number of its last append.
    sequence: i64,
    /// Rows that were ever erased from it.
    erased: u64,
}

impl Lake {
    /// Checks all tables of a project. Where one of them cannot even be opened, that is the report.
    ///
    /// # Errors
    /// [`LakeError::Storage`] if storage failed, so that nothing can be said; [`LakeError::Newer`].
    pub async fn check(&self, project: &ProjectId, depth: Depth) -> Result<CheckReport, LakeError> {
        let started = Instant::now();
        let error = match self.project(project).await {
            Ok(tables) => return tables.check(depth).await,
            Err(error) => error,
        };
        let LakeError::Damaged { path, .. } = &error else { return Err(error) };
        let name = schema::TABLES.iter().map(|spec| spec.name).find(|name| path.split('/').any(|part| part == *name));
        let damage = Damage::of_error(name.unwrap_or("events"), DamageKind::Log, error)?;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(CheckReport { damage: vec![damage], elapsed_ms, ..CheckReport::default() })
    }
}

impl ProjectLake {
    /// Checks all tables.
    ///
    /// # Errors
    /// [`LakeError::Storage`] if storage failed, so that nothing can be said. What is missing or cannot be decoded is
    /// no error here but an entry of the report.
    pub async fn check(&self, depth: Depth) -> Result<CheckReport, LakeError> {
        let started = Instant::now();
        let unfinished_erasures = self.erasures().await?.len() as u64;
        let mut report = CheckReport { unfinished_erasures, ..CheckReport::default() };
        let mut whole_logs = Vec::new();
        let made = self.derived.all().await?;
        let fixed = [&self.events, &self.quarantine, &self.identities, &self.ledger, &self.persons, &self.kept_out];
        for table in fixed.into_iter().chain(&made) {
            match log::hole(table).await? {
                Some(hole) => report.damage.push(hole),
                None => whole_logs.push(table),
            }
        }
        // The ledger first: `events` is then looked at in the version up to which the ledger counts.
        let counted = if report.is_sound() { Some(self.ledger().await) } else { None };
        let known = counted.as_ref().and_then(|counted| counted.as_ref().ok());
        let events_version = known.map(|totals| totals.covers);
        for table in whole_logs {
            let version = events_version.filter(|_| Arc::ptr_eq(table, &self.events));
            let name = table.spec().name;
            let checked = match open(table, version).await {
                Ok(checked) => checked,
                Err(error) => {
                    report.damage.push(Damage::of_error(name, DamageKind::Log, error)?);
                    continue;
                }
            };
            report.tables.push(CheckedTable {
                table: name,
                version: checked.version,
                files: checked.files.files().len() as u64,
                bytes: checked.files.bytes(),
                rows: checked.files.rows(),
                erased: checked.erased,
            });
            let whole = files::check(&checked, &mut report.damage).await?;
            if schema::is_derived(table.spec()) {
                parts::check(self, &checked, &mut report.damage).await?;
            }
            if depth == Depth::Rows {
                rows::check(&checked, &whole, &mut report.damage).await?;
            }
            if Arc::ptr_eq(table, &self.events) && depth == Depth::Rows {
                ids::check(&checked, &whole, &mut report.damage).await?;
            }
            if Arc::ptr_eq(table, &self.quarantine) {
                report.quarantined_in_flight =
                    ledger::check_quarantine(&checked, &whole, known, &mut report.damage).await?;
            }
        }
        match counted {
            None => {}
            Some(Ok(totals)) => {
                ledger::check_events(&report.tables, totals, &mut report.damage);
                report.ledger = totals;
            }
            Some(Err(error)) => {
                report.damage.push(Damage::of_error(self.ledger.spec().name, DamageKind::Ledger, error)?)
            }
        }
        report.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }
}

/// Reads the log of a table anew: what is kept in memory proves nothing.
async fn open(table: &Arc<Table>, version: Option<u64>) -> Result<Checked, LakeError> {
    let newest = table.reload().await?;
    let snapshot: DeltaTable = match version {
        Some(version) if newest.version() != Some(version) => table.at(version).await?,
        _ => newest,
    };
    let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
    Ok(Checked {
        version: version_of(&snapshot, table.path())?,
        files: FileList::new(state.log_data().iter(), &FileList::default()),
        sequence: table.transaction(&snapshot, table.spec().application).await?.unwrap_or(0),
        erased: erase::erased_rows(table, &snapshot).await?,
        table: Arc::clone(table),
    })
}
