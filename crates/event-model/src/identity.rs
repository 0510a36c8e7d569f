//! Which ids are one person: ties, made by identify and alias, taken back by undo.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::person::is_junk;
use crate::{Event, EventId, EventType, PersonId, Timestamp};

/// What a row of `identities` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// From now on, and for all the past, the two ids are one person.
    Tie,
    /// Voids the earlier ties of exactly this pair.
    Undo,
}

/// One row of the append-only table `identities`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tie {
    /// XXH3-128 of action, event id and the ordered pair: the same event delivered again gives the same edge.
    pub edge_id: EventId,
    /// Tie or undo.
    pub action: Action,
    /// The smaller id of the pair.
    pub left: PersonId,
    /// The larger id of the pair.
    pub right: PersonId,
    /// What made it: `identify`, `alias` or `undo_merge`.
    pub cause: String,
    /// The event that made it.
    pub event_id: EventId,
    /// When that event was received: the time by which `as_of` reads ties.
    pub received_at: Timestamp,
}

impl Tie {
    /// A row for a pair of ids, in canonical order; `None` when an id is junk or both are the same.
    #[must_use]
    pub fn new(
        action: Action,
        one: PersonId,
        other: PersonId,
        cause: &str,
        event_id: EventId,
        received_at: Timestamp,
    ) -> Option<Self> {
        if one == other || is_junk(one.text()) || is_junk(other.text()) {
            return None;
        }
        let (left, right) = if one < other { (one, other) } else { (other, one) };
        let mut hash = Xxh3::new();
        hash.update(&[u8::from(action == Action::Undo)]);
        hash.update(&event_id.0);
        for id in [&left, &right] {
            hash.update(id.to_string().as_bytes());
            hash.update(&[0]);
        }
        let edge_id = EventId(hash.digest128().to_be_bytes());
        Some(Self { edge_id, action, left, right, cause: cause.to_owned(), event_id, received_at })
    }
}

/// The ties that an event makes. Identify ties its anonymous id to its user id. Alias ties the user id to the
/// previous id, of which nobody says whether it was a user's or a visitor's: both readings are tied, since an id
/// that nobody used ties nothing.
#[must_use]
pub fn ties_of(event: &Event, received_at: Timestamp) -> Vec<Tie> {
    let Some(user) = event.user_id.clone().map(PersonId::User) else { return Vec::new() };
    let others = match event.kind {
        EventType::Identify => event.anonymous_id.clone().map(PersonId::Anonymous).into_iter().collect(),
        EventType::Alias => match event.previous_id.clone() {
            Some(previous) => vec![PersonId::User(previous.clone()), PersonId::Anonymous(previous)],
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    others
        .into_iter()
        .filter_map(|other| {
            Tie::new(Action::Tie, user.clone(), other, event.kind.as_str(), event.event_id, received_at)
        })
        .collect()
}
