//! The earlier period that an answer is set against.

use event_model::Problem;
use serde::Serialize;

use crate::interval::Span;
use crate::json::Node;
use crate::read::{At, choices};

/// `{"to": "previous_period"}` (or just that word), or `{"shift": {"value": 1, "unit": "year"}}`. The number of
/// intervals stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Compare {
    /// The same number of intervals just before.
    To {
        /// Always `previous_period`.
        to: Previous,
    },
    /// As many intervals, starting at the shifted `from`.
    Shift {
        /// By how much.
        shift: Span,
    },
}

choices! {
    /// The one earlier period that has a name.
    Previous {
        /// The same number of intervals just before.
        PreviousPeriod = "previous_period",
    }
}

impl Compare {
    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        if matches!(at.node, Node::Text(_)) {
            return Ok(Self::To { to: at.choice()? });
        }
        let path = at.path.clone();
        let mut fields =
            at.object("{\"to\": \"previous_period\"} or {\"shift\": {\"value\": 1, \"unit\": \"year\"}}")?;
        let compare = match (fields.take("to"), fields.take("shift")) {
            (Some(to), None) => Self::To { to: to.choice()? },
            (None, Some(shift)) => Self::Shift { shift: Span::read(shift)? },
            _ => return Err(crate::read::refuse(&path, "takes either `to` or `shift`")),
        };
        fields.finish()?;
        Ok(compare)
    }
}
