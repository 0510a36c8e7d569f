//! One queue: which messages are visible, which are hidden until when, and which have been received too often.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::Value;

/// How a queue treats its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRules {
    /// How long a received message is hidden where the receiver does not say it. Default 30 s.
    pub visibility: Duration,
    /// After how many receives a message is moved to the dead letters, by the next one. Default none.
    pub max_receives: Option<u32>,
    /// Largest message and largest batch, in bytes. Default 256 KiB.
    pub max_message_bytes: usize,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self { visibility: Duration::from_secs(30), max_receives: None, max_message_bytes: 256 * 1024 }
    }
}

/// What a queue holds, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// To be received.
    pub visible: usize,
    /// Received, not deleted, not yet visible again; or sent with a delay.
    pub hidden: usize,
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    /// Its message attributes, as they came.
    pub(super) attributes: Value,
    /// Milliseconds since 1970.
    pub(super) sent_at: i64,
    pub(super) first_received_at: Option<i64>,
    pub(super) receive_count: u32,
    /// Which delivery was the last: an older receipt is void.
    pub(super) delivery: u64,
    pub(super) extra_deliveries: u32,
    pub(super) lost_deletions: u32,
}

/// What a receipt handle stands for.
pub(super) enum Held {
    /// This message, and the receipt is of its last delivery.
    Last(u64),
    /// A message that has been delivered again, or is gone.
    Void,
    /// Nothing that was ever a receipt of this queue.
    Nonsense,
}

pub(super) struct Queue {
    pub(super) name: String,
    pub(super) rules: QueueRules,
    /// The queue that dead letters are moved to.
    pub(super) dead_letters: Option<String>,
    messages: HashMap<u64, Message>,
    visible: BTreeSet<u64>,
    /// By the time at which they are visible again.
    hidden: BTreeSet<(Duration, u64)>,
    hidden_until: HashMap<u64, Duration>,
    next_sequence: u64,
    next_delivery: u64,
}

impl Queue {
    pub(super) fn new(name: &str, rules: QueueRules, dead_letters: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            rules,
            dead_letters,
            messages: HashMap::new(),
            visible: BTreeSet::new(),
            hidden: BTreeSet::new(),
            hidden_until: HashMap::new(),
            next_sequence: 0,
            next_delivery: 0,
        }
    }

    pub(super) fn insert(&mut self, message: Message, visible_from: Option<Duration>) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.messages.insert(sequence, message);
        match visible_from {
            Some(until) => self.hide(sequence, until),
            None => drop(self.visible.insert(sequence)),
        }
    }

    /// Up to `max` visible messages, oldest first, hidden until then; and those that have been received too often.
    pub(super) fn receive(
        &mut self,
        max: usize,
        until: Duration,
        now: Duration,
        now_millis: i64,
    ) -> (Vec<(u64, String)>, Vec<Message>) {
        self.expire(now);
        let (mut received, mut dead) = (Vec::new(), Vec::new());
        while received.len() < max
            && let Some(sequence) = self.visible.pop_first()
        {
            let Some(message) = self.messages.get_mut(&sequence) else { continue };
            if self.dead_letters.is_some() && self.rules.max_receives.is_some_and(|max| message.receive_count >= max) {
                dead.extend(self.messages.remove(&sequence));
                continue;
            }
            self.next_delivery += 1;
            message.delivery = self.next_delivery;
            message.receive_count += 1;
            message.first_received_at.get_or_insert(now_millis);
            received.push((sequence, receipt(&self.name, sequence, message.delivery)));
            self.hide(sequence, until);
        }
        (received, dead)
    }

    pub(super) fn message_mut(&mut self, sequence: u64) -> Option<&mut Message> {
        self.messages.get_mut(&sequence)
    }

    /// What a receipt stands for.
    pub(super) fn held(&self, receipt: &str) -> Held {
        let mut parts = receipt.rsplitn(3, '/');
        let numbers = [parts.next(), parts.next()].map(|part| part.and_then(|part| part.parse::<u64>().ok()));
        let ([Some(delivery), Some(sequence)], true) = (numbers, parts.next() == Some(self.name.as_str())) else {
            return Held::Nonsense;
        };
        match self.messages.get(&sequence) {
            Some(message) if message.delivery == delivery => Held::Last(sequence),
            _ => Held::Void,
        }
    }

    pub(super) fn delete(&mut self, sequence: u64) {
        self.messages.remove(&sequence);
        self.visible.remove(&sequence);
        self.unhide(sequence);
    }

    /// Hides a message that is hidden until another moment; false if it is visible.
    pub(super) fn change_visibility(&mut self, sequence: u64, until: Duration, now: Duration) -> bool {
        self.expire(now);
        if !self.hidden_until.contains_key(&sequence) {
            return false;
        }
        self.hide(sequence, until);
        self.expire(now);
        true
    }

    pub(super) fn counts(&mut self, now: Duration) -> Counts {
        self.expire(now);
        Counts { visible: self.visible.len(), hidden: self.hidden.len() }
    }

    pub(super) fn purge(&mut self) {
        *self = Self {
            next_sequence: self.next_sequence,
            next_delivery: self.next_delivery,
            ..Self::new(&self.name, self.rules, self.dead_letters.take())
        };
    }

    /// When the next hidden message becomes visible.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.hidden.first().map(|(until, _)| *until)
    }

    fn hide(&mut self, sequence: u64, until: Duration) {
        self.unhide(sequence);
        self.hidden.insert((until, sequence));
        self.hidden_until.insert(sequence, until);
    }

    fn unhide(&mut self, sequence: u64) {
        if let Some(until) = self.hidden_until.remove(&sequence) {
            self.hidden.remove(&(until, sequence));
        }
    }

    fn expire(&mut self, now: Duration) {
        while let Some((until, sequence)) = self.hidden.first().copied()
            && until <= now
        {
            self.unhide(sequence);
            self.visible.insert(sequence);
        }
    }
}

fn receipt(queue: &str, sequence: u64, delivery: u64) -> String {
    format!("{queue}/{sequence}/{delivery}")
}
