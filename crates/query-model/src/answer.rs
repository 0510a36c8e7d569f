//! The shape of answers: an envelope that says how it was made, and a result a kind.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::filter::Number;
use crate::question::Kind;
use crate::read::choices;

/// Every insight is answered with this.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer<Question, Result> {
    /// The kind of the question.
    pub kind: Kind,
    /// The question, every default written out.
    pub question: Question,
    /// The numbers.
    pub result: Result,
    /// How the answer was made.
    pub meta: Meta,
}

/// How an answer was made: from which data, how fresh, at what cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Meta {
    /// The versions of the tables it was made from.
    pub versions: Versions,
    /// The newest `timestamp` of any event in the data (RFC 3339, exact to the millisecond); null without events.
    pub newest_event: Option<String>,
    /// How many rows were read.
    pub rows_scanned: u64,
    /// How many bytes were read from storage.
    pub bytes_scanned: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether it came from the cache.
    pub cached: bool,
    /// The time zone of its dates.
    pub timezone: String,
}

/// Versions of the tables of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Versions {
    /// Of `events`.
    pub events: u64,
    /// Of `identities`.
    pub identities: u64,
    /// Of `persons`.
    pub persons: u64,
}

/// One property's part of a group: `{"value": "DE"}`, `{"other": true}` or `{"none": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Group {
    /// One value, as text.
    Value {
        /// The text.
        value: String,
    },
    /// All values beyond the limit.
    Other {
        /// Always true.
        other: bool,
    },
    /// No value.
    None {
        /// Always true.
        none: bool,
    },
}

choices! {
    /// Which of two compared periods.
    #[derive(Default)]
    PeriodName {
        /// The one that was asked for.
        #[default]
        Current = "current",
        /// The one it is compared with.
        Previous = "previous",
    }
}

/// The result of a question, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum InsightResult {
    /// Of `trend`.
    Trend(TrendResult),
    /// Of `funnel`.
    Funnel(FunnelResult),
    /// Of `retention`.
    Retention(RetentionResult),
    /// Of `stickiness`.
    Stickiness(StickinessResult),
    /// Of `lifecycle`.
    Lifecycle(LifecycleResult),
    /// Of `paths`.
    Paths(PathsResult),
}

/// The result of a trend.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrendResult {
    /// The local start of each interval. Empty with `display: total`.
    pub intervals: Vec<String>,
    /// Series by group, formulas last; with `compare`, the previous period's after the current one's.
    pub series: Vec<SeriesResult>,
}

/// One series of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeriesResult {
    /// The series' name.
    pub name: String,
    /// The group, one object a property of the breakdown.
    pub breakdown: Vec<Group>,
    /// The period.
    pub period: PeriodName,
    /// A number an interval; null for the average, min or max of nothing. Empty with `display: total`.
    pub values: Vec<Option<Number>>,
    /// The measure over exactly the period; for `cumulative` the last value; null where it has no meaning.
    pub total: Option<Number>,
}

/// The result of a funnel, by its view.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum FunnelResult {
    /// View `steps`.
    Steps {
        /// One without a breakdown.
        groups: Vec<FunnelGroup>,
    },
    /// View `trend`.
    Trend {
        /// The local start of each interval.
        intervals: Vec<String>,
        /// One without a breakdown.
        groups: Vec<FunnelTrendGroup>,
    },
    /// View `time_to_convert`.
    TimeToConvert {
        /// Of the period that was asked for.
        #[serde(flatten)]
        current: FunnelTimes,
        /// Of the period it is compared with.
        #[serde(skip_serializing_if = "Option::is_none")]
        previous: Option<FunnelTimes>,
    },
}

/// How long it took from one step to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FunnelTimes {
    /// Bars of equal width from the fastest to the slowest, whom the last bar includes. None if nobody converted, one
    /// if all took equally long.
    pub bins: Vec<FunnelBin>,
    /// The mean, in seconds; null if nobody converted.
    pub average_seconds: Option<f64>,
    /// The median, in seconds; null if nobody converted.
    pub median_seconds: Option<f64>,
}

/// One group of a funnel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FunnelGroup {
    /// The group.
    pub breakdown: Vec<Group>,
    /// The period; with `compare`, the previous period's groups come after the current one's.
    pub period: PeriodName,
    /// One a step.
    pub steps: Vec<FunnelStep>,
}

/// One step of a funnel. Rates are fractions from 0 to 1; a rate over nothing is 0. Times are in seconds, one a person
/// who got here; null of nobody and at the first step. The previous step is the last one before that is not optional.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FunnelStep {
    /// Its name.
    pub name: String,
    /// How many got here: persons, or whatever `count` says.
    pub persons: u64,
    /// Their share of those at the first step.
    pub from_first: f64,
    /// Their share of those at the previous step.
    pub from_previous: f64,
    /// How many of those at the previous step did not get here.
    pub drop_off: u64,
    /// How long it took from the previous step, on average.
    pub average_seconds_from_previous: Option<f64>,
    /// The median of that.
    pub median_seconds_from_previous: Option<f64>,
    /// How long it took from the first step, on average.
    pub average_seconds_from_first: Option<f64>,
    /// The median of that.
    pub median_seconds_from_first: Option<f64>,
}

