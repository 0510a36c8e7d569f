//! A queue in memory: for tests, and for whoever accepts that a restart forgets what waited.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use event_model::ProjectId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::backlog::{Backlog, Entry, Taken, Tally};
use crate::clock::{Clock, SystemClock};
use crate::dead_letter::DeadLetter;
use crate::queue::{Delivery, MessageId, Outgoing, ProjectStats, Queue, QueueError, QueueStats, Receipt};
use crate::sent::Sent;
use crate::wait::wait_for_first;

/// When trying again makes sense after the queue was full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How a [`MemoryQueue`] is bounded.
#[derive(Clone, Copy, Debug)]
pub struct MemorySettings {
    /// Most bytes of bodies that are kept, dead letters included. Default 256 MiB.
    pub max_bytes: u64,
    /// Largest message, in bytes. Default 1 MiB.
    pub max_message_bytes: usize,
    /// After this many deliveries without acknowledgement a message is a dead letter. Default 10.
    pub max_receives: u32,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_message_bytes: 1 << 20, max_receives: 10 }
    }
}

/// The queue.
pub struct MemoryQueue {
    settings: MemorySettings,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    backlog: Backlog<Message>,
    next_sequence: u64,
    sent: Sent,
}

#[derive(Clone)]
struct Message {
    id: MessageId,
    project: ProjectId,
    body: Bytes,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new(MemorySettings::default())
    }
}

impl MemoryQueue {
    /// An empty queue on the machine's clock.
    #[must_use]
    pub fn new(settings: MemorySettings) -> Self {
        Self::with_clock(settings, Arc::new(SystemClock::default()))
    }

    /// An empty queue on another clock.
    #[must_use]
    pub fn with_clock(settings: MemorySettings, clock: Arc<dyn Clock>) -> Self {
        // Nothing outlives this queue, so its receipts need no random part.
        let backlog = Backlog::new(0, settings.max_receives);
        let state = Mutex::new(State { backlog, next_sequence: 0, sent: Sent::default() });
        Self { settings, clock, state, changed: Notify::new() }
    }

    /// The dead letters, oldest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let mut state = self.state.lock();
        state.backlog.expire(self.clock.monotonic());
        let letter = |(sequence, entry): (&u64, &Entry<Message>)| DeadLetter {
            sequence: *sequence,
            message_id: entry.body.id,
            project: Some(entry.body.project.clone()),
            events: entry.events,
            receive_count: entry.receive_count,
            sent_at: entry.sent_at,
            body: entry.body.body.clone(),
        };
        state.backlog.dead().iter().map(letter).collect()
    }

    /// Puts dead letters back at the end of the queue with no deliveries counted; returns how many there were.
    pub fn redrive(&self, sequences: &[u64]) -> usize {
        let mut state = self.state.lock();
        let mut moved = 0;
        for sequence in sequences {
            if let Some(entry) = state.backlog.remove_dead(*sequence) {
                let place = state.next_sequence;
                state.next_sequence += 1;
                state.backlog.insert(place, Entry { receive_count: 0, ..entry });
                moved += 1;
            }
        }
        self.changed.notify_waiters();
        moved
    }

    fn take(&self, max: usize, visibility: Duration) -> (Vec<Delivery>, Option<Duration>) {
        let mut state = self.state.lock();
        let taken = state.backlog.take(max, visibility, self.clock.monotonic());
        (taken.into_iter().map(delivery).collect(), state.backlog.next_deadline())
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        let limit = self.settings.max_message_bytes;
        if let Some(large) = messages.iter().find(|message| message.body.len() > limit) {
            return Err(QueueError::TooLarge { bytes: large.body.len(), limit });
        }
        let bytes: u64 = messages.iter().map(|message| message.body.len() as u64).sum();
        let sent_at = self.clock.wall();
        let mut state = self.state.lock();
        if state.backlog.bytes() + bytes > self.settings.max_bytes {
            return Err(QueueError::Full { retry_after: RETRY_AFTER });
        }
        for message in messages {
            let sequence = state.next_sequence;
            state.next_sequence += 1;
            state.sent.add(Some(&message.project), u64::from(message.events));
            let project = state.backlog.number_of(Some(&message.project));
            let bytes = u32::try_from(message.body.len()).unwrap_or(u32::MAX);
            let body = Message { id: message.message_id, project: message.project, body: message.body };
            let events = message.events;
            state.backlog.insert(sequence, Entry { events, bytes, receive_count: 0, project, sent_at, body });
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        Ok(wait_for_first(self.clock.as_ref(), &self.changed, wait, || self.take(max, visibility)).await)
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.state.lock().backlog.acknowledge(receipts, self.clock.monotonic());
        Ok(())
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.state.lock().backlog.extend(receipts, visibility, self.clock.monotonic());
        self.changed.notify_waiters();
        Ok(())
    }

    async fn release(&self, receipts: &[Receipt], delay: Duration) -> Result<bool, QueueError> {
        self.state.lock().backlog.release(receipts, delay, self.clock.monotonic());
        self.changed.notify_waiters();
        Ok(true)
    }

    async fn stats(&self) -> Result<QueueStats, QueueError> {
        let mut state = self.state.lock();
        let stats = state.backlog.stats(self.clock.monotonic(), self.clock.wall());
        Ok(QueueStats { events_sent: Some(state.sent.total()), ..stats })
    }

    async fn project_stats(&self, project: &ProjectId) -> Result<Option<ProjectStats>, QueueError> {
        let mut state = self.state.lock();
        state.backlog.expire(self.clock.monotonic());
        let Tally { waiting, dead } = state.backlog.tally(project);
        Ok(Some(ProjectStats { sent: state.sent.of(project), waiting, dead }))
    }
}

fn delivery(taken: Taken<Message>) -> Delivery {
    Delivery {
        receipt: taken.receipt,
        message_id: taken.body.id,
        project: Some(taken.body.project),
        events: Some(taken.events),
        receive_count: taken.receive_count,
        body: taken.body.body,
    }
}
