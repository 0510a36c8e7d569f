//! Values of text that has been scanned: by field, as decoded text.

use std::borrow::Cow;

use super::{Findings, Kind, Scanner, Walk};

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

/// The fields of an object: its keys decoded, its values as written. Nothing if it is not an object.
pub(crate) fn fields_of(raw: &str) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    raw_fields_of(raw).map(|(key, value)| (unescape(key).unwrap_or(Cow::Borrowed(key)), value))
}

/// As [`fields_of`], with keys as written (without quotes): for copying.
pub(crate) fn raw_fields_of(raw: &str) -> impl Iterator<Item = (&str, Value<'_>)> {
    let mut scanner = Scanner::new(raw);
    let mut walk = (scanner.peek() == Some(b'{')).then(|| Walk::into(&mut scanner));
    let mut findings = Findings::default();
    std::iter::from_fn(move || {
        let key = walk.as_mut()?.key(&mut scanner, &mut findings).ok()??;
        let (span, kind) = scanner.value(&mut findings).ok()?;
        Some((key.of(raw), Value { raw: span.of(raw), kind }))
    })
}

/// Whether a key as written means this name.
pub(crate) fn means(key: &str, name: &str) -> bool {
    key == name || (key.contains('\\') && unescape(key).is_some_and(|key| key == name))
}

/// The text that an escaped text means; borrowed where there is no escape. `None` if it is not Unicode.
pub(crate) fn unescape(escaped: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', escaped.as_bytes()).is_none() {
        return Some(Cow::Borrowed(escaped));
    }
    serde_json::from_str::<String>(&format!("\"{escaped}\"")).ok().map(Cow::Owned)
}
