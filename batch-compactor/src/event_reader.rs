//! Streams one event's JSON into the row that is being written.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::{FIELDS, Field, NAMESPACE, SOURCE};
use crate::rows::{RequestFacts, RowProblem, Rows, Scalars, Unusable};

/// Reads one event of an envelope into the next row. After an error the rows are broken and must be thrown away:
/// columns may differ in length.
pub(crate) struct EventSeed<'r> {
    pub(crate) rows: &'r mut Rows,
    pub(crate) facts: &'r RequestFacts,
    /// Set where the error is about one event, not about the JSON.
    pub(crate) unusable: &'r mut Option<Unusable>,
}

impl<'de> DeserializeSeed<'de> for EventSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut scalars = Scalars::default();
        let mut cursor = 0;
        while let Some(found) = map.next_key_seed(FieldName { cursor: &mut cursor })? {
            match found {
                Some(Field::Text(index)) => map.next_value_seed(TextSeed { rows: self.rows, index })?,
                Some(Field::Json(index)) => {
                    if let Some(json) = map.next_value::<Option<&RawValue>>()? {
                        self.rows.put(index, json.get()).map_err(A::Error::custom)?;
                    }
                }
                Some(Field::EventId) => scalars.event_id = map.next_value()?,
                Some(Field::Position) => scalars.position = map.next_value()?,
                Some(Field::Type) => scalars.kind = map.next_value()?,
                Some(Field::Timestamp) => scalars.timestamp = map.next_value()?,
                Some(Field::OriginalTimestamp) => scalars.original_timestamp = map.next_value()?,
                Some(Field::PreviousId) => scalars.previous_id = map.next_value()?,
                Some(Field::IsBot) => scalars.is_bot = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.rows.end_row(scalars, self.facts).map_err(|problem| match problem {
            RowProblem::Damaged(what) => A::Error::custom(what),
            RowProblem::Unusable(unusable) => {
                *self.unusable = Some(unusable);
                A::Error::custom("an event cannot be stored")
            }
        })
    }
}

/// Finds a field's name, starting after the one found last.
struct FieldName<'c> {
    cursor: &'c mut usize,
}

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Field>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Option<Field>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Option<Field>, E> {
        let (before, after) = FIELDS.split_at_checked(*self.cursor).unwrap_or((&FIELDS, &[]));
        for (step, (candidate, field)) in after.iter().chain(before).enumerate() {
            if *candidate == name {
                *self.cursor = (*self.cursor + step + 1) % FIELDS.len();
                return Ok(Some(*field));
            }
        }
        Ok(None)
    }
}

/// Reads a text, or null, into a column. An empty namespace or source counts as absent, as in [`Event`].
struct TextSeed<'r> {
    rows: &'r mut Rows,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for TextSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for TextSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        if value.is_empty() && matches!(self.index, NAMESPACE | SOURCE) {
            return Ok(());
        }
        self.rows.put(self.index, value).map_err(E::custom)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}
