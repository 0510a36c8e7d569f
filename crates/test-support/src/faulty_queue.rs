//! A queue that keeps only what at-least-once delivery promises: copies in any order, lost acknowledgements, delays.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_model::ProjectId;
use event_queue::{Delivery, MessageId, Outgoing, ProjectStats, Queue, QueueError, QueueStats, Receipt};
use parking_lot::Mutex;

/// How it misbehaves.
#[derive(Clone, Copy, Debug)]
pub struct QueueFaults {
    /// Decides everything: the same seed and the same calls give the same faults.
    pub seed: u64,
    /// Each message is delivered 1 to this many times, whether it is acknowledged or not.
    pub max_deliveries: u32,
    /// How many acknowledgements of a hundred are lost; the caller is told that they worked. Each message loses at
    /// most three, so that a drain ends.
    pub lost_acks_percent: u32,
    /// Each call takes up to this long.
    pub max_delay: Duration,
}

impl QueueFaults {
    /// 1 to 10 deliveries, a fifth of the acknowledgements lost, no delays.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, max_deliveries: 10, lost_acks_percent: 20, max_delay: Duration::ZERO }
    }
}

/// Any queue, made worse. Copies of one message may be held by several receivers at once.
pub struct FaultyQueue {
    inner: Arc<dyn Queue>,
    faults: QueueFaults,
    state: Mutex<State>,
}

struct State {
    random: fastrand::Rng,
    /// Copies that are still to be delivered.
    pool: Vec<Delivery>,
    /// What stands behind the receipts that were handed out.
    receipts: HashMap<Receipt, (Receipt, MessageId)>,
    messages: HashMap<MessageId, Message>,
    handed_out: u64,
}

#[derive(Default)]
struct Message {
    deliveries: u32,
    lost_acks: u32,
}

impl FaultyQueue {
    /// Wraps a queue.
    #[must_use]
    pub fn new(inner: Arc<dyn Queue>, faults: QueueFaults) -> Self {
        let state = State {
            random: fastrand::Rng::with_seed(faults.seed),
            pool: Vec::new(),
            receipts: HashMap::new(),
            messages: HashMap::new(),
            handed_out: 0,
        };
        Self { inner, faults, state: Mutex::new(state) }
    }

    /// How often each message has been delivered.
    #[must_use]
    pub fn deliveries(&self) -> HashMap<MessageId, u32> {
        self.state.lock().messages.iter().map(|(id, message)| (*id, message.deliveries)).collect()
    }

    /// Copies that are still to come: a test has drained the queue when this and the queue's own figures are zero.
    #[must_use]
    pub fn copies_left(&self) -> usize {
        self.state.lock().pool.len()
    }

    async fn delay(&self) {
        let limit = u64::try_from(self.faults.max_delay.as_micros()).unwrap_or(u64::MAX);
        if limit > 0 {
            let micros = self.state.lock().random.u64(..=limit);
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
    }
}

impl State {
    /// Puts 1 to `max_deliveries` copies into the pool.
    fn add(&mut self, delivery: &Delivery, max_deliveries: u32) {
        let message = self.messages.entry(delivery.message_id).or_default();
        // One that comes again because an acknowledgement was lost has had its copies.
        let copies = if message.deliveries == 0 { self.random.u32(1..=max_deliveries.max(1)) } else { 1 };
        self.pool.extend((0..copies).map(|_| delivery.clone()));
    }

    /// Takes up to `max` copies from anywhere in the pool.
    fn draw(&mut self, max: usize) -> Vec<Delivery> {
        let count = if self.pool.is_empty() { 0 } else { self.random.usize(1..=max.max(1)).min(self.pool.len()) };
        (0..count).map(|_| self.draw_one()).collect()
    }

    fn draw_one(&mut self) -> Delivery {
        let place = self.random.usize(..self.pool.len());
        let mut delivery = self.pool.swap_remove(place);
        let message = self.messages.entry(delivery.message_id).or_default();
        message.deliveries += 1;
        delivery.receive_count = message.deliveries;
        self.handed_out += 1;
        let receipt = Receipt(format!("copy-{}", self.handed_out));
        let inner = std::mem::replace(&mut delivery.receipt, receipt.clone());
        self.receipts.insert(receipt, (inner, delivery.message_id));
        delivery
    }

