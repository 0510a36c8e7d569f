//! The days of a month as a project's time zone has them: which bit of 32 stands for an instant.

use event_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// The local dates that a month of UTC touches, each with the instant at which it begins.
#[derive(Clone, Debug)]
pub(crate) struct Days {
    /// The date on which the month began, in days since 1970.
    pub(crate) first: i32,
    /// When the second and all later dates begin, in microseconds.
    begins: Vec<i64>,
}

impl Days {
    /// Of a month (`YYYY-MM`); `None` if there is no such month or time zone, or if it touches more than 32 dates.
    pub(crate) fn of(month: &str, timezone: &str) -> Option<Self> {
        let zone = TimeZone::get(timezone).ok()?;
        let (from, until) = bounds(month)?;
        let date = |micros| Some(zone.to_datetime(jiff::Timestamp::from_microsecond(micros).ok()?).date());
        let (first, last) = (date(from.0)?, date(until.0 - 1)?);
        let mut begins = Vec::new();
        let mut day = first;
        while day < last {
            day = day.tomorrow().ok()?;
            begins.push(day.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond());
        }
        (begins.len() < 32).then_some(Self { first: first.since(EPOCH).ok()?.get_days(), begins })
    }

    /// The bit of an instant of the month.
    pub(crate) fn bit(&self, timestamp: i64) -> u32 {
        1 << self.begins.partition_point(|begin| *begin <= timestamp)
    }
}

/// When a month (`YYYY-MM`) begins and when the next one does, in UTC.
pub(crate) fn bounds(month: &str) -> Option<(Timestamp, Timestamp)> {
    let from = Timestamp::parse(&format!("{month}-01"))?;
    let (year, number, _) = from.civil();
    let (year, number) = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    Some((from, Timestamp::parse(&format!("{year:04}-{number:02}-01"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        Timestamp::parse(text).unwrap().0
    }

    #[test]
    fn a_bit_stands_for_a_local_date() {
        let utc = Days::of("2026-01", "UTC").unwrap();
        assert_eq!(utc.first, Timestamp::parse("2026-01-01").unwrap().days());
        assert_eq!(utc.bit(at("2026-01-01T00:00:00Z")), 1);
        assert_eq!(utc.bit(at("2026-01-31T23:59:59.999999Z")), 1 << 30);
        // The month begins on the last of December there.
        let york = Days::of("2026-01", "America/New_York").unwrap();
        assert_eq!(york.first, Timestamp::parse("2025-12-31").unwrap().days());
        assert_eq!((york.bit(at("2026-01-01T04:59:59Z")), york.bit(at("2026-01-01T05:00:00Z"))), (1, 2));
        assert_eq!(york.bit(at("2026-01-31T23:59:59Z")), 1 << 31);
        let tokyo = Days::of("2026-01", "Asia/Tokyo").unwrap();
        assert_eq!((tokyo.bit(at("2026-01-01T14:59:59Z")), tokyo.bit(at("2026-01-31T15:00:00Z"))), (1, 1 << 31));
    }

    #[test]
    fn clocks_that_change_move_the_begin_of_dates() {
        let berlin = Days::of("2026-03", "Europe/Berlin").unwrap();
        assert_eq!(berlin.bit(at("2026-03-29T21:59:59Z")), 1 << 28, "the short day ends an hour earlier");
        assert_eq!(berlin.bit(at("2026-03-29T22:00:00Z")), 1 << 29);
    }

    #[test]
    fn no_month_touches_more_than_thirty_two_dates_anywhere() {
        for zone in ["Pacific/Kiritimati", "Pacific/Niue", "Atlantic/Azores", "Atlantic/Cape_Verde", "America/St_Johns"]
        {
            // No event is earlier.
            for month in (2000..2050).flat_map(|year| (1..13).map(move |month| format!("{year}-{month:02}"))) {
                assert!(Days::of(&month, zone).is_some(), "{month} in {zone}");
            }
        }
        assert!(Days::of("2026-13", "UTC").is_none() && Days::of("2026-01", "Mars/Olympus").is_none());
    }
}
