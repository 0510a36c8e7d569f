//! Which message waits, which is hidden from other consumers and which is dead: the rules of every local queue, pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use event_model::{ProjectId, Timestamp};

use crate::queue::{QueueStats, Receipt};

/// A message as the backlog keeps it. Small, because a queue on disk has one in memory for each message that waits.
#[derive(Clone, Debug)]
pub(crate) struct Entry<B> {
    /// How many events it carries.
    pub(crate) events: u32,
    /// How many bytes its body has.
    pub(crate) bytes: u32,
    /// How often it has been delivered.
    pub(crate) receive_count: u32,
    /// Whose events they are.
    pub(crate) project: ProjectNumber,
    /// When it was sent, by the wall clock.
    pub(crate) sent_at: Timestamp,
    /// The body, or where it is.
    pub(crate) body: B,
}

/// A project's place in the table of a backlog: a name in each entry would take more than all the rest of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProjectNumber(u32);

/// Events of one project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) waiting: u64,
    pub(crate) dead: u64,
}

/// A message that is handed out.
#[derive(Debug)]
pub(crate) struct Taken<B> {
    pub(crate) sequence: u64,
    pub(crate) receipt: Receipt,
    pub(crate) receive_count: u32,
    pub(crate) events: u32,
    pub(crate) body: B,
}

#[derive(Clone, Copy, Debug)]
struct Hidden {
    until: Duration,
    delivery: u64,
}

/// All messages that a queue keeps, by the sequence number in which they came. Times are of the monotonic clock.
#[derive(Debug)]
pub(crate) struct Backlog<B> {
    /// Part of each receipt: one from before a restart opens nothing.
    instance: u64,
    max_receives: u32,
    deliveries: u64,
    /// Visible and hidden ones.
    waiting: BTreeMap<u64, Entry<B>>,
    hidden: BTreeMap<u64, Hidden>,
    deadlines: BTreeSet<(Duration, u64)>,
    /// Messages from here on have never been handed out, so they need no entry in a set of visible ones.
    untouched: u64,
    /// Visible ones before `untouched`.
    returned: BTreeSet<u64>,
    dead: BTreeMap<u64, Entry<B>>,
    newly_dead: Vec<u64>,
    bytes: u64,
    events: u64,
    numbers: HashMap<ProjectId, ProjectNumber>,
    /// By project number; the first is of messages that nobody knows the project of.
    tallies: Vec<Tally>,
}

impl<B: Clone> Backlog<B> {
    pub(crate) fn new(instance: u64, max_receives: u32) -> Self {
        Self {
            instance,
            max_receives: max_receives.max(1),
            deliveries: 0,
            waiting: BTreeMap::new(),
            hidden: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            untouched: 0,
            returned: BTreeSet::new(),
            dead: BTreeMap::new(),
            newly_dead: Vec::new(),
            bytes: 0,
            events: 0,
            numbers: HashMap::new(),
            tallies: vec![Tally::default()],
        }
    }

    /// A project's number, for its entries.
    pub(crate) fn number_of(&mut self, project: Option<&ProjectId>) -> ProjectNumber {
        let Some(project) = project else { return ProjectNumber::default() };
        if let Some(number) = self.numbers.get(project) {
            return *number;
        }
        let number = ProjectNumber(u32::try_from(self.tallies.len()).unwrap_or(0));
        self.tallies.push(Tally::default());
        self.numbers.insert(project.clone(), number);
        number
    }

    /// What is here of a project.
    pub(crate) fn tally(&self, project: &ProjectId) -> Tally {
        let number = self.numbers.get(project);
        number.and_then(|number| self.tallies.get(number.0 as usize)).copied().unwrap_or_default()
    }

    fn count(&mut self, project: ProjectNumber, change: impl FnOnce(&mut Tally)) {
        if let Some(tally) = self.tallies.get_mut(project.0 as usize) {
            change(tally);
        }
    }

