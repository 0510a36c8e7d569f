//! What one person's events, in their order, add to the numbers of a funnel.
//!
//! It takes the events from an iterator and asks for nothing else, so that it does not matter where they come from.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use query_model::funnel::{Attribution, FunnelCount, StepOrder};

use super::any_order::any_order;
use super::attempts::{Event, Served, any_between, strict};
use super::exclusions::Excluded;
use super::rules::{Codes, Rules, View};
use super::sessions;
use super::tally::Tally;

/// Adds one person.
pub(super) fn evaluate(rules: &Rules, events: impl IntoIterator<Item = Event>, tally: &mut Tally) {
    let events: Vec<Event> = events.into_iter().collect();
    if rules.count != FunnelCount::Sessions {
        return one(rules, &events, tally);
    }
    for session in sessions::split(events) {
        one(rules, &session, tally);
    }
}

/// Where an attempt competes with others: there is one result for each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    codes: Codes,
    interval: u32,
}

/// What makes one attempt better than another: for a trend that it got from the one step to the other, then how deep
/// it is, that it is not void, and that it began earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    converted: bool,
    entered: bool,
    depth: u8,
    is_clean: bool,
    start: Reverse<u32>,
}

impl Rank {
    fn new(rules: &Rules, served: &[Served], is_clean: bool) -> Self {
        let reached = |step: u8| served.iter().any(|served| served.step == step);
        let (entered, converted) = match rules.view {
            View::Trend { from, to, .. } => (reached(from), reached(from) && reached(to)),
            _ => (false, false),
        };
        let depth = served.last().map_or(0, |served| served.step);
        let start = Reverse(served.first().map_or(u32::MAX, |served| served.position));
        Self { converted, entered, depth, is_clean, start }
    }
}

/// Adds the attempts within some events of a person: all of them, or those of one session.
fn one(rules: &Rules, events: &[Event], tally: &mut Tally) {
    let counter = Counter { rules, events, excluded: Excluded::new(rules, events), touched: touched(rules, events) };
    let mut best: BTreeMap<Place, (Rank, Vec<Served>)> = BTreeMap::new();
    let mut each = |served: &[Served]| {
        if rules.count == FunnelCount::Totals {
            if let Some((_, served)) = counter.judge(served) {
                tally.add(rules, counter.codes(served), rules.interval(start(served)), served);
            }
            return;
        }
        let codes = if rules.attribution == Attribution::AllSteps { counter.codes(served) } else { Codes::default() };
        let place = Place { codes, interval: rules.interval(start(served)) };
        let before = best.get(&place).map(|(rank, _)| *rank);
        // Most attempts would not win even if they were clean, which is quickly said.
        if before.is_some_and(|before| before > Rank::new(rules, served, true)) {
            return;
        }
        if let Some((rank, served)) = counter.judge(served).filter(|(rank, _)| before.is_none_or(|best| *rank > best)) {
            best.insert(place, (rank, served.to_vec()));
        }
    };
    match rules.order {
        StepOrder::Strict => strict(rules, events, &mut each),
        StepOrder::AnyBetween => pieces(rules, events).for_each(|picks| any_between(rules, events, &picks, &mut each)),
        StepOrder::AnyOrder => pieces(rules, events).for_each(|picks| any_order(rules, events, &picks, &mut each)),
    }
    for (place, (_, served)) in best {
        tally.add(rules, counter.codes(&served), place.interval, &served);
    }
}

fn start(served: &[Served]) -> i64 {
    served.first().map_or(0, |served| served.time)
}

/// The places of the events that may serve a step: all of them, or a list for each value that an attempt may hold.
fn pieces(rules: &Rules, events: &[Event]) -> impl Iterator<Item = Vec<u32>> {
    let mut pieces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    let key = |event: &Event| if rules.is_held { event.key } else { Some(0) };
    for (place, event) in (0_u32..).zip(events).filter(|(_, event)| event.steps != 0) {
        if let Some(key) = key(event) {
            pieces.entry(key).or_default().push(place);
        }
    }
    pieces.into_values()
}

/// Of each property the value on the first (or last) event of the period that matches a step and has it.
fn touched(rules: &Rules, events: &[Event]) -> Codes {
    let mut codes = Codes::default();
    let is_last = match rules.attribution {
        Attribution::FirstTouch => false,
        Attribution::LastTouch => true,
        Attribution::Step(_) | Attribution::AllSteps => return codes,
    };
    for event in events.iter().filter(|event| event.steps != 0 && rules.begins(event.time)) {
        for (code, here) in codes.iter_mut().zip(event.codes) {
            if here != 0 && (is_last || *code == 0) {
                *code = here;
            }
        }
    }
    codes
}

