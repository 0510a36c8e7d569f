//! Which events are meant: by name, by one of several names, by namespace, by their properties.

use event_model::Problem;
use serde::Serialize;

use crate::filter::Filter;
use crate::limits::{MAX_LIST_VALUES, MAX_NAME_BYTES};
use crate::read::Fields;

/// An event matcher. Its fields lie directly in the series, step or exclusion that has it. Without `event` and
/// `any_of` every track, page and screen event matches.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Matcher {
    /// The event's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Several names, one of which the event must have. Not together with `event`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<String>,
    /// The event's namespace; any, if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Conditions, all of which must hold.
    #[serde(default)]
    pub filters: Vec<Filter>,
}

impl Matcher {
    /// Takes the matcher's fields out of an object that may have others.
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Problem> {
        let event = fields.take("event").map(|at| at.name("an event's name")).transpose()?;
        let any_of = match fields.take("any_of") {
            Some(at) if event.is_some() => return Err(at.refuse("does not go with `event`; give one of them")),
            Some(at) => at.list_of("event names", 1..=MAX_LIST_VALUES, |item| item.name("an event's name"))?,
            None => Vec::new(),
        };
        let namespace = fields.take("namespace").map(|at| at.name("a namespace")).transpose()?;
        Ok(Self { event, any_of, namespace, filters: Filter::read_all(fields)? })
    }

    /// The matcher in words, for the name of a step.
    #[must_use]
    pub fn title(&self) -> String {
        let title = match (&self.event, self.any_of.as_slice()) {
            (Some(event), _) => event.clone(),
            (None, []) => "any event".to_owned(),
            (None, names) => names.join(" or "),
        };
        let end = title.char_indices().map(|(place, _)| place).find(|place| *place >= MAX_NAME_BYTES);
        end.and_then(|end| title.get(..end)).map_or_else(|| title.clone(), str::to_owned)
    }
}
