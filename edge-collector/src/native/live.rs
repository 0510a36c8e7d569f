//! Who watches which project, and what each of them is sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use event_model::{ErrorCode, Problem, ProjectId, Timestamp};
use event_queue::Envelope;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::live::{Batch, Filter, Interest, MAX_WATCHERS_PER_PROJECT, Sampler};

/// Most watchers of all projects together.
const MAX_WATCHERS: usize = 200;
/// How many batches may wait for a watcher that does not read, before it is dropped.
const MAX_WAITING: usize = 32;

/// The watchers of all projects.
#[derive(Debug, Default)]
pub(super) struct Hub {
    /// How many there are: what a request looks at while nobody watches.
    watching: AtomicUsize,
    next: AtomicU64,
    projects: Mutex<HashMap<ProjectId, Vec<Watcher>>>,
}

#[derive(Debug)]
struct Watcher {
    number: u64,
    interest: Interest,
    sampler: Sampler,
    batches: mpsc::Sender<Batch>,
    too_slow: Arc<AtomicBool>,
}

/// A watcher's end of the stream. Its batches end when it is dropped for being slow, and when the server stops.
#[derive(Debug)]
pub(super) struct Watch {
    project: ProjectId,
    number: u64,
    pub(super) batches: mpsc::Receiver<Batch>,
    too_slow: Arc<AtomicBool>,
    hub: Weak<Hub>,
}

impl Watch {
    /// Whose events these are.
    pub(super) fn project(&self) -> &ProjectId {
        &self.project
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.keep(&self.project, |watcher| watcher.number != self.number);
        }
    }
}

impl Watch {
    /// Whether the batches ended because they were not read fast enough.
    pub(super) fn was_too_slow(&self) -> bool {
        self.too_slow.load(Ordering::Acquire)
    }
}

impl Hub {
    /// Adds a watcher.
    ///
    /// # Errors
    /// `too_many_watchers`.
    pub(super) fn watch(self: &Arc<Self>, project: &ProjectId, filter: Filter) -> Result<Watch, Problem> {
        let mut projects = self.projects.lock();
        let watchers = projects.entry(project.clone()).or_default();
        if watchers.len() >= MAX_WATCHERS_PER_PROJECT || self.watching.load(Ordering::Acquire) >= MAX_WATCHERS {
            return Err(ErrorCode::TooManyWatchers.into());
        }
        let (sender, batches) = mpsc::channel(MAX_WAITING);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let too_slow = Arc::new(AtomicBool::new(false));
        watchers.push(Watcher {
            number,
            interest: Interest::of([filter]),
            sampler: Sampler::default(),
            batches: sender,
            too_slow: Arc::clone(&too_slow),
        });
        self.watching.fetch_add(1, Ordering::AcqRel);
        Ok(Watch { project: project.clone(), number, batches, too_slow, hub: Arc::downgrade(self) })
    }

    /// Shows durable events to those who watch their project; whoever has not read for too long is dropped.
    pub(super) fn show(&self, project: &ProjectId, envelopes: &[Envelope], now: Timestamp) {
        if self.watching.load(Ordering::Acquire) == 0 {
            return;
        }
        self.keep(project, |watcher| {
            let batch = watcher.sampler.sample(envelopes, &watcher.interest, now);
            batch.is_none_or(|batch| watcher.take(batch))
        });
    }

    /// Tells a watcher how many events were left out, where no event has done so.
    pub(super) fn show_left_out(&self, watch: &Watch) {
        self.keep(&watch.project, |watcher| {
            watcher.number != watch.number || watcher.sampler.left_out().is_none_or(|batch| watcher.take(batch))
        });
    }

    fn keep(&self, project: &ProjectId, keep: impl FnMut(&mut Watcher) -> bool) {
        let mut projects = self.projects.lock();
        let Some(watchers) = projects.get_mut(project) else { return };
        let before = watchers.len();
        watchers.retain_mut(keep);
        self.watching.fetch_sub(before.saturating_sub(watchers.len()), Ordering::AcqRel);
        if watchers.is_empty() {
            projects.remove(project);
        }
    }
}

impl Watcher {
    /// Hands a batch over; false if there is no room for it, or nobody to take it.
    fn take(&self, batch: Batch) -> bool {
        let taken = self.batches.try_send(batch);
        if matches!(taken, Err(mpsc::error::TrySendError::Full(_))) {
            self.too_slow.store(true, Ordering::Release);
        }
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use event_model::{Event, EventId};
    use event_queue::Geo;

    use super::*;

    fn project(name: &str) -> ProjectId {
        ProjectId::parse(name).unwrap()
    }

    fn envelope(events: usize) -> Envelope {
        Envelope {
            message_id: EventId([1; 16]),
            project: project("shop"),
            write_key_id: "web".into(),
            protocol: "native".into(),
            received_at: Timestamp(0),
            user_agent: None,
            geo: Geo::default(),
            events: vec![Event { event: "a".into(), user_id: Some("u".into()), ..Event::default() }; events],
            rejected: Vec::new(),
            replays: Vec::new(),
        }
    }

    #[test]
    fn only_those_who_watch_a_project_see_it_and_each_has_its_own_limit() {
        let hub = Arc::<Hub>::default();
        hub.show(&project("shop"), &[envelope(1)], Timestamp(0));
        let mut all = hub.watch(&project("shop"), Filter::default()).unwrap();
        let mut other = hub.watch(&project("other"), Filter::default()).unwrap();
        let mut filtered = hub.watch(&project("shop"), Filter::from_query("event=b").unwrap()).unwrap();
        hub.show(&project("shop"), &[envelope(12)], Timestamp(0));
        assert_eq!(all.batches.try_recv().unwrap().events.len(), 10);
        hub.show_left_out(&all);
        assert!(all.batches.try_recv().is_err(), "the two left out were told with the ten");
        hub.show(&project("shop"), &[envelope(3)], Timestamp(0));
        hub.show_left_out(&filtered);
        hub.show_left_out(&all);
        assert_eq!(all.batches.try_recv().unwrap().omitted, 3);
        assert!(other.batches.try_recv().is_err() && filtered.batches.try_recv().is_err());
        drop((all, other, filtered));
        assert_eq!(hub.watching.load(Ordering::Acquire), 0);
        assert!(hub.projects.lock().is_empty());
    }

    #[test]
    fn whoever_does_not_read_is_dropped_and_nothing_is_kept_for_them() {
        let hub = Arc::<Hub>::default();
        let mut slow = hub.watch(&project("shop"), Filter::default()).unwrap();
        for second in 0..100 {
            hub.show(&project("shop"), &[envelope(1)], Timestamp(second * 1_000_000));
        }
        assert_eq!(hub.watching.load(Ordering::Acquire), 0);
        let mut waiting = 0;
        while slow.batches.try_recv().is_ok() {
            waiting += 1;
        }
        assert_eq!((waiting, slow.was_too_slow()), (MAX_WAITING, true));
    }

    #[test]
    fn a_project_has_so_many_watchers_and_no_more() {
        let hub = Arc::<Hub>::default();
        let mut watches: Vec<Watch> =
            (0..MAX_WATCHERS_PER_PROJECT).map(|_| hub.watch(&project("shop"), Filter::default()).unwrap()).collect();
        let refused = hub.watch(&project("shop"), Filter::default()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooManyWatchers);
        assert!(hub.watch(&project("other"), Filter::default()).is_ok());
        watches.pop();
        assert!(hub.watch(&project("shop"), Filter::default()).is_ok());
    }
}