    /// The receipt of the queue behind, unless this acknowledgement is to be lost.
    fn acknowledge(&mut self, receipt: &Receipt, lost_acks_percent: u32) -> Option<Receipt> {
        let (inner, id) = self.receipts.remove(receipt)?;
        let message = self.messages.entry(id).or_default();
        if message.lost_acks < 3 && self.random.u32(..100) < lost_acks_percent {
            message.lost_acks += 1;
            return None;
        }
        Some(inner)
    }
}

#[async_trait]
impl Queue for FaultyQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.delay().await;
        self.inner.send(messages).await
    }

    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.delay().await;
        let wait = if self.copies_left() > 0 { Duration::ZERO } else { wait };
        let fetched = self.inner.receive(max, visibility, wait).await?;
        let mut state = self.state.lock();
        for delivery in &fetched {
            state.add(delivery, self.faults.max_deliveries);
        }
        Ok(state.draw(max))
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.delay().await;
        let kept: Vec<Receipt> = {
            let mut state = self.state.lock();
            receipts.iter().filter_map(|receipt| state.acknowledge(receipt, self.faults.lost_acks_percent)).collect()
        };
        self.inner.ack(&kept).await
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.delay().await;
        let inner: Vec<Receipt> = {
            let state = self.state.lock();
            receipts.iter().filter_map(|receipt| state.receipts.get(receipt).map(|(inner, _)| inner.clone())).collect()
        };
        self.inner.extend(&inner, visibility).await
    }

    async fn stats(&self) -> Result<QueueStats, QueueError> {
        self.inner.stats().await
    }

    async fn project_stats(&self, project: &ProjectId) -> Result<Option<ProjectStats>, QueueError> {
        self.inner.project_stats(project).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use event_queue::clock::ManualClock;
    use event_queue::conformance::message;
    use event_queue::memory::{MemoryQueue, MemorySettings};

    use super::*;

    const HIDDEN: Duration = Duration::from_secs(30);

    /// Sends 50 messages and acknowledges until nothing comes; returns the queue and the order of deliveries.
    async fn drained(faults: QueueFaults) -> (FaultyQueue, Vec<MessageId>) {
        let clock = ManualClock::default();
        let settings = MemorySettings { max_receives: 100, ..MemorySettings::default() };
        let inner = Arc::new(MemoryQueue::with_clock(settings, Arc::new(clock.clone())));
        let queue = FaultyQueue::new(inner.clone(), faults);
        queue.send((0..50).map(message).collect()).await.unwrap();
        let mut order = Vec::new();
        while queue.copies_left() > 0 || inner.stats().await.unwrap().events > Some(0) {
            let some = queue.receive(7, HIDDEN, Duration::ZERO).await.unwrap();
            order.extend(some.iter().map(|delivery| delivery.message_id));
            let receipts: Vec<Receipt> = some.into_iter().map(|delivery| delivery.receipt).collect();
            queue.ack(&receipts).await.unwrap();
            if receipts.is_empty() {
                clock.advance(HIDDEN);
            }
        }
        (queue, order)
    }

    #[tokio::test]
    async fn each_message_comes_one_to_many_times_in_any_order_and_all_end() {
        let (queue, order) = drained(QueueFaults::seeded(7)).await;
        let deliveries = queue.deliveries();
        assert_eq!(deliveries.len(), 50);
        assert!(deliveries.values().any(|count| *count == 1) && deliveries.values().any(|count| *count >= 8));
        assert!(!order.is_sorted_by_key(|id| id.0), "they come in any order");
        let state = queue.state.lock();
        assert!(state.messages.values().any(|message| message.lost_acks > 0), "acknowledgements are lost");
    }

    #[tokio::test]
    async fn the_seed_decides() {
        let orders = [drained(QueueFaults::seeded(1)).await.1, drained(QueueFaults::seeded(1)).await.1];
        assert_eq!(orders[0], orders[1]);
        assert_ne!(orders[0], drained(QueueFaults::seeded(2)).await.1);
    }

    #[tokio::test]
    async fn without_faults_it_is_the_queue_behind_it() {
        let faults = QueueFaults { max_deliveries: 1, lost_acks_percent: 0, ..QueueFaults::seeded(3) };
        let (_, order) = drained(faults).await;
        assert_eq!((order.len(), order.iter().collect::<HashSet<_>>().len()), (50, 50));
    }
}
