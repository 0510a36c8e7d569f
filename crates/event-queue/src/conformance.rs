//! The suite that each queue passes: what [`Queue`] promises, case by case.
//!
//! An implementation gives a [`Harness`]: a queue that is empty, a way to let time pass, and what it cannot promise.
//! Each case gets a harness of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed assumption is a failed test")]

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use event_model::{EventId, ProjectId};

use crate::queue::{Delivery, Outgoing, ProjectStats, Queue, QueueError, Receipt};

/// How long messages are hidden in the suite. Queues whose clock is real wait this long, so it is short.
pub const VISIBILITY: Duration = Duration::from_secs(2);
/// A little more than [`VISIBILITY`].
const PAST_VISIBILITY: Duration = Duration::from_millis(2_200);
/// Longer than any of the suite's waits for a queue that spreads its messages over many machines.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an implementation is able to promise beyond the contract. The suite leaves out what it cannot.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// Messages come strictly oldest first. (SQS: only roughly.)
    pub ordered: bool,
    /// A receipt is void from the moment its visibility timeout ends. (SQS: only once the message is delivered again.)
    pub receipts_expire: bool,
    /// The figures of `stats` are exact at once. (SQS: approximate, a minute late.)
    pub exact_stats: bool,
    /// A released delivery does not count. (SQS: it does.)
    pub uncounted_release: bool,
    /// After how many deliveries a message is dead. The suite delivers a message this often.
    pub max_receives: u32,
    /// The largest message, in bytes.
    pub max_message_bytes: usize,
}

/// One empty queue under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The queue.
    fn queue(&self) -> Arc<dyn Queue>;

    /// Lets time pass for it: moves its clock, or sleeps.
    async fn advance(&self, by: Duration);

    /// What it is able to promise.
    fn capabilities(&self) -> Capabilities;
}

/// Runs every case on a harness of its own, all at the same time: where the clock is real, waiting costs once.
///
/// # Panics
/// On the first promise that is broken.
pub async fn run<H: Harness, F: AsyncFn() -> H>(factory: F) {
    tokio::join!(
        async { what_is_sent_is_received_as_it_was(&factory().await).await },
        async { messages_come_oldest_first(&factory().await).await },
        async { a_received_message_is_hidden_until_its_timeout(&factory().await).await },
        async { an_acknowledged_message_is_gone_for_good(&factory().await).await },
        async { an_expired_or_used_receipt_changes_nothing(&factory().await).await },
        async { extend_hides_for_longer_or_shorter(&factory().await).await },
        async { a_message_is_dead_after_its_last_delivery(&factory().await).await },
        async { a_released_delivery_does_not_count(&factory().await).await },
        async { the_figures_add_up(&factory().await).await },
        async { each_project_is_counted_by_itself(&factory().await).await },
        async { concurrent_receivers_never_hold_the_same_message(&factory().await).await },
        async { sending_nothing_is_allowed(&factory().await).await },
        async { a_message_that_is_too_large_is_refused_with_its_whole_batch(&factory().await).await },
        async { a_waiting_receiver_is_woken_by_a_send(&factory().await).await },
        async { an_empty_queue_answers_when_the_wait_is_over(&factory().await).await },
    );
}

/// One of three projects.
#[must_use]
pub fn project(number: u32) -> ProjectId {
    ProjectId::parse(["shop", "blog", "cafe"][number as usize]).unwrap()
}

/// A message whose body is its number, three times; projects take turns.
#[must_use]
pub fn message(number: u32) -> Outgoing {
    let mut id = [7_u8; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Outgoing {
        message_id: EventId(id),
        project: project(number % 3),
        events: number % 5 + 1,
        body: Bytes::from(format!("{number} {number} {number}")),
    }
}

async fn send(queue: &dyn Queue, numbers: impl IntoIterator<Item = u32>) {
    queue.send(numbers.into_iter().map(message).collect()).await.unwrap();
}

async fn receive(queue: &dyn Queue, max: usize) -> Vec<Delivery> {
    queue.receive(max, VISIBILITY, Duration::ZERO).await.unwrap()
}

/// Receives until nothing comes, for queues that answer with a part of what they have.
async fn receive_all(queue: &dyn Queue) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let some = receive(queue, 10).await;
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|delivery| delivery.receipt.clone()).collect()
}

