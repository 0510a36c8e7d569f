//! Who is kept out: the table `kept_out`, as a set in memory.
//!
//! It names nobody: a row is a hash of an id, of a person or of an erased event. Of an id the newest row counts. Events
//! stay in it for as long as duplicates are looked back for, so that a client's late retry of an event that was erased
//! is a duplicate and does not bring it back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, TimestampMicrosecondArray};
use deltalake_core::DeltaTable;
use event_model::{PersonId, Tie, Timestamp, columns};
use futures::TryStreamExt;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::append::{Rows, Tries};
use crate::column;
use crate::commit::says;
use crate::encode::texts;
use crate::error::LakeError;
use crate::files::FileList;
use crate::identities::batch;
use crate::ids::{Mixed, ids, instant_of, list, scan};
use crate::person::{PersonIds, original};
use crate::project::ProjectLake;
use crate::schema::{KEPT_OUT_HASH, KEPT_OUT_KIND, KEPT_OUT_UNTIL};
use crate::tables::{Table, version_of};

const COLUMNS: &[&str] = &[KEPT_OUT_HASH, KEPT_OUT_KIND, KEPT_OUT_UNTIL, columns::RECEIVED_AT, columns::INGEST_SEQ];
const PERSON: &str = "person";
const EVENT: &str = "event";

/// Who and what is kept out, as of one version of the table.
#[derive(Debug, Default)]
pub(crate) struct KeptOut {
    version: Option<u64>,
    floor: i32,
    /// By the hash of an id: what was received until then stays out; `None`: everything.
    persons: HashMap<u128, Option<Timestamp>, Mixed>,
    /// The hashes of the ids of erased events that were received on the floor or later.
    events: HashSet<u128, Mixed>,
}

impl KeptOut {
    /// Reads the table anew if it has changed. Must come after the look at the table that is to be written: an erase
    /// writes this one first.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub(crate) async fn refresh(&mut self, table: &Table, floor: i32) -> Result<(), LakeError> {
        let snapshot = table.refresh().await?;
        let version = version_of(&snapshot, table.path())?;
        if self.version == Some(version) && self.floor <= floor {
            return Ok(());
        }
        *self = Self::load(table, &snapshot, floor).await?;
        self.version = Some(version);
        Ok(())
    }

    async fn load(table: &Table, snapshot: &DeltaTable, floor: i32) -> Result<Self, LakeError> {
        let mut found = Self { floor, ..Self::default() };
        let mut newest: HashMap<u128, i64, Mixed> = HashMap::default();
        let files = list(table, snapshot, &FileList::default())?.files().to_vec();
        let mut batches = scan(table, files, COLUMNS);
        while let Some(rows) = batches.try_next().await? {
            let kinds = column::text(&rows, KEPT_OUT_KIND)?;
            let until = column::instant(&rows, KEPT_OUT_UNTIL)?;
            let received = column::instant(&rows, columns::RECEIVED_AT)?;
            let numbers = column::long(&rows, columns::INGEST_SEQ)?;
            for (row, hash) in ids(column::bytes(&rows, KEPT_OUT_HASH)?)?.into_iter().enumerate() {
                if kinds.value(row) == EVENT {
                    if Timestamp(received.value(row)).days() >= floor {
                        found.events.insert(hash);
                    }
                } else if newest.get(&hash).is_none_or(|number| *number <= numbers.value(row)) {
                    newest.insert(hash, numbers.value(row));
                    found.persons.insert(hash, until.is_valid(row).then(|| Timestamp(until.value(row))));
                }
            }
        }
        Ok(found)
    }

    /// Whether nobody is kept out.
    pub(crate) fn is_empty(&self) -> bool {
        self.persons.is_empty()
    }

    /// Until when what is received of an id stays out: `None` if it does not, `Some(None)` for good.
    pub(crate) fn until(&self, id: &PersonId) -> Option<Option<Timestamp>> {
        self.persons.get(&of_person(id)).copied()
    }

    /// Whether something of that id, received at that time, stays out.
    fn is_out(&self, id: &PersonId, received_at: Timestamp) -> bool {
        self.until(id).is_some_and(|until| until.is_none_or(|until| received_at <= until))
    }

    /// Whether a tie stays out.
    pub(crate) fn is_tie_out(&self, tie: &Tie) -> bool {
        !self.is_empty() && [&tie.left, &tie.right].into_iter().any(|id| self.is_out(id, tie.received_at))
    }

    /// Whether a rejected event names somebody who is kept out.
    pub(crate) fn is_original_out(&self, bytes: &[u8], received_at: Timestamp) -> bool {
        let is_out = |text: &str| {
            let text = text.to_owned();
            self.is_out(&PersonId::User(text.clone()), received_at)
                || self.is_out(&PersonId::Anonymous(text), received_at)
        };
        !self.is_empty() && original::names_any(bytes, &is_out)
    }

    /// Whether an event with that id was erased.
    pub(crate) fn has_event(&self, id: u128) -> bool {
        !self.events.is_empty() && self.events.contains(&of_event(id))
    }
}

