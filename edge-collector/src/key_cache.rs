//! The snapshot as one isolate of the edge keeps it: when it is read again, and what the sender of an absent key hears.
//!
//! A key may be on its way: key-value stores of an edge take a minute to agree. A 401 makes clients throw their events
//! away, so it is said only where the key had time to arrive.

use std::collections::HashMap;
use std::sync::Arc;

use event_model::project::{Directory, Key, Project, key_hash, key_issued_at};
use event_model::{ErrorCode, Problem, Timestamp};

use crate::reply::RETRY_SECONDS;

const SECOND: i64 = 1_000_000;
/// The snapshot is read again after this long, so that a key that was taken back stops working.
const KEPT_MICROS: i64 = 60 * SECOND;
/// An absent key makes it be read again at most this often.
const PAUSE_MICROS: i64 = 5 * SECOND;
/// A key this young may still be on its way.
const YOUNG_MICROS: i64 = 120 * SECOND;
/// How long it is remembered that a key is unknown.
const UNKNOWN_MICROS: i64 = 60 * SECOND;
/// How many unknown keys are remembered: a flood of them must not fill the isolate's memory.
const MAX_UNKNOWN: usize = 1_000;

/// What one isolate knows of the snapshot.
#[derive(Debug, Default)]
pub struct KeyCache {
    directory: Option<Arc<Directory>>,
    last: Option<Reading>,
    unknown: HashMap<String, Timestamp>,
}

/// The last attempt to read the snapshot.
#[derive(Clone, Debug)]
struct Reading {
    began: Timestamp,
    state: ReadingState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ReadingState {
    Going,
    Good,
    /// And why.
    Failed(String),
}

/// What to do about a key.
#[derive(Debug)]
pub enum Lookup {
    /// Its project, and what the snapshot says about it.
    Found(Arc<Project>, Arc<Key>),
    /// Read the snapshot, tell [`KeyCache::loaded`], and look up again with the same time.
    Read,
    /// Answer with this.
    Refused(Problem),
}

impl KeyCache {
    /// Looks a presented key up.
    pub fn look_up(&mut self, presented: &str, now: Timestamp) -> Lookup {
        if self.is_due(now) {
            return self.begin(now);
        }
        if let Some((project, key)) = self.directory.as_ref().and_then(|directory| directory.find(presented)) {
            return Lookup::Found(project, key);
        }
        let unavailable = Problem::from(ErrorCode::SnapshotUnavailable).retry_after(RETRY_SECONDS);
        let Some(last) = &self.last else { return self.begin(now) };
        let hash = key_hash(presented);
        if last.state == ReadingState::Good && self.is_remembered(&hash, now) {
            return Lookup::Refused(ErrorCode::KeyUnknown.into());
        }
        if passed(last.began, now, PAUSE_MICROS) {
            return self.begin(now);
        }
        match &last.state {
            ReadingState::Good => {}
            ReadingState::Going => return Lookup::Refused(unavailable.because("the snapshot is being read")),
            ReadingState::Failed(why) => return Lookup::Refused(unavailable.because(why)),
        }
        if key_issued_at(presented).is_some_and(|issued| issued.0.abs_diff(now.0) < YOUNG_MICROS.unsigned_abs()) {
            return Lookup::Refused(unavailable.because("a young key is not in the snapshot yet"));
        }
        self.remember(hash, now);
        Lookup::Refused(ErrorCode::KeyUnknown.into())
    }

    /// Takes what the reading gave that began at `began`; a newer snapshot that cannot be read leaves the last one.
    pub fn loaded(&mut self, read: Result<Directory, String>, began: Timestamp) {
        let state = match read {
            Ok(directory) => {
                self.directory = Some(Arc::new(directory));
                ReadingState::Good
            }
            Err(why) => ReadingState::Failed(why),
        };
        self.last = Some(Reading { began, state });
    }

    /// Without a snapshot each request reads for itself: what one request waits for, another cannot. With one, a
    /// single request reads while the others use it.
    fn is_due(&self, now: Timestamp) -> bool {
        let Some(last) = &self.last else { return true };
        match last.state {
            ReadingState::Good => passed(last.began, now, KEPT_MICROS),
            ReadingState::Going => self.directory.is_none() || passed(last.began, now, PAUSE_MICROS),
            ReadingState::Failed(_) => passed(last.began, now, PAUSE_MICROS),
        }
    }

    fn begin(&mut self, now: Timestamp) -> Lookup {
        self.last = Some(Reading { began: now, state: ReadingState::Going });
        Lookup::Read
    }

    fn is_remembered(&self, hash: &str, now: Timestamp) -> bool {
        self.unknown.get(hash).is_some_and(|at| !passed(*at, now, UNKNOWN_MICROS))
    }

    fn remember(&mut self, hash: String, now: Timestamp) {
        if self.unknown.len() >= MAX_UNKNOWN {
            self.unknown.retain(|_, at| !passed(*at, now, UNKNOWN_MICROS));
        }
        if self.unknown.len() >= MAX_UNKNOWN {
            self.unknown.clear();
        }
        self.unknown.insert(hash, now);
    }
}

/// Whether that much time went by. A clock that jumped back counts as time gone by, so that nothing is kept for ever.
fn passed(since: Timestamp, now: Timestamp, micros: i64) -> bool {
    let gone = now.0.saturating_sub(since.0);
    gone >= micros || gone < -SECOND
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const START: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp((START + seconds) * SECOND)
    }

