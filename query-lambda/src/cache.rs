//! Answers that are still exact, because nothing that they were made from has changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

/// Keeps the results that were asked for last, up to a number of bytes.
///
/// The key holds everything that the result depends on (see `answer::cache_key`), so an entry never becomes wrong:
/// it only stops being asked for.
#[derive(Debug)]
pub(crate) struct Cache {
    limit_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Arc<str>, Entry>,
    /// Keys by the time of their last use.
    by_use: BTreeMap<u64, Arc<str>>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    used: u64,
    bytes: usize,
    result: Arc<str>,
}

impl Cache {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, state: Mutex::default() }
    }

    /// The JSON text of the result that was kept under this key.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<str>> {
        let state = &mut *self.state.lock();
        let entry = state.entries.get_mut(key)?;
        state.clock += 1;
        let name = state.by_use.remove(&entry.used)?;
        entry.used = state.clock;
        state.by_use.insert(state.clock, name);
        Some(Arc::clone(&entry.result))
    }

    /// Keeps a result, dropping those that were not asked for the longest. One larger than a quarter of the cache is
    /// not kept.
    pub(crate) fn put(&self, key: &str, result: Arc<str>) {
        let bytes = key.len() + result.len();
        if bytes > self.limit_bytes / 4 {
            return;
        }
        let state = &mut *self.state.lock();
        state.clock += 1;
        let used = state.clock;
        let key: Arc<str> = key.into();
        if let Some(old) = state.entries.insert(Arc::clone(&key), Entry { used, bytes, result }) {
            state.by_use.remove(&old.used);
            state.bytes -= old.bytes;
        }
        state.by_use.insert(used, key);
        state.bytes += bytes;
        while state.bytes > self.limit_bytes {
            let Some((_, oldest)) = state.by_use.pop_first() else { break };
            if let Some(entry) = state.entries.remove(&oldest) {
                state.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first() {
        let cache = Cache::new(40);
        for key in ["a", "b", "c", "d"] {
            cache.put(key, "123456789".into());
        }
        assert!(cache.get("a").is_some());
        cache.put("e", "123456789".into());
        let kept: Vec<bool> = ["a", "b", "c", "d", "e"].iter().map(|key| cache.get(key).is_some()).collect();
        assert_eq!(kept, [true, false, true, true, true]);
    }

    #[test]
    fn a_result_that_would_fill_it_is_not_kept_and_zero_keeps_nothing() {
        let (small, off) = (Cache::new(40), Cache::new(0));
        small.put("a", "12345678901234567890".into());
        off.put("a", "1".into());
        assert!(small.get("a").is_none() && off.get("a").is_none());
    }

    #[test]
    fn a_key_put_twice_counts_once() {
        let cache = Cache::new(40);
        for _ in 0..100 {
            cache.put("a", "123456789".into());
        }
        cache.put("b", "123456789".into());
        assert!(cache.get("a").is_some() && cache.get("b").is_some());
    }
}
