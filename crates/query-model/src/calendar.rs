//! A period cut into intervals: the boundaries in UTC, the labels in local time, daylight saving included.
//!
//! ```text
//! period 2026-03-28T12:00 .. 2026-03-29 (Europe/Berlin), interval day
//!
//!            from                                   until
//!             |#######################################|      exact: `total` counts these
//!   |-------- 2026-03-28 --------|---- 2026-03-29 ----|      full intervals: the series counts these
//!   24 hours                      23 hours
//! ```

use event_model::project::WeekStart;
use event_model::{ErrorCode, Problem, Timestamp};
use jiff::Span as Duration;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::interval::{Interval, Span};
use crate::limits::MAX_INTERVALS;
use crate::period::{Bound, Period, reversed, start_of_day};

/// Where dates and weeks begin.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// The time zone.
    pub timezone: TimeZone,
    /// First day of a week.
    pub week_start: WeekStart,
}

/// A period without any doubt left. Instants are microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first instant of the period.
    pub from: i64,
    /// The first instant after the period.
    pub until: i64,
}

/// A period cut into calendar intervals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// The period itself: what totals count.
    pub exact: Range,
    /// Start of every interval and, last, the end of the last one: one more than there are intervals.
    pub boundaries: Vec<i64>,
    /// The local start of every interval: a date, or a date and time below a day. Where the clock is set back, the
    /// repeated hour or minute carries its offset, so that no label stands twice.
    pub labels: Vec<String>,
}

impl Intervals {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none; never, since a period touches at least one interval.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// From the first interval's start to the last one's end: what series count.
    #[must_use]
    pub fn full(&self) -> Range {
        let first = self.boundaries.first().copied().unwrap_or(self.exact.from);
        let last = self.boundaries.last().copied().unwrap_or(self.exact.until);
        Range { from: first, until: last }
    }
}

/// Why a period holds no time: its ends are swapped, or the time zone skipped all of it.
fn empty(period: &Period) -> Problem {
    match period {
        Period::Between { from, to } if from.start(&TimeZone::UTC) < to.end(&TimeZone::UTC) => {
            crate::read::refuse("period", "does not exist in this time zone: its clocks were set over it")
        }
        Period::Between { .. } | Period::Last { .. } => reversed(),
    }
}

impl Calendar {
    /// A calendar by the name of its time zone; `None` if there is no such zone.
    #[must_use]
    pub fn new(timezone: &str, week_start: WeekStart) -> Option<Self> {
        Some(Self { timezone: TimeZone::get(timezone).ok()?, week_start })
    }

    /// The exact range of a period.
    ///
    /// # Errors
    /// `invalid_question` if it ends before it begins or lies beyond the calendar.
    pub fn range(&self, period: &Period, now: Timestamp) -> Result<Range, Problem> {
        let range = match period {
            Period::Between { from, to } => {
                let from = from.start(&self.timezone).ok_or_else(beyond)?;
                Range { from, until: to.end(&self.timezone).ok_or_else(beyond)? }
            }
            Period::Last { last } => {
                let running = self.floor(now.0, last.unit).ok_or_else(beyond)?;
                let from = self.shift(running, *last, 1 - last.value).ok_or_else(beyond)?;
                Range { from, until: now.0.checked_add(1).ok_or_else(beyond)? }
            }
        };
        if range.from < range.until { Ok(range) } else { Err(empty(period)) }
    }

    /// Cuts a range into all intervals that it touches.
    ///
    /// # Errors
    /// `too_many_intervals` for more than [`MAX_INTERVALS`].
    pub fn intervals(&self, exact: Range, interval: Interval) -> Result<Intervals, Problem> {
        let mut boundaries = vec![self.floor(exact.from, interval).ok_or_else(beyond)?];
        let mut labels: Vec<String> = Vec::new();
        let mut start = boundaries.first().copied().unwrap_or(exact.from);
        while start < exact.until {
            if labels.len() >= MAX_INTERVALS {
                let detail =
                    format!("The period has more than {MAX_INTERVALS} intervals of one {}.", interval.as_str());
                return Err(Problem::new(ErrorCode::TooManyIntervals, detail));
            }
            let label = self.label(start, interval, labels.last()).ok_or_else(beyond)?;
            labels.push(label);
            // Always later than `start`, or the loop would not end: a zone that skips a whole day has such days.
            let next = self.next(start, interval).filter(|next| *next > start).ok_or_else(beyond)?;
            boundaries.push(next);
            start = next;
        }
        Ok(Intervals { exact, boundaries, labels })
    }