struct Counter<'a> {
    rules: &'a Rules,
    events: &'a [Event],
    excluded: Excluded<'a>,
    touched: Codes,
}

impl Counter<'_> {
    /// As what an attempt counts; `None` if it is void. In any order a void one still counts at its first step.
    fn judge<'s>(&self, served: &'s [Served]) -> Option<(Rank, &'s [Served])> {
        if !self.excluded.voids(served) {
            return Some((Rank::new(self.rules, served, true), served));
        }
        let first = served.get(..1).filter(|_| self.rules.order == StepOrder::AnyOrder)?;
        Some((Rank::new(self.rules, first, false), first))
    }

    /// The group of an attempt.
    fn codes(&self, served: &[Served]) -> Codes {
        let on = |served: Option<&Served>| {
            let event = served.and_then(|served| self.events.get(served.position as usize));
            event.map(|event| event.codes).unwrap_or_default()
        };
        match self.rules.attribution {
            Attribution::FirstTouch | Attribution::LastTouch => self.touched,
            Attribution::AllSteps => on(served.first()),
            Attribution::Step(step) => on(served.iter().find(|served| u32::from(served.step) == step)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use query_model::Range;

    use super::*;
    use crate::funnel::rules::{Mask, bit};
    use crate::funnel::tally::Counts;

    fn rules(steps: u8, order: StepOrder, window: i64, exclusions: Vec<(u8, u8)>) -> Rules {
        let optional = vec![false; usize::from(steps)];
        let period = Range { from: 0, until: i64::MAX };
        let (count, touch) = (FunnelCount::Totals, Attribution::FirstTouch);
        Rules::new(&optional, order, window, period, exclusions, count, touch, View::Steps)
    }

    /// How many reached each step, of a person whose events are a microsecond apart.
    fn reached(rules: &Rules, count: u32, masks: impl Fn(u32) -> (Mask, Mask)) -> Vec<u64> {
        let mut tally = Tally::of_persons(&rules.view);
        let event = |place: u32| {
            let (steps, exclusions) = masks(place);
            Event { time: i64::from(place), steps, exclusions, is_looked_at: true, ..Event::default() }
        };
        evaluate(rules, (0..count).map(event), &mut tally);
        let Counts::Steps(mut groups) = tally.counts else { panic!("{tally:?}") };
        let steps = groups.pop_first().map(|(_, steps)| steps).unwrap_or_default();
        steps.iter().map(|step| step.reached).collect()
    }

    /// A hundred thousand events of one person. Were the events searched anew for each attempt, each of these would
    /// be minutes of work and more.
    #[test]
    fn a_person_with_very_many_events_is_counted_at_once() {
        const MANY: u32 = 100_000;
        let all = |steps: u8| bit(steps) - 1;
        let long = i64::MAX;
        let begin = Instant::now();
        // Everybody waits for a step that nobody takes, or that the very last event is.
        let waiting = rules(3, StepOrder::AnyBetween, long, Vec::new());
        assert_eq!(reached(&waiting, MANY, |_| (1, 0)), [u64::from(MANY)]);
        let last = |place: u32| (if place + 1 == MANY { 2 } else { 1 }, 0);
        assert_eq!(reached(&waiting, MANY, last), [u64::from(MANY) - 1, u64::from(MANY) - 1]);
        // Every event matches every step and is excluded too.
        let fifty = rules(50, StepOrder::AnyBetween, long, vec![(0, 49), (10, 20)]);
        assert_eq!(
            reached(&fifty, MANY, |_| (all(50), 3)),
            (0..50).map(|step| u64::from(MANY) - step).collect::<Vec<_>>()
        );
        // The steps that must follow directly do so over and over.
        let strict = rules(50, StepOrder::Strict, long, Vec::new());
        assert_eq!(reached(&strict, MANY, |_| (all(50), 0)).last(), Some(&(u64::from(MANY) - 49)));
        // In any order: an event that can be anything, and one that can only be what the others are too.
        let any = rules(50, StepOrder::AnyOrder, long, vec![(0, 49)]);
        assert_eq!(reached(&any, MANY, |_| (all(50), 0)).last(), Some(&(u64::from(MANY) - 49)));
        let narrow = |place: u32| (bit(u8::try_from(place % 7).unwrap()), u64::from(place == 0));
        assert_eq!(reached(&any, MANY, narrow).len(), 7);
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    }
}
