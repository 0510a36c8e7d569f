//! Stickiness and lifecycle: how many intervals people come back in, and who is new, back or gone.

use event_model::Problem;
use serde::Serialize;

use crate::matcher::Matcher;
use crate::read::{At, Fields};

/// Persons by the number of distinct intervals of the period in which they did the event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stickiness {
    /// Exactly one.
    pub series: Vec<SingleSeries>,
    /// Count those with at least so many intervals, instead of exactly so many.
    #[serde(default)]
    pub cumulative: bool,
}

/// Who is new, returning, resurrecting or dormant in an interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lifecycle {
    /// Exactly one.
    pub series: Vec<SingleSeries>,
}

/// The one series of a stickiness or lifecycle question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SingleSeries {
    /// Its name; `A` unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub name: String,
    /// Which events.
    #[serde(flatten)]
    pub matcher: Matcher,
}

impl Stickiness {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { series: SingleSeries::read_one(fields)?, cumulative: fields.boolean("cumulative")? })
    }
}

impl Lifecycle {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { series: SingleSeries::read_one(fields)? })
    }
}

impl SingleSeries {
    fn read_one(fields: &mut Fields) -> Result<Vec<Self>, Problem> {
        let takes = "exactly one series such as [{\"event\": \"purchase\"}]";
        fields.require("series", takes)?.list_of(takes, 1..=1, Self::read)
    }

    fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("a series such as {\"event\": \"purchase\"}")?;
        let matcher = Matcher::take(&mut fields)?;
        let name = fields.take("name").map(|at| at.name("a name")).transpose()?;
        fields.finish()?;
        Ok(Self { name: name.unwrap_or_else(|| "A".to_owned()), matcher })
    }
}
