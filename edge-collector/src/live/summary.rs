//! One event, as a watcher sees it.

use std::borrow::Cow;

use event_model::{Event, EventId, EventType, Json, Reason, Rejected};
use event_queue::Envelope;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Outcome};

/// Properties larger than this are left out, in bytes: a summary is to be looked at.
const MAX_PROPERTIES_BYTES: usize = 2_048;

/// A summary. Field names are the lake's columns. Personal fields are masked or hashed as in the lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What became of it.
    pub outcome: Outcome,
    /// Its id, in the lake or in quarantine.
    pub event_id: EventId,
    /// When it was received (RFC 3339).
    pub received_at: String,
    /// Index in its request.
    pub position: u32,
    /// The protocol it came in by.
    pub protocol: String,
    /// The id of the key it came in by.
    pub write_key_id: String,
    /// Its type; of a rejected one where it can be read.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EventType>,
    /// Its name; of a rejected one where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// When it happened (RFC 3339). Of accepted ones, as all up to `properties_bytes`, unless it is said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// User id; of a rejected one where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Anonymous id; of a rejected one where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_id: Option<String>,
    /// Group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// Path of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Whether it looks like a bot's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bot: bool,
    /// Properties, up to 2,048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Json>,
    /// How large the properties are that were left out, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties_bytes: Option<usize>,
    /// Of a rejected one: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of a rejected one: a plain sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Summary {
    pub(super) fn of_event(event: &Event, envelope: &Envelope) -> Self {
        let size = event.properties.as_ref().map(|properties| properties.as_str().len());
        let too_large = size.is_some_and(|bytes| bytes > MAX_PROPERTIES_BYTES);
        Self {
            timestamp: Some(event.timestamp.to_string()),
            group_id: event.group_id.clone(),
            path: event.path.clone(),
            country: event.country.clone(),
            library: event.library.clone(),
            is_bot: event.is_bot,
            properties: if too_large { None } else { event.properties.clone() },
            properties_bytes: size.filter(|_| too_large),
            ..Self::known(Facts::of_event(event), event.event_id, event.position, envelope)
        }
    }

    pub(super) fn of_rejected(rejected: &Rejected, envelope: &Envelope) -> Self {
        let facts = Facts::of_rejected(rejected);
        Self {
            reason: Some(rejected.reason),
            detail: Some(rejected.detail.clone()),
            ..Self::known(facts, rejected.event_id, rejected.position, envelope)
        }
    }

    /// What is known of both.
    fn known(facts: Facts<'_>, event_id: EventId, position: u32, envelope: &Envelope) -> Self {
        Self {
            outcome: facts.outcome,
            event_id,
            received_at: envelope.received_at.to_string(),
            position,
            protocol: envelope.protocol.clone(),
            write_key_id: envelope.write_key_id.clone(),
            kind: facts.kind,
            event: facts.event.map(Cow::into_owned),
            timestamp: None,
            user_id: facts.user_id.map(Cow::into_owned),
            anonymous_id: facts.anonymous_id.map(Cow::into_owned),
            group_id: None,
            path: None,
            country: None,
            library: None,
            is_bot: false,
            properties: None,
            properties_bytes: None,
            reason: None,
            detail: None,
        }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            outcome: self.outcome,
            kind: self.kind,
            event: self.event.as_deref().map(Cow::Borrowed),
            user_id: self.user_id.as_deref().map(Cow::Borrowed),
            anonymous_id: self.anonymous_id.as_deref().map(Cow::Borrowed),
        }
    }
}
