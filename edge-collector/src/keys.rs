//! The fields of a body that carry the write key. They are read for authentication and kept nowhere.

use crate::json::unescape;

const NAMES: &[&str] = &["writeKey", "write_key", "api_key"];

/// Whether a field carries the key, however its name is escaped.
pub(crate) fn is_key_field(name: &str) -> bool {
    NAMES.contains(&name) || (name.contains('\\') && unescape(name).is_some_and(|name| NAMES.contains(&name.as_ref())))
}
