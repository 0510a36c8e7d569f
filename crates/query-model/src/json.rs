//! The body of a question as a small tree, within limits: depth, parts, values, no key twice.

use std::borrow::Cow;
use std::fmt;

use event_model::{ErrorCode, Problem};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::{MAX_BODY_BYTES, MAX_DEPTH, MAX_LIST_VALUES, MAX_NODES};

/// One JSON value. Numbers keep their text, so that integers beyond 2^53 stay exact.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// What it is, for sentences about what was expected instead.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a body. Nothing here recurses deeper than [`MAX_DEPTH`], however deep the body is: serde_json skips a raw
/// value without recursion, and each level is opened only after the one above it was counted.
pub(crate) fn read(body: &[u8]) -> Result<Node, Problem> {
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("A question takes at most {MAX_BODY_BYTES} bytes.");
        return Err(Problem::new(ErrorCode::BodyTooLarge, detail));
    }
    let raw: &RawValue = serde_json::from_slice(body)
        .map_err(|error| Problem::new(ErrorCode::InvalidJson, format!("{}.", capitalised(&error.to_string()))))?;
    Budget::default().open(raw, 1)
}

#[derive(Default)]
struct Budget {
    nodes: usize,
    list_values: usize,
}

impl Budget {
    fn open(&mut self, raw: &RawValue, depth: usize) -> Result<Node, Problem> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'{') => {
                self.count(depth)?;
                let Members(members) = serde_json::from_str(text).map_err(|error| invalid(&error))?;
                let mut fields: Vec<(String, Node)> = Vec::with_capacity(members.len());
                for (key, value) in members {
                    if fields.iter().any(|(other, _)| *other == key) {
                        let detail = format!("The key `{}` stands twice.", shortened(&key));
                        return Err(Problem::new(ErrorCode::DuplicateKey, detail));
                    }
                    if fields.len() >= MAX_NODES {
                        return Err(too_many_parts());
                    }
                    fields.push((key.into_owned(), self.open(value, depth + 1)?));
                }
                Ok(Node::Object(fields))
            }
            Some(b'[') => {
                self.count(depth)?;
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| invalid(&error))?;
                self.list_values += items.len();
                if self.list_values > MAX_LIST_VALUES {
                    let detail = format!("The lists of a question take at most {MAX_LIST_VALUES} values together.");
                    return Err(Problem::new(ErrorCode::QuestionTooComplex, detail));
                }
                items.into_iter().map(|item| self.open(item, depth + 1)).collect::<Result<_, _>>().map(Node::List)
            }
            Some(b'"') => serde_json::from_str(text).map(Node::Text).map_err(|error| invalid(&error)),
            Some(b't') => Ok(Node::Bool(true)),
            Some(b'f') => Ok(Node::Bool(false)),
            Some(b'n') | None => Ok(Node::Null),
            Some(_) => Ok(Node::Number(text.to_owned())),
        }
    }

    fn count(&mut self, depth: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            let detail = format!("It is nested deeper than {MAX_DEPTH} objects and lists.");
            return Err(Problem::new(ErrorCode::QuestionTooComplex, detail));
        }
        if self.nodes > MAX_NODES { Err(too_many_parts()) } else { Ok(()) }
    }
}

fn too_many_parts() -> Problem {
    Problem::new(ErrorCode::QuestionTooComplex, format!("It has more than {MAX_NODES} objects and lists."))
}

fn invalid(error: &serde_json::Error) -> Problem {
    Problem::new(ErrorCode::InvalidJson, format!("{}.", capitalised(&error.to_string())))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The first 60 characters of somebody's text, for sentences.
pub(crate) fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain(['…']).collect() }
}

/// The members of an object in their order, duplicates included.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(member.0), member.1));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &[u8]) -> ErrorCode {
        read(body).unwrap_err().code
    }

    #[test]
    fn depth_is_limited_and_a_hundred_thousand_levels_are_refused_at_once() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(code(&nested(MAX_DEPTH + 1)), ErrorCode::QuestionTooComplex);
        assert_eq!(code(&nested(100_000)), ErrorCode::QuestionTooComplex);
        assert_eq!(code("{\"a\":".repeat(100_000).as_bytes()), ErrorCode::InvalidJson);
    }

    #[test]
    fn parts_values_and_bytes_are_limited() {
        let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(",")).into_bytes();
        assert!(read(&list("{}", MAX_NODES - 1)).is_ok());
        assert_eq!(code(&list("{}", MAX_NODES)), ErrorCode::QuestionTooComplex);
        assert!(read(&list("1", MAX_LIST_VALUES)).is_ok());
        assert_eq!(code(&list("1", MAX_LIST_VALUES + 1)), ErrorCode::QuestionTooComplex);
        assert_eq!(code(&list("1234567", 1_000_000)), ErrorCode::BodyTooLarge);
    }

    #[test]
    fn a_key_twice_and_text_that_is_not_json_are_refused() {
        assert_eq!(code(br#"{"a": 1, "\u0061": 2}"#), ErrorCode::DuplicateKey);
        for body in [&b""[..], b"{", b"[1] 2", b"\xff", br#""\ud800""#, b"NaN", b"{'a': 1}"] {
            assert_eq!(code(body), ErrorCode::InvalidJson, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        let text = "123456789012345678901234567890";
        assert_eq!(read(text.as_bytes()).unwrap(), Node::Number(text.to_owned()));
    }
}
