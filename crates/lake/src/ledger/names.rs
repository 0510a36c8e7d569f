//! Which messages are named already: those of the last days and all of the log's tail in memory, older ones by look-up.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, BooleanArray};
use event_model::{Timestamp, columns};
use futures::TryStreamExt;

use super::roll::{Taken, taken};
use super::{Entry, LedgerTotals, MESSAGES, read};
use crate::column;
use crate::commit::Commit;
use crate::error::LakeError;
use crate::files::FileList;
use crate::ids::{Mixed, earliest, ids, instant_of, latest, list, number, scan};
use crate::schema::MESSAGE_ID;
use crate::tables::Table;

const COLUMNS: &[&str] = &[MESSAGE_ID, columns::RECEIVED_AT, "stored", "complete"];

/// What is known of some messages.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Those that are done.
    complete: HashSet<u128, Mixed>,
    /// How many events of those that are not done are stored already.
    parts: HashMap<u128, u32>,
}

impl Known {
    /// Whether the message is done.
    pub(crate) fn is_complete(&self, message: u128) -> bool {
        self.complete.contains(&message)
    }

    /// How many of its events earlier commits of an unfinished import stored.
    pub(crate) fn part(&self, message: u128) -> u32 {
        self.parts.get(&message).copied().unwrap_or(0)
    }

    fn take_in(&mut self, message: u128, stored: u32, complete: bool) {
        if complete {
            self.complete.insert(message);
            self.parts.remove(&message);
        } else if !self.complete.contains(&message) {
            *self.parts.entry(message).or_default() += stored;
        }
    }
}

/// The names up to one version of `events`.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// All commits up to this version are taken in; `None`: none is.
    version: Option<u64>,
    floor: i32,
    /// What was received on the floor or later.
    pub(crate) known: Known,
    days: BTreeMap<i32, Vec<u128>>,
    totals: LedgerTotals,
}

impl Names {
    /// Takes in all commits up to `version` of `events`, and keeps those received on `floor` or later.
    ///
    /// # Errors
    /// [`LakeError::Storage`]; [`LakeError::Damaged`] if an entry of the log is gone that the ledger has not taken over.
    pub(crate) async fn refresh(
        &mut self,
        events: &Table,
        ledger: &Table,
        version: u64,
        floor: i32,
    ) -> Result<(), LakeError> {
        if floor < self.floor {
            *self = Self::default();
        }
        self.evict(floor);
        if self.version.is_some() && self.follow(events, version).await? {
            return Ok(());
        }
        // Cold, or what was known is older than the log.
        *self = Self { floor, ..Self::default() };
        self.load(ledger).await?;
        if self.follow(events, version).await? {
            return Ok(());
        }
        let covers = self.version.map_or_else(|| "nothing".to_owned(), |version| format!("up to version {version}"));
        *self = Self::default();
        let detail =
            format!("the log lacks an entry up to {version} that the ledger has not taken over; it covers {covers}");
        Err(LakeError::damaged(events.path(), detail))
    }

    /// The first day of receipt that is covered.
    pub(crate) fn floor(&self) -> i32 {
        self.floor
    }

    /// The sums, `replayed` left out.
    pub(crate) fn totals(&self) -> LedgerTotals {
        LedgerTotals { covers: self.version.unwrap_or(0), ..self.totals }
    }

