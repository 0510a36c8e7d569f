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

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use event_model::{KeyMap, PersonKey, Timestamp, columns};
use futures::TryStreamExt;
use parking_lot::Mutex;

use super::{ReadView, TableView, ties};
use crate::column;
use crate::derived::{Bucket, Part, is_event};
use crate::error::LakeError;
use crate::files::DataFile;
use crate::rows::{Wanted, read};
use crate::schema::{ACTIVITY, SEQUENCES, TableSpec};
use crate::settings::Guards;

/// How many plans are kept.
const KEPT: usize = 8;

/// A part whose rows may be used.
#[derive(Clone, Debug)]
pub struct UsedPart {
    /// Its file.
    pub file: Arc<DataFile>,
    /// The keys of persons whose rows in it must be left out: since it was made they have become other sets of ids, or an
    /// event came that has the timestamp of one of theirs.
    pub touched: Arc<HashSet<i64>>,
    part: Part,
}

impl UsedPart {
    /// What it was made from.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }
}

/// Everything of a plan but the views that it was made for, so that keeping it keeps nobody from erasing.
#[derive(Debug, Default)]
struct Plan {
    months: BTreeMap<String, Month>,
    left: Vec<Arc<DataFile>>,
}

#[derive(Debug, Default)]
struct Month {
    parts: BTreeMap<Bucket, UsedPart>,
}

impl Month {
    /// The part of a person.
    fn part_of(&self, person: i64) -> Option<&UsedPart> {
        let of = self.parts.keys().next()?.of;
        self.parts.get(&Bucket::of_key(person, of))
    }

    fn is_whole(&self) -> bool {
        self.parts.keys().next().is_some_and(|bucket| self.parts.len() == bucket.of as usize)
    }
}

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
        let files: Vec<Arc<DataFile>> = self.parts().map(|part| Arc::clone(&part.file)).collect();
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

struct Planning<'a> {
    view: &'a ReadView,
    spec: &'static TableSpec,
    table: Option<&'a TableView>,
    keys: &'a KeyMap,
    guards: Guards,
}

