//! One message's trouble is its own: damaged, unstorable and newer messages, failing projects, failing storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use batch_compactor::{Compactor, CompactorError, CompactorSettings, DrainReport};
use event_model::Reason;
use event_queue::memory::{MemoryQueue, MemorySettings};
use event_queue::{Delivery, Outgoing, Queue, QueueError, QueueStats, Receipt};
use lake::{IngestBatch, LakeError};

use crate::support::{
    Recorder, compactor, envelope, event, number, outgoing, project, queue, quick, send, storage_down,
};

fn holds(batch: &IngestBatch, message: u64) -> bool {
    batch.messages.iter().any(|found| number(found.message_id) == message)
}

fn damaged(message: u64, events: u32) -> Outgoing {
    let mut outgoing = outgoing(&envelope("shop", message, [event(message)]));
    outgoing.body = outgoing.body.slice(..outgoing.body.len() - 1);
    outgoing.events = events;
    outgoing
}

async fn is_empty(queue: &MemoryQueue) -> bool {
    let stats = queue.stats().await.unwrap();
    stats.visible + stats.in_flight + stats.dead == 0
}

#[tokio::test]
async fn a_damaged_message_goes_to_quarantine_with_its_bytes_and_the_count_of_its_events() {
    let (queue, recorder) = (queue(), Recorder::willing());
    let bad = damaged(2, 17);
    send(&queue, &[envelope("shop", 1, [event(1)])]).await;
    queue.send(vec![bad.clone()]).await.unwrap();
    send(&queue, &[envelope("shop", 3, [event(3)])]).await;
    let report = compactor(&queue, &recorder, quick()).drain_until_empty().await.unwrap();
    assert_eq!((report.stored, report.quarantined, report.unreadable_messages), (2, 17, 1));
    assert!(is_empty(&queue).await);
    let batches = recorder.stored();
    let rows: Vec<_> = batches.iter().flat_map(|(_, batch)| batch.quarantine.clone()).collect();
    let [row] = rows.as_slice() else { panic!("one row") };
    assert_eq!((row.rejected.reason, row.events), (Reason::MessageUnreadable, 17));
    assert_eq!(row.rejected.original.0, bad.body);
    assert_eq!(recorder.messages(), [vec![1, 3], vec![2]]);
}

#[tokio::test]
async fn a_damaged_message_longer_than_an_event_keeps_every_byte() {
    let (queue, recorder) = (queue(), Recorder::willing());
    let body = vec![0x10; 180 * 1024];
    queue.send(vec![Outgoing { body: body.clone().into(), ..damaged(1, 3) }]).await.unwrap();
    compactor(&queue, &recorder, quick()).drain_until_empty().await.unwrap();
    assert_eq!(recorder.stored()[0].1.quarantine[0].rejected.original.0, body);
}

#[tokio::test]
async fn a_message_that_breaks_its_batch_is_found_and_the_others_are_stored() {
    for panics in [false, true] {
        let queue = queue();
        let recorder = Recorder::new(move |_, batch| {
            if holds(batch, 2) && batch.quarantine.is_empty() {
                assert!(!panics, "a panic ends one batch and nothing else");
                return Err(LakeError::Shape("message 2 does not fit".to_owned()));
            }
            Ok(())
        });
        send(&queue, &[1, 2, 3].map(|message| envelope("shop", message, [event(message)]))).await;
        let report = compactor(&queue, &recorder, quick()).flush().await.unwrap();
        assert_eq!((report.stored, report.quarantined, report.unreadable_messages), (2, 1, 1));
        let mut messages = recorder.messages();
        messages.sort();
        assert_eq!(messages, [[1], [2], [3]], "each was tried alone");
        assert!(is_empty(&queue).await);
    }
}

#[tokio::test]
async fn without_isolation_a_message_takes_its_neighbours_with_it() {
    let queue = queue();
    let recorder = Recorder::new(|_, batch| {
        if holds(batch, 2) { Err(LakeError::Shape("message 2 does not fit".to_owned())) } else { Ok(()) }
    });
    let mut settings = quick();
    settings.guards.alone = false;
    send(&queue, &[1, 2, 3].map(|message| envelope("shop", message, [event(message)]))).await;
    let compactor = compactor(&queue, &recorder, settings);
    for _ in 0..20 {
        compactor.drain().await.unwrap();
    }
    assert_eq!(recorder.messages().len(), 0);
}

