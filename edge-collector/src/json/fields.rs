//! Values of text that has been scanned: by field, as decoded text.

use std::borrow::Cow;

use super::Kind;
use super::scan::plain_run;

/// A value as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    /// Its text; of a text value with the quotes.
    pub(crate) raw: &'a str,
    /// What it is.
    pub(crate) kind: Kind,
}

impl<'a> Value<'a> {
    /// The decoded text of a text value; `None` for other kinds and for text that is not Unicode.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        if self.kind != Kind::Text {
            return None;
        }
        unescape(self.raw.get(1..self.raw.len().saturating_sub(1))?)
    }

    /// The text of a text or a number.
    pub(crate) fn text_or_number(self) -> Option<Cow<'a, str>> {
        if self.kind == Kind::Number { Some(Cow::Borrowed(self.raw)) } else { self.text() }
    }

    pub(crate) fn is_null(self) -> bool {
        self.kind == Kind::Null
    }
}

/// The fields of an object: its keys decoded, its values as written. Nothing if it is not an object. The text must have
/// been scanned before.
pub(crate) fn fields_of(raw: &str) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    raw_fields_of(raw).map(|(key, value)| (unescape(key).unwrap_or(Cow::Borrowed(key)), value))
}

/// As [`fields_of`], with keys as written (without quotes): for copying.
pub(crate) fn raw_fields_of(raw: &str) -> impl Iterator<Item = (&str, Value<'_>)> {
    let bytes = raw.as_bytes();
    let mut at = if bytes.first() == Some(&b'{') { 1 } else { bytes.len() };
    std::iter::from_fn(move || {
        let key_start = at + memchr::memchr(b'"', bytes.get(at..)?)? + 1;
        let key_end = text_end(bytes, key_start)?;
        let colon = key_end + memchr::memchr(b':', bytes.get(key_end..)?)?;
        let start = colon + 1 + bytes.get(colon + 1..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let (end, kind) = value_end(bytes, start)?;
        at = end;
        Some((raw.get(key_start..key_end)?, Value { raw: raw.get(start..end)?, kind }))
    })
}

/// Where a value ends, in text that has been scanned: only quotes and brackets have to be counted then.
fn value_end(bytes: &[u8], start: usize) -> Option<(usize, Kind)> {
    let kind = match bytes.get(start)? {
        b'"' => return Some((text_end(bytes, start + 1)? + 1, Kind::Text)),
        b'{' => Kind::Object,
        b'[' => Kind::List,
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        _ => Kind::Number,
    };
    if !matches!(kind, Kind::Object | Kind::List) {
        let rest = bytes.get(start..)?;
        let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace());
        return Some((start + length.unwrap_or(rest.len()), kind));
    }
    let (mut at, mut open) = (start, 0_usize);
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'))?;
        match bytes.get(at)? {
            b'"' => at = text_end(bytes, at + 1)?,
            b'{' | b'[' => open += 1,
            _ => open -= 1,
        }
        at += 1;
        if open == 0 {
            return Some((at, kind));
        }
    }
}

/// Where a text's closing quote is.
fn text_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += plain_run(bytes.get(at..)?);
        match bytes.get(at)? {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}

/// Whether a key as written means this name.
pub(crate) fn means(key: &str, name: &str) -> bool {
    key == name || (key.contains('\\') && unescape(key).is_some_and(|key| key == name))
}

/// The text that an escaped text means; borrowed where there is no escape. `None` if it is not Unicode.
pub(crate) fn unescape(escaped: &str) -> Option<Cow<'_, str>> {
    if !escaped.contains('\\') {
        return Some(Cow::Borrowed(escaped));
    }
    serde_json::from_str::<String>(&format!("\"{escaped}\"")).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expect: &[(&str, &str, Kind)]) {
        let found: Vec<_> = raw_fields_of(raw).map(|(key, value)| (key, value.raw, value.kind)).collect();
        assert_eq!(found, expect, "{raw}");
    }

    #[test]
    fn fields_are_cut_out_as_they_are_written() {
        check("{}", &[]);
        check("[1]", &[]);
        check("7", &[]);
        check(r#"{"a":1}"#, &[("a", "1", Kind::Number)]);
        check(
            "{ \"a\" : null ,\n\"b}\":\"x\\\"}\", \"\":[{\"c\":\"]\"}] , \"d\":{\"e\":{}}, \"f\":true }",
            &[
                ("a", "null", Kind::Null),
                ("b}", r#""x\"}""#, Kind::Text),
                ("", r#"[{"c":"]"}]"#, Kind::List),
                ("d", r#"{"e":{}}"#, Kind::Object),
                ("f", "true", Kind::Bool),
            ],
        );
    }

    #[test]
    fn keys_mean_what_their_escapes_mean() {
        assert!(means("ip", "ip") && means(r"\u0069p", "ip") && !means("ipa", "ip"));
        assert_eq!(unescape(r"\ud83d"), None);
        assert_eq!(fields_of(r#"{"\u0069p":1}"#).next().unwrap().0, "ip");
    }
}
