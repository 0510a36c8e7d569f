//! Replaces values inside JSON text wherever their key asks for it, at any depth, without recursion.

use super::{Findings, Scanner, Value, unescape};

/// The text with every value replaced for whose key there is a `rule` and for which `rewrite` gives a new value;
/// `None` if there was none. The text must have been scanned before.
pub(crate) fn replace_values<R>(
    raw: &str,
    rule: impl Fn(&str) -> Option<R>,
    rewrite: impl Fn(R, Value<'_>) -> Option<String>,
) -> Option<String> {
    let mut written: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(key) = next_key(raw, at) {
        at = key.value_at;
        let name = unescape(raw.get(key.start..key.end).unwrap_or_default());
        // A value without a rule is gone into and not over: scanning it here would be quadratic in the depth.
        let Some(rule) = name.and_then(|name| rule(&name)) else { continue };
        let rest = raw.get(at..).unwrap_or_default();
        let mut scanner = Scanner::new(rest);
        let Ok((span, kind)) = scanner.value(&mut Findings::default()) else { break };
        let value = Value { raw: span.of(rest), kind };
        let start = at + scanner.at() - value.raw.len();
        let Some(new) = rewrite(rule, value) else { continue };
        let text = written.get_or_insert_with(|| String::with_capacity(raw.len()));
        text.push_str(raw.get(copied..start).unwrap_or_default());
        text.push_str(&new);
        copied = start + value.raw.len();
        at = copied;
    }
    let mut text = written?;
    text.push_str(raw.get(copied..).unwrap_or_default());
    Some(text)
}

struct Key {
    start: usize,
    end: usize,
    value_at: usize,
}

/// The next text that is followed by a colon.
fn next_key(raw: &str, mut at: usize) -> Option<Key> {
    let bytes = raw.as_bytes();
    loop {
        let start = at + memchr::memchr(b'"', bytes.get(at..)?)? + 1;
        let mut end = start;
        loop {
            end += memchr::memchr2(b'"', b'\\', bytes.get(end..)?)?;
            if bytes.get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        at = end + 1;
        let space = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if bytes.get(at + space) == Some(&b':') {
            return Some(Key { start, end, value_at: at + space + 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_by_key_at_any_depth_and_nothing_else_changes() {
        for (raw, expect) in [
            (r#"{"a":1,"x":2}"#, Some(r#"{"a":1,"x":0}"#)),
            (r#"{"x" : {"x":1} , "b":[{"x":[1,"}"]}]}"#, Some(r#"{"x" : 0 , "b":[{"x":0}]}"#)),
            (r#"{"\u0078":"secret"}"#, Some(r#"{"\u0078":0}"#)),
            (r#"{"a":"x","b":"\"x\":1","c":["x"]}"#, None),
            (r#"{"x":null}"#, None),
            ("{}", None),
        ] {
            let rewritten = replace_values(
                raw,
                |key| (key == "x").then_some(()),
                |(), value| (!value.is_null()).then(|| "0".to_owned()),
            );
            assert_eq!(rewritten.as_deref(), expect, "{raw}");
        }
    }
}
