//! The latest traits of every person: the table `persons`, and the identify calls that it has not taken in yet.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use event_model::{EventType, Json, KeyMap, PersonKey, Timestamp, columns};
use futures::TryStreamExt;

use super::{TableView, Versions};
use crate::column;
use crate::error::LakeError;
use crate::persons::{LatestTraits, place};
use crate::rows::{Wanted, read};
use crate::schema::TRAITS_PLACES;

/// How many answers about earlier states are kept.
const KEPT: usize = 4;

/// What is kept between questions: the traits of each id as of the newest view asked for, so that the next one reads
/// the calls of new commits only, and a few earlier answers.
#[derive(Debug, Default)]
pub(super) struct Traits {
    newest: tokio::sync::Mutex<Option<Newest>>,
    earlier: parking_lot::Mutex<Vec<Earlier>>,
}

type Earlier = (Versions, Option<Timestamp>, Arc<HashMap<i64, Json>>);

#[derive(Debug)]
struct Newest {
    /// The ingest commit up to which calls are taken in.
    sequence: i64,
    /// The last erases that are seen in it, of `events` and of `persons`.
    erased: (u64, u64),
    by_id: HashMap<i64, LatestTraits>,
    /// The answer, and the version of identities that it was folded by.
    folded: Option<(u64, Arc<HashMap<i64, Json>>)>,
}

impl Traits {
    pub(super) async fn get(
        &self,
        events: &TableView,
        persons: &TableView,
        versions: Versions,
        keys: &KeyMap,
        as_of: Option<Timestamp>,
    ) -> Result<Arc<HashMap<i64, Json>>, LakeError> {
        let sequence = events.sequence.unwrap_or(0);
        let mut newest = self.newest.lock().await;
        let is_earlier = newest.as_ref().is_some_and(|newest| newest.sequence > sequence);
        if as_of.is_some() || is_earlier {
            drop(newest);
            return self.get_earlier(events, persons, versions, keys, as_of).await;
        }
        let erased = (events.readable_from, persons.readable_from);
        let mut state = match newest.take().filter(|state| state.erased == erased) {
            Some(state) => state,
            None => Newest { erased, ..Newest::load(persons, sequence).await? },
        };
        let calls = calls(events, state.sequence, sequence, None).await?;
        if !calls.is_empty() {
            merge_all(&mut state.by_id, calls);
            state.folded = None;
        }
        state.sequence = sequence;
        let folded = match state.folded.take() {
            Some((identities, folded)) if identities == versions.identities => folded,
            _ => Arc::new(fold(&state.by_id, keys)),
        };
        state.folded = Some((versions.identities, Arc::clone(&folded)));
        *newest = Some(state);
        Ok(folded)
    }

    async fn get_earlier(
        &self,
        events: &TableView,
        persons: &TableView,
        versions: Versions,
        keys: &KeyMap,
        as_of: Option<Timestamp>,
    ) -> Result<Arc<HashMap<i64, Json>>, LakeError> {
        let known = |kept: &&Earlier| kept.0 == versions && kept.1 == as_of;
        if let Some((_, _, traits)) = self.earlier.lock().iter().find(known) {
            return Ok(Arc::clone(traits));
        }
        let sequence = events.sequence.unwrap_or(0);
        // A later call in `persons` may hide the one that was the latest then.
        let mut state = match as_of {
            Some(_) => Newest { sequence: 0, erased: (0, 0), by_id: HashMap::new(), folded: None },
            None => Newest::load(persons, sequence).await?,
        };
        merge_all(&mut state.by_id, calls(events, state.sequence, sequence, as_of).await?);
        let folded = Arc::new(fold(&state.by_id, keys));
        let mut kept = self.earlier.lock();
        kept.insert(0, (versions, as_of, Arc::clone(&folded)));
        kept.truncate(KEPT);
        Ok(folded)
    }
}

