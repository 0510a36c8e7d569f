//! Draining SQS: many compactors at once, each message delivered again at random, and figures that lag behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use batch_compactor::{Compactor, CompactorSettings};
use event_model::EventId;
use event_queue::clock::ManualClock;
use event_queue::memory::MemoryQueue;
use event_queue::sqs::{Keys, SqsQueue, SqsSettings};
use event_queue::{Delivery, Outgoing, Queue, QueueError, QueueStats, Receipt};
use lake::{Depth, Lake, LakeSettings, schema};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use test_support::sqs_stub::{Counts, QueueRules, SqsFaults, SqsStub};
use url::Url;

use crate::support::{NOW, Recorder, counts, envelope, event, id, outgoing, project, queue, quick, rows_of, send};

const VISIBILITY: Duration = Duration::from_secs(60);

async fn sqs(stub: &SqsStub, url: &str) -> Arc<SqsQueue> {
    let keys = Some(Keys { id: "test".to_owned(), secret: "test".to_owned() });
    let settings = SqsSettings {
        endpoint: Some(stub.endpoint().to_owned()),
        keys,
        first_backoff: Duration::from_millis(1),
        ..SqsSettings::new(url)
    };
    Arc::new(SqsQueue::connect(settings).await.unwrap())
}

/// A compactor as a process of its own has it: own connections, own view of the lake.
async fn process(stub: &SqsStub, url: &str, store: &Arc<dyn ObjectStore>) -> Compactor {
    let settings = LakeSettings { clock: lake::Clock::new(|| NOW), ..LakeSettings::default() };
    let lake = Lake::with_store(store.clone(), Url::parse("memory:///").unwrap(), settings).await.unwrap();
    let settings =
        CompactorSettings { visibility: VISIBILITY, max_receive_time: Duration::from_millis(100), ..quick() };
    Compactor::new(sqs(stub, url).await, Arc::new(lake), settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_compactors_store_twenty_thousand_messages_of_sqs_once_each() {
    const MESSAGES: u64 = 20_000;
    const PROJECTS: [&str; 4] = ["a", "b", "c", "d"];
    let clock = ManualClock::default();
    let stub = SqsStub::start_on(0, Arc::new(clock.clone())).await.unwrap();
    let url = stub.create_queue("events", QueueRules { max_receives: Some(10), ..QueueRules::default() });
    let of_project = |number: u64| PROJECTS[usize::try_from(number % 4).unwrap()];
    let messages = (0..MESSAGES).map(|number| outgoing(&envelope(of_project(number), number, [event(number)])));
    sqs(&stub, &url).await.send(messages.collect()).await.unwrap();
    assert_eq!(stub.counts("events"), Some(Counts { visible: 20_000, hidden: 0 }));

    stub.set_faults(SqsFaults { seed: 11, redelivered: 3, lost_deletions: 1, failed_entries: 1, ..SqsFaults::none() });
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut compactors = Vec::new();
    for _ in 0..8 {
        compactors.push(Arc::new(process(&stub, &url, &store).await));
    }
    let (mut received, mut rounds) = (0, 0);
    while stub.counts("events") != Some(Counts::default()) {
        rounds += 1;
        assert!(rounds < 20, "the queue is never drained: {:?}", stub.counts("events"));
        let drains: Vec<_> = compactors
            .iter()
            .map(|compactor| {
                let compactor = compactor.clone();
                tokio::spawn(async move { compactor.drain_until_empty().await.unwrap() })
            })
            .collect();
        for drain in drains {
            let report = drain.await.unwrap();
            assert_eq!((report.failures.as_slice(), report.quarantined), ([].as_slice(), 0));
            received += report.messages;
        }
        // What was redelivered, and what SQS did not delete although it said so, comes back.
        clock.advance(VISIBILITY);
    }
    assert!(received > MESSAGES, "{received} messages were received, some twice");
    assert_eq!(stub.counts("events-dead"), Some(Counts::default()));

    let reader =
        Lake::with_store(store.clone(), Url::parse("memory:///").unwrap(), LakeSettings::default()).await.unwrap();
    for name in PROJECTS {
        let rows = rows_of(store.clone(), &Url::parse("memory:///").unwrap(), &project(name), &schema::EVENTS).await;
        let expected: BTreeMap<EventId, usize> =
            (0..MESSAGES).filter(|number| of_project(*number) == name).map(|number| (id(number), 1)).collect();
        assert!(counts(&rows, "event_id") == expected, "project {name}: each event once");
        let lake = reader.project(&project(name)).await.unwrap();
        let ledger = lake.ledger().await.unwrap();
        let sent = MESSAGES / 4;
        assert_eq!(ledger.stored + ledger.quarantined + ledger.duplicates, sent, "project {name}: {ledger:?}");
        assert_eq!(ledger.messages, sent, "project {name}: {ledger:?}");
        assert_eq!(lake.check(Depth::Rows).await.unwrap().damage, []);
    }
}

#[tokio::test]
async fn a_message_of_sqs_is_processed_alone_from_its_third_receive_on() {
    let clock = ManualClock::default();
    let stub = SqsStub::start_on(0, Arc::new(clock.clone())).await.unwrap();
    let url = stub.create_queue("events", QueueRules::default());
    let queue = sqs(&stub, &url).await;
    queue.send(vec![outgoing(&envelope("shop", 1, [event(1)]))]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(queue.receive(10, VISIBILITY, Duration::ZERO).await.unwrap().len(), 1);
        clock.advance(VISIBILITY);
    }
    queue.send([2, 3].map(|message| outgoing(&envelope("shop", message, [event(message)]))).to_vec()).await.unwrap();
    let recorder = Recorder::willing();
    let compactor = Compactor::with_destination(queue, recorder.clone(), quick());
    assert_eq!(compactor.drain().await.unwrap().stored, 3);
    assert_eq!(recorder.messages(), [vec![2, 3], vec![1]]);
}

#[tokio::test]
async fn messages_of_sqs_stay_hidden_while_they_are_worked_on() {
    let stub = SqsStub::start().await.unwrap();
    let url = stub.create_queue("events", QueueRules::default());
    let queue = sqs(&stub, &url).await;
    queue.send(vec![outgoing(&envelope("shop", 1, [event(1)]))]).await.unwrap();
    let recorder = Recorder::slow(Duration::from_millis(2_500));
    let settings = CompactorSettings { visibility: Duration::from_secs(1), ..quick() };
    let compactor = Compactor::with_destination(queue.clone(), recorder.clone(), settings);
    let working = tokio::spawn(async move { compactor.drain().await.unwrap() });
    let mut seen = 0;
    while !working.is_finished() {
        seen = seen.max(stub.calls("ChangeMessageVisibilityBatch"));
        let visible = stub.counts("events").is_some_and(|counts| counts.visible > 0);
        assert!(!visible || seen == 0, "it became visible while it was worked on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((working.await.unwrap().stored, seen >= 2), (1, true));
    assert_eq!(stub.counts("events"), Some(Counts::default()));
}

/// A queue whose figures have not noticed anything yet.
struct Late(Arc<MemoryQueue>);

#[async_trait]
impl Queue for Late {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.0.send(messages).await
    }

    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.0.receive(max, visibility, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.0.ack(receipts).await
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.0.extend(receipts, visibility).await
    }

    async fn stats(&self) -> Result<QueueStats, QueueError> {
        Ok(QueueStats { approximate: true, ..QueueStats::default() })
    }
}

#[tokio::test]
async fn a_flush_does_not_believe_an_approximate_zero() {
    let (queue, recorder) = (queue(), Recorder::willing());
    send(&queue, &[1, 2].map(|message| envelope("shop", message, [event(message)]))).await;
    let compactor = Compactor::with_destination(Arc::new(Late(queue.clone())), recorder.clone(), quick());
    assert_eq!(compactor.flush().await.unwrap().stored, 2);
    assert_eq!(recorder.messages(), [[1, 2]]);
}
