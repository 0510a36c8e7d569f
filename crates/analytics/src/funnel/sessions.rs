//! A person's events cut into sessions.
//!
//! A session is what the client names so; the events without a name are cut where nothing happened for more than 30
//! minutes. Events that the question's filters leave out still keep a session going, and are gone afterwards.

use std::collections::HashMap;

use super::attempts::Event;

/// The longest time between two events of a session, in microseconds.
const GAP: i64 = 30 * 60 * 1_000_000;

/// The sessions, by their first events.
pub(super) fn split(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut sessions: Vec<Vec<Event>> = Vec::new();
    let mut named: HashMap<u64, usize> = HashMap::new();
    // The session of events without a name, and when its last one was.
    let mut unnamed: Option<(usize, i64)> = None;
    for event in events {
        let fresh = sessions.len();
        let place = match event.session {
            Some(name) => *named.entry(name).or_insert(fresh),
            None => {
                let place = unnamed.filter(|(_, last)| event.time - last <= GAP).map_or(fresh, |(place, _)| place);
                unnamed = Some((place, event.time));
                place
            }
        };
        if place == fresh {
            sessions.push(Vec::new());
        }
        if let Some(session) = sessions.get_mut(place).filter(|_| event.is_looked_at) {
            session.push(event);
        }
    }
    sessions
}
