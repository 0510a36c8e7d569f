//! What one person adds to a table of retention.

use query_model::retention::{Retention, ReturnOn};

use crate::tally::Counts;

/// How returns are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// How many cohorts a group has; a start is `group * cohorts + cohort`.
    pub(super) cohorts: u64,
    /// How many columns, the size included.
    columns: u64,
    /// Whether a later return will do.
    or_after: bool,
}

impl Rule {
    pub(super) fn new(retention: &Retention, cohorts: usize) -> Self {
        let or_after = retention.return_on == ReturnOn::OnOrAfter;
        Self { cohorts: cohorts as u64, columns: u64::from(retention.periods), or_after }
    }

    /// Adds a person: the size of each cohort they are in, and each column in which they came back. `returns` are the
    /// places of intervals, ascending.
    pub(super) fn count(self, starts: &[u64], returns: &[u64], counts: &mut Counts) {
        for start in starts {
            let cohort = start % self.cohorts;
            let row = counts.row(*start);
            add(row, 0);
            if self.or_after {
                let last = returns.last().map_or(0, |last| last.saturating_sub(cohort));
                (1..=last.min(self.columns - 1)).for_each(|column| add(row, column));
            } else {
                let later = returns.iter().skip(returns.partition_point(|place| *place <= cohort));
                let columns = later.map(|place| place - cohort).take_while(|column| *column < self.columns);
                columns.for_each(|column| add(row, column));
            }
        }
    }
}

fn add(row: &mut [u64], column: u64) {
    if let Some(cell) = usize::try_from(column).ok().and_then(|column| row.get_mut(column)) {
        *cell += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(or_after: bool, starts: &[u64], returns: &[u64], expect: &[(u64, [u64; 3])]) {
        let mut counts = Counts::new(3);
        Rule { cohorts: 10, columns: 3, or_after }.count(starts, returns, &mut counts);
        let rows: Vec<(u64, Vec<u64>)> = counts.into_rows().into_iter().collect();
        let expect: Vec<(u64, Vec<u64>)> = expect.iter().map(|(row, cells)| (*row, cells.to_vec())).collect();
        assert_eq!(rows, expect, "{starts:?} {returns:?}");
    }

    #[test]
    fn a_return_is_counted_in_its_own_interval_after_the_cohorts() {
        check(false, &[0, 2], &[0, 2, 3], &[(0, [1, 0, 1]), (2, [1, 1, 0])]);
        check(false, &[14], &[1, 5, 7], &[(14, [1, 1, 0])]);
        check(false, &[], &[1], &[]);
    }

    #[test]
    fn a_later_return_will_do_for_every_column_before_it() {
        check(true, &[0, 2, 9], &[3], &[(0, [1, 1, 1]), (2, [1, 1, 0]), (9, [1, 0, 0])]);
        check(true, &[4], &[], &[(4, [1, 0, 0])]);
    }
}
