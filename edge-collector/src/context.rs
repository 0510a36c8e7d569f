//! What a client says about its surroundings: the fields of `context` that have a column, and the facts of a page.

use std::net::IpAddr;

use event_model::Event;

use crate::draft::{Draft, column, column_or_number, cut};
use crate::json::{Value, fields_of};

/// Ids that a context may carry; each protocol decides which it takes.
#[derive(Debug, Default)]
pub(crate) struct ContextIds<'a> {
    pub(crate) user_id: Option<Value<'a>>,
    pub(crate) group_id: Option<Value<'a>>,
    pub(crate) session_id: Option<Value<'a>>,
}

/// Reads a context object into the draft's columns and returns its ids. A field of another kind than expected stays in
/// the context and fills no column.
pub(crate) fn read<'c>(context: &'c str, draft: &mut Draft<'_>) -> ContextIds<'c> {
    let mut ids = ContextIds::default();
    for (key, value) in fields_of(context) {
        let event = &mut draft.event;
        match key.as_ref() {
            "page" => draft.search = page(value, event).or(draft.search.take()),
            "library" => library(value, event),
            "app" => {
                event.service = event.service.take().or_else(|| field(value, "name"));
                event.service_version = event.service_version.take().or_else(|| field(value, "version"));
            }
            "service" => event.service = column(value).or(event.service.take()),
            "version" => event.service_version = column_or_number(value).or(event.service_version.take()),
            "request_id" | "requestId" => event.request_id = column_or_number(value),
            "source" => event.source = source(value),
            "campaign" => campaign(value, event),
            "locale" => event.locale = column(value),
            "timezone" => event.timezone = column(value),
            "os" => {
                event.os = field(value, "name");
                event.os_version = field(value, "version");
            }
            "device" => event.device_type = field(value, "type").and_then(|kind| device_type(&kind)),
            "location" => {
                event.country = field(value, "country");
                event.region = field(value, "region");
                event.city = field(value, "city");
            }
            "userAgent" | "user_agent" => draft.user_agent = value.text().map(|text| cut(&text).to_owned()),
            "ip" => {
                draft.context_has_ip = true;
                draft.ip = value.text().and_then(|text| text.trim().parse::<IpAddr>().ok());
            }
            "user_id" => ids.user_id = Some(value),
            "org_id" | "groupId" | "group_id" => ids.group_id = Some(value),
            "session_id" | "sessionId" => ids.session_id = Some(value),
            _ => {}
        }
    }
    ids
}

/// Reads the facts of a page view from its properties; they win over the context's, which may be of the page before.
pub(crate) fn read_page_properties(properties: &str, draft: &mut Draft<'_>) {
    let value = Value { raw: properties, kind: crate::json::Kind::Object };
    draft.search = page(value, &mut draft.event).or(draft.search.take());
}

/// Reads `url`, `path`, `title` and `referrer`; returns `search`.
fn page(value: Value<'_>, event: &mut Event) -> Option<String> {
    let mut search = None;
    for (key, value) in fields_of(value.raw) {
        let slot = match key.as_ref() {
            "url" => &mut event.url,
            "path" => &mut event.path,
            "title" => &mut event.title,
            "referrer" => &mut event.referrer,
            "search" => &mut search,
            _ => continue,
        };
        if let Some(text) = column(value) {
            *slot = Some(text);
        }
    }
    search
}

fn library(value: Value<'_>, event: &mut Event) {
    event.library = column(value).or_else(|| field(value, "name"));
    event.library_version = field(value, "version");
}

fn campaign(value: Value<'_>, event: &mut Event) {
    for (key, value) in fields_of(value.raw) {
        let slot = match key.as_ref() {
            "source" => &mut event.utm_source,
            "medium" => &mut event.utm_medium,
            "name" => &mut event.utm_campaign,
            "term" => &mut event.utm_term,
            "content" => &mut event.utm_content,
            _ => continue,
        };
        *slot = column(value);
    }
}

/// One of the four words; anything else stays in the context.
fn source(value: Value<'_>) -> String {
    let known = ["api", "sdk", "webhook", "connector"];
    let text = value.text().unwrap_or_default();
    known.into_iter().find(|word| *word == text).unwrap_or_default().to_owned()
}

fn device_type(kind: &str) -> Option<String> {
    let known = ["desktop", "mobile", "tablet", "tv", "console"];
    let lower = kind.to_ascii_lowercase();
    let kind = if matches!(lower.as_str(), "ios" | "android" | "phone") { "mobile" } else { lower.as_str() };
    known.contains(&kind).then(|| kind.to_owned())
}

/// A text or number field of an object.
fn field(object: Value<'_>, name: &str) -> Option<String> {
    fields_of(object.raw).find(|(key, _)| key == name).and_then(|(_, value)| column_or_number(value))
}