impl Planning<'_> {
    async fn plan(&self, months: &(String, String), timezone: Option<&str>) -> Result<Plan, LakeError> {
        let in_period =
            |file: &&Arc<DataFile>| file.month.as_ref().is_some_and(|month| (&months.0..=&months.1).contains(&month));
        let mut events: BTreeMap<String, Vec<Arc<DataFile>>> = BTreeMap::new();
        for file in self.view.events.files.files().iter().filter(in_period) {
            events.entry(file.month.clone().unwrap_or_default()).or_default().push(Arc::clone(file));
        }
        let mut plan = Plan::default();
        for file in self.table.map(|table| table.files.files()).unwrap_or_default().iter().filter(in_period) {
            let Some(part) = file.bounds.part.as_deref().filter(|part| self.is_usable(part, timezone)) else {
                continue;
            };
            let month = plan.months.entry(file.month.clone().unwrap_or_default()).or_default();
            let part = UsedPart { file: Arc::clone(file), touched: Arc::new(HashSet::new()), part: part.clone() };
            month.parts.insert(part.part.bucket, part);
        }
        // Ranges of two sizes never stand side by side for long; if they do, the month is read from `events`.
        plan.months.retain(|_, month| month.parts.keys().map(|bucket| bucket.of).collect::<HashSet<_>>().len() == 1);
        self.touch(&mut plan).await?;
        for (name, files) in events {
            let Some(month) = plan.months.get_mut(&name) else {
                plan.left.extend(files);
                continue;
            };
            let covered = month.parts.values().map(|used| used.part.covers).min().unwrap_or(0);
            let later: Vec<Arc<DataFile>> = files
                .iter()
                .filter(|file| file.bounds.ingest_seq.is_none_or(|(_, last)| last > covered))
                .map(Arc::clone)
                .collect();
            if self.spec.name == SEQUENCES.name && self.guards.derived_places {
                self.touch_places(month, &later).await?;
            }
            let needs_all = !month.is_whole() || self.has_touched(month).await?;
            plan.left.extend(if needs_all { files } else { later });
        }
        Ok(plan)
    }

    fn is_usable(&self, part: &Part, timezone: Option<&str>) -> bool {
        let (events, identities) = (&self.view.events, &self.view.identities);
        let has_been_erased =
            self.table.is_some_and(|table| table.seen_erase == events.readable_from) || !self.guards.derived_erased;
        let covers = part.covers <= events.sequence.unwrap_or(0) || !self.guards.derived_covers;
        let ties = part.ties <= identities.sequence.unwrap_or(0) || !self.guards.derived_covers;
        has_been_erased && covers && ties && part.timezone.as_deref() == timezone
    }

    /// Notes in each part whose person is another since it was made.
    async fn touch(&self, plan: &mut Plan) -> Result<(), LakeError> {
        let newest = self.view.identities.sequence.unwrap_or(0);
        let parts = || plan.months.values().flat_map(|month| month.parts.values());
        if parts().all(|used| used.part.ties == newest) || !self.guards.derived_touched {
            return Ok(());
        }
        let all = ties(&self.view.identities.store, &self.view.identities.files).await?;
        let mut since: HashMap<i64, Arc<HashSet<i64>>> = HashMap::new();
        for used in plan.months.values_mut().flat_map(|month| month.parts.values_mut()) {
            let changed = since.entry(used.part.ties).or_insert_with(|| {
                let known = all.iter().filter(|(_, number)| *number <= used.part.ties);
                Arc::new(self.keys.changed(&KeyMap::from_ties(known.map(|(tie, _)| tie))))
            });
            used.touched = Arc::clone(changed);
        }
        Ok(())
    }

    /// Touches those who have a later row at the very timestamp of an earlier one: which comes first, the part does not
    /// say.
    async fn touch_places(&self, month: &mut Month, later: &[Arc<DataFile>]) -> Result<(), LakeError> {
        let mut late: HashMap<Bucket, HashSet<(i64, i64)>> = HashMap::new();
        let needs = [columns::TYPE, columns::PERSON_KEY, columns::TIMESTAMP, columns::INGEST_SEQ];
        for file in later {
            let wanted = Wanted { columns: Some(&needs), ..Wanted::default() };
            let mut batches = read(Arc::clone(&self.view.events.store), file, wanted).await?;
            while let Some(batch) = batches.try_next().await? {
                let (kinds, own) = (column::text(&batch, columns::TYPE)?, column::long(&batch, columns::PERSON_KEY)?);
                let timestamps = column::instant(&batch, columns::TIMESTAMP)?;
                let numbers = column::long(&batch, columns::INGEST_SEQ)?;
                for row in (0..batch.num_rows()).filter(|row| is_event(kinds.value(*row))) {
                    let person = self.keys.resolve(PersonKey(own.value(row))).0;
                    let Some(used) = month.part_of(person) else { continue };
                    if numbers.value(row) > used.part.covers && !used.touched.contains(&own.value(row)) {
                        late.entry(used.part.bucket).or_default().insert((person, timestamps.value(row)));
                    }
                }
            }
        }
        for (bucket, late) in late {
            let Some(used) = month.parts.get_mut(&bucket) else { continue };
            let mut touched = HashSet::new();
            let persons: HashSet<i64> = late.iter().map(|(person, _)| *person).collect();
            self.each_run(used, &[columns::PERSON_KEY, columns::TIMESTAMP], |batch, person, rows| {
                if persons.contains(&person) {
                    let timestamps = column::instant(batch, columns::TIMESTAMP)?;
                    touched.extend(rows.filter(|row| late.contains(&(person, timestamps.value(*row)))).map(|_| person));
                }
                Ok(())
            })
            .await?;
            if !touched.is_empty() {
                let ids =
                    touched.iter().flat_map(|person| self.keys.ids(PersonKey(*person)).iter().map(|id| id.key().0));
                used.touched =
                    Arc::new(used.touched.iter().copied().chain(ids).chain(touched.iter().copied()).collect());
            }
        }
        Ok(())
    }

    /// Whether `events` has rows of the touched that the parts of a month cover.
    async fn has_touched(&self, month: &Month) -> Result<bool, LakeError> {
        if month.parts.values().all(|used| used.touched.is_empty()) {
            return Ok(false);
        }
        let ties: HashSet<i64> = month.parts.values().map(|used| used.part.ties).collect();
        if ties.len() > 1 {
            // Somebody's rows may be in none of the parts: each was elsewhere when the other was made.
            return Ok(true);
        }
        for used in month.parts.values() {
            let may_have = used.touched.iter().any(|key| used.part.bucket.holds(*key));
            let mut has = false;
            if may_have {
                self.each_run(used, &[columns::PERSON_KEY], |_, person, _| {
                    has |= used.touched.contains(&person);
                    Ok(())
                })
                .await?;
            }
            if has {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Hands over the rows of each person of a part, batch by batch.
    async fn each_run(
        &self,
        used: &UsedPart,
        needs: &[&str],
        mut take: impl FnMut(&arrow::array::RecordBatch, i64, std::ops::Range<usize>) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let Some(table) = self.table else { return Ok(()) };
        let wanted = Wanted { columns: Some(needs), ..Wanted::default() };
        let mut batches = read(Arc::clone(&table.store), &used.file, wanted).await?;
        while let Some(batch) = batches.try_next().await? {
            let mut start = 0;
            for run in column::long(&batch, columns::PERSON_KEY)?.values().chunk_by(|one, other| one == other) {
                if let Some(person) = run.first() {
                    take(&batch, *person, start..start + run.len())?;
                }
                start += run.len();
            }
        }
        Ok(())
    }
}