    /// The boundaries of the intervals and of up to `more` that follow, as far as those begin by `now`; at least those
    /// of `intervals`.
    #[must_use]
    pub fn followed_by(&self, intervals: &Intervals, interval: Interval, more: usize, now: Timestamp) -> Vec<i64> {
        let mut boundaries = intervals.boundaries.clone();
        for _ in 0..more {
            let last = boundaries.last().copied().filter(|last| *last <= now.0);
            let next = last.and_then(|last| self.next(last, interval).filter(|next| *next > last));
            let Some(next) = next else { break };
            boundaries.push(next);
        }
        boundaries
    }

    /// The same period moved by calendar units, its number of intervals kept: where `from` lands, the intervals
    /// begin, and `until` lies as far into its interval as before.
    ///
    /// # Errors
    /// `invalid_question` beyond the calendar.
    pub fn moved_back(&self, current: &Intervals, interval: Interval, by: Span) -> Result<Intervals, Problem> {
        let from = self.shift(current.exact.from, by, -by.value).ok_or_else(beyond)?;
        let count = i64::try_from(current.len()).unwrap_or(i64::MAX);
        let first = self.floor(from, interval).ok_or_else(beyond)?;
        let last = self.shift(first, Span { value: 1, unit: interval }, count - 1).ok_or_else(beyond)?;
        let end = self.next(last, interval).ok_or_else(beyond)?;
        let cut = current.full().until - current.exact.until;
        let until = (end - cut).max(from.max(last) + 1);
        self.intervals(Range { from, until }, interval)
    }

    /// The point in time some calendar units away, at the same local time.
    #[must_use]
    pub fn shift(&self, instant: i64, unit: Span, count: i64) -> Option<i64> {
        let instant = jiff::Timestamp::from_microsecond(instant).ok()?;
        let span = match unit.unit {
            Interval::Minute => Duration::new().try_minutes(count),
            Interval::Hour => Duration::new().try_hours(count),
            Interval::Day => Duration::new().try_days(count),
            Interval::Week => Duration::new().try_weeks(count),
            Interval::Month => Duration::new().try_months(count),
            Interval::Quarter => Duration::new().try_months(count.checked_mul(3)?),
            Interval::Year => Duration::new().try_years(count),
        };
        let moved = instant.to_zoned(self.timezone.clone()).checked_add(span.ok()?).ok()?;
        Some(moved.timestamp().as_microsecond())
    }

    /// The start of the interval that contains an instant.
    #[must_use]
    pub fn floor(&self, instant: i64, interval: Interval) -> Option<i64> {
        let timestamp = jiff::Timestamp::from_microsecond(instant).ok()?;
        let local = self.timezone.to_datetime(timestamp);
        if interval.is_below_a_day() {
            let aligned = instant - remainder(local, interval);
            // A change of the clock inside the interval begins a new one.
            let change = self.timezone.preceding(timestamp.checked_add(Duration::new().microseconds(1)).ok()?).next();
            return Some(change.map_or(aligned, |change| aligned.max(change.timestamp().as_microsecond())));
        }
        let first = self.first_date(local.date(), interval)?;
        // Where midnight comes twice, an instant before the second one still belongs to this day.
        start_of_day(first, &self.timezone).map(|start| start.min(instant))
    }

    fn next(&self, start: i64, interval: Interval) -> Option<i64> {
        let timestamp = jiff::Timestamp::from_microsecond(start).ok()?;
        let local = self.timezone.to_datetime(timestamp);
        let minutes = |count: i64| start.checked_add(count * 60_000_000)?.checked_sub(remainder(local, interval));
        let date = local.date();
        let next = match interval {
            Interval::Minute => return minutes(1),
            Interval::Hour => return minutes(60),
            Interval::Day => date.tomorrow(),
            Interval::Week => date.checked_add(Duration::new().weeks(1)),
            Interval::Month => date.checked_add(Duration::new().months(1)),
            Interval::Quarter => date.checked_add(Duration::new().months(3)),
            Interval::Year => date.checked_add(Duration::new().years(1)),
        };
        start_of_day(next.ok()?, &self.timezone)
    }

    fn first_date(&self, date: Date, interval: Interval) -> Option<Date> {
        match interval {
            Interval::Minute | Interval::Hour | Interval::Day => Some(date),
            Interval::Week => {
                let weekday = match self.week_start {
                    WeekStart::Monday => Weekday::Monday,
                    WeekStart::Sunday => Weekday::Sunday,
                };
                date.checked_sub(Duration::new().days(date.weekday().since(weekday))).ok()
            }
            Interval::Month => Some(date.first_of_month()),
            Interval::Quarter => {
                let month = (date.month() - 1) / 3 * 3 + 1;
                Date::new(date.year(), month, 1).ok()
            }
            Interval::Year => Some(date.first_of_year()),
        }
    }

