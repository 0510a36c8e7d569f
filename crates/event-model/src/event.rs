//! The canonical event: what every protocol is decoded into, what waits in the queue, what becomes a row.

use serde::{Deserialize, Serialize};

use crate::{EventId, Json, PersonKey, Timestamp};

/// What kind of row an event is. Track, page and screen are events that questions count; identify, group and alias
/// carry identity and traits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// Something that happened, with a name.
    #[default]
    Track,
    /// A page view.
    Page,
    /// A screen view of an app.
    Screen,
    /// Who a user is: ties ids, sets traits.
    Identify,
    /// Which organization a user belongs to: sets its traits.
    Group,
    /// Two ids are one person.
    Alias,
}

impl EventType {
    /// The name in JSON, SQL and the lake.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Identify => "identify",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }

    /// The inverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Track, Self::Page, Self::Screen, Self::Identify, Self::Group, Self::Alias]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether questions count such rows.
    #[must_use]
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Track | Self::Page | Self::Screen)
    }
}

/// One event, validated and enriched. Field names are the lake's column names (documented in [`crate::columns`]);
/// the columns that are the same for a whole request (`received_at`, `protocol`) are in the envelope, those that follow
/// from others (`date`, `month`, `person_key`, `ingest_seq`) are made by the compactor and the lake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "every field is the column of the same name, documented in columns.rs")]
pub struct Event {
    pub event_id: EventId,
    pub position: u32,
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The name. A page row is named `page` and a screen row `screen`, unless its dialect names it otherwise;
    /// identify, group and alias rows carry the name of their type.
    pub event: String,
    #[serde(skip_serializing_if = "is_default_namespace")]
    pub namespace: String,
    pub timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous_id: Option<String>,
    /// The other id of an alias. Not a column: it becomes a row of `identities`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_medium: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_campaign: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_term: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_id_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_bot: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traits: Option<Json>,
}

/// The namespace of events that name none.
pub const DEFAULT_NAMESPACE: &str = "product";

impl Event {
    /// The key of the id that the event itself carries, before any tie; `None` for an event without ids, which
    /// validation refuses.
    #[must_use]
    pub fn person_key(&self) -> Option<PersonKey> {
        PersonKey::of_event(self.user_id.as_deref(), self.anonymous_id.as_deref())
    }

    /// The namespace, with the default written out.
    #[must_use]
    pub fn namespace(&self) -> &str {
        if self.namespace.is_empty() { DEFAULT_NAMESPACE } else { &self.namespace }
    }
}

fn is_default_namespace(namespace: &String) -> bool {
    namespace.is_empty() || namespace == DEFAULT_NAMESPACE
}
