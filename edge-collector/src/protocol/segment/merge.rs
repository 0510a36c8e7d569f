//! Objects put together: what a batch says for all its items, and an item on its own.

use std::borrow::Cow;

use event_model::EventType;

use crate::decode::Item;
use crate::json::write::{ObjectWriter, quoted};
use crate::json::{Kind, means, raw_fields_of};
use crate::keys::is_key_field;

/// An object with the defaults that it does not set itself.
pub(super) fn with_defaults<'a>(own: Option<&'a str>, defaults: Option<&'a str>) -> Option<Cow<'a, str>> {
    let (own, defaults) = match (own, defaults) {
        (own, None) => return own.map(Cow::Borrowed),
        (None, Some(defaults)) => return Some(Cow::Borrowed(defaults)),
        (Some(own), Some(defaults)) => (own, defaults),
    };
    let mut object = ObjectWriter::with_capacity(own.len() + defaults.len());
    for (key, value) in raw_fields_of(own) {
        object.field(key, value.raw);
    }
    for (key, value) in raw_fields_of(defaults) {
        if !has(own, key) {
            object.field(key, value.raw);
        }
    }
    Some(Cow::Owned(object.finish()))
}

/// An object with one field more.
pub(super) fn with_field(own: &str, name: &str, raw: &str) -> String {
    let mut object = ObjectWriter::with_capacity(own.len() + name.len() + raw.len() + 4);
    for (key, value) in raw_fields_of(own) {
        object.field(key, value.raw);
    }
    object.field(name, raw);
    object.finish()
}

/// An item with its type and with what its batch said for all; without its key.
pub(super) fn contain(item: &Item<'_>, path_type: Option<EventType>) -> String {
    let outer = |name: &str| item.outer().find(|(key, _)| key == name).map(|(_, value)| value);
    let mut object = ObjectWriter::with_capacity(item.raw.len() + 256);
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in raw_fields_of(item.raw) {
        let merged = ["context", "integrations"].into_iter().find(|name| means(key, name));
        match merged {
            _ if is_key_field(key) || (path_type.is_some() && means(key, "type")) => {}
            Some(name) if matches!(value.kind, Kind::Object | Kind::Null) => {
                let own = (value.kind == Kind::Object).then_some(value.raw);
                let defaults = outer(name).filter(|value| value.kind == Kind::Object);
                let both = with_defaults(own, defaults.map(|value| value.raw));
                object.field(name, both.as_deref().unwrap_or("null"));
                seen.push(name);
            }
            _ => {
                object.field(key, value.raw);
                seen.extend(["context", "integrations", "sentAt"].into_iter().find(|name| means(key, name)));
            }
        }
    }
    for name in ["context", "integrations", "sentAt"] {
        if let (false, Some(value)) = (seen.contains(&name), outer(name)) {
            object.field(name, value.raw);
        }
    }
    if let Some(kind) = path_type {
        object.field("type", &quoted(kind.as_str()));
    }
    object.finish()
}

fn has(object: &str, name: &str) -> bool {
    raw_fields_of(object).any(|(key, _)| means(key, name) || means(name, key))
}
