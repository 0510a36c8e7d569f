//! Our own protocol: `POST /api/v1/events` with one event, `/api/v1/events/batch` with `{"batch": [...], "sent_at"?}`.
//!
//! An event has `type` (default `track`), `event`, `user_id` or `anonymous_id`, and may have `event_id` (or `id`),
//! `namespace`, `previous_id`, `group_id`, `session_id`, `timestamp`, `sent_at`, `properties`, `traits` and `context`.
//! `cookieless: true` stands in place of an id: the visitor gets one for the day.
//! From `context` come, where the event does not say them itself, `user_id`, `org_id` (the group), `session_id`, and
//! the columns for `service`, `version`, `request_id` and `source`; `custom` stays in it. A page or screen event may
//! have a name of its own in `event`. Unknown fields are kept in `context.other`.

use std::borrow::Cow;

use event_model::{EventType, Reason, Timestamp};
use serde::Serialize;

use super::{Protocol, Refusal};
use crate::context;
use crate::decode::Item;
use crate::draft::{self, Draft, Fault};
use crate::json::write::ObjectWriter;
use crate::json::{Value, means, raw_fields_of};
use crate::keys::is_key_field;
use crate::request::Response;

/// See the module.
pub(crate) struct Native;

impl Protocol for Native {
    fn id(&self) -> &'static str {
        "native"
    }

    /// `events` is the name in the product requirements.
    fn list_fields(&self) -> &'static [&'static str] {
        &["batch", "events"]
    }

    fn event_id_fields(&self) -> &'static [&'static str] {
        &["event_id", "id"]
    }

    fn read<'a>(&self, item: &Item<'a>, _: Option<EventType>, draft: &mut Draft<'a>) -> Result<(), Fault> {
        let mut name = None;
        let mut has_event_id = false;
        let mut id = None;
        for (key, value) in item.fields() {
            let event = &mut draft.event;
            match key.as_ref() {
                "event_id" => has_event_id = !value.is_null(),
                "id" => id = Some((key, value)),
                "type" if value.is_null() => {}
                "type" => event.kind = draft::kind(value)?,
                "event" => name = draft::name(value)?,
                "namespace" => event.namespace = namespace(value)?,
                "user_id" => event.user_id = draft::id(value, Reason::PersonIdInvalid, "user_id")?,
                "anonymous_id" => event.anonymous_id = draft::id(value, Reason::PersonIdInvalid, "anonymous_id")?,
                "previous_id" => event.previous_id = draft::id(value, Reason::PersonIdInvalid, "previous_id")?,
                "group_id" => event.group_id = draft::id(value, Reason::PersonIdInvalid, "group_id")?,
                "session_id" => event.session_id = draft::id(value, Reason::PersonIdInvalid, "session_id")?,
                "cookieless" => draft.cookieless = value.raw == "true",
                "timestamp" => draft.client_time = time(value, "timestamp")?,
                "sent_at" => draft.sent_at = time(value, "sent_at")?,
                "properties" => draft.properties = draft::object(value, "properties")?.map(Cow::Borrowed),
                "traits" => draft.traits = draft::object(value, "traits")?.map(Cow::Borrowed),
                "context" => draft.context = draft::object(value, "context")?.map(Cow::Borrowed),
                key_field if is_key_field(key_field) => {}
                _ => draft.keep(key, value),
            }
        }
        if let Some((key, value)) = id.filter(|_| has_event_id) {
            draft.keep(key, value);
        }
        if draft.sent_at.is_none()
            && let Some((_, value)) = item.outer().find(|(key, _)| key == "sent_at")
        {
            draft.sent_at = time(value, "sent_at")?;
        }
        surroundings(draft)?;
        draft::complete(draft, name)
    }

    fn self_contained(&self, item: &Item<'_>, _: Option<EventType>) -> String {
        let mut object = ObjectWriter::with_capacity(item.raw.len() + 48);
        let mut has_sent_at = false;
        for (key, value) in raw_fields_of(item.raw) {
            let sent_at = means(key, "sent_at");
            has_sent_at |= sent_at && !value.is_null();
            if !(is_key_field(key) || sent_at && value.is_null()) {
                object.field(key, value.raw);
            }
        }
        for (key, value) in item.outer().filter(|_| !has_sent_at) {
            if key == "sent_at" {
                object.field("sent_at", value.raw);
            }
        }
        object.finish()
    }

    fn answer(&self, accepted: usize, refusals: &[Refusal]) -> Response {
        #[derive(Serialize)]
        struct Rejected<'a> {
            index: u32,
            code: &'static str,
            detail: &'a str,
        }
        #[derive(Serialize)]
        struct Answer<'a> {
            accepted: usize,
            rejected: Vec<Rejected<'a>>,
        }
        let rejected = refusals
            .iter()
            .map(|refusal| Rejected { index: refusal.index, code: refusal.reason.as_str(), detail: &refusal.detail })
            .collect();
        Response::json(serde_json::to_vec(&Answer { accepted, rejected }).unwrap_or_default())
    }
}

/// What the context and a page's properties say.
fn surroundings(draft: &mut Draft<'_>) -> Result<(), Fault> {
    if let Some(context) = draft.context.clone() {
        let ids = context::read(&context, draft);
        let event = &mut draft.event;
        if let (None, Some(value)) = (&event.user_id, ids.user_id) {
            event.user_id = draft::id(value, Reason::PersonIdInvalid, "context.user_id")?;
        }
        if let (None, Some(value)) = (&event.group_id, ids.group_id) {
            event.group_id = draft::id(value, Reason::PersonIdInvalid, "context.org_id")?;
        }
        if let (None, Some(value)) = (&event.session_id, ids.session_id) {
            event.session_id = draft::id(value, Reason::PersonIdInvalid, "context.session_id")?;
        }
    }
    if matches!(draft.event.kind, EventType::Page | EventType::Screen)
        && let Some(properties) = draft.properties.clone()
    {
        context::read_page_properties(&properties, draft);
    }
    if draft.event.source.is_empty() {
        draft.event.source = if draft.event.library.is_some() { "sdk" } else { "api" }.to_owned();
    }
    Ok(())
}

fn namespace(value: Value<'_>) -> Result<String, Fault> {
    Ok(draft::id(value, Reason::FieldInvalid, "namespace")?.unwrap_or_default())
}

/// An instant as text. Numbers are refused: whether one is in seconds or milliseconds could only be guessed, and a
/// wrong guess puts the event into 1970 or the far future.
fn time(value: Value<'_>, field: &'static str) -> Result<Option<Timestamp>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    let parsed = value.text().and_then(|text| Timestamp::parse(&text)).map(Some);
    parsed.ok_or_else(|| Fault::new(Reason::TimestampInvalid, format!("`{field}` is not an RFC 3339 time.")))
}