    /// Adds a message at its place in the order. One that has been delivered too often already is dead at once.
    pub(crate) fn insert(&mut self, sequence: u64, entry: Entry<B>) {
        self.bytes += u64::from(entry.bytes);
        self.events += u64::from(entry.events);
        if entry.receive_count >= self.max_receives {
            self.count(entry.project, |tally| tally.dead += u64::from(entry.events));
            self.dead.insert(sequence, entry);
            self.newly_dead.push(sequence);
            return;
        }
        self.count(entry.project, |tally| tally.waiting += u64::from(entry.events));
        if sequence < self.untouched {
            self.returned.insert(sequence);
        }
        self.waiting.insert(sequence, entry);
    }

    /// Adds a message that is dead already and known to be.
    pub(crate) fn insert_dead(&mut self, sequence: u64, entry: Entry<B>) {
        self.bytes += u64::from(entry.bytes);
        self.events += u64::from(entry.events);
        self.count(entry.project, |tally| tally.dead += u64::from(entry.events));
        self.dead.insert(sequence, entry);
    }

    /// Hands out up to `max` visible messages, oldest first, and hides them until `now + visibility`.
    pub(crate) fn take(&mut self, max: usize, visibility: Duration, now: Duration) -> Vec<Taken<B>> {
        self.expire(now);
        let returned = self.returned.iter().copied().take(max);
        let untouched = self.waiting.range(self.untouched..).map(|(sequence, _)| *sequence);
        let chosen: Vec<u64> = returned.chain(untouched).take(max).collect();
        chosen.into_iter().filter_map(|sequence| self.hand_out(sequence, now.saturating_add(visibility))).collect()
    }

    fn hand_out(&mut self, sequence: u64, until: Duration) -> Option<Taken<B>> {
        let entry = self.waiting.get_mut(&sequence)?;
        entry.receive_count = entry.receive_count.saturating_add(1);
        let entry = entry.clone();
        self.returned.remove(&sequence);
        self.untouched = self.untouched.max(sequence.saturating_add(1));
        self.deliveries += 1;
        let hidden = Hidden { until, delivery: self.deliveries };
        self.hidden.insert(sequence, hidden);
        self.deadlines.insert((until, sequence));
        let receipt = Receipt(format!("{:016x}-{sequence:x}-{:x}", self.instance, hidden.delivery));
        let Entry { receive_count, events, body, .. } = entry;
        Some(Taken { sequence, receipt, receive_count, events, body })
    }

