//! Builds `persons` on: the rows of newer ingest commits are summed up an id and merged with the table as it is.
//!
//! The table is sorted by key, and so is what is new: one pass reads both and writes the next table. Each build costs
//! the whole table, so it waits until enough is new that a row is rewritten a few times in its life and not each run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use event_model::{EventType, PersonId, columns};
use futures::TryStreamExt;

use super::{LatestTraits, place};
use crate::column;
use crate::encode::file_schema;
use crate::erase;
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::maintenance::output::Output;
use crate::maintenance::rewrite::{self, Rewrite, Rewritten};
use crate::maintenance::{Done, MaintenanceSettings, Step, sizes, unless_damaged};
use crate::rows::{Wanted, read};
use crate::schema::{EVENTS, PERSONS, TRAITS_PLACES};
use crate::settings::Guards;
use crate::tables::Table;

/// A build is due once the new rows are this part of the table's: then it costs a few rows written for each new one.
const WORTH_ONE_IN: u64 = 4;
/// Rows that go to the writer at a time.
const BATCH_ROWS: usize = 8_192;

/// Takes in what is new, if it is worth it, in as many commits as memory asks for.
pub(crate) async fn run(
    events: &Arc<Table>,
    persons: &Arc<Table>,
    settings: &MaintenanceSettings,
) -> Result<Vec<Done>, LakeError> {
    let mut done = Vec::new();
    while let Some(build) = due(events, persons, settings).await? {
        let (events, persons, settings) = (Arc::clone(events), Arc::clone(persons), settings.clone());
        let path = persons.path().to_owned();
        let runtime = tokio::runtime::Handle::current();
        // Encoding is work for a processor: it must not hold up a thread that answers requests.
        let work = tokio::task::spawn_blocking(move || runtime.block_on(build.run(&events, &persons, &settings)));
        let built = work.await.map_err(|error| LakeError::storage(path, error))?;
        let built = unless_damaged(built, Step::Persons, PERSONS.name)?;
        let gave_up = built.gave_up.is_some();
        done.push(built);
        if gave_up {
            break;
        }
    }
    Ok(done)
}

/// What one build takes in.
struct Build {
    /// Files of `events` with newer rows.
    newer: Vec<Arc<DataFile>>,
    /// The files of the table as it is.
    present: Vec<Arc<DataFile>>,
    /// Ingest commits after this one,
    after: i64,
    /// up to and including this one.
    until: i64,
    /// The last erase of the table, as of before the events were looked at.
    readable_from: u64,
}

async fn due(events: &Table, persons: &Table, settings: &MaintenanceSettings) -> Result<Option<Build>, LakeError> {
    // The table before the events: what it covers is then among them.
    let table = persons.refresh().await?;
    let after = persons.transaction(&table, PERSONS.application).await?.unwrap_or(0);
    let readable_from = erase::readable_from(persons, &table).await?;
    let snapshot = events.refresh().await?;
    let newest = events.transaction(&snapshot, EVENTS.application).await?.unwrap_or(0);
    if newest <= after {
        return Ok(None);
    }
    let files = |table: &Table, snapshot: &deltalake_core::DeltaTable| {
        let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
        Ok::<_, LakeError>(FileList::new(state.log_data().iter(), &FileList::default()))
    };
    let present = files(persons, &table)?;
    let newer: Vec<Arc<DataFile>> = files(events, &snapshot)?
        .files()
        .iter()
        .filter(|file| file.bounds.ingest_seq.is_none_or(|(_, last)| last > after))
        .map(Arc::clone)
        .collect();
    let rows: u64 = newer.iter().map(|file| newer_rows(file, after)).sum();
    if rows.saturating_mul(WORTH_ONE_IN) < present.rows() {
        return Ok(None);
    }
    let until = if rows <= settings.persons_rows {
        newest
    } else {
        // As if commits were of one size; what matters is that memory stays of the order that was asked for.
        let part = i128::from(newest - after) * i128::from(settings.persons_rows) / i128::from(rows);
        after + i64::try_from(part).unwrap_or(i64::MAX).clamp(1, newest - after)
    };
    Ok(Some(Build { newer, present: present.files().to_vec(), after, until, readable_from }))
}

