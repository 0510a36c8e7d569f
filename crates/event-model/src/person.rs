//! Who did it: a typed id, and the 64-bit key that stands for it in the lake.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// An id of a person, with its type: the same text as user and as anonymous id are two ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case")]
pub enum PersonId {
    /// A known user, named by the customer's own id.
    User(String),
    /// A visitor, named by an id that a client made up.
    Anonymous(String),
}

/// XXH3-64 (seed 0) of `u:` or `a:` and the id, taken as signed (Delta has no unsigned types).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonKey(pub i64);

impl PersonId {
    /// The key of this id alone, before any tie to other ids.
    #[must_use]
    pub fn key(&self) -> PersonKey {
        PersonKey::of(self.kind_letter(), self.text())
    }

    /// The id without its type.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::User(id) | Self::Anonymous(id) => id,
        }
    }

    /// `user` or `anonymous`, as stored in the lake.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Anonymous(_) => "anonymous",
        }
    }

    /// The inverse of [`Self::kind`] and [`Self::text`].
    #[must_use]
    pub fn from_parts(kind: &str, id: String) -> Option<Self> {
        match kind {
            "user" => Some(Self::User(id)),
            "anonymous" => Some(Self::Anonymous(id)),
            _ => None,
        }
    }

    fn kind_letter(&self) -> char {
        match self {
            Self::User(_) => 'u',
            Self::Anonymous(_) => 'a',
        }
    }
}

impl PersonKey {
    /// The key of an event: of its user id where there is one, otherwise of its anonymous id.
    #[must_use]
    pub fn of_event(user_id: Option<&str>, anonymous_id: Option<&str>) -> Option<Self> {
        match (user_id, anonymous_id) {
            (Some(id), _) => Some(Self::of('u', id)),
            (None, Some(id)) => Some(Self::of('a', id)),
            (None, None) => None,
        }
    }

    fn of(letter: char, id: &str) -> Self {
        // Almost every id fits on the stack, and each stored event needs its key.
        let mut short = [0_u8; 128];
        let hash = match short.get_mut(..id.len() + 2) {
            Some(text) => {
                let (kind, rest) = text.split_at_mut(2);
                kind.copy_from_slice(&[letter as u8, b':']);
                rest.copy_from_slice(id.as_bytes());
                xxh3_64(text)
            }
            None => xxh3_64(format!("{letter}:{id}").as_bytes()),
        };
        Self(hash.cast_signed())
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind_letter(), self.text())
    }
}

/// Ids that clients send by mistake for very many people. Their events are kept, but they never tie two ids.
/// The list is PostHog's, as recorded in `docs/reference/protocols.md`; compared without case.
const JUNK: &[&str] = &[
    "",
    "0",
    "-1",
    "null",
    "nil",
    "undefined",
    "none",
    "nan",
    "true",
    "false",
    "anonymous",
    "guest",
    "user",
    "id",
    "email",
    "distinct_id",
    "distinctid",
    "[object object]",
    "00000000-0000-0000-0000-000000000000",
];

/// Whether an id is one that must never merge people.
#[must_use]
pub fn is_junk(id: &str) -> bool {
    let id = id.trim().trim_matches(['"', '\'']);
    JUNK.iter().any(|junk| junk.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_keys() {
        assert_eq!(PersonId::User("user_1".into()).key(), PersonKey(xxh3_64(b"u:user_1").cast_signed()));
        assert_ne!(PersonId::User("1".into()).key(), PersonId::Anonymous("1".into()).key());
        for length in [0, 1, 125, 126, 127, 1_024] {
            let id = "x".repeat(length);
            let expected = xxh3_64(format!("a:{id}").as_bytes()).cast_signed();
            assert_eq!(PersonId::Anonymous(id).key(), PersonKey(expected), "{length} bytes");
        }
        assert_eq!(PersonKey::of_event(Some("1"), Some("2")), Some(PersonId::User("1".into()).key()));
        assert_eq!(PersonKey::of_event(None, Some("2")), Some(PersonId::Anonymous("2".into()).key()));
    }

    #[test]
    fn junk_is_recognised_in_any_case() {
        assert!(is_junk("undefined") && is_junk("[object Object]") && is_junk("NaN") && is_junk(" Anonymous "));
        assert!(!is_junk("u1") && !is_junk("00"));
    }
}
