//! The question: what every kind of insight has in common, and the kind itself.

use event_model::project::WeekStart;
use event_model::{Problem, ProjectId, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::breakdown::Breakdown;
use crate::calendar::{Calendar, Range};
use crate::compare::Compare;
use crate::filter::Filter;
use crate::funnel::{Funnel, FunnelView};
use crate::interval::Interval;
use crate::json::Node;
use crate::paths::Paths;
use crate::period::{Bound, Period};
use crate::read::{At, Choice, Fields, choices, refuse};
use crate::retention::Retention;
use crate::settings::ProjectSettings;
use crate::stickiness::{Lifecycle, Stickiness};
use crate::trend::Trend;

/// A question, validated. Written as JSON it has every default.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Question {
    /// What is asked.
    #[serde(flatten)]
    pub insight: Insight,
    /// Of what, whenever and whoever.
    #[serde(flatten)]
    pub common: Common,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a question is made once a request")]
pub enum Insight {
    /// How often, by how many, how much: over time.
    Trend(Trend),
    /// How many persons do these steps one after the other.
    Funnel(Funnel),
    /// How many come back.
    Retention(Retention),
    /// In how many intervals persons do it.
    Stickiness(Stickiness),
    /// Who is new, returning, resurrecting or dormant.
    Lifecycle(Lifecycle),
    /// What persons do one after the other.
    Paths(Paths),
}

choices! {
    /// The kinds of insight.
    Kind {
        /// [`Insight::Trend`].
        Trend = "trend",
        /// [`Insight::Funnel`].
        Funnel = "funnel",
        /// [`Insight::Retention`].
        Retention = "retention",
        /// [`Insight::Stickiness`].
        Stickiness = "stickiness",
        /// [`Insight::Lifecycle`].
        Lifecycle = "lifecycle",
        /// [`Insight::Paths`].
        Paths = "paths",
    }
}

/// The fields that every kind has.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Common {
    /// The project; needed only where the key does not name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub project: Option<ProjectId>,
    /// The time it is about.
    pub period: Period,
    /// The IANA time zone of dates and intervals; the project's unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// First day of a week, `monday` or `sunday`; the project's unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub week_start: Option<WeekStart>,
    /// The pieces into which the period is cut; days unless it says otherwise. Paths have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Conditions on every event that is looked at, all of which must hold.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Up to three properties that split the answer into groups.
    #[serde(default)]
    pub breakdown: Vec<Breakdown>,
    /// An earlier period to set the answer against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// Who is counted wherever a person is counted.
    #[serde(default)]
    pub group_by: GroupBy,
    /// The share of persons that is looked at, above 0 and up to 1.
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub sampling: f64,
    /// Skip the cache.
    #[serde(default)]
    pub refresh: bool,
    /// The version of `events` to answer from; the newest unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_version: Option<u64>,
    /// Answer from what had been received until then. Not together with `table_version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Bound>,
}

choices! {
    /// Who is counted wherever a person is counted.
    #[derive(Default)]
    GroupBy {
        /// Persons.
        #[default]
        Person = "person",
        /// Organizations: the group on the event itself; events without one are not counted.
        Group = "group",
    }
}

impl Question {
    /// Reads and validates the JSON text of a question.
    ///
    /// # Errors
    /// `invalid_json`, `duplicate_key`, `body_too_large`, `question_too_complex`, `invalid_question`, `invalid_regex`
    /// or `interval_not_supported`, each with the field and what it takes.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        Self::read(At::root(body)?)
    }

    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        let kinds = Kind::ALL.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let mut fields = at.object("an object with a `kind`")?;
        let kind: Kind = fields.require("kind", &format!("one of {kinds}"))?.choice()?;
        let common = Common::read(&mut fields, kind)?;
        let insight = match kind {
            Kind::Trend => Insight::Trend(Trend::read(&mut fields, common.interval())?),
            Kind::Funnel => Insight::Funnel(Funnel::read(&mut fields)?),
            Kind::Retention => Insight::Retention(Retention::read(&mut fields)?),
            Kind::Stickiness => Insight::Stickiness(Stickiness::read(&mut fields)?),
            Kind::Lifecycle => Insight::Lifecycle(Lifecycle::read(&mut fields)?),
            Kind::Paths => Insight::Paths(Paths::read(&mut fields)?),
        };
        fields.finish()?;
        if let Insight::Funnel(funnel) = &insight
            && funnel.view == FunnelView::TimeToConvert
            && !common.breakdown.is_empty()
        {
            return Err(refuse("breakdown", "does not go with the view `time_to_convert`"));
        }
        Ok(Self { insight, common })
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.insight {
            Insight::Trend(_) => Kind::Trend,
            Insight::Funnel(_) => Kind::Funnel,
            Insight::Retention(_) => Kind::Retention,
            Insight::Stickiness(_) => Kind::Stickiness,
            Insight::Lifecycle(_) => Kind::Lifecycle,
            Insight::Paths(_) => Kind::Paths,
        }
    }

    /// The same question with nothing left to the project or the clock: time zone and start of the week written out,
    /// `last` turned into two instants. Also gives the calendar and the exact range of the period.
    ///
    /// # Errors
    /// `invalid_question` for a period that ends before it begins, `internal` for a project with an unknown zone.
    pub fn resolve(mut self, settings: &ProjectSettings, now: Timestamp) -> Result<(Self, Calendar, Range), Problem> {
        let (calendar, range) = self.common.calendar(settings, now)?;
        self.common.timezone.get_or_insert_with(|| settings.timezone.clone());
        self.common.week_start = Some(calendar.week_start);
        if let (Period::Last { .. }, Some(absolute)) = (&self.common.period, Period::absolute(range)) {
            self.common.period = absolute;
        }
        Ok((self, calendar, range))
    }
}

