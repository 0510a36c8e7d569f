//! The attempts of one person that go through the steps in their order.
//!
//! `any_between` looks as if each attempt had to search the events anew. It does not: an attempt that began later is
//! never ahead of one that began earlier, so it enters each step at the same event or a later one, and the search for what
//! follows a step goes on where the attempt before left it. Every event is looked at once a step.
//!
//! ```text
//! events   A1 A2 B1 A3 B2 C1        the searches for B and C only ever go forward
//! from A1        B1       C1
//! from A2        B1       C1
//! from A3              B2 C1
//! ```

use super::rules::{Codes, Mask, Rules};

/// One event of a person.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Event {
    /// Microseconds since 1970.
    pub(super) time: i64,
    /// The steps that it matches.
    pub(super) steps: Mask,
    /// The exclusions that it matches.
    pub(super) exclusions: Mask,
    /// What must stay the same through an attempt; `None` if it is missing.
    pub(super) key: Option<u64>,
    /// The client's session; `None` if it named none.
    pub(super) session: Option<u64>,
    /// Whether it passes the question's filters. The others are only there to tell where sessions end.
    pub(super) is_looked_at: bool,
    pub(super) codes: Codes,
}

/// An event that serves a step of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) step: u8,
    /// Its place among the person's events.
    pub(super) position: u32,
    pub(super) time: i64,
}

/// What is done with each attempt: the events that served its steps, in their order.
pub(super) type Each<'a> = dyn FnMut(&[Served]) + 'a;

/// Attempts between whose steps other events may lie. `picks` are the places of the events that may serve a step.
pub(super) fn any_between(rules: &Rules, events: &[Event], picks: &[u32], each: &mut Each<'_>) {
    let event = |place: usize| {
        let position = *picks.get(place)?;
        Some((position, events.get(position as usize)?))
    };
    // Of each step the place among the picks up to which its next step has been searched.
    let mut searched = vec![0_usize; usize::from(rules.last) + 1];
    let mut served = Vec::new();
    for start in 0..picks.len() {
        let Some((position, first)) = event(start) else { return };
        if first.steps & 1 == 0 || !rules.begins(first.time) {
            continue;
        }
        served.clear();
        served.push(Served { step: 0, position, time: first.time });
        let end = rules.end(first.time);
        let (mut step, mut here) = (0, start);
        while let Some(next) = searched.get_mut(usize::from(step)) {
            let wanted = rules.wanted(step);
            if wanted == 0 {
                break;
            }
            *next = (*next).max(here + 1);
            while event(*next).is_some_and(|(_, event)| event.steps & wanted == 0) {
                *next += 1;
            }
            let Some((position, found)) = event(*next).filter(|(_, event)| event.time <= end) else { break };
            let Some(taken) = rules.serves(step, found.steps) else { break };
            served.push(Served { step: taken, position, time: found.time });
            (step, here) = (taken, *next);
        }
        each(&served);
    }
}

/// Attempts whose steps follow each other directly.
pub(super) fn strict(rules: &Rules, events: &[Event], each: &mut Each<'_>) {
    let mut served = Vec::new();
    for (start, first) in events.iter().enumerate() {
        if first.steps & 1 == 0 || !rules.begins(first.time) || (rules.is_held && first.key.is_none()) {
            continue;
        }
        let end = rules.end(first.time);
        served.clear();
        let mut step = 0;
        for (position, event) in (0_u32..).zip(events).skip(start) {
            let taken = if served.is_empty() { Some(0) } else { rules.serves(step, event.steps) };
            let Some(taken) = taken.filter(|_| event.time <= end && (!rules.is_held || event.key == first.key)) else {
                break;
            };
            served.push(Served { step: taken, position, time: event.time });
            step = taken;
        }
        each(&served);
    }
}
