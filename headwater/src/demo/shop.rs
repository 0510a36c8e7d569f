//! A made-up shop's traffic: the same events for the same seed, as clients would send them.
//!
//! Visitors come from campaigns and search engines, look at products, put them into carts and sometimes buy. Most are
//! anonymous at first and are identified when they sign up; some come from a second device; some were known under a
//! lead's id before, which an alias ties. Events are JSON objects of the native protocol, about 650 bytes each, in
//! the order of time. A day is made at a time, so that a year of a large shop needs the memory of one day.

mod catalog;
mod session;
mod visitor;

use std::collections::VecDeque;

use event_model::Timestamp;
use serde_json::Value;

pub use visitor::Visitor;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// An endless amount of traffic would need an endless shop: this one has so many visitors and days.
#[derive(Clone, Debug)]
pub struct Shop {
    seed: u64,
    visitors: u32,
    days: u32,
    end: Timestamp,
    day: u32,
    waiting: VecDeque<(Timestamp, Value)>,
    /// What began before midnight and ends after it.
    carried: Vec<(Timestamp, Value)>,
}

impl Shop {
    /// The traffic of this many visitors in the `days` days before `end`, `end` itself excluded. One visitor and day
    /// make about three and a half events on average.
    #[must_use]
    pub fn new(seed: u64, visitors: u32, days: u32, end: Timestamp) -> Self {
        Self { seed, visitors, days, end, day: 0, waiting: VecDeque::new(), carried: Vec::new() }
    }

    /// The visitors, whether they come in these days or not.
    pub fn visitors(&self) -> impl Iterator<Item = Visitor> + use<> {
        let (seed, days) = (self.seed, self.days);
        (0..self.visitors).map(move |number| Visitor::new(seed, number, days))
    }

    fn open(&mut self) {
        let start = Timestamp(self.end.0 - i64::from(self.days - self.day) * DAY);
        let mut events = std::mem::take(&mut self.carried);
        for visitor in self.visitors() {
            session::visits(self.seed, &visitor, self.day, start, &mut events);
        }
        events.sort_by_key(|(time, _)| *time);
        let midnight = events.partition_point(|(time, _)| time.0 < start.0 + DAY);
        self.carried = events.split_off(midnight);
        self.waiting = events.into();
        self.day += 1;
    }
}

impl Iterator for Shop {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        while self.waiting.is_empty() && self.day < self.days {
            self.open();
        }
        self.waiting.pop_front().map(|(_, event)| event)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn shop() -> Shop {
        Shop::new(7, 200, 30, Timestamp::parse("2026-11-01").unwrap())
    }

    #[test]
    fn the_same_seed_makes_the_same_events_and_another_seed_others() {
        let other = Shop { seed: 8, ..shop() };
        assert!(shop().eq(shop()));
        assert!(!shop().eq(other));
    }

    #[test]
    fn a_shop_of_the_default_size_makes_about_twenty_thousand_events_of_about_650_bytes() {
        let sizes: Vec<usize> = shop().map(|event| event.to_string().len()).collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((17_000..23_000).contains(&sizes.len()), "{} events", sizes.len());
        assert!((600..700).contains(&mean), "{mean} bytes");
    }

    #[test]
    fn events_lie_in_the_period_in_order_and_have_ids_of_their_own() {
        let (mut ids, mut before) = (HashSet::new(), Timestamp(0));
        for event in shop() {
            let time = Timestamp::parse(event["timestamp"].as_str().unwrap()).unwrap();
            assert!(before <= time && time < Timestamp::parse("2026-11-01").unwrap());
            assert!(time >= Timestamp::parse("2026-10-02").unwrap());
            assert!(ids.insert(event["event_id"].clone()));
            before = time;
        }
    }

    #[test]
    fn visitors_are_anonymous_before_they_sign_up_and_known_after() {
        let (mut known, mut identified, mut aliased) = (HashSet::new(), 0, 0);
        for event in shop() {
            match event["type"].as_str() {
                Some("identify") => identified += 1,
                Some("alias") => aliased += 1,
                _ if event.get("user_id").is_some() => {
                    known.insert(event["anonymous_id"].clone());
                }
                _ => assert!(!known.contains(&event["anonymous_id"]), "{event}"),
            }
        }
        assert!(identified > 50 && aliased > 5, "{identified} {aliased}");
    }
}
