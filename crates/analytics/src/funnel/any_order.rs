//! The attempts of one person that go through the steps in any order.
//!
//! An attempt begins at every event that matches a step. Its events are assigned so that most steps are met, and step n
//! is reached when the n-th different step can be met: the events that get it there are the first ones, in their order,
//! that can all be assigned to different steps.
//!
//! Going backward, those of the attempt that begins at an event follow from those of the next one: the event joins them,
//! and if not all can be assigned any more, the latest leaves that stands in its way. That costs one search of a free
//! step among at most 50, and not a new assignment for every attempt.
//!
//! ```text
//! steps A, B      events  1: matches A   2: matches A and B   3: matches A
//! from 3          3
//! from 2          2 3            3 takes A, so 2 takes B
//! from 1          1 2            1 needs A: 3, the latest in its way, leaves
//! ```

use super::attempts::{Each, Event, Served};
use super::rules::{Rules, bit};

const FREE: u32 = u32::MAX;

/// Which event is assigned to which step.
struct Assignment<'a> {
    events: &'a [Event],
    /// The place of the event of each step.
    owners: Vec<u32>,
    /// Of each step that a search has found the step whose event would move to it; `None`: the new event.
    found_from: Vec<Option<u8>>,
}

/// Calls `each` with every attempt, the last one first. Its steps are numbered in the order in which they are met.
pub(super) fn any_order(rules: &Rules, events: &[Event], picks: &[u32], each: &mut Each<'_>) {
    let steps = usize::from(rules.last) + 1;
    let mut assignment = Assignment { events, owners: vec![FREE; steps], found_from: vec![None; steps] };
    // The places of all assigned events, the earliest last.
    let mut assigned: Vec<u32> = Vec::with_capacity(steps + 1);
    let mut served = Vec::with_capacity(steps);
    for position in picks.iter().rev().copied() {
        let Some(first) = events.get(position as usize) else { return };
        if let Some(left) = assignment.join(position, first.steps) {
            assigned.retain(|assigned| *assigned != left);
        }
        assigned.push(position);
        if !rules.begins(first.time) {
            continue;
        }
        let end = rules.end(first.time);
        served.clear();
        for (step, position) in (0_u8..).zip(assigned.iter().rev().copied()) {
            let Some(event) = events.get(position as usize).filter(|event| event.time <= end) else { break };
            served.push(Served { step, position, time: event.time });
        }
        each(&served);
    }
}

impl Assignment<'_> {
    /// Assigns one more event, earlier than all others, moving others to other steps where that helps. Returns the
    /// event that had to leave: of all whose step the new one could come to by such moves, the latest.
    fn join(&mut self, position: u32, matched: u64) -> Option<u32> {
        let (mut found, mut waiting) = (matched, matched);
        self.found_from.fill(None);
        let mut latest: Option<(u32, u8)> = None;
        while waiting != 0 {
            let step = u8::try_from(waiting.trailing_zeros()).unwrap_or_default();
            waiting &= waiting - 1;
            let owner = self.owner(step);
            if owner == FREE {
                self.assign(position, step);
                return None;
            }
            latest = latest.max(Some((owner, step)));
            let others = self.events.get(owner as usize).map_or(0, |event| event.steps) & !found;
            found |= others;
            waiting |= others;
            for (other, from) in (0_u8..).zip(&mut self.found_from) {
                if others & bit(other) != 0 {
                    *from = Some(step);
                }
            }
        }
        let (left, step) = latest?;
        self.assign(position, step);
        Some(left)
    }

    fn owner(&self, step: u8) -> u32 {
        self.owners.get(usize::from(step)).copied().unwrap_or(FREE)
    }

    /// Moves every event on the way to a step one step on, and puts the new one where the way begins.
    fn assign(&mut self, position: u32, mut step: u8) {
        loop {
            let from = self.found_from.get(usize::from(step)).copied().flatten();
            let owner = from.map_or(position, |from| self.owner(from));
            if let Some(slot) = self.owners.get_mut(usize::from(step)) {
                *slot = owner;
            }
            match from {
                Some(from) => step = from,
                None => return,
            }
        }
    }
}
