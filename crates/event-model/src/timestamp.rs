//! An instant in UTC with microseconds: how it is read, bounded, written and cut into dates.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. In JSON inside the pipeline it is that integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// The earliest instant an event may carry: 2000-01-01T00:00:00Z.
pub const EARLIEST: Timestamp = Timestamp(946_684_800_000_000);
/// How far an event may lie after the moment it was received.
pub const LATEST_AFTER_RECEIPT_MICROS: i64 = 24 * 3_600 * 1_000_000;

const DAY: i64 = 86_400 * 1_000_000;

impl Timestamp {
    /// From milliseconds since the epoch; saturates instead of wrapping.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Days since 1970-01-01 in UTC (Arrow's `Date32`).
    #[must_use]
    pub fn days(self) -> i32 {
        i32::try_from(self.0.div_euclid(DAY)).unwrap_or(if self.0 < 0 { i32::MIN } else { i32::MAX })
    }

    /// Year, month (1 to 12) and day (1 to 31) in UTC.
    #[must_use]
    pub fn civil(self) -> (i64, u8, u8) {
        civil_from_days(self.0.div_euclid(DAY))
    }

    /// `YYYY-MM` in UTC: the partition.
    #[must_use]
    pub fn month(self) -> String {
        let (year, month, _) = self.civil();
        format!("{year:04}-{month:02}")
    }

    /// Whether an event received at `received_at` may carry this instant.
    #[must_use]
    pub fn is_in_range(self, received_at: Self) -> bool {
        self >= EARLIEST && self.0 <= received_at.0.saturating_add(LATEST_AFTER_RECEIPT_MICROS)
    }

    /// Reads RFC 3339, or ISO 8601 as clients write it: `T` or a space, a fraction of any length (cut to
    /// microseconds), `Z` or an offset of up to 18 hours (`+0200` too), none meaning UTC, a date alone
    /// meaning its midnight. Second 60 becomes the next second. `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut cursor = Cursor(text.trim().as_bytes());
        let year = cursor.digits(4)?;
        cursor.expect(b'-')?;
        let month = cursor.digits(2)?;
        cursor.expect(b'-')?;
        let day = cursor.digits(2)?;
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let midnight = days_from_civil(year, month, day) * DAY;
        if cursor.0.is_empty() {
            return Some(Self(midnight));
        }
        if !matches!(cursor.next()?, b'T' | b't' | b' ') {
            return None;
        }
        let hour = cursor.digits(2)?;
        cursor.expect(b':')?;
        let minute = cursor.digits(2)?;
        let second = if cursor.take(b':') { cursor.digits(2)? } else { 0 };
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let fraction = if cursor.take(b'.') || cursor.take(b',') { cursor.fraction()? } else { 0 };
        let offset = cursor.offset()?;
        if !cursor.0.is_empty() {
            return None;
        }
        let seconds = hour * 3_600 + minute * 60 + second - offset;
        Some(Self(midnight + seconds * 1_000_000 + fraction))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with as many digits of the second as are needed (0, 3 or 6).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        let micros = self.0.rem_euclid(DAY);
        let seconds = micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match micros % 1_000_000 {
            0 => {}
            fraction if fraction % 1_000 == 0 => write!(f, ".{:03}", fraction / 1_000)?,
            fraction => write!(f, ".{fraction:06}")?,
        }
        f.write_str("Z")
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let mut value = 0;
        for _ in 0..count {
            let digit = self.next()?;
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        Some(value)
    }

    fn fraction(&mut self) -> Option<i64> {
        let (mut value, mut scale, mut seen) = (0, 100_000, false);
        while let Some(digit) = self.0.first().copied().filter(u8::is_ascii_digit) {
            value += i64::from(digit - b'0') * scale;
            scale /= 10;
            seen = true;
            self.next();
        }
        seen.then_some(value)
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0.first() {
            None => return Some(0),
            Some(b'Z' | b'z') => {
                self.next();
                return Some(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        self.next();
        let hours = self.digits(2)?;
        let minutes = if self.take(b':') || !self.0.is_empty() { self.digits(2)? } else { 0 };
        (hours <= 18 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(Timestamp::parse(text).map(|t| t.to_string()).as_deref(), expect, "{text}");
    }

    #[test]
    fn reads_what_clients_write() {
        check("2026-01-02T03:04:05Z", Some("2026-01-02T03:04:05Z"));
        check("2026-01-02T03:04:05.123456789Z", Some("2026-01-02T03:04:05.123456Z"));
        check("2026-01-02 03:04:05.5", Some("2026-01-02T03:04:05.500Z"));
        check("2026-01-02T03:04:05+14:00", Some("2026-01-01T13:04:05Z"));
        check("2026-01-02T03:04:05-0330", Some("2026-01-02T06:34:05Z"));
        check("2026-01-02", Some("2026-01-02T00:00:00Z"));
        check("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00Z"));
        check("2024-02-29T00:00Z", Some("2024-02-29T00:00:00Z"));
        check("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00Z"));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "now",
            "2026-13-01",
            "2026-02-30",
            "2026-01-02T24:00:00Z",
            "1767323045",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05Zx",
            "+292278994-08-17T07:12:55Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn cuts_into_dates_and_months() {
        let before_epoch = Timestamp::parse("1969-12-31T23:59:59Z").unwrap();
        assert_eq!((before_epoch.days(), before_epoch.month()), (-1, "1969-12".to_owned()));
        let leap = Timestamp::parse("2024-02-29T12:00:00Z").unwrap();
        assert_eq!((leap.days(), leap.civil()), (19_782, (2024, 2, 29)));
    }
}