#[tokio::test]
async fn an_outage_of_any_length_makes_no_dead_letters() {
    let queue = Arc::new(MemoryQueue::new(MemorySettings { max_receives: 3, ..MemorySettings::default() }));
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let recorder =
        Recorder::new(move |_, _| if is_down.load(Ordering::Relaxed) { Err(storage_down()) } else { Ok(()) });
    let settings = CompactorSettings { first_backoff: Duration::ZERO, ..quick() };
    send(&queue, &[1, 2].map(|message| envelope("shop", message, [event(message)]))).await;
    for _ in 0..12 {
        // Each time a new process, which remembers nothing of the trouble before.
        compactor(&queue, &recorder, settings.clone()).drain().await.unwrap();
        assert_eq!(queue.stats().await.unwrap().dead, 0);
    }
    down.store(false, Ordering::Relaxed);
    let report = compactor(&queue, &recorder, settings).flush().await.unwrap();
    assert_eq!((report.stored, report.quarantined), (2, 0));
    assert_eq!(recorder.messages(), [[1, 2]], "and they are not processed one by one for it");
}

#[tokio::test]
async fn storage_trouble_is_never_held_against_a_message() {
    let queue = queue();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let recorder =
        Recorder::new(move |_, _| if is_down.load(Ordering::Relaxed) { Err(storage_down()) } else { Ok(()) });
    let settings = CompactorSettings { first_backoff: Duration::ZERO, ..quick() };
    let compactor = compactor(&queue, &recorder, settings);
    send(&queue, &[1, 2, 3].map(|message| envelope("shop", message, [event(message)]))).await;
    for _ in 0..12 {
        let report = compactor.drain().await.unwrap();
        assert_eq!(report.stored + report.quarantined, 0);
        assert!(report.failures.iter().all(|failure| failure.storage));
    }
    assert!(matches!(compactor.flush().await, Err(CompactorError::NotStored { .. })));
    down.store(false, Ordering::Relaxed);
    let report = compactor.flush().await.unwrap();
    assert_eq!((report.stored, report.quarantined), (3, 0));
    assert_eq!(recorder.messages(), [[1, 2, 3]], "and they are not processed one by one for it");
}

#[tokio::test]
async fn a_drain_tries_again_while_its_patience_lasts() {
    let queue = queue();
    let failures = AtomicU32::new(0);
    let recorder =
        Recorder::new(
            move |_, _| {
                if failures.fetch_add(1, Ordering::Relaxed) < 3 { Err(storage_down()) } else { Ok(()) }
            },
        );
    let settings = CompactorSettings { storage_patience: Duration::from_secs(5), ..quick() };
    send(&queue, &[envelope("shop", 1, [event(1)])]).await;
    let report = compactor(&queue, &recorder, settings).drain().await.unwrap();
    assert_eq!((report.stored, report.failures.len(), report.returned_messages), (1, 0, 0));
}

#[tokio::test]
async fn projects_fail_independently() {
    let queue = queue();
    let recorder = Recorder::new(|project, _| if project.as_str() == "broken" { Err(storage_down()) } else { Ok(()) });
    let messages = [("a", 1), ("broken", 2), ("c", 3), ("broken", 4)];
    send(&queue, &messages.map(|(name, message)| envelope(name, message, [event(message)]))).await;
    let report = compactor(&queue, &recorder, quick()).drain().await.unwrap();
    let stored: Vec<_> = recorder.stored().into_iter().map(|(project, _)| project).collect();
    assert!(stored.contains(&project("a")) && stored.contains(&project("c")) && stored.len() == 2);
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].project, project("broken"));
    let stats = queue.stats().await.unwrap();
    assert_eq!(stats.visible + stats.in_flight, 2, "only the broken project's messages are left");
}

#[tokio::test]
async fn a_flush_of_one_project_does_not_wait_for_the_trouble_of_another() {
    let queue = queue();
    let recorder = Recorder::new(|project, _| if project.as_str() == "broken" { Err(storage_down()) } else { Ok(()) });
    let mut newer = outgoing(&envelope("old", 9, [event(9)]));
    newer.body = [&[0x20], &newer.body[1..]].concat().into();
    queue.send(vec![newer]).await.unwrap();
    let messages = [("a", 1), ("broken", 2), ("broken", 3)];
    send(&queue, &messages.map(|(name, message)| envelope(name, message, [event(message)]))).await;
    let compactor =
        compactor(&queue, &recorder, CompactorSettings { first_backoff: Duration::from_secs(5), ..quick() });
    compactor.flush_project(&project("a")).await.unwrap();
    assert_eq!(recorder.messages(), [[1]]);
    let broken = compactor.flush_project(&project("broken")).await;
    assert!(matches!(broken, Err(CompactorError::NotStored { .. })), "at once, although the next try is seconds away");
    assert!(matches!(compactor.flush_project(&project("old")).await, Err(CompactorError::Newer { messages: 1 })));
    send(&queue, &[envelope("a", 4, [event(4)])]).await;
    compactor.flush_project(&project("a")).await.unwrap();
    assert_eq!(recorder.messages(), [[1], [4]]);
}

