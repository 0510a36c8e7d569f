//! Whether an excluded event voids an attempt.
//!
//! An exclusion counts from the event with which the attempt gets to `from_step` until the one with which it gets to
//! `to_step`, or to the end of the window if it never does. An event that serves a step of the attempt does not void it.

use super::attempts::{Event, Served};
use super::rules::{Rules, bit};

/// Where the excluded events of one person are.
#[derive(Debug)]
pub(super) struct Excluded<'a> {
    rules: &'a Rules,
    events: &'a [Event],
    /// Of each exclusion the places of its events, in order.
    places: Vec<Vec<u32>>,
}

impl<'a> Excluded<'a> {
    pub(super) fn new(rules: &'a Rules, events: &'a [Event]) -> Self {
        let all = events.iter().fold(0, |mask, event| mask | event.exclusions);
        let places = (0_u8..).zip(&rules.exclusions).map(|(exclusion, _)| {
            let matched = |event: &Event| event.exclusions & bit(exclusion) != 0;
            let places = (0_u32..).zip(events).filter(|(_, event)| matched(event)).map(|(place, _)| place);
            if all & bit(exclusion) == 0 { Vec::new() } else { places.collect() }
        });
        Self { rules, events, places: places.collect() }
    }

    /// Whether the attempt is void.
    pub(super) fn voids(&self, served: &[Served]) -> bool {
        let Some(end) = served.first().map(|first| self.rules.end(first.time)) else { return false };
        let at = |step: u8| served.iter().find(|served| served.step >= step).map(|served| served.position);
        let serves = |place: u32| served.binary_search_by_key(&place, |served| served.position).is_ok();
        self.rules.exclusions.iter().zip(&self.places).any(|((from, to), places)| {
            let Some(from) = at(*from) else { return false };
            let until = at(*to).unwrap_or(u32::MAX);
            let in_window = |place: u32| self.events.get(place as usize).is_some_and(|event| event.time <= end);
            let begin = places.partition_point(|place| *place <= from);
            let between = places.iter().skip(begin).take_while(|place| **place < until && in_window(**place));
            between.copied().any(|place| !serves(place))
        })
    }
}