fn bodies(deliveries: &[Delivery]) -> Vec<Bytes> {
    deliveries.iter().map(|delivery| delivery.body.clone()).collect()
}

fn same<T: PartialEq + Debug>(found: T, expected: T, promise: &str) {
    assert_eq!(found, expected, "{promise}");
}

async fn what_is_sent_is_received_as_it_was(harness: &impl Harness) {
    let queue = harness.queue();
    let mut large = message(2);
    let limit = harness.capabilities().max_message_bytes;
    large.body = (0..limit).map(|place| u8::try_from(place % 251).unwrap()).collect::<Vec<u8>>().into();
    let sent = vec![message(1), large];
    for outgoing in &sent {
        queue.send(vec![outgoing.clone()]).await.unwrap();
    }
    let mut received = receive_all(queue.as_ref()).await;
    received.sort_by_key(|delivery| delivery.message_id.0);
    same(received.len(), 2, "each message is received once");
    for (delivery, outgoing) in received.iter().zip(&sent) {
        assert!(delivery.body == outgoing.body, "the body is what was sent");
        same(delivery.message_id, outgoing.message_id, "the name is what was sent");
        same(delivery.receive_count, 1, "the first delivery is counted");
        assert!(delivery.project.as_ref().is_none_or(|project| *project == outgoing.project), "its project, if known");
        assert!(delivery.events.is_none_or(|events| events == outgoing.events), "its events, if known");
    }
}

async fn messages_come_oldest_first(harness: &impl Harness) {
    if !harness.capabilities().ordered {
        return;
    }
    let queue = harness.queue();
    send(queue.as_ref(), [1, 2, 3]).await;
    send(queue.as_ref(), [4, 5]).await;
    let first = receive(queue.as_ref(), 2).await;
    let rest = receive(queue.as_ref(), 10).await;
    let expected: Vec<Bytes> = (1..=5).map(|number| message(number).body).collect();
    same([bodies(&first), bodies(&rest)].concat(), expected.clone(), "oldest first");
    harness.advance(PAST_VISIBILITY).await;
    send(queue.as_ref(), [6]).await;
    let again = receive(queue.as_ref(), 5).await;
    same(bodies(&again), expected, "a message that comes back is still older than a new one");
}

async fn a_received_message_is_hidden_until_its_timeout(harness: &impl Harness) {
    let queue = harness.queue();
    send(queue.as_ref(), [1]).await;
    let first = receive(queue.as_ref(), 1).await;
    same(first.len(), 1, "a visible message is received");
    same(receive(queue.as_ref(), 1).await.len(), 0, "a received message is hidden");
    harness.advance(PAST_VISIBILITY).await;
    let second = receive(queue.as_ref(), 1).await;
    same(bodies(&second), bodies(&first), "it comes back after its timeout");
    same(second[0].receive_count, 2, "each delivery is counted");
    assert_ne!(second[0].receipt, first[0].receipt, "each delivery has its own receipt");
}

async fn an_acknowledged_message_is_gone_for_good(harness: &impl Harness) {
    let queue = harness.queue();
    send(queue.as_ref(), [1, 2]).await;
    let deliveries = receive_all(queue.as_ref()).await;
    queue.ack(&receipts(&deliveries[..1])).await.unwrap();
    harness.advance(PAST_VISIBILITY).await;
    let left = receive_all(queue.as_ref()).await;
    same(bodies(&left), bodies(&deliveries[1..]), "only what was not acknowledged comes back");
}

async fn an_expired_or_used_receipt_changes_nothing(harness: &impl Harness) {
    let queue = harness.queue();
    send(queue.as_ref(), [1]).await;
    let old = receipts(&receive(queue.as_ref(), 1).await);
    harness.advance(PAST_VISIBILITY).await;
    if harness.capabilities().receipts_expire {
        queue.ack(&old).await.unwrap();
        queue.extend(&old, VISIBILITY).await.unwrap();
    }
    let second = receive(queue.as_ref(), 1).await;
    same(second.len(), 1, "an expired receipt acknowledges nothing");
    queue.ack(&old).await.unwrap();
    queue.extend(&old, Duration::ZERO).await.unwrap();
    same(receive(queue.as_ref(), 1).await.len(), 0, "it does not free the new delivery either");
    if harness.capabilities().receipts_expire {
        harness.advance(PAST_VISIBILITY).await;
        let third = receive(queue.as_ref(), 1).await;
        same(third.len(), 1, "nor does it acknowledge the new delivery");
        queue.ack(&receipts(&third)).await.unwrap();
        queue.ack(&receipts(&third)).await.unwrap();
        queue.ack(&[Receipt("nonsense".to_owned())]).await.unwrap();
        same(queue.stats().await.unwrap().events, Some(0), "acknowledging twice counts once");
    }
}

