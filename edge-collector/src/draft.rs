//! An event on its way: what its protocol said, before the enrichments and the last checks.

use std::borrow::Cow;
use std::net::IpAddr;

use event_model::limits::{MAX_EVENT_NAME_BYTES, MAX_ID_BYTES};
use event_model::{Event, EventType, Json, Reason, Timestamp};

use crate::json::write::{ObjectWriter, escaped};
use crate::json::{Kind, Value, means, raw_fields_of};

/// Longest text in a column that is taken from the context, in bytes. The context keeps the whole text.
const MAX_COLUMN_BYTES: usize = 2_048;

/// Why an event cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) detail: Cow<'static, str>,
}

impl Fault {
    pub(crate) fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// An event under construction. Columns are filled in `event` as they become known; the three JSON columns are kept as
/// text until [`Draft::finish`].
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    pub(crate) event: Event,
    pub(crate) properties: Option<Cow<'a, str>>,
    pub(crate) traits: Option<Cow<'a, str>>,
    pub(crate) context: Option<Cow<'a, str>>,
    /// Fields that the protocol keeps beside the client's context: key and value as written.
    pub(crate) aside: Vec<(&'static str, Cow<'a, str>)>,
    /// Fields that the protocol does not know.
    pub(crate) other: Vec<(Cow<'a, str>, &'a str)>,
    /// When it happened by the client's clock.
    pub(crate) client_time: Option<Timestamp>,
    /// When it was sent by the client's clock.
    pub(crate) sent_at: Option<Timestamp>,
    /// The query of the page's address, where the client gave it apart.
    pub(crate) search: Option<String>,
    /// Whether the client asks for the visitor's id of the day.
    pub(crate) cookieless: bool,
    /// The visitor's user agent, where the client gave it.
    pub(crate) user_agent: Option<String>,
    /// The visitor's address, where the client gave it.
    pub(crate) ip: Option<IpAddr>,
    /// Whether `context` has a field `ip`, readable or not.
    pub(crate) context_has_ip: bool,
    /// The address to keep, set by the enrichment that decides about it.
    pub(crate) kept_ip: Option<IpAddr>,
}

impl<'a> Draft<'a> {
    /// Keeps a field that the protocol does not know.
    pub(crate) fn keep(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        self.other.push((key, value.raw));
    }

    /// The event.
    pub(crate) fn finish(mut self) -> Event {
        let json = |text: Cow<'_, str>| Json::parse(&text);
        self.settle_context();
        self.event.context = self.context.take().and_then(json);
        self.event.properties = self.properties.take().and_then(json);
        self.event.traits = self.traits.take().and_then(json);
        self.event
    }

    /// Puts into `context` what is kept beside it, and takes the address out unless it is kept. A context with which
    /// there is nothing to do stays as it came.
    pub(crate) fn settle_context(&mut self) {
        if !self.context_has_ip && self.kept_ip.is_none() && self.aside.is_empty() && self.other.is_empty() {
            return;
        }
        let context = self.context.take();
        let raw = context.as_deref().unwrap_or("{}");
        let mut object = ObjectWriter::with_capacity(raw.len() + 64);
        let mut displaced = Vec::new();
        for (key, value) in raw_fields_of(raw) {
            let taken =
                (!self.other.is_empty() && means(key, "other")) || self.aside.iter().any(|(name, _)| means(key, name));
            if taken {
                displaced.push((key, value.raw));
            } else if !means(key, "ip") {
                object.field(key, value.raw);
            }
        }
        if let Some(ip) = self.kept_ip.take() {
            object.text_field("ip", &ip.to_string());
        }
        for (key, value) in &self.aside {
            object.field(key, value);
        }
        if !self.other.is_empty() || !displaced.is_empty() {
            object.field("other", &self.settled_other(&displaced));
        }
        (self.context_has_ip, self.aside, self.other) = (false, Vec::new(), Vec::new());
        self.context = Some(Cow::Owned(object.finish()));
    }

