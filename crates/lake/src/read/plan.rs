//! Which parts of a derived table a view may use, whom it must leave out of them, and which files of `events` are left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use event_model::{KeyMap, PersonKey, columns};
use futures::TryStreamExt;

use super::{ReadView, TableView, ties};
use crate::column;
use crate::derived::{Bucket, Part, is_event};
use crate::error::LakeError;
use crate::files::DataFile;
use crate::rows::{Wanted, read};
use crate::schema::{SEQUENCES, TableSpec};
use crate::settings::Guards;

/// A part whose rows may be used.
#[derive(Clone, Debug)]
pub struct UsedPart {
    /// Its file.
    pub file: Arc<DataFile>,
    /// The keys of persons whose rows in it must be left out: since it was made they have become other sets of ids, or an
    /// event came that has the timestamp of one of theirs.
    pub touched: Arc<HashSet<i64>>,
    pub(super) part: Part,
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
pub(super) struct Plan {
    pub(super) months: BTreeMap<String, Month>,
    /// The files of `events` that may have rows which no part has.
    pub(super) left: Vec<Arc<DataFile>>,
}

/// The usable parts of a month.
#[derive(Debug, Default)]
pub(super) struct Month {
    pub(super) parts: BTreeMap<Bucket, UsedPart>,
}

impl Month {
    /// The part of a person.
    pub(super) fn part_of(&self, person: i64) -> Option<&UsedPart> {
        let of = self.parts.keys().next()?.of;
        self.parts.get(&Bucket::of_key(person, of))
    }

    fn is_whole(&self) -> bool {
        self.parts.keys().next().is_some_and(|bucket| self.parts.len() == bucket.of as usize)
    }
}

/// What a plan is made from.
pub(super) struct Planning<'a> {
    pub(super) view: &'a ReadView,
    pub(super) spec: &'static TableSpec,
    pub(super) table: Option<&'a TableView>,
    pub(super) keys: &'a KeyMap,
    pub(super) guards: Guards,
}

impl Planning<'_> {
    /// Which parts the view may use for these months, and what is left.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub(super) async fn plan(&self, months: &(String, String), timezone: Option<&str>) -> Result<Plan, LakeError> {
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
