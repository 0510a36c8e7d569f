//! Active persons look back: which days `wau` and `mau` count for each interval.
//!
//! ```text
//! days      0  1  2  3  4  5  6  7  8         the period begins with day 6
//! wau, day                   6: 0..=6   7: 1..=7   8: 2..=8
//! ```

use event_model::Problem;
use query_model::interval::{Interval, Span};
use query_model::{Calendar, Intervals, Measure, Range, Trend};

use crate::problem::internal;

/// The days of a period and those before it that its measures look at.
#[derive(Debug)]
pub(super) struct Days {
    /// Where days begin; the last one is the end of the last day.
    pub(super) boundaries: Vec<i64>,
}

/// How many days a measure looks back from an interval's last day, that day included.
fn length(measure: Measure) -> Option<usize> {
    match measure {
        Measure::Wau => Some(7),
        Measure::Mau => Some(30),
        _ => None,
    }
}

impl Days {
    /// `None` if no series looks back.
    pub(super) fn of(trend: &Trend, calendar: &Calendar, intervals: &Intervals) -> Result<Option<Self>, Problem> {
        let Some(longest) = trend.series.iter().filter_map(|one| length(one.measure)).max() else { return Ok(None) };
        let Range { from, until } = intervals.full();
        let back = i64::try_from(longest - 1).unwrap_or(i64::MAX);
        let before = calendar.shift(from, Span { value: 1, unit: Interval::Day }, -back);
        // At the beginning of the calendar there is nothing to look back to.
        let from = before.unwrap_or(from);
        let days = calendar.intervals(Range { from, until }, Interval::Day)?;
        Ok(Some(Self { boundaries: days.boundaries }))
    }

    /// The first and the last day for each interval. In a calendar week `wau`, and in a calendar month `mau`, count the
    /// interval itself.
    pub(super) fn windows(
        &self,
        measure: Measure,
        interval: Interval,
        intervals: &Intervals,
    ) -> Result<Vec<(u32, u32)>, Problem> {
        let itself = matches!((measure, interval), (Measure::Wau, Interval::Week) | (Measure::Mau, Interval::Month));
        let length = length(measure).ok_or_else(|| internal("a measure without days"))?;
        let place = |instant: i64| self.boundaries.partition_point(|start| *start <= instant).saturating_sub(1);
        let window = |pair: &[i64]| {
            let (start, end) = (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0));
            let last = place(end - 1);
            let first = if itself { place(start) } else { last.saturating_sub(length - 1) };
            (u32::try_from(first).unwrap_or(u32::MAX), u32::try_from(last).unwrap_or(u32::MAX))
        };
        Ok(intervals.boundaries.windows(2).map(window).collect())
    }

    /// The first instant that is looked at.
    pub(super) fn from(&self) -> i64 {
        self.boundaries.first().copied().unwrap_or(i64::MIN)
    }
}
