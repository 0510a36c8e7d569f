//! Looks into JSON text without building a tree: where a member's value begins and ends.
//!
//! The text is valid JSON (the collector parsed it before it was stored), which is what makes the scan short.

/// The raw text of a property: of the key itself, otherwise of a path whose dots reach into nested objects
/// (`address.city`). Null is the same as missing.
///
/// ```text
/// find({"a.b": 1, "a": {"b": 2, "c": 3}}, "a.b") = 1       the key itself wins
/// find(                               .., "a.c") = 3
/// ```
pub(crate) fn find<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    if let Some(value) = member(object, name).filter(|value| *value != "null") {
        return Some(value);
    }
    let (head, rest) = name.split_once('.')?;
    find(member(object, head)?, rest)
}

/// The raw text of a member of an object; `None` if it is no object or has no such member.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    members(object).find(|(key, _)| key_is(key, name)).map(|(_, value)| value)
}

/// The members of an object: raw keys (without quotes, escapes as they are) and raw values.
pub(crate) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut scan = Scan { text: object, at: 0 };
    scan.skip_spaces();
    let mut open = scan.take(b'{');
    std::iter::from_fn(move || {
        if !open {
            return None;
        }
        scan.skip_spaces();
        let key = scan.string();
        let Some(key) = key else {
            open = false;
            return None;
        };
        scan.skip_spaces();
        scan.take(b':');
        scan.skip_spaces();
        let value = scan.value();
        scan.skip_spaces();
        open = scan.take(b',');
        Some((key, value))
    })
}

/// Whether a raw key is this name.
fn key_is(raw: &str, name: &str) -> bool {
    if raw.as_bytes().contains(&b'\\') { unescape(raw).is_some_and(|key| key == name) } else { raw == name }
}

/// The text that a raw string (without quotes) stands for.
pub(crate) fn unescape(raw: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{raw}\"")).ok()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The inside of a string.
    fn string(&mut self) -> Option<&'a str> {
        if !self.take(b'"') {
            return None;
        }
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let inside = self.text.get(start..self.at);
                    self.at += 1;
                    return inside;
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        None
    }

    fn value(&mut self) -> &'a str {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    if depth == 0 {
                        break;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                }
                b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_members_as_they_are_written() {
        let text = r#" { "a" : 1.50 , "b":"x\"},{", "c" : {"d":[1,{"e":"]"}], "f": null}, "g":true,"\u0068i":-2e3} "#;
        let check = |name: &str, expect: Option<&str>| assert_eq!(find(text, name), expect, "{name}");
        check("a", Some("1.50"));
        check("b", Some(r#""x\"},{""#));
        check("c", Some(r#"{"d":[1,{"e":"]"}], "f": null}"#));
        check("c.d", Some(r#"[1,{"e":"]"}]"#));
        check("c.f", None);
        check("c.x", None);
        check("g", Some("true"));
        check("hi", Some("-2e3"));
        check("a.b", None);
        check("", None);
    }

    #[test]
    fn a_key_with_dots_wins_over_the_path() {
        assert_eq!(find(r#"{"a.b":1,"a":{"b":2,"c.d":3}}"#, "a.b"), Some("1"));
        assert_eq!(find(r#"{"a.b":null,"a":{"b":2,"c.d":3}}"#, "a.b"), Some("2"));
        assert_eq!(find(r#"{"a":{"b":2,"c.d":3}}"#, "a.c.d"), Some("3"));
    }

    #[test]
    fn text_that_is_no_object_has_no_members() {
        for text in ["", "{}", "[]", "[{\"a\":1}]", "null", "{", "{\"a", "{\"a\""] {
            assert_eq!(find(text, "b"), None, "{text}");
        }
    }
}
