//! The persons behind a number: the same question, and the cell it stands in.

use event_model::Problem;
use serde::Serialize;

use crate::answer::{Group, PeriodName};
use crate::question::{Kind, Question};
use crate::read::{At, Fields, choices, refuse};

/// `{"question": {..}, "cell": {..}, "limit": 100, "page": ".."}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonsQuestion {
    /// The question whose answer has the number.
    pub question: Question,
    /// Where the number stands in that answer.
    pub cell: Cell,
    /// How many persons at most, from 1 to 10,000; 100 unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>"))]
    pub limit: u32,
    /// `next_page` of the previous answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// A place in an answer. Which fields it has depends on the kind of the question.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cell {
    /// Trend: the name of the series; the first unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Trend, retention, lifecycle, funnel trend: the interval, as the answer writes it; the total without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Trend: which of two compared periods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<PeriodName>,
    /// The group, as the answer writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakdown: Vec<Group>,
    /// Funnel, paths: the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Funnel: those who reached the step, or those who reached the one before but not this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Retention: the column, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Stickiness: the number of intervals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<u32>,
    /// Lifecycle: the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<LifecycleStatus>,
    /// Paths: where the edge begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Paths: where the edge ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

choices! {
    /// What became of a person at a step.
    Outcome {
        /// Reached the step.
        Reached = "reached",
        /// Reached the step before, but not this one.
        Dropped = "dropped",
    }
}

choices! {
    /// A person's status in an interval.
    LifecycleStatus {
        /// The first matching event ever falls in it.
        New = "new",
        /// Active in the previous one too.
        Returning = "returning",
        /// Active before, but not in the previous one.
        Resurrecting = "resurrecting",
        /// Active in the previous one, not in this.
        Dormant = "dormant",
    }
}

impl PersonsQuestion {
    /// Reads and validates the JSON text.
    ///
    /// # Errors
    /// As [`Question::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = At::root(body)?.object("an object with `question` and `cell`")?;
        let question = Question::read(fields.require("question", "the question whose answer has the number")?)?;
        let cell = Cell::read(fields.require("cell", "the place of the number")?, &question)?;
        let limit = fields.take("limit").map(|at| at.small(1..=10_000)).transpose()?.unwrap_or(100);
        let page = fields.take("page").map(|at| at.name("next_page of the previous answer")).transpose()?;
        fields.finish()?;
        Ok(Self { question, cell, limit, page })
    }
}

impl Cell {
    fn read(at: At, question: &Question) -> Result<Self, Problem> {
        let mut fields = at.object("a cell such as {\"series\": \"A\", \"interval\": \"2026-01-01\"}")?;
        let mut cell = Self::default();
        let text = |fields: &mut Fields, name: &'static str| fields.take(name).map(|at| at.name("a text")).transpose();
        match question.kind() {
            Kind::Trend => {
                cell.series = text(&mut fields, "series")?;
                cell.interval = text(&mut fields, "interval")?;
                cell.period = fields.take("period").map(At::choice).transpose()?;
            }
            Kind::Funnel => {
                cell.step = Some(fields.require("step", "the number of a step, from 0")?.small(0..=49)?);
                cell.outcome = Some(fields.take("outcome").map_or(Ok(Outcome::Reached), At::choice)?);
                cell.interval = text(&mut fields, "interval")?;
            }
            Kind::Retention => {
                cell.interval = Some(fields.require("interval", "the cohort's interval")?.name("an interval")?);
                cell.column = Some(fields.require("column", "the number of a column, from 0")?.small(0..=400)?);
            }
            Kind::Stickiness => {
                cell.intervals = Some(fields.require("intervals", "a number of intervals")?.small(1..=10_000)?);
            }
            Kind::Lifecycle => {
                cell.interval = Some(fields.require("interval", "an interval")?.name("an interval")?);
                cell.status = Some(fields.require("status", "new, returning, resurrecting or dormant")?.choice()?);
            }
            Kind::Paths => {
                cell.step = Some(fields.require("step", "the number of a step, from 1")?.small(1..=50)?);
                cell.from = Some(fields.require("from", "an item")?.name("an item")?);
                cell.to = Some(fields.require("to", "an item")?.name("an item")?);
            }
        }
        if let Some(at) = fields.take("breakdown") {
            let (path, wanted) = (at.path.clone(), question.common.breakdown.len());
            cell.breakdown = at.list_of("groups", 0..=3, Group::read)?;
            if cell.breakdown.len() != wanted {
                return Err(refuse(&path, format_args!("takes {wanted} of them, as the question's breakdown has")));
            }
        }
        fields.finish()?;
        Ok(cell)
    }
}

impl Group {
    fn read(at: At) -> Result<Self, Problem> {
        let path = at.path.clone();
        let mut fields = at.object("{\"value\": \"DE\"}, {\"other\": true} or {\"none\": true}")?;
        let value = fields.take("value").map(|at| at.text("a text")).transpose()?;
        let (other, none) = (fields.boolean("other")?, fields.boolean("none")?);
        fields.finish()?;
        match (value, other, none) {
            (Some(value), false, false) => Ok(Self::Value { value }),
            (None, true, false) => Ok(Self::Other { other: true }),
            (None, false, true) => Ok(Self::None { none: true }),
            _ => Err(refuse(&path, "takes exactly one of `value`, `other` and `none`")),
        }
    }
}
