//! Paths: what people do one after the other within a session.

use event_model::Problem;
use serde::Serialize;

use crate::limits::MAX_LIST_VALUES;
use crate::read::{Fields, choices};

/// Filters and `include` apply first; then sessions are split; then excluded items go; then equal neighbours merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Paths {
    /// Which kinds of events are items; all three unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<ItemKind>>"))]
    pub include: Vec<ItemKind>,
    /// The property that is the item, instead of page path, screen name or event name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Items that are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Each session begins at its first occurrence of this item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at: Option<String>,
    /// Each session ends after its last occurrence of this item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_at: Option<String>,
    /// How many items of a session are kept, from 2 to 50; 5 unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>"))]
    pub steps: u32,
    /// How many edges are shown at most, from 1 to 1,000; 50 unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>"))]
    pub edges: u32,
}

choices! {
    /// A kind of item.
    ItemKind {
        /// A page view, shown as its path.
        Page = "page",
        /// A screen view, shown as its name.
        Screen = "screen",
        /// Any other event, shown as its name.
        Event = "event",
    }
}

impl Paths {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let include = fields
            .take("include")
            .map(|at| at.list_of("kinds of items (page, screen, event)", 1..=3, |item| item.choice()))
            .transpose()?
            .unwrap_or_else(|| vec![ItemKind::Page, ItemKind::Screen, ItemKind::Event]);
        let exclude = fields
            .take("exclude")
            .map(|at| at.list_of("items", 0..=MAX_LIST_VALUES, |item| item.name("an item")))
            .transpose()?
            .unwrap_or_default();
        let mut name = |field| fields.take(field).map(|at| at.name("a name")).transpose();
        let (item, start_at, end_at) = (name("item")?, name("start_at")?, name("end_at")?);
        let steps = fields.take("steps").map(|at| at.small(2..=50)).transpose()?.unwrap_or(5);
        let edges = fields.take("edges").map(|at| at.small(1..=1_000)).transpose()?.unwrap_or(50);
        Ok(Self { include, item, exclude, start_at, end_at, steps, edges })
    }
}
