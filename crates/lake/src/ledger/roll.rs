//! Takes the names of messages over from the log of `events` into the table `ledger`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use deltalake_core::DeltaTable;
use event_model::columns;
use futures::TryStreamExt;
use serde_json::Value;

use super::names::entries;
use super::{Entry, LedgerTotals};
use crate::append::{Rows, Tries};
use crate::commit::says;
use crate::error::LakeError;
use crate::identities::batch;
use crate::schema::{EVENTS, MESSAGE_ID};
use crate::settings::LakeSettings;
use crate::tables::{Table, version_of};

/// The application id whose version is the version of `events` that the table covers.
const COVERS: &str = "ledger.covers";
/// The application ids whose versions are the sums over all rows: a reader needs no row to know them.
const TOTALS: [&str; 4] = ["ledger.messages", "ledger.stored", "ledger.quarantined", "ledger.duplicates"];

/// What one roll-up did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollReport {
    /// How many names were taken over.
    pub rows: u64,
    /// The version of `events` that the table covers now: entries of the log up to it may be cleaned.
    pub covers: u64,
}

/// What the table has taken over.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Up to this version of `events`.
    pub(super) covers: Option<u64>,
    /// The sums up to there.
    pub(super) totals: LedgerTotals,
}

pub(super) async fn taken(ledger: &Table, snapshot: &DeltaTable) -> Result<Taken, LakeError> {
    let [messages, stored, quarantined, duplicates] = TOTALS;
    let totals = LedgerTotals {
        messages: number(ledger, snapshot, messages).await?.unwrap_or(0),
        stored: number(ledger, snapshot, stored).await?.unwrap_or(0),
        quarantined: number(ledger, snapshot, quarantined).await?.unwrap_or(0),
        duplicates: number(ledger, snapshot, duplicates).await?.unwrap_or(0),
        ..LedgerTotals::default()
    };
    Ok(Taken { covers: number(ledger, snapshot, COVERS).await?, totals })
}

async fn number(ledger: &Table, snapshot: &DeltaTable, application: &str) -> Result<Option<u64>, LakeError> {
    let version = ledger.transaction(snapshot, application).await?;
    Ok(version.and_then(|version| u64::try_from(version).ok()))
}

/// Takes over what the newest version of `events` says and the table does not have.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Conflict`]; [`LakeError::Damaged`] if an entry of the log is gone already.
pub(crate) async fn roll(events: &Table, ledger: &Table, settings: &LakeSettings) -> Result<RollReport, LakeError> {
    let version = version_of(&events.refresh().await?, events.path())?;
    let mut tries = Tries::new(ledger, settings);
    loop {
        let this = tries.begin().await?;
        let Taken { covers, mut totals } = taken(ledger, &this.snapshot).await?;
        if let Some(covers) = covers.filter(|covers| *covers >= version) {
            return Ok(RollReport { rows: 0, covers });
        }
        let named = tail(events, covers.map_or(0, |covers| covers + 1), version).await?;
        named.iter().for_each(|(_, entry)| totals.add(entry));
        let sums = [totals.messages, totals.stored, totals.quarantined, totals.duplicates];
        let mut transactions: Vec<(String, i64)> =
            TOTALS.iter().zip(sums).map(|(name, sum)| ((*name).to_owned(), signed(sum))).collect();
        transactions.push((COVERS.to_owned(), signed(version)));
        let says = says([("kind", Value::from("ledger")), ("rows", Value::from(named.len()))]);
        let months = named.iter().map(|(_, entry)| entry.message.received_at.month()).collect();
        let decided = Rows { rows: rows(&named)?, months, transactions, says };
        if tries.append(&this, decided).await?.is_some() {
            return Ok(RollReport { rows: named.len() as u64, covers: version });
        }
    }
}

/// The names in the log from one version to another, each with the number of its ingest commit.
async fn tail(events: &Table, from: u64, until: u64) -> Result<Vec<(i64, Entry)>, LakeError> {
    let mut named = Vec::new();
    let mut commits = events.commits(from, until);
    while let Some((version, commit)) = commits.try_next().await? {
        let gone =
            || LakeError::damaged(events.path(), format!("entry {version} of the log is gone, not yet in the ledger"));
        let commit = commit.ok_or_else(gone)?;
        let sequence = commit.transaction(EVENTS.application).unwrap_or(0);
        named.extend(entries(events, &commit)?.into_iter().map(|entry| (sequence, entry)));
    }
    Ok(named)
}

fn rows(named: &[(i64, Entry)]) -> Result<RecordBatch, LakeError> {
    let count = |value: fn(&Entry) -> u32| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(named.iter().map(|(_, entry)| i64::from(value(entry)))))
    };
    let received = named.iter().map(|(_, entry)| entry.message.received_at.0).collect::<Vec<_>>();
    let messages = named.iter().map(|(_, entry)| entry.message.message_id.0);
    batch(vec![
        (MESSAGE_ID, Arc::new(BinaryArray::from_iter_values(messages))),
        (columns::RECEIVED_AT, Arc::new(TimestampMicrosecondArray::from(received).with_timezone("UTC"))),
        ("stored", count(|entry| entry.counts.stored)),
        ("quarantined", count(|entry| entry.counts.quarantined)),
        ("duplicates", count(|entry| entry.counts.duplicates)),
        ("complete", Arc::new(named.iter().map(|(_, entry)| Some(entry.complete)).collect::<BooleanArray>())),
        ("named_by", Arc::new(Int64Array::from_iter_values(named.iter().map(|(sequence, _)| *sequence)))),
    ])
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
