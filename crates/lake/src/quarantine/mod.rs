//! What could not be used: appended once, marked when it was replayed, read newest first.

mod page;
mod rows;

use std::borrow::Cow;
use std::collections::HashSet;

use arrow::array::RecordBatch;
use event_model::rejection::Bytes64;
use event_model::{EventId, Rejected, Timestamp, columns};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

pub(crate) use self::page::page;
use crate::append::{Rows, Tries};
use crate::batch::{IncomingMessage, QuarantineRow};
use crate::column;
use crate::commit::says;
use crate::erase::{Out, hidden};
use crate::error::LakeError;
use crate::ids::{Index, RowKind, ids, number};
use crate::schema::{ACTION, ROW_ID};
use crate::settings::LakeSettings;
use crate::tables::Table;

/// The application id whose version is how many rows were ever marked as replayed.
pub(crate) const REPLAYED: &str = "replayed";
const REJECT: &str = "reject";
/// Sets the key of a mark apart from the key of the row that it marks.
const MARK: u128 = 0x7265_706c_6179_6564_7265_706c_6179_6564;

/// Which rows to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// Only those with this reason, as [`event_model::Reason::as_str`] writes it.
    pub reason: Option<String>,
    /// How many at most. Default: 100.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Also those that were replayed already.
    pub include_replayed: bool,
}

impl Default for QuarantineFilter {
    fn default() -> Self {
        Self { reason: None, limit: 100, cursor: None, include_replayed: false }
    }
}

/// Some rows, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantinePage {
    /// The rows.
    pub entries: Vec<QuarantineEntry>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<String>,
}

/// One rejected event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// Names it.
    pub row_id: EventId,
    /// Whether it was decoded again and stored.
    pub replayed: bool,
    /// The message that carried it.
    pub message_id: EventId,
    /// The key it came in by (its id).
    pub write_key_id: String,
    /// The protocol it came in by.
    pub protocol: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// How many accepted events it stands for: 1, or all those of a message that cannot be read.
    pub events: u32,
    /// What was refused, why, and its bytes.
    pub rejected: Rejected,
}

/// Names a row of quarantine: XXH3-128 of the message id and the position, so that the same message delivered again
/// gives the same row.
#[must_use]
pub fn row_id(message_id: EventId, position: u32) -> EventId {
    let mut hash = Xxh3::new();
    hash.update(&message_id.0);
    hash.update(&position.to_be_bytes());
    EventId(hash.digest128().to_be_bytes())
}

/// The rows of `quarantine` and the marks on them.
#[derive(Debug, Default)]
pub(crate) struct RowIds;

impl RowKind for RowIds {
    const COLUMNS: &'static [&'static str] = &[ROW_ID, ACTION, columns::RECEIVED_AT, columns::INGEST_SEQ];

    fn keys(rows: &RecordBatch) -> Result<Vec<u128>, LakeError> {
        let actions = column::text(rows, ACTION)?;
        let rows = ids(column::bytes(rows, ROW_ID)?)?;
        Ok(rows
            .into_iter()
            .zip(actions)
            .map(|(row, action)| if action == Some(REJECT) { row } else { row ^ MARK })
            .collect())
    }
}