impl Newest {
    /// What `persons` has taken in; nothing if it is ahead of the events that are read.
    async fn load(persons: &TableView, sequence: i64) -> Result<Self, LakeError> {
        let mut state = Self { sequence: 0, erased: (0, 0), by_id: HashMap::new(), folded: None };
        let Some(covered) = persons.sequence.filter(|covered| *covered <= sequence) else { return Ok(state) };
        state.sequence = covered;
        for file in persons.files.files() {
            let wanted = Wanted { columns: Some(PERSONS), ..Wanted::default() };
            let mut rows = read(Arc::clone(&persons.store), file, wanted).await?;
            while let Some(batch) = rows.try_next().await? {
                let keys = column::long(&batch, columns::PERSON_KEY)?;
                let (traits, places) = (column::text(&batch, columns::TRAITS)?, column::text(&batch, TRAITS_PLACES)?);
                for row in (0..batch.num_rows()).filter(|row| traits.is_valid(*row)) {
                    let latest = LatestTraits::parse(traits.value(row), places.value(row))
                        .ok_or_else(|| LakeError::damaged(file.path.as_str(), "traits without their places"))?;
                    state.by_id.entry(keys.value(row)).or_default().merge(latest);
                }
            }
        }
        Ok(state)
    }
}

const PERSONS: &[&str] = &[columns::PERSON_KEY, columns::TRAITS, TRAITS_PLACES];
const CALLS: &[&str] = &[
    columns::EVENT_ID,
    columns::TYPE,
    columns::TIMESTAMP,
    columns::RECEIVED_AT,
    columns::INGEST_SEQ,
    columns::POSITION,
    columns::PERSON_KEY,
    columns::TRAITS,
];

/// The traits that identify calls of the commits after `after`, up to and including `until`, set: one entry a call.
async fn calls(
    events: &TableView,
    after: i64,
    until: i64,
    as_of: Option<Timestamp>,
) -> Result<Vec<(i64, LatestTraits)>, LakeError> {
    let mut calls = Vec::new();
    let name = EventType::Identify.as_str();
    for file in events.files.files() {
        let is_old = file.bounds.ingest_seq.is_some_and(|(_, newest)| newest <= after);
        let lacks = file.bounds.event.as_ref().is_some_and(|(low, high)| name < low.as_str() || name > high.as_str());
        if is_old || lacks {
            continue;
        }
        let wanted = Wanted { columns: Some(CALLS), only: Some((columns::EVENT, name)), ..Wanted::default() };
        let mut rows = read(Arc::clone(&events.store), file, wanted).await?;
        while let Some(batch) = rows.try_next().await? {
            parse(&batch, after, until, as_of, &mut calls)?;
        }
    }
    Ok(calls)
}

fn parse(
    batch: &RecordBatch,
    after: i64,
    until: i64,
    as_of: Option<Timestamp>,
    calls: &mut Vec<(i64, LatestTraits)>,
) -> Result<(), LakeError> {
    let (kind, traits) = (column::text(batch, columns::TYPE)?, column::text(batch, columns::TRAITS)?);
    let (keys, sequence) = (column::long(batch, columns::PERSON_KEY)?, column::long(batch, columns::INGEST_SEQ)?);
    let received = column::instant(batch, columns::RECEIVED_AT)?;
    for row in 0..batch.num_rows() {
        let is_new = sequence.value(row) > after && sequence.value(row) <= until;
        let is_then = as_of.is_none_or(|moment| received.value(row) <= moment.0);
        if is_new && is_then && traits.is_valid(row) && kind.value(row) == EventType::Identify.as_str() {
            calls.push((keys.value(row), LatestTraits::of_call(traits.value(row), place(batch, row)?)));
        }
    }
    Ok(())
}

fn merge_all(by_id: &mut HashMap<i64, LatestTraits>, calls: Vec<(i64, LatestTraits)>) {
    for (key, traits) in calls {
        by_id.entry(key).or_default().merge(traits);
    }
}

/// Over all ids of each person. Ids that never tie (`undefined`, `null`, ...) are persons of their own and keep theirs.
fn fold(by_id: &HashMap<i64, LatestTraits>, keys: &KeyMap) -> HashMap<i64, Json> {
    let mut several: HashMap<i64, LatestTraits> = HashMap::new();
    let mut folded = HashMap::with_capacity(by_id.len());
    for (key, traits) in by_id.iter().filter(|(_, traits)| !traits.is_empty()) {
        let canonical = keys.resolve(PersonKey(*key));
        if keys.ids(canonical).is_empty() {
            folded.insert(*key, traits.values());
        } else {
            several.entry(canonical.0).or_default().merge(traits.clone());
        }
    }
    folded.extend(several.into_iter().map(|(key, traits)| (key, traits.values())));
    folded
}