impl Common {
    fn read(fields: &mut Fields, kind: Kind) -> Result<Self, Problem> {
        let takes =
            "{\"from\": \"2026-01-01\", \"to\": \"2026-01-31\"} or {\"last\": {\"value\": 7, \"unit\": \"day\"}}";
        let project = fields.take("project").map(project).transpose()?;
        let period = Period::read(fields.require("period", takes)?)?;
        let (timezone, week_start) = (read_timezone(fields)?, read_week_start(fields)?);
        let interval = match kind {
            Kind::Paths => {
                fields.forbid("interval", "paths have no intervals")?;
                None
            }
            _ => Some(fields.choice("interval")?),
        };
        let filters = Filter::read_all(fields)?;
        let breakdown = fields.take("breakdown").map(Breakdown::read_all).transpose()?.unwrap_or_default();
        if !matches!(kind, Kind::Trend | Kind::Funnel | Kind::Retention) && !breakdown.is_empty() {
            return Err(refuse("breakdown", "only trend, funnel and retention are broken down"));
        }
        let compare = fields.take("compare").map(Compare::read).transpose()?;
        let group_by = fields.choice("group_by")?;
        let sampling = fields.take("sampling").map(sampling).transpose()?.unwrap_or(1.0);
        let refresh = fields.boolean("refresh")?;
        let table_version = fields.take("table_version").map(|at| at.integer(0..=i64::MAX)).transpose()?;
        let as_of = match fields.take("as_of") {
            Some(at) if table_version.is_some() => {
                return Err(at.refuse("does not go with `table_version`; give one of them"));
            }
            as_of => as_of.map(Bound::read).transpose()?,
        };
        let table_version = table_version.map(i64::unsigned_abs);
        Ok(Self {
            project,
            period,
            timezone,
            week_start,
            interval,
            filters,
            breakdown,
            compare,
            group_by,
            sampling,
            refresh,
            table_version,
            as_of,
        })
    }

    /// The pieces into which the period is cut.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval.unwrap_or_default()
    }

    fn calendar(&self, settings: &ProjectSettings, now: Timestamp) -> Result<(Calendar, Range), Problem> {
        let calendar = settings.calendar(self.timezone.as_deref(), self.week_start)?;
        let range = calendar.range(&self.period, now)?;
        Ok((calendar, range))
    }
}

impl ProjectSettings {
    /// The calendar of a question that may name a time zone and a week start of its own.
    ///
    /// # Errors
    /// `internal` if the project's own time zone is unknown (a question's was checked when it was read).
    pub fn calendar(&self, timezone: Option<&str>, week_start: Option<WeekStart>) -> Result<Calendar, Problem> {
        let timezone = timezone.unwrap_or(&self.timezone);
        Calendar::new(timezone, week_start.unwrap_or(self.week_start)).ok_or_else(|| {
            Problem::new(event_model::ErrorCode::Internal, "The project's time zone is unknown.")
                .because(format_args!("time zone {timezone}"))
        })
    }
}

pub(crate) fn project(at: At) -> Result<ProjectId, Problem> {
    let path = at.path.clone();
    let text = at.text("a project's id")?;
    ProjectId::parse(&text).ok_or_else(|| refuse(&path, "takes a project's id: 1 to 64 of a-z, 0-9, - and _"))
}

pub(crate) fn read_timezone(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let Some(at) = fields.take("timezone") else { return Ok(None) };
    let takes = "an IANA time zone such as Europe/Berlin";
    let path = at.path.clone();
    let name = at.text(takes)?;
    match TimeZone::get(&name) {
        Ok(zone) => Ok(Some(zone.iana_name().unwrap_or(&name).to_owned())),
        Err(_) => Err(refuse(&path, format_args!("takes {takes}"))),
    }
}

choices! {
    /// First day of a week.
    WeekStartWord {
        /// ISO weeks.
        Monday = "monday",
        /// American weeks.
        Sunday = "sunday",
    }
}

pub(crate) fn read_week_start(fields: &mut Fields) -> Result<Option<WeekStart>, Problem> {
    let word = fields.take("week_start").map(At::choice).transpose()?;
    Ok(word.map(|word| match word {
        WeekStartWord::Monday => WeekStart::Monday,
        WeekStartWord::Sunday => WeekStart::Sunday,
    }))
}

fn sampling(at: At) -> Result<f64, Problem> {
    let Node::Number(text) = &at.node else { return Err(at.takes("a number above 0 and up to 1")) };
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err(at.refuse("takes a number above 0 and up to 1")),
    }
}
