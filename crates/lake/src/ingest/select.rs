//! Which rows of a batch are new, and what that makes of each message.

use std::collections::HashMap;

use super::incoming::Incoming;
use crate::batch::MessageCounts;
use crate::ids::Mixed;
use crate::settings::Guards;

/// What one commit stores.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// The rows, in the order of the files.
    pub(super) rows: Vec<u32>,
    /// Of each message: its rows here as stored; all its other rows, those of later commits left out, as duplicates.
    pub(super) counts: Vec<MessageCounts>,
    /// Whether this is all that is new in the batch.
    pub(super) is_last: bool,
    /// How many rows are of somebody who was erased: stored by this commit and erased by it, at once.
    pub(super) kept_out: u64,
}

/// Chooses the open rows of messages that are not done, whose id is not stored, the first of each id in the total order;
/// of more than `months` months the oldest. Rows of somebody who was erased are chosen too, but not to be written.
pub(super) fn choose(
    incoming: &Incoming,
    is_done: &[bool],
    is_open: impl Fn(u32) -> bool,
    is_stored: impl Fn(u128) -> bool,
    is_out: impl Fn(u32) -> bool,
    guards: Guards,
    months: usize,
) -> Choice {
    let is_due = |row: usize| incoming.message.get(row).and_then(|message| is_done.get(*message)) == Some(&false);
    let is_first = firsts(incoming, is_due, guards.batch_duplicates);
    let is_new = |row: &u32| {
        let Some(id) = incoming.ids.get(*row as usize) else { return false };
        let is_first = is_first.get(*row as usize) == Some(&true);
        is_first && is_due(*row as usize) && is_open(*row) && !is_stored(*id)
    };
    let new = incoming.sorted.iter().copied().filter(is_new);
    let (out, mut rows): (Vec<u32>, Vec<u32>) = new.partition(|row| is_out(*row));
    let later = rows.split_off(end_of(&rows, incoming, months));
    let mut counts: Vec<MessageCounts> = incoming
        .quarantined
        .iter()
        .map(|quarantined| MessageCounts { quarantined: *quarantined, ..MessageCounts::default() })
        .collect();
    let mut count = |row: u32, by: fn(&mut MessageCounts)| {
        let message = incoming.message.get(row as usize);
        if let Some(counts) = message.and_then(|message| counts.get_mut(*message)) {
            by(counts);
        }
    };
    for row in &incoming.sorted {
        count(*row, |counts| counts.duplicates += 1);
    }
    for row in &rows {
        count(*row, |counts| (counts.stored, counts.duplicates) = (counts.stored + 1, counts.duplicates - 1));
    }
    for row in &later {
        count(*row, |counts| counts.duplicates -= 1);
    }
    let is_last = later.is_empty();
    for row in &out {
        // Counted once, by the last commit of an import over many months.
        let stored = u32::from(is_last);
        let message = incoming.message.get(*row as usize);
        if let Some(counts) = message.and_then(|message| counts.get_mut(*message)) {
            (counts.stored, counts.duplicates) = (counts.stored + stored, counts.duplicates - 1);
        }
    }
    Choice { rows, counts, is_last, kept_out: if is_last { out.len() as u64 } else { 0 } }
}

/// Of each row whether it is the first of its id in the total order; of rows that are equal there, the one of the earlier
/// message. With the guard off every row is.
fn firsts(incoming: &Incoming, is_due: impl Fn(usize) -> bool, guard: bool) -> Vec<bool> {
    let mut is_first = vec![true; incoming.ids.len()];
    if !guard {
        return is_first;
    }
    let mut firsts: HashMap<u128, u32, Mixed> = HashMap::with_capacity_and_hasher(incoming.ids.len(), Mixed::default());
    let place = |row: u32| (incoming.order.get(row as usize), row);
    for (row, id) in incoming.ids.iter().enumerate() {
        if !is_due(row) {
            continue;
        }
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        let Some(earlier) = firsts.insert(*id, row) else { continue };
        let (first, later) = if place(row) < place(earlier) { (row, earlier) } else { (earlier, row) };
        firsts.insert(*id, first);
        if let Some(is_first) = is_first.get_mut(later as usize) {
            *is_first = false;
        }
    }
    is_first
}

/// Where the first `months` months of sorted rows end.
fn end_of(rows: &[u32], incoming: &Incoming, months: usize) -> usize {
    let month_of = |row: &u32| incoming.month.get(*row as usize);
    rows.chunk_by(|one, other| month_of(one) == month_of(other)).take(months.max(1)).map(<[u32]>::len).sum()
}