    /// Removes the messages whose receipts are still good and returns them.
    pub(crate) fn acknowledge(&mut self, receipts: &[Receipt], now: Duration) -> Vec<(u64, Entry<B>)> {
        self.expire(now);
        let mut removed = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let Some((sequence, hidden)) = self.holder(receipt) else { continue };
            self.hidden.remove(&sequence);
            self.deadlines.remove(&(hidden.until, sequence));
            if let Some(entry) = self.waiting.remove(&sequence) {
                self.forget(&entry);
                self.count(entry.project, |tally| tally.waiting -= u64::from(entry.events));
                removed.push((sequence, entry));
            }
        }
        removed
    }

    /// Hides the messages whose receipts are still good until `now + visibility`.
    pub(crate) fn extend(&mut self, receipts: &[Receipt], visibility: Duration, now: Duration) {
        self.expire(now);
        let until = now.saturating_add(visibility);
        for receipt in receipts {
            let Some((sequence, hidden)) = self.holder(receipt) else { continue };
            self.deadlines.remove(&(hidden.until, sequence));
            self.deadlines.insert((until, sequence));
            self.hidden.insert(sequence, Hidden { until, ..hidden });
        }
        self.expire(now);
    }

    /// Takes back the last delivery of the messages whose receipts are still good, and hides them until `now + delay`.
    /// Returns their sequence numbers with the deliveries that still count.
    pub(crate) fn release(&mut self, receipts: &[Receipt], delay: Duration, now: Duration) -> Vec<(u64, u32)> {
        self.expire(now);
        let held = receipts.iter().filter_map(|receipt| self.holder(receipt).map(|(sequence, _)| sequence));
        let held: Vec<u64> = held.collect();
        let mut counts = Vec::with_capacity(held.len());
        for sequence in held {
            if let Some(entry) = self.waiting.get_mut(&sequence) {
                entry.receive_count = entry.receive_count.saturating_sub(1);
                counts.push((sequence, entry.receive_count));
            }
        }
        self.extend(receipts, delay, now);
        counts
    }

    /// Makes messages visible again whose time is over, or dead if that was their last delivery.
    pub(crate) fn expire(&mut self, now: Duration) {
        while let Some((until, sequence)) = self.deadlines.first().copied() {
            if until > now {
                return;
            }
            self.deadlines.remove(&(until, sequence));
            self.hidden.remove(&sequence);
            if self.waiting.get(&sequence).is_some_and(|entry| entry.receive_count < self.max_receives) {
                self.returned.insert(sequence);
            } else if let Some(entry) = self.waiting.remove(&sequence) {
                let events = u64::from(entry.events);
                self.count(entry.project, |tally| {
                    tally.waiting -= events;
                    tally.dead += events;
                });
                self.dead.insert(sequence, entry);
                self.newly_dead.push(sequence);
            }
        }
    }

    /// The moment at which the next hidden message may become visible.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Whether messages died since the last call of [`Self::take_newly_dead`].
    pub(crate) fn has_newly_dead(&self) -> bool {
        !self.newly_dead.is_empty()
    }

    /// The messages that died since the last call.
    pub(crate) fn take_newly_dead(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.newly_dead)
    }

    /// The dead letters by sequence number.
    pub(crate) fn dead(&self) -> &BTreeMap<u64, Entry<B>> {
        &self.dead
    }

    /// A dead letter, to move its body.
    pub(crate) fn dead_mut(&mut self, sequence: u64) -> Option<&mut Entry<B>> {
        self.dead.get_mut(&sequence)
    }

    /// Takes a dead letter out.
    pub(crate) fn remove_dead(&mut self, sequence: u64) -> Option<Entry<B>> {
        let entry = self.dead.remove(&sequence)?;
        self.forget(&entry);
        self.count(entry.project, |tally| tally.dead -= u64::from(entry.events));
        Some(entry)
    }

    /// What it holds. `events_sent` is left to the queue.
    pub(crate) fn stats(&mut self, now: Duration, wall: Timestamp) -> QueueStats {
        self.expire(now);
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        let in_flight = count(self.hidden.len());
        let age = |entry: &Entry<B>| Duration::from_micros(u64::try_from(wall.0 - entry.sent_at.0).unwrap_or(0));
        QueueStats {
            visible: count(self.waiting.len()) - in_flight,
            in_flight,
            dead: count(self.dead.len()),
            bytes: Some(self.bytes),
            events: Some(self.events),
            events_sent: None,
            oldest_age: self.waiting.first_key_value().map(|(_, entry)| age(entry)),
            approximate: false,
        }
    }

    /// Bytes of all bodies that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn forget(&mut self, entry: &Entry<B>) {
        self.bytes -= u64::from(entry.bytes);
        self.events -= u64::from(entry.events);
    }

    /// The hidden message that a receipt still holds.
    fn holder(&self, receipt: &Receipt) -> Option<(u64, Hidden)> {
        let mut parts = receipt.0.split('-').map(|part| u64::from_str_radix(part, 16).ok());
        let (instance, sequence, delivery) = (parts.next()??, parts.next()??, parts.next()??);
        let hidden = *self.hidden.get(&sequence)?;
        (instance == self.instance && hidden.delivery == delivery).then_some((sequence, hidden))
    }
}