/// About how many rows of a file are of later commits, if its commits are of one size.
fn newer_rows(file: &DataFile, after: i64) -> u64 {
    let rows = file.rows.unwrap_or(0);
    match file.bounds.ingest_seq {
        Some((first, last)) if first <= after && last > after => {
            let part = i128::from(rows) * i128::from(last - after) / i128::from(last - first + 1);
            u64::try_from(part).unwrap_or(rows).max(1)
        }
        _ => rows,
    }
}

/// What is known of one id.
#[derive(Debug)]
struct Known {
    first_seen: i64,
    last_seen: i64,
    traits: LatestTraits,
    sequence: i64,
}

/// The table's order: by key, which almost never is that of two ids.
type Sums = BTreeMap<(i64, PersonId), Known>;

impl Build {
    async fn run(
        self,
        events: &Table,
        persons: &Arc<Table>,
        settings: &MaintenanceSettings,
    ) -> Result<Done, LakeError> {
        let started = Instant::now();
        let mut done = Done::new(Step::Persons, persons.spec().name);
        let (mut sums, rows) = self.sum(events).await?;
        let mut output = Output::new(Arc::clone(persons), None, false, settings);
        let mut present = self.present.clone();
        // Written in one pass, files do not overlap.
        present.sort_by_key(|file| file.bounds.person_key);
        let mut ready = Vec::new();
        for file in &present {
            let mut stream = read(persons.object_store(), file, Wanted::default()).await?;
            while let Some(batch) = stream.try_next().await? {
                for (id, mut known) in parse(&batch, file)? {
                    let key = (id.key().0, id);
                    while let Some(earlier) = sums.first_entry().filter(|entry| *entry.key() < key) {
                        ready.push(earlier.remove_entry());
                    }
                    if let Some(sum) = sums.remove(&key) {
                        known.merge(&sum);
                    }
                    ready.push((key, known));
                }
                if ready.len() >= BATCH_ROWS {
                    output.write(&rows_of(&std::mem::take(&mut ready))?).await?;
                }
            }
        }
        output.write(&rows_of(&ready)?).await?;
        while !sums.is_empty() {
            let next: Vec<_> = std::iter::from_fn(|| sums.pop_first()).take(BATCH_ROWS).collect();
            output.write(&rows_of(&next)?).await?;
        }
        let add = output.close().await?;
        let (files_added, bytes_added) = (add.len() as u64, sizes(&add));
        let rewrite = Rewrite {
            remove: present.iter().map(|file| file.path.clone()).collect(),
            add,
            data_change: true,
            number: Some((PERSONS.application.to_owned(), self.until)),
            readable_from: Some(self.readable_from),
            alone: None,
            kind: "persons",
        };
        match rewrite::commit(persons, rewrite, Guards::default()).await? {
            Rewritten::Landed(_) => {
                done.files_removed = present.len() as u64;
                done.bytes_removed = present.iter().map(|file| file.bytes).sum();
                (done.files_added, done.bytes_added, done.rows) = (files_added, bytes_added, rows);
            }
            Rewritten::Refused(why) => done.gave_up = Some(why),
        }
        Ok(done.since(started))
    }

    /// The new rows, an entry an id, and how many rows they are.
    async fn sum(&self, events: &Table) -> Result<(Sums, u64), LakeError> {
        let (mut sums, mut rows) = (Sums::new(), 0);
        for file in &self.newer {
            let wanted = Wanted { columns: Some(COLUMNS), ..Wanted::default() };
            let mut stream = read(events.object_store(), file, wanted).await?;
            while let Some(batch) = stream.try_next().await? {
                rows += self.sum_batch(&batch, &mut sums)?;
            }
        }
        Ok((sums, rows))
    }

