//! The 16 bytes that name one event in one project, for ever.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::Xxh3;

/// An event's identity: a UUID as the client gave it, or a hash of the client's text, or random bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

/// What each byte is worth as a hexadecimal digit; 0xff: it is none.
static HEX: [u8; 256] = hex();

#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses an index that is out of range")]
const fn hex() -> [u8; 256] {
    let mut table = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
}

impl EventId {
    /// Reads the hyphenated or plain hexadecimal form of a UUID, in either case.
    #[must_use]
    pub fn parse_uuid(text: &str) -> Option<Self> {
        // By groups and a table: each stored event has its id read from text once.
        let bytes = text.as_bytes();
        let groups: &[(usize, usize)] = match bytes.len() {
            32 => &[(0, 32)],
            36 => &[(0, 8), (9, 13), (14, 18), (19, 23), (24, 36)],
            _ => return None,
        };
        let mut id = [0_u8; 16];
        let mut slots = id.iter_mut();
        for (start, end) in groups.iter().copied() {
            if start > 0 && bytes.get(start - 1) != Some(&b'-') {
                return None;
            }
            for pair in bytes.get(start..end)?.chunks_exact(2) {
                let [high, low] = pair else { return None };
                let (high, low) = (*HEX.get(usize::from(*high))?, *HEX.get(usize::from(*low))?);
                if high | low > 0xf {
                    return None;
                }
                *slots.next()? = high << 4 | low;
            }
        }
        Some(Self(id))
    }

    /// The id of a client's text: a UUID is itself (nil and max count as absent: `None`), other text becomes
    /// XXH3-128 (seed 0, big-endian) of write key id, protocol and text, each followed by a zero byte, so that
    /// two sources that both count from 1 do not collide.
    #[must_use]
    pub fn from_client_text(write_key_id: &str, protocol: &str, text: &str) -> Option<Self> {
        if let Some(id) = Self::parse_uuid(text) {
            let absent = id.0 == [0; 16] || id.0 == [0xff; 16];
            return (!absent).then_some(id);
        }
        if text.is_empty() {
            return None;
        }
        let mut hash = Xxh3::new();
        for part in [write_key_id, protocol, text] {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        Some(Self(hash.digest128().to_be_bytes()))
    }
}

impl fmt::Display for EventId {
    /// The hyphenated lower-case UUID form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(36);
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            // By hand: formatting sixteen bytes one by one was a tenth of what the collector does for an event.
            for nibble in [byte >> 4, byte & 0xf] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
            }
        }
        f.write_str(&text)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Uuid)
    }
}

/// Reads an id without a copy of its text.
struct Uuid;

impl Visitor<'_> for Uuid {
    type Value = EventId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EventId, E> {
        EventId::parse_uuid(text).ok_or_else(|| E::custom("an event id is a UUID"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_taken_as_it_is_and_nil_and_max_count_as_absent() {
        let text = "5ac66e5c-d856-4188-9f89-8d8a8a4347c1";
        assert_eq!(EventId::from_client_text("k", "p", text).unwrap().to_string(), text);
        assert_eq!(EventId::from_client_text("k", "p", &text.to_uppercase()).unwrap().to_string(), text);
        assert_eq!(EventId::from_client_text("k", "p", "00000000-0000-0000-0000-000000000000"), None);
        assert_eq!(EventId::from_client_text("k", "p", "ffffffff-ffff-ffff-ffff-ffffffffffff"), None);
        assert_eq!(EventId::from_client_text("k", "p", ""), None);
    }

    #[test]
    fn only_a_uuid_is_read_as_one() {
        let text = "5ac66e5c-d856-4188-9f89-8d8a8a4347c1";
        let id = EventId::parse_uuid(text).unwrap();
        assert_eq!(EventId::parse_uuid(&text.replace('-', "")), Some(id));
        assert_eq!(serde_json::from_str::<EventId>(&format!("\"{text}\"")).unwrap(), id);
        for place in 0..text.len() {
            for wrong in ["g", "-", " ", "\u{e9}"] {
                let mut changed = text.to_owned();
                changed.replace_range(place..=place, wrong);
                assert_eq!(EventId::parse_uuid(&changed).is_some(), changed == text, "{changed}");
            }
        }
        for text in ["", "5ac66e5c", "5ac66e5cd8564188-9f89-8d8a8a4347c1", "5ac66e5cd85641889f898d8a8a4347c1a"] {
            assert_eq!(EventId::parse_uuid(text), None, "{text}");
        }
    }

    #[test]
    fn other_text_is_hashed_with_its_source() {
        let id = |key, protocol| EventId::from_client_text(key, protocol, "order-42").unwrap();
        assert_eq!(id("k", "native"), id("k", "native"));
        assert_ne!(id("k", "native"), id("k2", "native"));
        assert_ne!(id("k", "native"), id("k", "segment"));
    }
}
