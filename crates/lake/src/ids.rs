//! Which ids a table holds: all those received in the last days, in memory, exact as of one snapshot.
//!
//! An index covers the rows of a table up to a sequence number (`ingest_seq`) that were received on or after a day, the
//! floor. It is brought up to date by reading, from the files that hold newer numbers, only the rows with newer numbers,
//! so that it is right whoever committed them and however they were rewritten since. Ids of rows that were received
//! before the floor are looked for in the files themselves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use arrow::array::{Array, BinaryArray, RecordBatch};
use deltalake_core::DeltaTable;
use event_model::{EventId, Timestamp, columns};
use futures::{StreamExt, TryStreamExt, stream};

use crate::column;
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::rows::{Wanted, read};
use crate::tables::Table;

/// How many files are read at a time.
const FILES_AT_A_TIME: usize = 8;
/// Bounds in the log are cut to milliseconds: a file's latest row may lie this many microseconds after them.
const CUT_MICROS: i64 = 999;

/// What a table's rows are known by.
pub(crate) trait RowKind: Default + Send {
    /// The columns that [`Self::keys`] and [`Self::note`] need, `received_at` and `ingest_seq` included.
    const COLUMNS: &'static [&'static str];

    /// The id of each row.
    ///
    /// # Errors
    /// [`LakeError::Shape`] if the rows are not of this table.
    fn keys(rows: &RecordBatch) -> Result<Vec<u128>, LakeError>;

    /// Takes in one row that the index did not cover yet, perhaps more than once.
    ///
    /// # Errors
    /// As [`Self::keys`].
    fn note(&mut self, _rows: &RecordBatch, _row: usize) -> Result<(), LakeError> {
        Ok(())
    }

    /// Forgets what was received before that day.
    fn forget(&mut self, _floor: i32) {}

    /// What an index that begins anew starts with.
    fn anew(&self) -> Self {
        Self::default()
    }
}

/// The ids of one table.
#[derive(Debug, Default)]
pub(crate) struct Index<K> {
    /// All rows up to this number are covered; `None`: nothing is.
    covered: Option<i64>,
    floor: i32,
    ids: HashSet<u128, Mixed>,
    days: BTreeMap<i32, Vec<u128>>,
    files: FileList,
    /// What else is known of the rows.
    pub(crate) kind: K,
}

impl<K: RowKind> Index<K> {
    /// Covers all rows of `snapshot`, whose last append carries `sequence`, that were received on `floor` or later.
    ///
    /// # Errors
    /// [`LakeError::Storage`] or [`LakeError::Damaged`]; the index then covers what it did, and may be asked again.
    pub(crate) async fn refresh(
        &mut self,
        table: &Table,
        snapshot: &DeltaTable,
        sequence: Option<i64>,
        floor: i32,
    ) -> Result<(), LakeError> {
        // A clock that jumped back, or a table that did: begin anew.
        if floor < self.floor || self.covered > sequence {
            let kind = self.kind.anew();
            *self = Self { files: std::mem::take(&mut self.files), floor, kind, ..Self::default() };
        }
        self.evict(floor);
        if self.covered == sequence {
            return Ok(());
        }
        self.files = list(table, snapshot, &self.files)?;
        let (covered, from) = (self.covered.unwrap_or(i64::MIN), instant_of(floor));
        let newer: Vec<_> =
            self.files.files().iter().filter(|file| newest(file) > covered && latest(file) >= from).cloned().collect();
        let mut batches = scan(table, newer, K::COLUMNS);
        // Half of it taken in before a failure does no harm: what is in there is stored, and is taken in once more.
        while let Some(rows) = batches.try_next().await? {
            let numbers = column::long(&rows, columns::INGEST_SEQ)?;
            let received = column::instant(&rows, columns::RECEIVED_AT)?;
            for (row, key) in K::keys(&rows)?.into_iter().enumerate() {
                let day = Timestamp(received.value(row)).days();
                if numbers.value(row) > covered && day >= floor {
                    self.insert(day, key);
                    self.kind.note(&rows, row)?;
                }
            }
        }
        self.covered = sequence;
        Ok(())
    }

    /// The first day of receipt that is covered.
    pub(crate) fn floor(&self) -> i32 {
        self.floor
    }

    /// Whether a row with that id was received on the floor or later.
    pub(crate) fn contains(&self, id: u128) -> bool {
        self.ids.contains(&id)
    }

    /// Takes in rows that this process has just committed under `sequence`, the number after what is covered, so that
    /// they need not be read back. The caller has noted what [`RowKind`] wants.
    pub(crate) fn committed(&mut self, sequence: i64, rows: impl Iterator<Item = (i32, u128)>) {
        if self.covered.is_some_and(|covered| covered >= sequence) {
            return;
        }
        for (day, id) in rows {
            if day >= self.floor {
                self.insert(day, id);
            }
        }
        self.covered = Some(sequence);
    }