async fn extend_hides_for_longer_or_shorter(harness: &impl Harness) {
    let queue = harness.queue();
    send(queue.as_ref(), [1]).await;
    let held = receipts(&receive(queue.as_ref(), 1).await);
    queue.extend(&held, VISIBILITY * 3).await.unwrap();
    harness.advance(PAST_VISIBILITY).await;
    same(receive(queue.as_ref(), 1).await.len(), 0, "an extended message stays hidden");
    queue.extend(&held, Duration::ZERO).await.unwrap();
    let again = receive(queue.as_ref(), 1).await;
    same(again.len(), 1, "zero makes it visible at once");
    same(again[0].receive_count, 2, "which is a delivery more");
}

async fn a_message_is_dead_after_its_last_delivery(harness: &impl Harness) {
    let queue = harness.queue();
    let max_receives = harness.capabilities().max_receives;
    send(queue.as_ref(), [1]).await;
    for count in 1..=max_receives {
        let delivered = receive(queue.as_ref(), 1).await;
        same(delivered.len(), 1, "it comes back until its last delivery");
        same(delivered[0].receive_count, count, "each delivery is counted");
        queue.extend(&receipts(&delivered), Duration::ZERO).await.unwrap();
    }
    same(receive(queue.as_ref(), 1).await.len(), 0, "a dead letter is not delivered");
    if harness.capabilities().exact_stats {
        let stats = queue.stats().await.unwrap();
        same((stats.visible, stats.in_flight, stats.dead), (0, 0, 1), "it is kept as a dead letter");
        same(stats.events, Some(u64::from(message(1).events)), "its events are still counted");
    }
}

async fn a_released_delivery_does_not_count(harness: &impl Harness) {
    let queue = harness.queue();
    send(queue.as_ref(), [1]).await;
    let released = if harness.capabilities().uncounted_release { harness.capabilities().max_receives + 3 } else { 1 };
    for _ in 0..released {
        let delivery = receive(queue.as_ref(), 1).await.remove(0);
        queue.release(std::slice::from_ref(&delivery.receipt), VISIBILITY).await.unwrap();
        assert!(receive(queue.as_ref(), 1).await.is_empty(), "a released message is hidden until its delay is over");
        harness.advance(PAST_VISIBILITY).await;
    }
    let delivery = receive(queue.as_ref(), 1).await.remove(0);
    if harness.capabilities().uncounted_release {
        assert_eq!(delivery.receive_count, 1, "released deliveries do not count");
    }
    queue.ack(&[delivery.receipt]).await.unwrap();
}

async fn the_figures_add_up(harness: &impl Harness) {
    if !harness.capabilities().exact_stats {
        return;
    }
    let queue = harness.queue();
    same(queue.stats().await.unwrap().oldest_age, None, "an empty queue has no oldest message");
    send(queue.as_ref(), 1..=6).await;
    harness.advance(Duration::from_secs(1)).await;
    let taken = receive(queue.as_ref(), 4).await;
    queue.ack(&receipts(&taken[..3])).await.unwrap();
    let stats = queue.stats().await.unwrap();
    let left = || (4..=6).map(message);
    same((stats.visible, stats.in_flight, stats.dead), (2, 1, 0), "messages");
    same(stats.bytes, Some(left().map(|outgoing| outgoing.body.len() as u64).sum()), "bytes of what is left");
    assert!(!stats.approximate, "exact figures say so");
    same(stats.events, Some(left().map(|outgoing| u64::from(outgoing.events)).sum()), "events of what is left");
    let all: u64 = (1..=6).map(|number| u64::from(message(number).events)).sum();
    assert!(stats.events_sent.is_none_or(|sent| sent == all), "events ever sent");
    assert!(stats.oldest_age.unwrap() >= Duration::from_secs(1), "age of the oldest");
}