    fn sum_batch(&self, batch: &RecordBatch, sums: &mut Sums) -> Result<u64, LakeError> {
        let sequence = column::long(batch, columns::INGEST_SEQ)?;
        let timestamp = column::instant(batch, columns::TIMESTAMP)?;
        let (kind, traits) = (column::text(batch, columns::TYPE)?, column::text(batch, columns::TRAITS)?);
        let (users, visitors) = (column::text(batch, columns::USER_ID)?, column::text(batch, columns::ANONYMOUS_ID)?);
        let mut rows = 0;
        for row in (0..batch.num_rows()).filter(|row| (self.after + 1..=self.until).contains(&sequence.value(*row))) {
            rows += 1;
            let user = column::text_at(users, row).map(|id| PersonId::User(id.to_owned()));
            let visitor = column::text_at(visitors, row).map(|id| PersonId::Anonymous(id.to_owned()));
            let is_identify = kind.value(row) == EventType::Identify.as_str() && traits.is_valid(row);
            let mut call =
                if is_identify { Some(LatestTraits::of_call(traits.value(row), place(batch, row)?)) } else { None };
            // The user first: the traits of a call that carries both ids are the user's.
            for id in user.into_iter().chain(visitor) {
                let known = Known {
                    first_seen: timestamp.value(row),
                    last_seen: timestamp.value(row),
                    traits: call.take().unwrap_or_default(),
                    sequence: sequence.value(row),
                };
                sums.entry((id.key().0, id)).and_modify(|sum| sum.merge(&known)).or_insert(known);
            }
        }
        Ok(rows)
    }
}

impl Known {
    fn merge(&mut self, other: &Self) {
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.sequence = self.sequence.max(other.sequence);
        if !other.traits.is_empty() {
            self.traits.merge(other.traits.clone());
        }
    }
}

const COLUMNS: &[&str] = &[
    columns::EVENT_ID,
    columns::TYPE,
    columns::TIMESTAMP,
    columns::RECEIVED_AT,
    columns::INGEST_SEQ,
    columns::POSITION,
    columns::USER_ID,
    columns::ANONYMOUS_ID,
    columns::TRAITS,
];

fn parse(batch: &RecordBatch, file: &DataFile) -> Result<Vec<(PersonId, Known)>, LakeError> {
    let (users, visitors) = (column::text(batch, columns::USER_ID)?, column::text(batch, columns::ANONYMOUS_ID)?);
    let (first, last) = (column::instant(batch, "first_seen")?, column::instant(batch, "last_seen")?);
    let (traits, places) = (column::text(batch, columns::TRAITS)?, column::text(batch, TRAITS_PLACES)?);
    let sequence = column::long(batch, columns::INGEST_SEQ)?;
    let damaged = |detail: &str| LakeError::damaged(file.path.as_str(), detail);
    (0..batch.num_rows())
        .map(|row| {
            let user = column::text_at(users, row).map(|id| PersonId::User(id.to_owned()));
            let visitor = column::text_at(visitors, row).map(|id| PersonId::Anonymous(id.to_owned()));
            let traits = match (column::text_at(traits, row), column::text_at(places, row)) {
                (Some(traits), Some(places)) => {
                    LatestTraits::parse(traits, places).ok_or_else(|| damaged("traits without their places"))?
                }
                _ => LatestTraits::default(),
            };
            let known = Known {
                first_seen: first.value(row),
                last_seen: last.value(row),
                traits,
                sequence: sequence.value(row),
            };
            Ok((user.or(visitor).ok_or_else(|| damaged("a row without an id"))?, known))
        })
        .collect()
}

fn rows_of(sums: &[((i64, PersonId), Known)]) -> Result<RecordBatch, LakeError> {
    let instants = |value: fn(&Known) -> i64| -> ArrayRef {
        let instants = TimestampMicrosecondArray::from_iter_values(sums.iter().map(|(_, known)| value(known)));
        Arc::new(instants.with_timezone("UTC"))
    };
    let of_kind = |wanted: &str| -> ArrayRef {
        let ids = sums.iter().map(|((_, id), _)| (id.kind() == wanted).then(|| id.text()));
        Arc::new(ids.collect::<StringArray>())
    };
    let texts = |text: fn(&LatestTraits) -> String| -> ArrayRef {
        let traits = sums.iter().map(|(_, known)| (!known.traits.is_empty()).then(|| text(&known.traits)));
        Arc::new(traits.collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(sums.iter().map(|((key, _), _)| *key))),
        of_kind("user"),
        of_kind("anonymous"),
        instants(|known| known.first_seen),
        instants(|known| known.last_seen),
        texts(|traits| traits.values().as_str().to_owned()),
        texts(LatestTraits::places),
        Arc::new(Int64Array::from_iter_values(sums.iter().map(|(_, known)| known.sequence))),
    ];
    Ok(RecordBatch::try_new(file_schema(&PERSONS), columns)?)
}