    /// The local start of an interval, told apart from the one before it.
    fn label(&self, start: i64, interval: Interval, before: Option<&String>) -> Option<String> {
        let timestamp = jiff::Timestamp::from_microsecond(start).ok()?;
        let zoned = timestamp.to_zoned(self.timezone.clone());
        if !interval.is_below_a_day() {
            return Some(zoned.date().to_string());
        }
        let local = zoned.datetime().to_string();
        let repeated = before.is_some() && self.is_repeated(timestamp);
        Some(if repeated { zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string() } else { local })
    }

    /// Whether the local time of an instant has been on the clock before.
    fn is_repeated(&self, instant: jiff::Timestamp) -> bool {
        let local = self.timezone.to_datetime(instant);
        // Of an ambiguous local time, jiff's default is the earlier instant.
        self.timezone.to_timestamp(local).is_ok_and(|earlier| earlier < instant)
    }
}

/// How far a local time lies after the start of its hour or minute, in microseconds.
fn remainder(local: jiff::civil::DateTime, interval: Interval) -> i64 {
    let in_minute = i64::from(local.second()) * 1_000_000 + i64::from(local.subsec_nanosecond()) / 1_000;
    match interval {
        Interval::Hour => i64::from(local.minute()) * 60_000_000 + in_minute,
        _ => in_minute,
    }
}

fn beyond() -> Problem {
    crate::read::refuse("period", "lies beyond the calendar")
}

