//! In which state a person is in each interval.
//!
//! ```text
//! place      0: long before   1: the interval before   2, 3, ..: the period's
//! active          x                                        x   x       x
//! state                                       resurrecting^   ^returning ^resurrecting, dormant between
//! ```

use std::collections::BTreeMap;

use query_model::answer::LifecycleResult;

use crate::tally::Counts;

/// The place of the period's first interval.
pub(super) const FIRST: u64 = 2;

/// The rows of counts.
const NEW: u64 = 0;
const RETURNING: u64 = 1;
const RESURRECTING: u64 = 2;
const DORMANT: u64 = 3;

/// Adds a person by the places in which they were active, ascending.
pub(super) fn add(places: &[u64], counts: &mut Counts) {
    let mut put = |state: u64, place: u64| {
        if let Some(interval) = place.checked_sub(FIRST).and_then(|interval| usize::try_from(interval).ok()) {
            counts.add(state, interval);
        }
    };
    let mut last: Option<u64> = None;
    for place in places {
        match last {
            None => put(NEW, *place),
            // What lies long before is not the interval before, though its place is.
            Some(last) if last + 1 == *place && last > 0 => put(RETURNING, *place),
            Some(last) => {
                put(RESURRECTING, *place);
                put_dormant(last, &mut put);
            }
        }
        last = Some(*place);
    }
    if let Some(last) = last {
        put_dormant(last, &mut put);
    }
}

/// Counts somebody as dormant in the interval after the last one in which they were active.
fn put_dormant(last: u64, put: &mut impl FnMut(u64, u64)) {
    if last > 0 {
        put(DORMANT, last + 1);
    }
}

/// The answer; only the first `begun` intervals have anybody dormant.
pub(super) fn result(labels: &[String], mut rows: BTreeMap<u64, Vec<u64>>, begun: usize) -> LifecycleResult {
    let mut row = |state: u64| rows.remove(&state).unwrap_or_else(|| vec![0; labels.len()]);
    let (new, returning, resurrecting, dormant) = (row(NEW), row(RETURNING), row(RESURRECTING), row(DORMANT));
    let negative = |(place, count): (usize, u64)| {
        let count = if place < begun { count } else { 0 };
        -i64::try_from(count).unwrap_or(i64::MAX)
    };
    let dormant = dormant.into_iter().enumerate().map(negative).collect();
    LifecycleResult { intervals: labels.to_vec(), new, returning, resurrecting, dormant }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states of one person in three intervals: new, returning, resurrecting, dormant.
    fn check(places: &[u64], expect: [[u64; 3]; 4]) {
        let mut counts = Counts::new(3);
        add(places, &mut counts);
        let rows = counts.into_rows();
        for (state, expect) in (0..).zip(expect) {
            assert_eq!(rows.get(&state).cloned().unwrap_or_else(|| vec![0; 3]), expect, "{places:?}, state {state}");
        }
    }

    #[test]
    fn a_person_is_new_once_and_dormant_after_each_run() {
        check(&[], [[0; 3]; 4]);
        check(&[2], [[1, 0, 0], [0; 3], [0; 3], [0, 1, 0]]);
        check(&[2, 3, 4], [[1, 0, 0], [0, 1, 1], [0; 3], [0; 3]]);
        check(&[2, 4], [[1, 0, 0], [0; 3], [0, 0, 1], [0, 1, 0]]);
        check(&[4], [[0, 0, 1], [0; 3], [0; 3], [0; 3]]);
    }

    #[test]
    fn the_time_before_the_period_is_remembered() {
        check(&[1], [[0; 3], [0; 3], [0; 3], [1, 0, 0]]);
        check(&[1, 2], [[0; 3], [1, 0, 0], [0; 3], [0, 1, 0]]);
        check(&[0, 2], [[0; 3], [0; 3], [1, 0, 0], [0, 1, 0]]);
        check(&[0, 1], [[0; 3], [0; 3], [0; 3], [1, 0, 0]]);
        check(&[0, 1, 2], [[0; 3], [1, 0, 0], [0; 3], [0, 1, 0]]);
        check(&[0], [[0; 3]; 4]);
    }
}
