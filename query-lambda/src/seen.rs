//! Which events and properties there are: counted row by row, in bounded memory.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use event_model::{EventType, Timestamp};
use query_model::answer::{EventSchema, PropertySchema};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Most (event, property) pairs that are told apart. Beyond it a client has put values into keys, and a longer list
/// helps nobody.
const MAX_PAIRS: usize = 20_000;

/// What has been seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    events: BTreeMap<(&'static str, String), EventCounts>,
    pairs: usize,
    left_out: bool,
}

#[derive(Debug, Default)]
struct EventCounts {
    rows: u64,
    last: i64,
    properties: BTreeMap<String, TypeCounts>,
}

/// Rows with a value of each JSON type. Null is the same as missing.
#[derive(Clone, Copy, Debug, Default)]
struct TypeCounts {
    text: u64,
    number: u64,
    boolean: u64,
    list: u64,
    object: u64,
}

impl Seen {
    /// Counts one row; `json` is its properties, or its traits on identify and group rows.
    pub(crate) fn add(&mut self, kind: EventType, event: &str, timestamp: i64, json: Option<&str>) {
        let key = (kind.as_str(), event.to_owned());
        if self.pairs >= MAX_PAIRS && !self.events.contains_key(&key) {
            self.left_out = true;
            return;
        }
        let counts = self.events.entry(key).or_insert_with(|| {
            self.pairs += 1;
            EventCounts { last: i64::MIN, ..EventCounts::default() }
        });
        counts.rows += 1;
        counts.last = counts.last.max(timestamp);
        let Some(json) = json else { return };
        let keys = Keys { counts: &mut counts.properties, pairs: &mut self.pairs, left_out: &mut self.left_out };
        // What is stored was validated as an object; anything else simply has no properties.
        let _ = serde_json::Deserializer::from_str(json).deserialize_map(keys);
    }

    /// The list, the most frequent first, and whether something was left out.
    pub(crate) fn finish(self) -> (Vec<EventSchema>, bool) {
        let mut events: Vec<EventSchema> = self
            .events
            .into_iter()
            .map(|((kind, event), counts)| EventSchema {
                event,
                kind: kind.to_owned(),
                count: counts.rows,
                last_seen: Timestamp(counts.last).to_string(),
                properties: properties(counts.properties),
            })
            .collect();
        // Stable: equally frequent ones stay in the order of their names.
        events.sort_by_key(|event| Reverse(event.count));
        (events, self.left_out)
    }
}

fn properties(counts: BTreeMap<String, TypeCounts>) -> Vec<PropertySchema> {
    let mut list: Vec<PropertySchema> = counts
        .into_iter()
        .map(|(name, counts)| {
            let types = counts.by_name();
            PropertySchema { name, count: types.values().sum(), types }
        })
        .collect();
    list.sort_by_key(|property| Reverse(property.count));
    list
}

impl TypeCounts {
    fn by_name(self) -> BTreeMap<String, u64> {
        let Self { text, number, boolean, list, object } = self;
        [("text", text), ("number", number), ("boolean", boolean), ("list", list), ("object", object)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    }

    /// Counts a value by the first character of its JSON.
    fn add(&mut self, value: &RawValue) {
        match value.get().trim_start().bytes().next() {
            Some(b'"') => self.text += 1,
            Some(b't' | b'f') => self.boolean += 1,
            Some(b'[') => self.list += 1,
            Some(b'{') => self.object += 1,
            Some(b'n') | None => {}
            Some(_) => self.number += 1,
        }
    }
}

/// Walks over the top-level keys of a JSON object without building its values.
struct Keys<'a> {
    counts: &'a mut BTreeMap<String, TypeCounts>,
    pairs: &'a mut usize,
    left_out: &'a mut bool,
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some((key, value)) = map.next_entry::<BorrowedKey<'de>, &RawValue>()? {
            if value.get() == "null" {
                continue;
            }
            if let Some(types) = self.counts.get_mut(key.0.as_ref()) {
                types.add(value);
            } else if *self.pairs < MAX_PAIRS {
                *self.pairs += 1;
                self.counts.entry(key.0.into_owned()).or_default().add(value);
            } else {
                *self.left_out = true;
            }
        }
        Ok(())
    }
}

/// A key that is copied only if it holds an escape.
#[derive(serde::Deserialize)]
struct BorrowedKey<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_counted_by_type_and_null_is_missing() {
        let mut seen = Seen::default();
        seen.add(EventType::Track, "buy", 2_000_000, Some(r#"{"price": 1.5, "tags": ["a"], "gift": null}"#));
        seen.add(EventType::Track, "buy", 1_000_000, Some(r#"{"price": "free", "gift": true, "q\u0075antity": {}}"#));
        seen.add(EventType::Page, "page", 0, None);
        insta::assert_json_snapshot!(seen.finish());
    }

    #[test]
    fn keys_that_are_values_do_not_fill_the_memory() {
        let mut seen = Seen::default();
        for number in 0..MAX_PAIRS + 10 {
            seen.add(EventType::Track, "buy", 0, Some(&format!("{{\"key {number}\": 1}}")));
        }
        seen.add(EventType::Track, "other", 0, None);
        let (events, truncated) = seen.finish();
        assert!(truncated);
        assert_eq!((events.len(), events[0].properties.len()), (1, MAX_PAIRS - 1));
    }
}
