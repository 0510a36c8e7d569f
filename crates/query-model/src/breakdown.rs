//! Into which groups an answer is split.

use event_model::Problem;
use serde::Serialize;

use crate::filter::Of;
use crate::json::Node;
use crate::limits::{DEFAULT_BREAKDOWN_LIMIT, MAX_BREAKDOWN_LIMIT, MAX_BREAKDOWNS};
use crate::read::At;

/// One property that splits the answer. Values are compared as text (`true`, `95`). The largest ones, ranked by the
/// first series' total over the period and by their bytes where equal, get a group each; the others share the group
/// `other`; rows without the property are the group `none`, which does not count against the limit. Several
/// properties are ranked each by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Breakdown {
    /// The property's name.
    pub property: String,
    /// Whose property.
    #[serde(default)]
    pub of: Of,
    /// How many values get a group of their own, from 1 to 1,000; 25 unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>"))]
    pub limit: u32,
}

impl Breakdown {
    pub(crate) fn read_all(at: At) -> Result<Vec<Self>, Problem> {
        match at.node {
            Node::List(_) => at.list_of("properties", 0..=MAX_BREAKDOWNS, Self::read),
            _ => Ok(vec![Self::read(at)?]),
        }
    }

    fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("a property such as {\"property\": \"country\", \"limit\": 25}")?;
        let property = fields.require("property", "the name of a property")?.name("the name of a property")?;
        let of = fields.choice("of")?;
        let limit = fields.take("limit").map(|at| at.small(1..=i64::from(MAX_BREAKDOWN_LIMIT))).transpose()?;
        fields.finish()?;
        Ok(Self { property, of, limit: limit.unwrap_or(DEFAULT_BREAKDOWN_LIMIT) })
    }
}