#[tokio::test]
async fn a_message_of_a_newer_version_stays_in_the_queue_and_a_flush_says_so() {
    let (queue, recorder) = (queue(), Recorder::willing());
    let mut newer = outgoing(&envelope("shop", 2, [event(2)]));
    newer.body = [&[0x20], &newer.body[1..]].concat().into();
    queue.send(vec![newer]).await.unwrap();
    send(&queue, &[envelope("shop", 1, [event(1)])]).await;
    let compactor = compactor(&queue, &recorder, quick());
    let report: DrainReport = compactor.drain().await.unwrap();
    assert_eq!((report.stored, report.newer_messages, report.quarantined), (1, 1, 0));
    for _ in 0..10 {
        assert_eq!(compactor.drain().await.unwrap().messages, 0, "it is laid aside, not received again and again");
    }
    assert!(matches!(compactor.flush().await, Err(CompactorError::Newer { messages: 1 })));
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.in_flight, stats.dead), (1, 0));
    assert_eq!(recorder.messages(), [[1]]);
}

#[tokio::test]
async fn a_message_that_is_delivered_twice_at_once_is_in_the_batch_once_and_acknowledged_twice() {
    let (queue, recorder) = (queue(), Recorder::willing());
    let message = envelope("shop", 1, [event(1)]);
    send(&queue, &[message.clone(), message.clone(), message]).await;
    let report = compactor(&queue, &recorder, quick()).drain().await.unwrap();
    assert_eq!((report.messages, report.stored), (3, 1));
    assert_eq!(recorder.messages(), [[1]]);
    assert!(is_empty(&queue).await);
}

/// A queue that breaks where it is told to.
struct Breaking {
    inner: Arc<MemoryQueue>,
    acks: bool,
    receives_after: AtomicU32,
}

fn broken_queue<T>() -> Result<T, QueueError> {
    Err(QueueError::Unavailable("the line is cut".to_owned()))
}

#[async_trait]
impl Queue for Breaking {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.inner.send(messages).await
    }

    async fn receive(&self, _: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let left = self.receives_after.load(Ordering::Relaxed);
        self.receives_after.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { broken_queue() } else { self.inner.receive(1, visibility, wait).await }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        if self.acks { broken_queue() } else { self.inner.ack(receipts).await }
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.inner.extend(receipts, visibility).await
    }

    async fn stats(&self) -> Result<QueueStats, QueueError> {
        self.inner.stats().await
    }
}

#[tokio::test]
async fn a_queue_that_breaks_off_has_what_it_gave_stored_and_acknowledged() {
    let (queue, recorder) = (queue(), Recorder::willing());
    send(&queue, &[1, 2, 3].map(|message| envelope("shop", message, [event(message)]))).await;
    let breaking = Breaking { inner: queue.clone(), acks: false, receives_after: AtomicU32::new(2) };
    let compactor = Compactor::with_destination(Arc::new(breaking), recorder.clone(), quick());
    assert_eq!(compactor.drain().await.unwrap().stored, 2);
    assert!(matches!(compactor.drain().await, Err(CompactorError::Queue(_))));
    assert_eq!(recorder.messages(), [[1, 2]]);
    assert_eq!(queue.stats().await.unwrap().visible, 1);
}

#[tokio::test]
async fn a_commit_that_cannot_be_acknowledged_is_reported_and_its_messages_come_again() {
    let (queue, recorder) = (queue(), Recorder::willing());
    send(&queue, &[envelope("shop", 1, [event(1)])]).await;
    let breaking = Breaking { inner: queue.clone(), acks: true, receives_after: AtomicU32::new(9) };
    let compactor = Compactor::with_destination(Arc::new(breaking), recorder.clone(), quick());
    let report = compactor.drain().await.unwrap();
    assert_eq!((report.stored, report.unacknowledged_messages), (1, 1));
    assert_eq!(queue.stats().await.unwrap().in_flight, 1);
}