    /// What nobody knows, in one object, with the client's own fields whose names in the context are taken.
    fn settled_other(&self, displaced: &[(&str, &str)]) -> String {
        let mut other = ObjectWriter::with_capacity(64);
        for (key, value) in &self.other {
            other.field(&escaped(key), value);
        }
        for (key, value) in displaced {
            other.field(key, value);
        }
        other.finish()
    }
}

/// Reads an id: text, or a number as written. Null and empty text count as absent.
pub(crate) fn id(value: Value<'_>, reason: Reason, field: &'static str) -> Result<Option<String>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    let fault = |what: &str| Err(Fault::new(reason, format!("`{field}` {what}.")));
    match value.text_or_number() {
        None => fault("must be a text or a number"),
        Some(text) if text.len() > MAX_ID_BYTES => fault("is longer than 1,024 bytes"),
        Some(text) if text.contains('\0') => fault("holds U+0000"),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => Ok(Some(text.into_owned())),
    }
}

/// Reads an event's name. Null and empty text count as absent.
pub(crate) fn name(value: Value<'_>) -> Result<Option<String>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    let fault = |what: &str| Err(Fault::new(Reason::EventNameInvalid, format!("`event` {what}.")));
    match value.text() {
        None => fault("must be a text"),
        Some(text) if text.len() > MAX_EVENT_NAME_BYTES => fault("is longer than 1,024 bytes"),
        Some(text) if text.contains('\0') => fault("holds U+0000"),
        Some(text) if text.trim().is_empty() => Ok(None),
        Some(text) => Ok(Some(text.into_owned())),
    }
}

/// Reads `type`.
pub(crate) fn kind(value: Value<'_>) -> Result<EventType, Fault> {
    let known = value.text().and_then(|text| EventType::parse(&text));
    known
        .ok_or_else(|| Fault::new(Reason::TypeUnknown, "`type` must be track, page, screen, identify, group or alias."))
}

/// Reads `properties`, `traits` or `context`: an object, as written. Null counts as absent.
pub(crate) fn object<'a>(value: Value<'a>, field: &'static str) -> Result<Option<&'a str>, Fault> {
    match value.kind {
        Kind::Null => Ok(None),
        Kind::Object => Ok(Some(value.raw)),
        _ => Err(Fault::new(Reason::PropertiesInvalid, format!("`{field}` must be an object."))),
    }
}

/// A text for a column: `None` for other kinds and for empty text, cut where it is very long.
pub(crate) fn column(value: Value<'_>) -> Option<String> {
    let text = value.text().filter(|text| !text.is_empty())?;
    Some(cut(&text).to_owned())
}

/// As [`column`], numbers too.
pub(crate) fn column_or_number(value: Value<'_>) -> Option<String> {
    if value.kind == Kind::Number { Some(cut(value.raw).to_owned()) } else { column(value) }
}

/// The beginning of a text that fits into a column.
pub(crate) fn cut(text: &str) -> &str {
    if text.len() <= MAX_COLUMN_BYTES {
        return text;
    }
    text.get(..text.floor_char_boundary(MAX_COLUMN_BYTES)).unwrap_or_default()
}

/// The checks that need no protocol and no project, and the names that a row has by its type.
pub(crate) fn complete(draft: &mut Draft<'_>, name: Option<String>) -> Result<(), Fault> {
    let event = &mut draft.event;
    let fault = |reason, detail: &'static str| Err(Fault::new(reason, detail));
    event.event = match (event.kind, name) {
        (EventType::Track, None) => return fault(Reason::EventNameMissing, "A track event needs a name in `event`."),
        (EventType::Track | EventType::Page | EventType::Screen, Some(name)) => name,
        (kind, _) => kind.as_str().to_owned(),
    };
    match event.kind {
        EventType::Alias if event.user_id.is_none() => {
            fault(Reason::PersonIdMissing, "An alias needs the user id that the previous one is tied to.")
        }
        EventType::Alias if event.previous_id.is_none() => {
            fault(Reason::PreviousIdMissing, "An alias needs the previous id.")
        }
        EventType::Group if event.group_id.is_none() => fault(Reason::GroupIdMissing, "A group call needs a group id."),
        _ => Ok(()),
    }
}
