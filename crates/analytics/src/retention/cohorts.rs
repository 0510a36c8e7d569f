//! The intervals of a retention: those of the cohorts, and those after them in which people may come back.
//!
//! ```text
//! period 01-01 .. 01-02, by day, three columns, now in 01-03
//!
//! |-- 01-01 --|-- 01-02 --|-- 01-03 --|  01-04 has not begun
//! |      cohorts          |           |
//!                              now
//! ```

use event_model::{ErrorCode, Problem, Timestamp};
use query_model::interval::Interval;
use query_model::retention::{Retention, ReturnOn};
use query_model::{Calendar, Intervals, Range};

/// One period cut into cohorts.
#[derive(Debug)]
pub(super) struct Cohorts {
    /// The local starts of the cohorts' intervals.
    pub(super) labels: Vec<String>,
    /// Where intervals begin, the cohorts' first; the last one is the end of the last interval.
    pub(super) boundaries: Vec<i64>,
    /// How many intervals have begun.
    pub(super) begun: usize,
    /// The place of the interval that is running, if it is among them.
    running: Option<usize>,
    /// How many columns the table has.
    pub(super) columns: usize,
}

/// Most intervals after the cohorts that are looked at one by one.
const MAX_FOLLOWING: usize = 100_000;

impl Cohorts {
    /// Cuts the period and what follows it.
    pub(super) fn cut(
        retention: &Retention,
        calendar: &Calendar,
        intervals: Intervals,
        interval: Interval,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let columns = usize::try_from(retention.periods).unwrap_or(usize::MAX);
        let until_now = retention.return_on == ReturnOn::OnOrAfter;
        let one_by_one = until_now && retention.minimum_occurrences > 1;
        let more = if one_by_one { MAX_FOLLOWING } else { columns - 1 };
        let mut boundaries = calendar.followed_by(&intervals, interval, more, now);
        let last = boundaries.last().copied().unwrap_or(i64::MAX);
        let mut running = true;
        if until_now && last <= now.0 {
            if one_by_one {
                let detail = format!(
                    "`on_or_after` with `minimum_occurrences` looks at every {} until now, which are more than {MAX_FOLLOWING}.",
                    interval.as_str()
                );
                return Err(Problem::new(ErrorCode::TooManyIntervals, detail));
            }
            // All intervals after the last column's count alike, so they are one.
            let today = Range { from: now.0, until: now.0 + 1 };
            boundaries.push(calendar.intervals(today, interval)?.full().until);
            running = false;
        }
        let count = boundaries.len() - 1;
        let begun = boundaries.iter().take(count).filter(|start| **start <= now.0).count();
        let ends_later = boundaries.get(begun).is_some_and(|end| *end > now.0);
        let running = begun.checked_sub(1).filter(|_| running && ends_later);
        Ok(Self { labels: intervals.labels, boundaries, begun, running, columns })
    }

    /// How many cohorts there are.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The cohorts that have begun, from start to end.
    pub(super) fn starts(&self) -> Range {
        Range { from: self.boundary(0), until: self.boundary(self.begun.min(self.len())) }
    }

    /// The intervals in which returns count: those after the first cohort's that have begun.
    pub(super) fn returns(&self) -> Range {
        Range { from: self.boundary(1), until: self.boundary(self.begun) }
    }

    fn boundary(&self, place: usize) -> i64 {
        self.boundaries.get(place).copied().unwrap_or(i64::MAX)
    }

    /// How many cells of a cohort's row have begun.
    pub(super) fn cells(&self, cohort: usize) -> usize {
        self.begun.saturating_sub(cohort).min(self.columns)
    }

    /// The cell of a cohort's row whose interval is running.
    pub(super) fn running(&self, cohort: usize) -> Option<u32> {
        let column = self.running?.checked_sub(cohort).filter(|column| *column < self.columns)?;
        u32::try_from(column).ok()
    }
}
