//! What a view may take from a derived table, and what it must still read from `events`.
//!
//! ```text
//! rows of a used part, of persons who are not touched                  from the derived table, in their order
//! rows that `is_left` names: of months and persons without a part,     from `events`
//!     of the touched, and of commits after the one that a part covers
//! ```
//!
//! Both together are each row of the view once. A person who is not touched has no row in both at the same timestamp, so
//! the two merge by timestamp; a touched one is in `events` alone.

use std::sync::Arc;

use event_model::{KeyMap, PersonKey, Timestamp};
use parking_lot::Mutex;

use super::plan::{Plan, Planning, UsedPart};
use super::{ReadView, TableView};
use crate::error::LakeError;
use crate::files::DataFile;
use crate::schema::{ACTIVITY, SEQUENCES, TableSpec};
use crate::settings::Guards;

/// How many plans are kept.
const KEPT: usize = 8;

/// What a view takes from a derived table for some months.
#[derive(Clone, Debug)]
pub struct Derived {
    spec: &'static TableSpec,
    plan: Arc<Plan>,
    keys: Arc<KeyMap>,
    guards: Guards,
    view: ReadView,
    /// Held, so that an erase waits before it deletes the files.
    table: Option<Arc<TableView>>,
}

/// A table, the versions of what was compared, the months and the time zone.
type Known = (&'static str, [u64; 3], (String, String), Option<String>);

/// Plans that were made before.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<Vec<(Known, Arc<Plan>)>>);

impl ReadView {
    /// What of each person's events, in their order, the table `sequences` has for the months that touch a period.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn sequences(&self, from: Timestamp, until: Timestamp) -> Result<Derived, LakeError> {
        self.derived(&SEQUENCES, from, until, None).await
    }

    /// What of the days on which each person did what the table `activity` has, in a time zone.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn activity(&self, from: Timestamp, until: Timestamp, timezone: &str) -> Result<Derived, LakeError> {
        self.derived(&ACTIVITY, from, until, Some(timezone)).await
    }

    async fn derived(
        &self,
        spec: &'static TableSpec,
        from: Timestamp,
        until: Timestamp,
        timezone: Option<&str>,
    ) -> Result<Derived, LakeError> {
        let months = (from.month(), until.month());
        let (tables, keys) = (self.reader.tables.as_ref(), self.keys().await?);
        let guards = tables.map(|tables| tables.guards).unwrap_or_default();
        // What was received until a moment is no part's.
        let table = match tables.filter(|_| self.as_of.is_none()) {
            Some(tables) => tables.find(spec).await?,
            None => None,
        };
        let table = match (table, self.committed) {
            (None, _) => None,
            (Some(table), None) => Some(self.reader.snapshots.newest(&table).await?),
            (Some(table), Some(moment)) => Some(self.reader.snapshots.as_of(&table, moment).await?),
        };
        let version = table.as_ref().map_or(u64::MAX, |table| table.version);
        let versions = [self.versions.events, self.versions.identities, version];
        let known: Known = (spec.name, versions, months.clone(), timezone.map(str::to_owned));
        let kept = self.reader.plans.0.lock().iter().find(|(of, _)| *of == known).map(|(_, plan)| Arc::clone(plan));
        let plan = match kept.filter(|_| self.as_of.is_none()) {
            Some(plan) => plan,
            None => {
                let planning = Planning { view: self, spec, table: table.as_deref(), keys: &keys, guards };
                let plan = Arc::new(planning.plan(&months, timezone).await?);
                let mut kept = self.reader.plans.0.lock();
                if self.as_of.is_none() {
                    kept.insert(0, (known, Arc::clone(&plan)));
                    kept.truncate(KEPT);
                }
                plan
            }
        };
        Ok(Derived { spec, plan, keys, guards, view: self.clone(), table })
    }
}

impl Derived {
    /// The parts that may be used, by month and range of keys. Of their rows those of `touched` persons are left out.
    pub fn parts(&self) -> impl Iterator<Item = &UsedPart> {
        self.plan.months.values().flat_map(|month| month.parts.values())
    }

    /// Whether rows of a person, in that month, may be taken from the part that has them.
    #[must_use]
    pub fn is_used(&self, month: &str, person: i64) -> bool {
        let part = self.plan.months.get(month).and_then(|month| month.part_of(person));
        part.is_some_and(|part| !part.touched.contains(&person))
    }

    /// The files of `events` that may have rows which [`Self::is_left`].
    #[must_use]
    pub fn left(&self) -> &[Arc<DataFile>] {
        &self.plan.left
    }

    /// Whether a row of `events` must be read from there: given its month, its own `person_key` and its `ingest_seq`. Only
    /// asked of rows of months that touch the period.
    #[must_use]
    pub fn is_left(&self, month: &str, person_key: i64, ingest_seq: i64) -> bool {
        let Some(month) = self.plan.months.get(month) else { return true };
        let Some(part) = month.part_of(self.keys.resolve(PersonKey(person_key)).0) else { return true };
        part.touched.contains(&person_key) || (ingest_seq > part.part.covers && self.guards.derived_late)
    }

    /// The files of the parts as a table, sorted as [`TableSpec::order`] says; `None` if there are none.
    #[cfg(feature = "query")]
    #[must_use]
    pub fn table(&self) -> Option<Arc<dyn datafusion::catalog::TableProvider>> {
        let table = self.table.as_ref()?;
        let files: Vec<Arc<DataFile>> =
            self.parts().map(|part| Arc::clone(&part.file)).filter(|file| file.rows != Some(0)).collect();
        (!files.is_empty()).then(|| {
            Arc::new(crate::provider::FilesTable::new(
                self.spec,
                &table.schema,
                files,
                Arc::clone(&table.store),
                self.view.reader.footers.clone(),
            )) as _
        })
    }

    /// [`Self::left`] as the table `events`: which of its rows are needed [`Self::is_left`] says.
    ///
    /// # Errors
    /// As [`ReadView::events`].
    #[cfg(feature = "query")]
    pub fn left_events(&self) -> datafusion::error::Result<Arc<dyn datafusion::catalog::TableProvider>> {
        self.view.events_in(self.left().to_vec())
    }

    /// The store of the parts' files, with its root at their table's folder.
    #[must_use]
    pub fn store(&self) -> Option<Arc<dyn object_store::ObjectStore>> {
        self.table.as_ref().map(|table| Arc::clone(&table.store))
    }
}
