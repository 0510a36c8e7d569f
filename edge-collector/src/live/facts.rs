//! What filters look at: the same of an accepted event, of a rejected one's original, and of a summary.

use std::borrow::Cow;

use event_model::{Event, EventType, Rejected};
use serde::{Deserialize, Serialize};

use crate::json::{Value, fields_of};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is durable and will be in the lake.
    Accepted,
    /// It is durable and will be in quarantine.
    Rejected,
}

/// The facts of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    pub(super) outcome: Outcome,
    pub(super) kind: Option<EventType>,
    pub(super) event: Option<Cow<'a, str>>,
    pub(super) user_id: Option<Cow<'a, str>>,
    pub(super) anonymous_id: Option<Cow<'a, str>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of_event(event: &'a Event) -> Self {
        Self {
            outcome: Outcome::Accepted,
            kind: Some(event.kind),
            event: Some(Cow::Borrowed(&event.event)),
            user_id: event.user_id.as_deref().map(Cow::Borrowed),
            anonymous_id: event.anonymous_id.as_deref().map(Cow::Borrowed),
        }
    }

    /// What can be read of an original that could not be used, in any protocol's names. What cannot is absent.
    pub(super) fn of_rejected(rejected: &'a Rejected) -> Self {
        let mut facts = Self { outcome: Outcome::Rejected, kind: None, event: None, user_id: None, anonymous_id: None };
        let original = std::str::from_utf8(&rejected.original.0).unwrap_or_default();
        for (key, value) in fields_of(original) {
            match key.as_ref() {
                "type" => facts.kind = value.text().and_then(|kind| EventType::parse(&kind)),
                "event" => facts.event = short(value),
                "user_id" | "userId" => facts.user_id = short(value),
                "anonymous_id" | "anonymousId" => facts.anonymous_id = short(value),
                _ => {}
            }
        }
        facts
    }
}

/// A text or number that could be a name or an id.
fn short(value: Value<'_>) -> Option<Cow<'_, str>> {
    value.text_or_number().filter(|text| (1..=event_model::limits::MAX_ID_BYTES).contains(&text.len()))
}