/// Keeps a person out: for good, or only what was received until a moment.
///
/// # Errors
/// [`LakeError::Storage`] or [`LakeError::Conflict`].
pub(super) async fn add_persons(
    project: &ProjectLake,
    persons: &PersonIds,
    until: Option<Timestamp>,
) -> Result<(), LakeError> {
    let now = project.settings.clock.now();
    let mut known = KeptOut::default();
    known.refresh(&project.kept_out, project.floor()).await?;
    let hashes: Vec<u128> = persons.iter().map(|id| of_person(&id)).collect();
    if hashes.iter().all(|hash| known.persons.get(hash) == Some(&until)) {
        return Ok(());
    }
    let rows: Vec<_> = hashes.into_iter().map(|hash| (hash, PERSON, until, now)).collect();
    append(project, &rows).await
}

/// Remembers erased events, each with the time at which it was received, as far back as duplicates are looked for.
///
/// # Errors
/// [`LakeError::Storage`] or [`LakeError::Conflict`].
pub(super) async fn add_events(project: &ProjectLake, events: &[(u128, Timestamp)]) -> Result<(), LakeError> {
    let floor = instant_of(project.floor());
    let new = events.iter().filter(|(_, received_at)| received_at.0 >= floor);
    let rows: Vec<_> = new.map(|(id, received_at)| (of_event(*id), EVENT, None, *received_at)).collect();
    if rows.is_empty() { Ok(()) } else { append(project, &rows).await }
}

async fn append(project: &ProjectLake, rows: &[(u128, &str, Option<Timestamp>, Timestamp)]) -> Result<(), LakeError> {
    let instants = |values: Vec<Option<i64>>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
    };
    let mut tries = Tries::new(&project.kept_out, &project.settings);
    loop {
        let this = tries.begin().await?;
        let named: RecordBatch = batch(vec![
            (KEPT_OUT_HASH, Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| row.0.to_be_bytes())))),
            (KEPT_OUT_KIND, texts(rows.iter().map(|row| Some(row.1)))),
            (KEPT_OUT_UNTIL, instants(rows.iter().map(|row| row.2.map(|until| until.0)).collect())),
            (columns::RECEIVED_AT, instants(rows.iter().map(|row| Some(row.3.0)).collect())),
        ])?;
        let decided = Rows {
            rows: named,
            months: rows.iter().map(|row| row.3.month()).collect(),
            transactions: Vec::new(),
            says: says([("kind", Value::from("kept_out")), ("rows", Value::from(rows.len()))]),
        };
        if tries.append(&this, decided).await?.is_some() {
            return Ok(());
        }
    }
}

/// The hash of a person's id. SHA-256, so that it cannot be turned back but by trying ids.
fn of_person(id: &PersonId) -> u128 {
    hash(b"person", id.to_string().as_bytes())
}

/// The hash of an event's id.
pub(super) fn of_event(id: u128) -> u128 {
    hash(b"event", &id.to_be_bytes())
}

fn hash(kind: &[u8], bytes: &[u8]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(b"headwater kept out ");
    hash.update(kind);
    hash.update([0]);
    hash.update(bytes);
    let digest: [u8; 32] = hash.finalize().into();
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}