    fn directory(keys: &[&str]) -> Result<Directory, String> {
        let keys: Vec<_> =
            keys.iter().map(|key| json!({ "id": key, "sha256": key_hash(key), "scopes": ["write"] })).collect();
        Directory::parse(&json!({ "version": 1, "projects": [{ "id": "shop", "keys": keys }] }).to_string())
    }

    fn issued(seconds: i64) -> String {
        format!("hw_w_{:08x}{}", START + seconds, "0".repeat(32))
    }

    /// Looks up, reading where asked: what was said, and how often it was read.
    fn ask(cache: &mut KeyCache, key: &str, seconds: i64, source: &Result<Directory, String>) -> (u16, u32) {
        let mut reads = 0;
        loop {
            match cache.look_up(key, at(seconds)) {
                Lookup::Found(..) => return (200, reads),
                Lookup::Refused(problem) => return (problem.code.status(), reads),
                Lookup::Read => {
                    reads += 1;
                    assert!(reads < 3, "it goes on reading");
                    cache.loaded(source.clone(), at(seconds));
                }
            }
        }
    }

    #[test]
    fn an_absent_key_makes_the_snapshot_be_read_at_most_every_5_seconds() {
        let (mut cache, source) = (KeyCache::default(), directory(&["here"]));
        let steps = [
            ("here", 0, (200, 1)),
            ("here", 30, (200, 0)),
            ("one", 30, (401, 1)),
            ("two", 34, (401, 0)),
            ("three", 35, (401, 1)),
            // Remembered for a minute: it does not make the snapshot be read.
            ("one", 50, (401, 0)),
            ("one", 90, (401, 1)),
        ];
        for (key, seconds, expect) in steps {
            assert_eq!(ask(&mut cache, key, seconds, &source), expect, "{key} at {seconds}");
        }
    }

    #[test]
    fn the_snapshot_is_read_again_after_a_minute_so_that_keys_that_were_taken_back_stop_working() {
        let mut cache = KeyCache::default();
        assert_eq!(ask(&mut cache, "old", 0, &directory(&["old"])), (200, 1));
        assert_eq!(ask(&mut cache, "old", 59, &directory(&["new"])), (200, 0));
        assert_eq!(ask(&mut cache, "old", 60, &directory(&["new"])), (401, 1));
        assert_eq!(ask(&mut cache, "new", 61, &directory(&["new"])), (200, 0));
    }

    #[test]
    fn a_young_key_may_still_be_on_its_way_and_is_never_answered_with_401() {
        let (mut cache, empty) = (KeyCache::default(), directory(&[]));
        let young = issued(0);
        assert_eq!(ask(&mut cache, &young, 1, &empty), (503, 1));
        assert_eq!(ask(&mut cache, &young, 3, &empty), (503, 0));
        assert_eq!(ask(&mut cache, &young, 7, &directory(&[&young])), (200, 1));
        // A clock that runs behind sees it before it was made.
        assert_eq!(ask(&mut KeyCache::default(), &young, -60, &empty), (503, 1));
        assert_eq!(ask(&mut KeyCache::default(), &young, 119, &empty), (503, 1));
        assert_eq!(ask(&mut KeyCache::default(), &young, 120, &empty), (401, 1));
        assert_eq!(ask(&mut KeyCache::default(), "set by hand", 1, &empty), (401, 1));
    }

    #[test]
    fn without_a_readable_snapshot_nobody_is_told_401_and_known_keys_go_on_working() {
        let broken = Err("no such value".to_owned());
        let mut cache = KeyCache::default();
        assert_eq!(ask(&mut cache, "here", 0, &broken), (503, 1));
        assert_eq!(ask(&mut cache, "here", 4, &broken), (503, 0));
        assert_eq!(ask(&mut cache, "here", 5, &directory(&["here"])), (200, 1));
        assert_eq!(ask(&mut cache, "here", 65, &broken), (200, 1));
        assert_eq!(ask(&mut cache, "gone", 66, &broken), (503, 0));
        assert_eq!(ask(&mut cache, "gone", 75, &directory(&["here"])), (401, 1));
    }

    #[test]
    fn while_one_request_reads_the_others_use_what_there_is() {
        let mut cache = KeyCache::default();
        assert!(matches!(cache.look_up("here", at(0)), Lookup::Read));
        assert!(matches!(cache.look_up("here", at(0)), Lookup::Read));
        cache.loaded(directory(&["here"]), at(0));
        assert!(matches!(cache.look_up("here", at(60)), Lookup::Read));
        assert!(matches!(cache.look_up("here", at(60)), Lookup::Found(..)));
        assert!(matches!(cache.look_up("gone", at(61)), Lookup::Refused(problem) if problem.code.status() == 503));
        // The one that read was broken off: another takes over.
        assert!(matches!(cache.look_up("here", at(65)), Lookup::Read));
    }

    #[test]
    fn a_flood_of_unknown_keys_does_not_fill_the_memory() {
        let (mut cache, source) = (KeyCache::default(), directory(&[]));
        for key in 0..3_000 {
            assert_eq!(ask(&mut cache, &format!("no{key}"), 0, &source).0, 401);
        }
        assert!(cache.unknown.len() <= MAX_UNKNOWN);
    }
}
