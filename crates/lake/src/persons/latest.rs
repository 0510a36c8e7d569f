//! The latest traits of one id: for each trait its value, and the place in the total order of the call that set it.

use std::collections::BTreeMap;

use event_model::{EventId, Json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A place in the total order of a person's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(
    /// The event's timestamp, in microseconds.
    pub i64,
    /// When it was received, in microseconds.
    pub i64,
    /// Its index in the client's request.
    pub i32,
    /// Its id.
    pub EventId,
);

/// Traits that merge in any order to the same result: each trait keeps the value of the latest call that named it.
#[derive(Clone, Debug, Default)]
pub struct LatestTraits(BTreeMap<String, (Place, Box<RawValue>)>);

impl LatestTraits {
    /// What one identify call says. Text that is not a JSON object says nothing.
    #[must_use]
    pub fn of_call(traits: &str, place: Place) -> Self {
        let values: BTreeMap<String, Box<RawValue>> = serde_json::from_str(traits).unwrap_or_default();
        Self(values.into_iter().map(|(name, value)| (name, (place, value))).collect())
    }

    /// From the two texts of a row of `persons`; `None` if they do not belong together.
    #[must_use]
    pub fn parse(traits: &str, places: &str) -> Option<Self> {
        let values: BTreeMap<String, Box<RawValue>> = serde_json::from_str(traits).ok()?;
        let mut places: BTreeMap<String, Place> = serde_json::from_str(places).ok()?;
        let joined = values.into_iter().map(|(name, value)| {
            let place = places.remove(&name)?;
            Some((name, (place, value)))
        });
        Some(Self(joined.collect::<Option<_>>()?))
    }

    /// Takes in what another call, or another id of the person, says.
    pub fn merge(&mut self, other: Self) {
        for (name, (place, value)) in other.0 {
            match self.0.get_mut(&name) {
                Some(kept) if kept.0 >= place => {}
                Some(kept) => *kept = (place, value),
                None => {
                    self.0.insert(name, (place, value));
                }
            }
        }
    }

    /// Whether no trait was ever set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values: a JSON object, sorted by name.
    #[must_use]
    pub fn values(&self) -> Json {
        let values: BTreeMap<&str, &RawValue> =
            self.0.iter().map(|(name, (_, value))| (name.as_str(), value.as_ref())).collect();
        // Texts and raw JSON always make an object; the empty one stands for what cannot be.
        Json(serde_json::value::to_raw_value(&values).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The places, as text for the column beside the values.
    #[must_use]
    pub fn places(&self) -> String {
        let places: BTreeMap<&str, Place> = self.0.iter().map(|(name, (place, _))| (name.as_str(), *place)).collect();
        serde_json::to_string(&places).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(traits: &str, timestamp: i64, received: i64) -> LatestTraits {
        LatestTraits::of_call(traits, Place(timestamp, received, 0, EventId::default()))
    }

    fn merged(calls: &[LatestTraits]) -> String {
        let mut all = LatestTraits::default();
        calls.iter().cloned().for_each(|call| all.merge(call));
        all.values().as_str().to_owned()
    }

    #[test]
    fn each_trait_keeps_its_latest_value_in_whatever_order_calls_arrive() {
        let mut calls = vec![
            call(r#"{"plan":"free","age":12345678901234567890}"#, 1, 9),
            call(r#"{"plan":"pro"}"#, 3, 3),
            call(r#"{"plan":"team","name":null}"#, 2, 8),
            call("[]", 9, 9),
        ];
        let expect = r#"{"age":12345678901234567890,"name":null,"plan":"pro"}"#;
        assert_eq!(merged(&calls), expect);
        calls.reverse();
        assert_eq!(merged(&calls), expect);
    }

    #[test]
    fn calls_at_the_same_time_are_ordered_by_receipt_position_and_id() {
        let at = |position, id| Place(1, 1, position, EventId([id; 16]));
        let calls = [
            LatestTraits::of_call(r#"{"a":1,"b":1}"#, at(1, 0)),
            LatestTraits::of_call(r#"{"a":2,"b":2}"#, at(0, 9)),
            LatestTraits::of_call(r#"{"b":3}"#, at(1, 1)),
        ];
        assert_eq!(merged(&calls), r#"{"a":1,"b":3}"#);
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let mut traits = call(r#"{"plan":"free","n":1.50}"#, 1, 9);
        traits.merge(call(r#"{"plan":"pro"}"#, 2, 2));
        let read = LatestTraits::parse(traits.values().as_str(), &traits.places()).unwrap();
        assert_eq!((read.values(), read.places()), (traits.values(), traits.places()));
        assert!(LatestTraits::parse(r#"{"a":1}"#, "{}").is_none());
    }
}