async fn each_project_is_counted_by_itself(harness: &impl Harness) {
    let queue = harness.queue();
    let max_receives = harness.capabilities().max_receives;
    let stats = async |number| queue.project_stats(&project(number)).await.unwrap();
    send(queue.as_ref(), 0..9).await;
    if !harness.capabilities().exact_stats {
        same(stats(0).await, None, "a queue that does not know says so");
        return;
    }
    let events = |numbers: &[u32]| numbers.iter().map(|number| u64::from(message(*number).events)).sum::<u64>();
    let first = receive(queue.as_ref(), 4).await;
    // 0 and 1 are done, 2 becomes a dead letter, 3 waits again.
    queue.ack(&receipts(&first[..2])).await.unwrap();
    queue.extend(&receipts(&first[2..]), Duration::ZERO).await.unwrap();
    for _ in 1..max_receives {
        let again = receive(queue.as_ref(), 2).await;
        queue.release(&receipts(&again[1..]), Duration::ZERO).await.unwrap();
        queue.extend(&receipts(&again[..1]), Duration::ZERO).await.unwrap();
    }
    let expected = |all: &[u32], waiting: &[u32], dead: &[u32]| {
        Some(ProjectStats { sent: Some(events(all)), waiting: events(waiting), dead: events(dead) })
    };
    same(stats(0).await, expected(&[0, 3, 6], &[3, 6], &[]), "done by half");
    same(stats(1).await, expected(&[1, 4, 7], &[4, 7], &[]), "done by a third");
    same(stats(2).await, expected(&[2, 5, 8], &[5, 8], &[2]), "one dead letter");
    let nobody = queue.project_stats(&ProjectId::parse("nobody").unwrap()).await.unwrap();
    same(nobody, expected(&[], &[], &[]), "nothing was sent");
}

async fn concurrent_receivers_never_hold_the_same_message(harness: &impl Harness) {
    const MESSAGES: u32 = 60;
    let queue = harness.queue();
    send(queue.as_ref(), 0..MESSAGES).await;
    let receivers = (0..4).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.receive(20, Duration::from_secs(60), Duration::ZERO).await.unwrap() })
    });
    let mut held = HashSet::new();
    for receiver in receivers.collect::<Vec<_>>() {
        for delivery in receiver.await.unwrap() {
            assert!(held.insert(delivery.message_id), "two receivers hold {}", delivery.message_id);
        }
    }
    for delivery in receive_all(queue.as_ref()).await {
        assert!(held.insert(delivery.message_id), "two receivers hold {}", delivery.message_id);
    }
    same(held.len(), MESSAGES as usize, "each message is held by one receiver");
}

async fn sending_nothing_is_allowed(harness: &impl Harness) {
    let queue = harness.queue();
    queue.send(Vec::new()).await.unwrap();
    queue.ack(&[]).await.unwrap();
    queue.extend(&[], VISIBILITY).await.unwrap();
    same(receive(queue.as_ref(), 10).await.len(), 0, "nothing sent, nothing received");
}

async fn a_message_that_is_too_large_is_refused_with_its_whole_batch(harness: &impl Harness) {
    let queue = harness.queue();
    let limit = harness.capabilities().max_message_bytes;
    let mut large = message(2);
    large.body = vec![b'x'; limit + 1].into();
    let bytes = large.body.len();
    match queue.send(vec![message(1), large]).await {
        Err(QueueError::TooLarge { bytes: found, limit: told }) => {
            same((found, told), (bytes, limit), "the error says")
        }
        other => panic!("a message of {bytes} bytes was answered with {other:?}"),
    }
    same(receive(queue.as_ref(), 10).await.len(), 0, "nothing of the batch was taken");
}

async fn a_waiting_receiver_is_woken_by_a_send(harness: &impl Harness) {
    let queue = harness.queue();
    let waiting = {
        let queue = queue.clone();
        tokio::spawn(async move { queue.receive(1, VISIBILITY, Duration::from_secs(20)).await.unwrap() })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished(), "a receiver waits");
    send(queue.as_ref(), [1]).await;
    let woken = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    same(woken.len(), 1, "it is woken by the send, not by the end of its wait");
}

async fn an_empty_queue_answers_when_the_wait_is_over(harness: &impl Harness) {
    let queue = harness.queue();
    let waiting = tokio::spawn(async move { queue.receive(1, VISIBILITY, Duration::from_secs(1)).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    harness.advance(Duration::from_millis(1_100)).await;
    let answer = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    same(answer.len(), 0, "nothing came");
}
