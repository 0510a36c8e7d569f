//! The time a question is about, as it is asked: two ends, or the last so many units.

use std::fmt;

use event_model::Problem;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::interval::Span;
use crate::read::At;

/// `{"from", "to"}` or `{"last": {"value", "unit"}}`. Required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Period {
    /// From one point to another, both included: a `to` date includes that whole day, a `to` instant that instant.
    Between {
        /// The beginning. A date is its first instant in the question's time zone.
        from: Bound,
        /// The end, not before the beginning.
        to: Bound,
    },
    /// The last so many calendar units, the running one included: `{"last": {"value": 7, "unit": "day"}}` begins at
    /// the start of the day six days ago and ends now.
    Last {
        /// How many of what.
        last: Span,
    },
}

/// A date (`2026-01-31`), a local date and time (`2026-01-31T18:30`), or an instant (`2026-01-31T18:30:00+01:00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A whole day in the question's time zone.
    Date(Date),
    /// A date and time in the question's time zone.
    Local(DateTime),
    /// A point in time.
    Instant(jiff::Timestamp),
}

impl Bound {
    /// Reads it; `None` if it is none of the three.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        // jiff takes more than is promised here (a date inside longer text, week dates): the shape is checked first.
        let is_date = |bytes: &[u8]| {
            bytes.len() == 10
                && bytes.iter().enumerate().all(|(place, byte)| match place {
                    4 | 7 => *byte == b'-',
                    _ => byte.is_ascii_digit(),
                })
        };
        if !is_date(bytes.get(..10)?) || text.contains('[') {
            return None;
        }
        if bytes.len() == 10 {
            return text.parse().ok().map(Self::Date);
        }
        if !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
            return None;
        }
        let time = text.get(11..)?;
        if time.contains(['Z', 'z', '+', '-']) {
            return text.parse().ok().map(Self::Instant);
        }
        text.parse().ok().map(Self::Local)
    }

    /// The first instant of it in a time zone, in microseconds; `None` beyond the calendar.
    #[must_use]
    pub fn start(self, timezone: &TimeZone) -> Option<i64> {
        match self {
            Self::Date(date) => start_of_day(date, timezone),
            Self::Local(local) => timezone.to_timestamp(local).ok().map(jiff::Timestamp::as_microsecond),
            Self::Instant(instant) => Some(instant.as_microsecond()),
        }
    }

    /// The first instant after it: the next day's start for a date, the next microsecond otherwise.
    #[must_use]
    pub fn end(self, timezone: &TimeZone) -> Option<i64> {
        match self {
            Self::Date(date) => start_of_day(date.tomorrow().ok()?, timezone),
            Self::Local(_) | Self::Instant(_) => self.start(timezone)?.checked_add(1),
        }
    }

    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        let takes = "a date such as 2026-01-31 or an instant such as 2026-01-31T18:30:00Z";
        let path = at.path.clone();
        let text = at.text(takes)?;
        Self::parse(&text).ok_or_else(|| crate::read::refuse(&path, format_args!("takes {takes}")))
    }
}

/// The first instant of a day, which is not midnight where the clock jumps over it.
pub(crate) fn start_of_day(date: Date, timezone: &TimeZone) -> Option<i64> {
    timezone.to_timestamp(date.at(0, 0, 0, 0)).ok().map(jiff::Timestamp::as_microsecond)
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Local(local) => local.fmt(f),
            Self::Instant(instant) => instant.fmt(f),
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Bound {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A date (2026-01-31), a local date and time (2026-01-31T18:30), or an instant \
                            (2026-01-31T18:30:00+01:00).",
        })
    }
}

impl Period {
    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        let takes =
            "{\"from\": \"2026-01-01\", \"to\": \"2026-01-31\"} or {\"last\": {\"value\": 7, \"unit\": \"day\"}}";
        let mut fields = at.object(takes)?;
        if let Some(last) = fields.take("last") {
            fields.forbid("from", "does not go with `last`")?;
            fields.forbid("to", "does not go with `last`")?;
            fields.finish()?;
            return Ok(Self::Last { last: Span::read(last)? });
        }
        let from = fields.take("from");
        let to = fields.take("to");
        fields.finish()?;
        let missing = |name: &str| {
            crate::read::refuse(&format!("period.{name}"), "is missing; it takes a date or an instant, or use `last`")
        };
        let from = Bound::read(from.ok_or_else(|| missing("from"))?)?;
        let to = Bound::read(to.ok_or_else(|| missing("to"))?)?;
        // Whatever the time zone: offsets differ by at most 26 hours, so this only catches what is surely reversed.
        // The exact comparison is made once the zone is known.
        if let (Some(start), Some(end)) = (from.start(&TimeZone::UTC), to.end(&TimeZone::UTC))
            && (start - end > 26 * 3_600_000_000
                || (start >= end && std::mem::discriminant(&from) == std::mem::discriminant(&to)))
        {
            return Err(reversed());
        }
        Ok(Self::Between { from, to })
    }
}

pub(crate) fn reversed() -> Problem {
    crate::read::refuse("period", "`from` lies after `to`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_dates_local_times_or_instants() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(Bound::parse(text).map(|bound| bound.to_string()).as_deref(), expect, "{text}");
        };
        check("2026-01-31", Some("2026-01-31"));
        check("2026-01-31T18:30", Some("2026-01-31T18:30:00"));
        check("2026-01-31 18:30:05", Some("2026-01-31T18:30:05"));
        check("2026-01-31T18:30:00+01:00", Some("2026-01-31T17:30:00Z"));
        check("2026-01-31T18:30:00.25Z", Some("2026-01-31T18:30:00.25Z"));
        for text in ["", "now", "2026-02-30", "2026-1-1", "20260131", "2026-01-31T18:30Z[UTC]", "2026-01-31x", "-7d"] {
            check(text, None);
        }
    }
}
