//! Appends the ties that events make: each edge once, and none that says again what is live.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use event_model::{Action, Tie, Timestamp, columns};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::append::{Rows, Tries};
use crate::column;
use crate::commit::says;
use crate::encode::texts;
use crate::erase::{Out, readable_from};
use crate::error::LakeError;
use crate::ids::{Index, RowKind, ids, number};
use crate::schema::{ACTION, EDGE_ID};
use crate::settings::LakeSettings;
use crate::tables::Table;

/// The last thing said about each pair of ids, beside the ids of the edges.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pairs: HashMap<u128, Last>,
    /// The last erase that is seen in it.
    readable_from: u64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    received_at: Timestamp,
    tied: bool,
}

impl Edges {
    fn apply(&mut self, pair: u128, received_at: Timestamp, tied: bool) {
        let last = self.pairs.entry(pair).or_insert(Last { received_at, tied });
        match received_at.cmp(&last.received_at) {
            std::cmp::Ordering::Less => {}
            // In doubt the pair counts as not tied: a tie too many says nothing new, one too few would be lost.
            std::cmp::Ordering::Equal => last.tied &= tied,
            std::cmp::Ordering::Greater => *last = Last { received_at, tied },
        }
    }

    /// Whether the pair is tied already by a tie that was received no later, so that `as_of` sees no difference.
    fn is_live(&self, pair: u128, received_at: Timestamp) -> bool {
        self.pairs.get(&pair).is_some_and(|last| last.tied && last.received_at <= received_at)
    }
}

impl RowKind for Edges {
    const COLUMNS: &'static [&'static str] =
        &[EDGE_ID, ACTION, "left_type", "left_id", "right_type", "right_id", columns::RECEIVED_AT, columns::INGEST_SEQ];

    fn keys(rows: &RecordBatch) -> Result<Vec<u128>, LakeError> {
        ids(column::bytes(rows, EDGE_ID)?)
    }

    fn note(&mut self, rows: &RecordBatch, row: usize) -> Result<(), LakeError> {
        let text = |name| Ok::<_, LakeError>(column::text(rows, name)?.value(row));
        let pair = pair([text("left_type")?, text("left_id")?, text("right_type")?, text("right_id")?]);
        let received_at = Timestamp(column::instant(rows, columns::RECEIVED_AT)?.value(row));
        self.apply(pair, received_at, text(ACTION)? == "tie");
        Ok(())
    }

    fn forget(&mut self, floor: i32) {
        self.pairs.retain(|_, last| last.received_at.days() >= floor);
    }

    fn anew(&self) -> Self {
        Self { pairs: HashMap::new(), readable_from: self.readable_from }
    }
}

fn pair(parts: [&str; 4]) -> u128 {
    let mut hash = Xxh3::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.digest128()
}

fn pair_of(tie: &Tie) -> u128 {
    pair([tie.left.kind(), tie.left.text(), tie.right.kind(), tie.right.text()])
}

/// Appends those of the ties that are new. Returns how many.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`] or [`LakeError::Conflict`]; it is safe to do it again.
pub(crate) async fn append_ties(
    table: &Table,
    settings: &LakeSettings,
    index: &mut Index<Edges>,
    ties: &[Tie],
    floor: i32,
    out: Out<'_>,
) -> Result<usize, LakeError> {
    if ties.is_empty() {
        return Ok(0);
    }
    let mut ordered: Vec<&Tie> = ties.iter().collect();
    ordered.sort_by_key(|tie| (tie.received_at, tie.edge_id));
    let days = i32::try_from(settings.look_back_days).unwrap_or(i32::MAX);
    let mut tries = Tries::new(table, settings);
    loop {
        let this = tries.begin().await?;
        out.list.refresh(out.table, floor).await?;
        // A pair whose tie was erased is not tied any more.
        let readable_from = readable_from(table, &this.snapshot).await?;
        if index.kind.readable_from != readable_from {
            *index = Index::default();
            index.kind.readable_from = readable_from;
        }
        index.refresh(table, &this.snapshot, this.last, floor).await?;
        let old = ordered.iter().filter(|tie| tie.received_at.days() < index.floor());
        let wanted = old.map(|tie| (number(tie.edge_id), tie.received_at.days() - days)).collect();
        let older = index.older(table, &this.snapshot, &wanted).await?;
        let let_in: Vec<&Tie> = ordered.iter().copied().filter(|tie| !out.list.is_tie_out(tie)).collect();
        let chosen = choose(&let_in, index, &older, settings.guards.row_ids);
        if chosen.is_empty() {
            return Ok(0);
        }
        let months = chosen.iter().map(|tie| tie.received_at.month()).collect();
        let says = says([("kind", Value::from("identities")), ("rows", Value::from(chosen.len()))]);
        let decided = Rows { rows: rows(&chosen)?, months, transactions: Vec::new(), says };
        let Some(sequence) = tries.append(&this, decided).await? else { continue };
        for tie in chosen.iter().filter(|tie| tie.received_at.days() >= floor) {
            index.kind.apply(pair_of(tie), tie.received_at, tie.action == Action::Tie);
        }
        index.committed(sequence, chosen.iter().map(|tie| (tie.received_at.days(), number(tie.edge_id))));
        return Ok(chosen.len());
    }
}

fn choose<'a>(ordered: &[&'a Tie], index: &Index<Edges>, older: &HashSet<u128>, guarded: bool) -> Vec<&'a Tie> {
    let mut seen = HashSet::new();
    // What this batch says of a pair so far: later rows are judged after it.
    let mut said: HashMap<u128, bool> = HashMap::new();
    let mut chosen = Vec::new();
    for tie in ordered {
        let (edge, pair) = (number(tie.edge_id), pair_of(tie));
        let is_stored = guarded && (index.contains(edge) || older.contains(&edge));
        if is_stored || !seen.insert(edge) {
            continue;
        }
        let live = said.get(&pair).copied().unwrap_or_else(|| index.kind.is_live(pair, tie.received_at));
        let ties = tie.action == Action::Tie;
        said.insert(pair, ties);
        if !(ties && live) {
            chosen.push(*tie);
        }
    }
    chosen
}

fn rows(ties: &[&Tie]) -> Result<RecordBatch, LakeError> {
    let text = |value: fn(&Tie) -> &str| texts(ties.iter().map(|tie| Some(value(tie))));
    let action = |tie: &Tie| if tie.action == Action::Tie { "tie" } else { "undo" };
    let received = ties.iter().map(|tie| tie.received_at.0).collect::<Vec<_>>();
    let named: Vec<(&str, ArrayRef)> = vec![
        (EDGE_ID, Arc::new(BinaryArray::from_iter_values(ties.iter().map(|tie| tie.edge_id.0)))),
        (ACTION, texts(ties.iter().map(|tie| Some(action(tie))))),
        ("left_type", text(|tie| tie.left.kind())),
        ("left_id", text(|tie| tie.left.text())),
        ("right_type", text(|tie| tie.right.kind())),
        ("right_id", text(|tie| tie.right.text())),
        ("cause", text(|tie| &tie.cause)),
        (columns::EVENT_ID, Arc::new(BinaryArray::from_iter_values(ties.iter().map(|tie| tie.event_id.0)))),
        (columns::RECEIVED_AT, Arc::new(TimestampMicrosecondArray::from(received).with_timezone("UTC"))),
    ];
    batch(named)
}

/// A batch from columns by name.
pub(crate) fn batch(named: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, LakeError> {
    let fields: Vec<Field> =
        named.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = named.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
