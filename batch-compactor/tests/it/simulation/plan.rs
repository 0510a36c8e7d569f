//! What a seed stands for: messages, what is wrong with some of them, how many processes, how storage fails.

use std::collections::BTreeMap;

use event_model::{Event, EventId, EventType, ProjectId, Reason, Rejected, Timestamp};
use event_queue::{Compression, Envelope, MessageId, Outgoing};

use crate::support::{self, NOW, project};

const DAY: i64 = 86_400_000_000;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its events are stored.
    Stored,
    /// Its bytes are damaged: quarantine.
    Damaged,
    /// No batch with it can be stored: quarantine.
    Poison,
    /// A newer version wrote it: it stays in the queue.
    Newer,
}

/// One message.
pub(super) struct Message {
    pub(super) fate: Fate,
    pub(super) envelope: Envelope,
    pub(super) outgoing: Outgoing,
}

/// Everything that a seed decides.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) messages: Vec<Message>,
    /// How many processes work at the same time.
    pub(super) processes: u64,
    /// How many lives there are before the recovery.
    pub(super) lives: usize,
    /// How many operations of a hundred on storage fail.
    pub(super) failing_percent: u32,
    /// Whether the lake is a real folder whose power is cut at the end of a life.
    pub(super) folder: bool,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let pool: BTreeMap<(&str, u64), Event> = ["shop", "blog"]
            .into_iter()
            .flat_map(|name| (0..14).map(move |number| (name, number)))
            .map(|key| (key, any_event(&mut random, key.1)))
            .collect();
        let count = random.u64(4..=10);
        let messages = (0..count).map(|number| message(&mut random, number, &pool)).collect();
        Self {
            seed,
            messages,
            processes: random.u64(1..=4),
            lives: random.usize(1..=3),
            failing_percent: *random.choice(&[0, 2, 6, 12]).unwrap(),
            folder: random.u32(..4) == 0,
        }
    }

    /// The messages, in as many parts as there are lives.
    pub(super) fn lives(&self) -> impl Iterator<Item = &[Message]> {
        self.messages.chunks(self.messages.len().div_ceil(self.lives))
    }

    pub(super) fn with_fate(&self, fate: Fate) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.fate == fate)
    }

    pub(super) fn poison(&self) -> Vec<MessageId> {
        self.with_fate(Fate::Poison).map(|message| message.outgoing.message_id).collect()
    }

    pub(super) fn projects() -> [ProjectId; 2] {
        [project("shop"), project("blog")]
    }
}

/// An event whose id stands for its content: the same id is never two different events, as from honest clients.
fn any_event(random: &mut fastrand::Rng, number: u64) -> Event {
    let (kind, name) = *random
        .choice(&[
            (EventType::Track, "purchase"),
            (EventType::Track, "view"),
            (EventType::Page, "page"),
            (EventType::Identify, "identify"),
            (EventType::Alias, "alias"),
        ])
        .unwrap();
    Event {
        kind,
        event: name.to_owned(),
        timestamp: Timestamp(NOW.0 - random.i64(4..70) * DAY),
        user_id: Some(format!("user-{}", random.u8(..3))),
        anonymous_id: random.bool().then(|| format!("visitor-{}", random.u8(..3))),
        previous_id: (kind == EventType::Alias).then(|| format!("old-{}", random.u8(..2))),
        ..support::event(number)
    }
}

fn message(random: &mut fastrand::Rng, number: u64, pool: &BTreeMap<(&str, u64), Event>) -> Message {
    let name = if random.u32(..3) == 0 { "blog" } else { "shop" };
    let fate = match random.u32(..16) {
        0 => Fate::Damaged,
        1 => Fate::Poison,
        2 => Fate::Newer,
        _ => Fate::Stored,
    };
    let events: Vec<Event> =
        (0..random.u64(0..6)).filter_map(|_| pool.get(&(name, random.u64(0..14))).cloned()).collect();
    let mut envelope = support::envelope(name, number, events);
    envelope.received_at = Timestamp(NOW.0 - random.i64(0..3) * DAY - 1_000_000);
    for place in 0..random.u32(0..3) {
        let rejected = rejected(number, 100 + place);
        envelope.rejected.push(rejected);
    }
    let mut outgoing = support::outgoing(&envelope);
    if random.bool() {
        outgoing.body = envelope.encode(Compression::None).unwrap().into();
    }
    match fate {
        Fate::Damaged => outgoing.body = outgoing.body.slice(..outgoing.body.len() - 2),
        Fate::Newer => outgoing.body = [&[0x20], &outgoing.body[1..]].concat().into(),
        Fate::Stored | Fate::Poison => {}
    }
    Message { fate, envelope, outgoing }
}

fn rejected(message: u64, position: u32) -> Rejected {
    let id = EventId((u128::from(message) << 32 | u128::from(position) | 9 << 100).to_be_bytes());
    Rejected::new(position, id, Reason::TimestampInvalid, "the timestamp cannot be read", br#"{"timestamp":"soon"}"#)
}