/// Appends those of the rejected events that are not there yet.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`] or [`LakeError::Conflict`]; it is safe to do it again.
pub(crate) async fn append_rows(
    table: &Table,
    settings: &LakeSettings,
    index: &mut Index<RowIds>,
    messages: &[IncomingMessage],
    rejected: &[&QuarantineRow],
    floor: i32,
    out: Out<'_>,
) -> Result<(), LakeError> {
    if rejected.is_empty() {
        return Ok(());
    }
    let mut named = Vec::with_capacity(rejected.len());
    for row in rejected {
        let message = usize::try_from(row.message).ok().and_then(|place| messages.get(place));
        let message = message.ok_or_else(|| LakeError::Shape("a row of quarantine names no message".to_owned()))?;
        named.push((row_id(message.message_id, row.rejected.position), message.message_id, *row));
    }
    let days = i32::try_from(settings.look_back_days).unwrap_or(i32::MAX);
    let mut tries = Tries::new(table, settings);
    loop {
        let this = tries.begin().await?;
        out.list.refresh(out.table, floor).await?;
        index.refresh(table, &this.snapshot, this.last, floor).await?;
        let old = named.iter().filter(|(_, _, row)| row.received_at.days() < index.floor());
        let wanted = old.map(|(id, _, row)| (number(*id), row.received_at.days() - days)).collect();
        let older = index.older(table, &this.snapshot, &wanted).await?;
        let mut seen = HashSet::new();
        let is_stored = |id: u128| settings.guards.row_ids && (index.contains(id) || older.contains(&id));
        let new = named.iter().filter(|(id, _, _)| !is_stored(number(*id)) && seen.insert(*id));
        let chosen: Vec<_> = new.collect();
        if chosen.is_empty() {
            return Ok(());
        }
        // Of somebody who was erased only that there was a row, which the ledger counts.
        let is_out = |row: &QuarantineRow| out.list.is_original_out(&row.rejected.original.0, row.received_at);
        let rows: Vec<Cow<'_, QuarantineRow>> = chosen
            .iter()
            .map(|(_, _, row)| if is_out(row) { Cow::Owned(emptied(row)) } else { Cow::Borrowed(*row) })
            .collect();
        let written: Vec<_> =
            chosen.iter().zip(&rows).map(|((id, message, _), row)| (*id, *message, row.as_ref())).collect();
        let written: Vec<_> = written.iter().collect();
        let says = says([("kind", Value::from("quarantine")), ("rows", Value::from(chosen.len()))]);
        let months = chosen.iter().map(|(_, _, row)| row.received_at.month()).collect();
        let decided = Rows { rows: rows::of_rejects(&written)?, months, transactions: Vec::new(), says };
        let Some(sequence) = tries.append(&this, decided).await? else { continue };
        index.committed(sequence, chosen.iter().map(|(id, _, row)| (row.received_at.days(), number(*id))));
        return Ok(());
    }
}

/// A row without what the client sent: nothing in it tells whose it was.
fn emptied(row: &QuarantineRow) -> QuarantineRow {
    let rejected = Rejected {
        event_id: hidden(row.rejected.event_id),
        detail: String::new(),
        original: Bytes64(Vec::new()),
        full_length: 0,
        sha256: String::new(),
        replayable: false,
        ..row.rejected.clone()
    };
    QuarantineRow { rejected, ..row.clone() }
}

/// Marks rows as replayed, each once. Done after the events are stored: between the two a crash leaves a row that may
/// be replayed again, and its events, which kept their ids, are then duplicates.
///
/// # Errors
/// As [`append_rows`].
pub(crate) async fn mark_replayed(
    table: &Table,
    settings: &LakeSettings,
    index: &mut Index<RowIds>,
    replays: &[EventId],
    floor: i32,
) -> Result<(), LakeError> {
    if replays.is_empty() {
        return Ok(());
    }
    let now = settings.clock.now();
    let mut tries = Tries::new(table, settings);
    loop {
        let this = tries.begin().await?;
        index.refresh(table, &this.snapshot, this.last, floor).await?;
        let mut seen = HashSet::new();
        let is_marked = |row: &EventId| settings.guards.row_ids && index.contains(number(*row) ^ MARK);
        let chosen: Vec<_> = replays.iter().copied().filter(|row| !is_marked(row) && seen.insert(*row)).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let before = table.transaction(&this.snapshot, REPLAYED).await?.unwrap_or(0);
        let replayed = before + i64::try_from(chosen.len()).unwrap_or(0);
        let decided = Rows {
            rows: rows::of_marks(&chosen, now)?,
            months: vec![now.month(); chosen.len()],
            transactions: vec![(REPLAYED.to_owned(), replayed)],
            says: says([("kind", Value::from("replayed")), ("rows", Value::from(chosen.len()))]),
        };
        let Some(sequence) = tries.append(&this, decided).await? else { continue };
        index.committed(sequence, chosen.iter().map(|row| (now.days(), number(*row) ^ MARK)));
        return Ok(());
    }
}
