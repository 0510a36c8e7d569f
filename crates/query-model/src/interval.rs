//! Units of the calendar, and lengths made of them.

use event_model::Problem;
use serde::Serialize;

use crate::limits::MAX_SPAN_VALUE;
use crate::read::{At, choices};

choices! {
    /// Into which pieces of the calendar a period is cut. Intervals are those of the calendar in the question's time
    /// zone: a day has 23, 24 or 25 hours, a month 28 to 31 days.
    #[derive(Default)]
    Interval {
        /// A minute.
        Minute = "minute",
        /// An hour.
        Hour = "hour",
        /// From midnight to midnight.
        #[default]
        Day = "day",
        /// Seven days from the day on which a week starts.
        Week = "week",
        /// A calendar month.
        Month = "month",
        /// Three calendar months, from January, April, July or October.
        Quarter = "quarter",
        /// A calendar year.
        Year = "year",
    }
}

impl Interval {
    /// Whether it is shorter than a day, and so written as date and time.
    #[must_use]
    pub fn is_below_a_day(self) -> bool {
        matches!(self, Self::Minute | Self::Hour)
    }
}

/// A number of calendar units: `{"value": 7, "unit": "day"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Span {
    /// How many, from 1 to 1,000,000.
    pub value: i64,
    /// Of what.
    pub unit: Interval,
}

impl Span {
    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("{\"value\": 7, \"unit\": \"day\"}")?;
        let value = fields.require("value", "a whole number from 1")?.integer(1..=MAX_SPAN_VALUE)?;
        let unit = fields.require("unit", "minute, hour, day, week, month, quarter or year")?.choice()?;
        fields.finish()?;
        Ok(Self { value, unit })
    }
}

choices! {
    /// Units of a length in seconds.
    LengthUnit {
        /// 1 second.
        Second = "second",
        /// 60 seconds.
        Minute = "minute",
        /// 3,600 seconds.
        Hour = "hour",
        /// 86,400 seconds.
        Day = "day",
        /// 7 days.
        Week = "week",
        /// 30 days.
        Month = "month",
    }
}

/// A length in seconds, whatever the calendar says: `{"value": 14, "unit": "day"}` is 1,209,600 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Length {
    /// How many, from 1 to 1,000,000.
    pub value: i64,
    /// Of what; a month is 30 days.
    pub unit: LengthUnit,
}

impl Length {
    /// The length in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        let unit = match self.unit {
            LengthUnit::Second => 1,
            LengthUnit::Minute => 60,
            LengthUnit::Hour => 3_600,
            LengthUnit::Day => 86_400,
            LengthUnit::Week => 7 * 86_400,
            LengthUnit::Month => 30 * 86_400,
        };
        self.value.saturating_mul(unit)
    }

    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("{\"value\": 14, \"unit\": \"day\"}")?;
        let value = fields.require("value", "a whole number from 1")?.integer(1..=MAX_SPAN_VALUE)?;
        let unit = fields.require("unit", "second, minute, hour, day, week or month")?.choice()?;
        fields.finish()?;
        Ok(Self { value, unit })
    }
}