/// One group of a funnel over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FunnelTrendGroup {
    /// The group.
    pub breakdown: Vec<Group>,
    /// The period; with `compare`, the previous period's groups come after the current one's.
    pub period: PeriodName,
    /// Persons an interval who reached `from_step` in an attempt begun in it.
    pub entered: Vec<u64>,
    /// Those of them who reached `to_step`.
    pub converted: Vec<u64>,
    /// Their share, from 0 to 1.
    pub rate: Vec<f64>,
}

/// One bar of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the names say it")]
pub struct FunnelBin {
    pub from_seconds: f64,
    pub to_seconds: f64,
    pub persons: u64,
}

/// The result of a retention.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetentionResult {
    /// One an interval and group, by group and then by interval; with `compare`, the previous period's after the
    /// current one's.
    pub cohorts: Vec<RetentionCohort>,
}

/// One cohort.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetentionCohort {
    /// The local start of its interval.
    pub interval: String,
    /// The group.
    pub breakdown: Vec<Group>,
    /// The period.
    pub period: PeriodName,
    /// Its size, then who came back in each interval after it, as far as those have begun.
    pub returned: Vec<u64>,
    /// The place in `returned` of the interval that is still running, whose number may grow; null if there is none.
    pub running: Option<u32>,
}

/// The result of a stickiness question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickinessResult {
    /// From one interval to all of them.
    pub buckets: Vec<StickinessBucket>,
}

/// How many persons did it in so many intervals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the struct's sentence says it")]
pub struct StickinessBucket {
    pub intervals: u32,
    pub persons: u64,
}

/// The result of a lifecycle question: persons an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LifecycleResult {
    /// The local start of each interval.
    pub intervals: Vec<String>,
    /// First matching event ever.
    pub new: Vec<u64>,
    /// Active in the previous interval too.
    pub returning: Vec<u64>,
    /// Active before, but not in the previous interval.
    pub resurrecting: Vec<u64>,
    /// Active in the previous interval, not in this: shown negative.
    pub dormant: Vec<i64>,
}

/// The result of a paths question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PathsResult {
    /// The most frequent edges.
    pub edges: Vec<PathEdge>,
}

/// From one item to the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PathEdge {
    /// The place of the first item in its session, from 1.
    pub step: u32,
    /// The first item.
    pub from: String,
    /// The second item.
    pub to: String,
    /// How often.
    pub count: u64,
    /// How long it took on average.
    pub average_seconds: f64,
}

/// The answer of an events query.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsAnswer {
    /// The rows: columns by name, ids as UUID text, times in RFC 3339, JSON columns as objects.
    pub events: Vec<EventRow>,
    /// What to send as `cursor` for the next rows; null after the last.
    pub next_cursor: Option<String>,
    /// How the answer was made.
    pub meta: Meta,
}

/// One row: columns by name, in the order they were asked for.
#[derive(Clone, Debug, Default)]
pub struct EventRow(pub Vec<(String, Box<RawValue>)>);

impl Serialize for EventRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for EventRow {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventRow".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": true })
    }
}

/// The answer of a persons question.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonsAnswer {
    /// The persons.
    pub persons: Vec<Person>,
    /// What to send as `page` for the next ones; null after the last.
    pub next_page: Option<String>,
}

/// A person behind a number.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Person {
    /// 16 hexadecimal digits: the smallest key of the person's ids.
    pub person_id: String,
    /// All ids.
    pub ids: Vec<String>,
    /// The latest traits.
    pub traits: serde_json::Value,
    /// When they got into the number (RFC 3339).
    pub matched_at: String,
}

/// The answer of `GET /api/v1/schema`: what has been seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SchemaAnswer {
    /// The events, the most frequent first.
    pub events: Vec<EventSchema>,
    /// Whether events or properties were left out because there are too many.
    pub truncated: bool,
    /// How the answer was made.
    pub meta: Meta,
}

/// One event that has been seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventSchema {
    /// Its name.
    pub event: String,
    /// track, page, screen, identify, group or alias.
    #[serde(rename = "type")]
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The latest `timestamp` (RFC 3339).
    pub last_seen: String,
    /// Its properties (traits on identify and group rows), the most frequent first.
    pub properties: Vec<PropertySchema>,
}

/// One property of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PropertySchema {
    /// Its key.
    pub name: String,
    /// How many events of this name have it, not null.
    pub count: u64,
    /// How often it was `text`, `number`, `boolean`, `object` or `list`.
    pub types: BTreeMap<String, u64>,
}
