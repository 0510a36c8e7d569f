//! Does a rejected event name a person? Its bytes are the client's: in any dialect, and perhaps not even JSON.
//!
//! In JSON an id is a value under a key that names ids, or, if it is long enough not to be anything else, any text. In
//! bytes that are not JSON it is any occurrence between characters that are not part of words, as it stands, escaped
//! for JSON, or escaped for a URL. In doubt an event is the person's.

use object_store::path::Path;
use serde_json::Value;

use super::PersonIds;

/// Shorter texts (`7`, `pro`) say too little to be an id wherever they stand.
const TELLING_BYTES: usize = 6;
/// Keys, without case and punctuation, that hold ids beside those that end with `id`.
const ID_KEYS: &[&str] = &["alias", "identity", "user", "email", "previous"];

/// Whether the bytes name one of the ids.
pub(crate) fn names(original: &[u8], ids: &PersonIds) -> bool {
    match serde_json::from_slice::<Value>(original) {
        Ok(value) => in_value(&value, false, &|text| ids.has_user(text) || ids.has_visitor(text)),
        Err(_) => ids.texts().any(|id| in_bytes(original, id)),
    }
}

/// Whether the bytes name an id of which only is known how to recognise it. In bytes that are not JSON only ids without
/// spaces and punctuation of JSON and URLs are found.
pub(crate) fn names_any(original: &[u8], is_id: &dyn Fn(&str) -> bool) -> bool {
    match serde_json::from_slice::<Value>(original) {
        Ok(value) => in_value(&value, false, is_id),
        Err(_) => {
            let is_between = |byte: &u8| byte.is_ascii_whitespace() || br#""'\,;:&={}[]()<>?"#.contains(byte);
            original.split(is_between).filter_map(|part| std::str::from_utf8(part).ok()).any(|part| {
                let decoded = Path::from_url_path(part).map(|path| path.to_string());
                is_id(part) || decoded.is_ok_and(|decoded| is_id(&decoded))
            })
        }
    }
}

fn in_value(value: &Value, under_id_key: bool, is_id: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => (under_id_key || text.trim().len() >= TELLING_BYTES) && is_id(text.trim()),
        Value::Number(number) => under_id_key && is_id(&number.to_string()),
        Value::Array(items) => items.iter().any(|item| in_value(item, under_id_key, is_id)),
        Value::Object(members) => members.iter().any(|(key, value)| in_value(value, names_ids(key), is_id)),
        Value::Null | Value::Bool(_) => false,
    }
}

fn names_ids(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    plain.ends_with("id") || ID_KEYS.contains(&plain.as_str())
}

fn in_bytes(bytes: &[u8], id: &str) -> bool {
    let escaped = serde_json::to_string(id).unwrap_or_default();
    let escaped = escaped.trim_matches('"');
    let percent: String = id.bytes().map(percent_encoded).collect();
    [id, escaped, percent.as_str()].iter().any(|form| stands_in(bytes, form.as_bytes()))
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Whether the text stands in the bytes with no letter or digit right before or after it.
fn stands_in(bytes: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return false;
    }
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    bytes.windows(text.len()).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        window == text && !is_word(before) && !is_word(bytes.get(at + text.len()))
    })
}

#[cfg(test)]
mod tests {
    use event_model::PersonId;

    use super::*;

    #[test]
    fn a_rejected_event_is_the_persons_whose_id_it_names() {
        let ids: PersonIds = [
            PersonId::User("7".to_owned()),
            PersonId::User("ada@example.com".to_owned()),
            PersonId::Anonymous("Zoë \"x\"".to_owned()),
        ]
        .into_iter()
        .collect();
        let cases: &[(&str, bool)] = &[
            (r#"{"user_id": "7", "timestamp": "soon"}"#, true),
            (r#"{"userId": 7}"#, true),
            (r#"{"previousId": " 7 "}"#, true),
            (r#"{"properties": {"distinct_id": "7"}}"#, true),
            (r#"{"quantity": 7, "plan": "7"}"#, false),
            (r#"{"user_id": "70"}"#, false),
            (r#"{"traits": {"contact": "ada@example.com"}}"#, true),
            (r#"{"note": "write to ada@example.com"}"#, false),
            (r#"{"anonymous_id": "Zo\u00eb \"x\""}"#, true),
            // Not JSON.
            (r#"{"user_id": "7""#, true),
            (r#"{"user_id": "17""#, false),
            ("user=ada%40example.com&x", true),
            (r#"{"anonymous_id": "Zoë \"x\"", "#, true),
            ("", false),
        ];
        for (original, expected) in cases {
            assert_eq!(names(original.as_bytes(), &ids), *expected, "{original}");
            let is_id = |text: &str| ids.has_user(text) || ids.has_visitor(text);
            let has_spaces = original.starts_with(r#"{"anonymous_id": "Zo"#) && !original.ends_with('}');
            assert_eq!(names_any(original.as_bytes(), &is_id), *expected && !has_spaces, "{original}");
        }
    }
}