    /// Of the wanted ids, each with the first day of receipt that counts, those of rows received before the floor.
    ///
    /// # Errors
    /// [`LakeError::Storage`] or [`LakeError::Damaged`].
    pub(crate) async fn older(
        &mut self,
        table: &Table,
        snapshot: &DeltaTable,
        wanted: &HashMap<u128, i32>,
    ) -> Result<HashSet<u128>, LakeError> {
        let Some(first) = wanted.values().min().copied().filter(|first| *first < self.floor) else {
            return Ok(HashSet::new());
        };
        self.files = list(table, snapshot, &self.files)?;
        let (from, until) = (instant_of(first), instant_of(self.floor));
        let files = self.files.files().iter();
        let files = files.filter(|file| latest(file) >= from && earliest(file) < until).cloned().collect();
        let mut batches = scan(table, files, K::COLUMNS);
        let mut found = HashSet::new();
        while let Some(rows) = batches.try_next().await? {
            let received = column::instant(&rows, columns::RECEIVED_AT)?;
            for (row, key) in K::keys(&rows)?.into_iter().enumerate() {
                let day = Timestamp(received.value(row)).days();
                if day < self.floor && wanted.get(&key).is_some_and(|first| day >= *first) {
                    found.insert(key);
                }
            }
        }
        Ok(found)
    }

    fn insert(&mut self, day: i32, id: u128) {
        if self.ids.insert(id) {
            self.days.entry(day).or_default().push(id);
        }
    }

    fn evict(&mut self, floor: i32) {
        let kept = self.days.split_off(&floor);
        for id in std::mem::replace(&mut self.days, kept).into_values().flatten() {
            self.ids.remove(&id);
        }
        self.floor = floor;
        self.kind.forget(floor);
    }
}

/// The files of a snapshot; what `earlier` knows of them is not parsed again.
pub(crate) fn list(table: &Table, snapshot: &DeltaTable, earlier: &FileList) -> Result<FileList, LakeError> {
    let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
    Ok(FileList::new(state.log_data().iter(), earlier))
}

/// Some columns of some files, in no order.
pub(crate) fn scan<'a>(
    table: &Table,
    files: Vec<Arc<DataFile>>,
    columns: &'a [&'a str],
) -> stream::BoxStream<'a, Result<RecordBatch, LakeError>> {
    let store = table.object_store();
    stream::iter(files)
        .map(move |file| {
            let store = Arc::clone(&store);
            async move { read(store, &file, Wanted { columns: Some(columns), ..Wanted::default() }).await }
        })
        .buffer_unordered(FILES_AT_A_TIME)
        .try_flatten()
        .boxed()
}

/// The first instant of a day.
pub(crate) fn instant_of(day: i32) -> i64 {
    i64::from(day) * 86_400_000_000
}

/// The largest number in a file; a file that does not say may hold any.
fn newest(file: &DataFile) -> i64 {
    file.bounds.ingest_seq.map_or(i64::MAX, |(_, newest)| newest)
}

/// When a file's last row was received, or later.
pub(crate) fn latest(file: &DataFile) -> i64 {
    file.bounds.received_at.map_or(i64::MAX, |(_, latest)| latest.saturating_add(CUT_MICROS))
}

/// When a file's first row was received, or earlier.
pub(crate) fn earliest(file: &DataFile) -> i64 {
    file.bounds.received_at.map_or(i64::MIN, |(earliest, _)| earliest)
}

/// The ids in a column.
///
/// # Errors
/// [`LakeError::Shape`] if one is not 16 bytes long.
pub(crate) fn ids(column: &BinaryArray) -> Result<Vec<u128>, LakeError> {
    (0..column.len())
        .map(|row| {
            let bytes = <[u8; 16]>::try_from(column.value(row));
            bytes.map(u128::from_be_bytes).map_err(|_| LakeError::Shape("an id is not 16 bytes long".to_owned()))
        })
        .collect()
}

/// An id as a number, in the order of its bytes.
pub(crate) fn number(id: EventId) -> u128 {
    u128::from_be_bytes(id.0)
}

/// The ids of `events`.
#[derive(Debug, Default)]
pub(crate) struct EventIds;

impl RowKind for EventIds {
    const COLUMNS: &'static [&'static str] = &[columns::EVENT_ID, columns::RECEIVED_AT, columns::INGEST_SEQ];

    fn keys(rows: &RecordBatch) -> Result<Vec<u128>, LakeError> {
        ids(column::bytes(rows, columns::EVENT_ID)?)
    }
}

/// Hashes 128-bit numbers by one folded multiplication: ids are hashed a million times a second. The secret keeps
/// clients, who choose ids, from choosing ones that fall together.
#[derive(Clone, Debug)]
pub(crate) struct Mixed {
    secret: (u64, u64),
}

impl Default for Mixed {
    fn default() -> Self {
        let state = RandomState::new();
        Self { secret: (state.hash_one(0_u8), state.hash_one(1_u8)) }
    }
}

impl BuildHasher for Mixed {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer { secret: self.secret, mixed: 0 }
    }
}

/// See [`Mixed`].
#[derive(Debug)]
pub(crate) struct Mixer {
    secret: (u64, u64),
    mixed: u64,
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(16) {
            let mut padded = [0; 16];
            padded.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
            self.write_u128(u128::from_ne_bytes(padded));
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "the halves of a 128-bit number are wanted")]
    fn write_u128(&mut self, number: u128) {
        let (low, high) = (number as u64, (number >> 64) as u64);
        let product = u128::from(low ^ self.secret.0 ^ self.mixed) * u128::from(high ^ self.secret.1);
        self.mixed = (product as u64) ^ ((product >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.mixed
    }
}