impl Period {
    /// The period with both ends written as instants.
    #[must_use]
    pub fn absolute(range: Range) -> Option<Self> {
        let instant = |micros: i64| jiff::Timestamp::from_microsecond(micros).ok().map(Bound::Instant);
        Some(Self::Between { from: instant(range.from)?, to: instant(range.until - 1)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(zone: &str, week: WeekStart, from: &str, to: &str, interval: Interval) -> (Intervals, Calendar) {
        let calendar = Calendar::new(zone, week).unwrap();
        let period = Period::Between { from: Bound::parse(from).unwrap(), to: Bound::parse(to).unwrap() };
        let range = calendar.range(&period, Timestamp(0)).unwrap();
        (calendar.intervals(range, interval).unwrap(), calendar)
    }

    fn labels(zone: &str, from: &str, to: &str, interval: Interval) -> Vec<String> {
        cut(zone, WeekStart::Monday, from, to, interval).0.labels
    }

    fn hours(intervals: &Intervals) -> Vec<i64> {
        intervals.boundaries.windows(2).map(|pair| (pair[1] - pair[0]) / 3_600_000_000).collect()
    }

    #[test]
    fn days_have_23_or_25_hours_where_the_clock_changes() {
        let (spring, _) = cut("Europe/Berlin", WeekStart::Monday, "2026-03-28", "2026-03-30", Interval::Day);
        assert_eq!(spring.labels, ["2026-03-28", "2026-03-29", "2026-03-30"]);
        assert_eq!(hours(&spring), [24, 23, 24]);
        let (autumn, _) = cut("America/New_York", WeekStart::Monday, "2026-10-31", "2026-11-02", Interval::Day);
        assert_eq!(hours(&autumn), [24, 25, 24]);
    }

    #[test]
    fn hours_skip_and_repeat_with_the_clock() {
        let spring = labels("Europe/Berlin", "2026-03-29T00:00", "2026-03-29T04:00", Interval::Hour);
        assert_eq!(
            spring,
            ["2026-03-29T00:00:00", "2026-03-29T01:00:00", "2026-03-29T03:00:00", "2026-03-29T04:00:00"]
        );
        let (autumn, _) =
            cut("Europe/Berlin", WeekStart::Monday, "2026-10-25T01:30", "2026-10-25T03:00", Interval::Hour);
        assert_eq!(
            autumn.labels,
            ["2026-10-25T01:00:00", "2026-10-25T02:00:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00"]
        );
        assert_eq!(hours(&autumn), [1, 1, 1, 1]);
        let half = labels("Australia/Lord_Howe", "2026-04-05T01:00", "2026-04-05T02:59", Interval::Hour);
        assert_eq!(half, ["2026-04-05T01:00:00", "2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00"]);
    }

    #[test]
    fn a_day_that_does_not_exist_is_left_out() {
        let samoa = labels("Pacific/Apia", "2011-12-29", "2011-12-31", Interval::Day);
        assert_eq!(samoa, ["2011-12-29", "2011-12-31"]);
    }

    #[test]
    fn weeks_months_quarters_and_years_begin_where_the_calendar_says() {
        assert_eq!(labels("UTC", "2026-01-01", "2026-01-05", Interval::Week), ["2025-12-29", "2026-01-05"]);
        let (sunday, _) = cut("UTC", WeekStart::Sunday, "2026-01-03", "2026-01-04", Interval::Week);
        assert_eq!(sunday.labels, ["2025-12-28", "2026-01-04"]);
        assert_eq!(
            labels("UTC", "2026-01-31", "2026-03-01", Interval::Month),
            ["2026-01-01", "2026-02-01", "2026-03-01"]
        );
        assert_eq!(labels("UTC", "2026-02-10", "2026-04-01", Interval::Quarter), ["2026-01-01", "2026-04-01"]);
        assert_eq!(labels("UTC", "2025-12-31", "2026-01-01", Interval::Year), ["2025-01-01", "2026-01-01"]);
        assert_eq!(
            labels("Asia/Kolkata", "2026-01-01T10:29:59", "2026-01-01T10:30:00", Interval::Minute),
            ["2026-01-01T10:29:00", "2026-01-01T10:30:00"]
        );
    }

    #[test]
    fn an_instant_ends_its_period_inclusively_and_touches_its_interval() {
        let (intervals, _) =
            cut("UTC", WeekStart::Monday, "2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z", Interval::Day);
        assert_eq!(intervals.labels, ["2026-01-01", "2026-01-02"]);
        assert_eq!(intervals.exact.until - intervals.exact.from, 12 * 3_600_000_000 + 1);
        assert_eq!(hours(&intervals), [24, 24]);
    }

    #[test]
    fn the_last_days_include_today_and_end_now() {
        let calendar = Calendar::new("America/New_York", WeekStart::Monday).unwrap();
        let now = Timestamp::parse("2026-01-10T03:00:00Z").unwrap();
        let last = |value, unit| calendar.range(&Period::Last { last: Span { value, unit } }, now).unwrap();
        let text = |micros: i64| Timestamp(micros).to_string();
        assert_eq!(text(last(7, Interval::Day).from), "2026-01-03T05:00:00Z");
        assert_eq!(last(7, Interval::Day).until, now.0 + 1);
        assert_eq!(text(last(1, Interval::Month).from), "2026-01-01T05:00:00Z");
        assert_eq!(text(last(2, Interval::Week).from), "2025-12-29T05:00:00Z");
        assert_eq!(text(last(24, Interval::Hour).from), "2026-01-09T04:00:00Z");
    }

    #[test]
    fn a_day_that_a_zone_skipped_is_refused_by_its_name() {
        let refused = |from: &str, to: &str| {
            let calendar = Calendar::new("Pacific/Apia", WeekStart::Monday).unwrap();
            let period = Period::Between { from: Bound::parse(from).unwrap(), to: Bound::parse(to).unwrap() };
            calendar.range(&period, Timestamp(0)).unwrap_err().detail
        };
        let skipped = refused("2011-12-30", "2011-12-30");
        assert!(skipped.contains("does not exist in this time zone"), "{skipped}");
        assert!(refused("2011-12-29", "2011-12-27").contains("lies after"));
    }

    #[test]
    fn a_moved_period_keeps_its_number_of_intervals() {
        let (march, calendar) = cut("Europe/Berlin", WeekStart::Monday, "2026-03-01", "2026-03-31", Interval::Day);
        let days = calendar.moved_back(&march, Interval::Day, Span { value: 31, unit: Interval::Day }).unwrap();
        assert_eq!((days.labels[0].as_str(), days.labels[30].as_str()), ("2026-01-29", "2026-02-28"));
        assert_eq!(days.exact, days.full());
        let month = calendar.moved_back(&march, Interval::Day, Span { value: 1, unit: Interval::Month }).unwrap();
        assert_eq!((month.len(), month.labels[30].as_str()), (31, "2026-03-03"));
        let (noon, calendar) = cut("UTC", WeekStart::Monday, "2026-03-01", "2026-03-02T12:00", Interval::Day);
        let before = calendar.moved_back(&noon, Interval::Day, Span { value: 2, unit: Interval::Day }).unwrap();
        assert_eq!(Timestamp(before.exact.until - 1).to_string(), "2026-02-28T12:00:00Z");
    }

    #[test]
    fn too_many_intervals_are_refused() {
        let calendar = Calendar::new("UTC", WeekStart::Monday).unwrap();
        let year = Range { from: 0, until: 366 * 86_400_000_000 };
        assert_eq!(calendar.intervals(year, Interval::Minute).unwrap_err().code, ErrorCode::TooManyIntervals);
    }
}