    /// What is known of messages that were received before the floor.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub(crate) async fn older(
        &self,
        events: &Table,
        ledger: &Table,
        wanted: &HashMap<u128, Timestamp>,
    ) -> Result<Known, LakeError> {
        let mut known = Known::default();
        let (Some(first), Some(last)) = (wanted.values().min(), wanted.values().max()) else { return Ok(known) };
        let (first, last) = (instant_of(first.days()), instant_of(last.days().saturating_add(1)));
        let snapshot = ledger.refresh().await?;
        let covers = taken(ledger, &snapshot).await?.covers;
        let files = list(ledger, &snapshot, &FileList::default())?;
        let files =
            files.files().iter().filter(|file| latest(file) >= first && earliest(file) <= last).cloned().collect();
        let mut batches = scan(ledger, files, COLUMNS);
        while let Some(rows) = batches.try_next().await? {
            each(&rows, |message, _, stored, complete| {
                if wanted.contains_key(&message) {
                    known.take_in(message, stored, complete);
                }
            })?;
        }
        drop(batches);
        let version = self.version.unwrap_or(0);
        for version in covers.map_or(0, |covers| covers + 1)..=version {
            let commit = events.commit(version).await?;
            let commit = commit.ok_or_else(|| LakeError::damaged(events.path(), format!("entry {version} is gone")))?;
            for entry in entries(events, &commit)? {
                let message = number(entry.message.message_id);
                if wanted.contains_key(&message) {
                    known.take_in(message, entry.counts.stored, entry.complete);
                }
            }
        }
        Ok(known)
    }

    /// Reads the table.
    async fn load(&mut self, ledger: &Table) -> Result<(), LakeError> {
        let snapshot = ledger.refresh().await?;
        let Taken { covers, totals } = taken(ledger, &snapshot).await?;
        let (floor, from) = (self.floor, instant_of(self.floor));
        let files = list(ledger, &snapshot, &FileList::default())?;
        let files = files.files().iter().filter(|file| latest(file) >= from).cloned().collect();
        let mut batches = scan(ledger, files, COLUMNS);
        while let Some(rows) = batches.try_next().await? {
            each(&rows, |message, day, stored, complete| {
                if day >= floor {
                    self.take_in(message, day, stored, complete);
                }
            })?;
        }
        drop(batches);
        (self.version, self.totals) = (covers, totals);
        Ok(())
    }

    /// Reads the log after what is known; false if an entry is gone.
    async fn follow(&mut self, events: &Table, version: u64) -> Result<bool, LakeError> {
        let next = self.version.map_or(0, |version| version + 1);
        let mut commits = events.commits(next, version);
        while let Some((_, commit)) = commits.try_next().await? {
            let Some(commit) = commit else { return Ok(false) };
            for entry in entries(events, &commit)? {
                let day = entry.message.received_at.days();
                self.totals.add(&entry);
                if day >= self.floor {
                    self.take_in(number(entry.message.message_id), day, entry.counts.stored, entry.complete);
                }
            }
            self.version = Some(commit.version);
        }
        Ok(true)
    }

    fn take_in(&mut self, message: u128, day: i32, stored: u32, complete: bool) {
        self.days.entry(day).or_default().push(message);
        self.known.take_in(message, stored, complete);
    }

    fn evict(&mut self, floor: i32) {
        let kept = self.days.split_off(&floor);
        for message in std::mem::replace(&mut self.days, kept).into_values().flatten() {
            self.known.complete.remove(&message);
            self.known.parts.remove(&message);
        }
        self.floor = floor;
    }
}

/// The entries of one commit to `events`.
pub(super) fn entries(events: &Table, commit: &Commit) -> Result<Vec<Entry>, LakeError> {
    let text = commit.says.get(MESSAGES).and_then(|value| value.as_str()).unwrap_or_default();
    read(text)
        .map_err(|error| LakeError::damaged(format!("{}/_delta_log/{:020}.json", events.path(), commit.version), error))
}

/// Calls back for each row of the table: message, day of receipt, stored, complete. The entries of one message may come
/// in any order, so parts count only if it is not done: their sum is what an unfinished import has stored.
fn each(rows: &arrow::array::RecordBatch, mut visit: impl FnMut(u128, i32, u32, bool)) -> Result<(), LakeError> {
    let received = column::instant(rows, columns::RECEIVED_AT)?;
    let stored = column::long(rows, "stored")?;
    let complete = rows.column_by_name("complete").and_then(|column| column.as_any().downcast_ref::<BooleanArray>());
    let complete = complete.ok_or_else(|| LakeError::Shape("there is no column complete".to_owned()))?;
    for (row, message) in ids(column::bytes(rows, MESSAGE_ID)?)?.into_iter().enumerate() {
        let day = Timestamp(received.value(row)).days();
        visit(
            message,
            day,
            u32::try_from(stored.value(row)).unwrap_or(0),
            complete.is_valid(row) && complete.value(row),
        );
    }
    Ok(())
}
