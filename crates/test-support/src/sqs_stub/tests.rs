//! The queue in SQS against the stub: the conformance suite, and each way in which SQS misbehaves.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use event_model::limits::MAX_MESSAGE_BYTES;
use event_queue::clock::ManualClock;
use event_queue::conformance::{Capabilities, Harness, message, run};
use event_queue::sqs::{Keys, SqsQueue, SqsSettings};
use event_queue::{Delivery, Queue, QueueError, QueueStats, Receipt};

use super::{QueueRules, SqsFaults, SqsStub};

const HIDDEN: Duration = Duration::from_secs(30);

struct Stubbed {
    stub: SqsStub,
    queue: Arc<SqsQueue>,
    clock: ManualClock,
}

#[async_trait]
impl Harness for Stubbed {
    fn queue(&self) -> Arc<dyn Queue> {
        self.queue.clone()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            ordered: true,
            receipts_expire: false,
            exact_stats: false,
            uncounted_release: false,
            max_receives: 4,
            max_message_bytes: MAX_MESSAGE_BYTES,
        }
    }
}

/// A queue that makes a message a dead letter after four receives.
async fn stubbed() -> Stubbed {
    stubbed_with(|settings| settings).await
}

async fn stubbed_with(change: impl FnOnce(SqsSettings) -> SqsSettings) -> Stubbed {
    let clock = ManualClock::default();
    let stub = SqsStub::start_on(0, Arc::new(clock.clone())).await.unwrap();
    let url = stub.create_queue("events", QueueRules { max_receives: Some(4), ..QueueRules::default() });
    let settings = SqsSettings {
        endpoint: Some(stub.endpoint().to_owned()),
        keys: Some(Keys { id: "test".to_owned(), secret: "test".to_owned() }),
        first_backoff: Duration::from_millis(1),
        ..SqsSettings::new(url)
    };
    let queue = Arc::new(SqsQueue::connect(change(settings)).await.unwrap());
    Stubbed { stub, queue, clock }
}

async fn send(queue: &SqsQueue, numbers: std::ops::Range<u32>) -> Result<(), QueueError> {
    queue.send(numbers.map(message).collect()).await
}

/// Receives until nothing comes.
async fn receive_all(queue: &SqsQueue) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive(500, HIDDEN, Duration::ZERO).await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|delivery| delivery.receipt.clone()).collect()
}

fn distinct(deliveries: &[Delivery]) -> usize {
    deliveries.iter().map(|delivery| delivery.message_id).collect::<HashSet<_>>().len()
}

#[tokio::test]
async fn the_queue_in_sqs_conforms() {
    run(stubbed).await;
}

#[tokio::test]
async fn entries_that_fail_are_sent_again_until_all_are_stored() {
    let stubbed = stubbed().await;
    stubbed.stub.set_faults(SqsFaults { seed: 3, failed_entries: 40, ..SqsFaults::none() });
    send(&stubbed.queue, 0..200).await.unwrap();
    stubbed.stub.set_faults(SqsFaults::none());
    let all = receive_all(&stubbed.queue).await;
    assert_eq!((all.len(), distinct(&all)), (200, 200), "a failed entry was not stored, so nothing is there twice");
}

#[tokio::test]
async fn sqs_that_takes_nothing_is_unavailable_and_never_a_success() {
    let patience = Duration::from_millis(20);
    let stubbed = stubbed_with(|settings| SqsSettings { patience, ..settings }).await;
    for faults in
        [SqsFaults { failed_entries: 100, ..SqsFaults::none() }, SqsFaults { unavailable: 100, ..SqsFaults::none() }]
    {
        stubbed.stub.set_faults(faults);
        let sent = send(&stubbed.queue, 0..3).await;
        assert!(matches!(sent, Err(QueueError::Unavailable(_))), "{faults:?}: {sent:?}");
    }
}

#[tokio::test]
async fn a_call_without_an_answer_ends_in_time_and_is_made_again() {
    let call_timeout = Duration::from_millis(100);
    let stubbed = stubbed_with(|settings| SqsSettings { call_timeout, ..settings }).await;
    stubbed.stub.set_faults(SqsFaults { seed: 5, stalled: 30, ..SqsFaults::none() });
    let started = Instant::now();
    send(&stubbed.queue, 0..100).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    stubbed.stub.set_faults(SqsFaults::none());
    assert_eq!(distinct(&receive_all(&stubbed.queue).await), 100, "some came twice, none is missing");
}

#[tokio::test]
async fn acknowledgements_survive_failures_too() {
    let stubbed = stubbed().await;
    send(&stubbed.queue, 0..100).await.unwrap();
    let all = receive_all(&stubbed.queue).await;
    stubbed.stub.set_faults(SqsFaults { seed: 9, failed_entries: 30, unavailable: 20, ..SqsFaults::none() });
    stubbed.queue.extend(&receipts(&all), HIDDEN * 2).await.unwrap();
    stubbed.queue.ack(&receipts(&all)).await.unwrap();
    assert_eq!(stubbed.stub.counts("events").unwrap(), super::Counts::default());
}

#[tokio::test]
async fn what_will_not_pass_is_told_at_once() {
    let mut wrong =
        stubbed_with(|settings| SqsSettings { queue_url: settings.queue_url + "-elsewhere", ..settings }).await;
    let refused = send(&wrong.queue, 0..1).await;
    assert!(matches!(&refused, Err(QueueError::Refused(why)) if why.contains("NonExistentQueue")), "{refused:?}");
    assert!(matches!(wrong.queue.stats().await, Err(QueueError::Refused(_))));
    assert_eq!(wrong.stub.calls("SendMessageBatch"), 1, "it is not tried again");

    wrong = stubbed_with(|settings| SqsSettings {
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        patience: Duration::ZERO,
        ..settings
    })
    .await;
    let unreachable = send(&wrong.queue, 0..1).await;
    assert!(matches!(unreachable, Err(QueueError::Unavailable(_))), "{unreachable:?}");
}

#[tokio::test]
async fn a_backlog_is_received_in_parallel_and_little_traffic_with_one_call() {
    let stubbed = stubbed().await;
    send(&stubbed.queue, 0..5).await.unwrap();
    assert_eq!(stubbed.queue.receive(500, HIDDEN, Duration::ZERO).await.unwrap().len(), 5);
    assert_eq!(stubbed.stub.calls("ReceiveMessage"), 1);
    send(&stubbed.queue, 5..505).await.unwrap();
    let all = stubbed.queue.receive(400, HIDDEN, Duration::ZERO).await.unwrap();
    assert_eq!((all.len(), distinct(&all)), (400, 400), "never more than asked for");
    assert_eq!(stubbed.stub.calls("ReceiveMessage"), 41);
}

#[tokio::test]
async fn the_figures_are_approximate_and_count_messages_and_dead_letters() {
    let stubbed = stubbed().await;
    send(&stubbed.queue, 0..7).await.unwrap();
    let taken = stubbed.queue.receive(2, HIDDEN, Duration::ZERO).await.unwrap();
    assert_eq!(taken.len(), 2);
    let expected = QueueStats { visible: 5, in_flight: 2, approximate: true, ..QueueStats::default() };
    assert_eq!(stubbed.queue.stats().await.unwrap(), expected);
    for _ in 0..5 {
        stubbed.clock.advance(HIDDEN);
        receive_all(&stubbed.queue).await;
    }
    assert_eq!(
        stubbed.queue.stats().await.unwrap(),
        QueueStats { dead: 7, approximate: true, ..QueueStats::default() }
    );
    assert_eq!(stubbed.stub.counts("events-dead").unwrap().visible, 7);
}

#[tokio::test]
async fn messages_without_our_attributes_are_delivered_as_they_are() {
    use event_queue::{Compression, Envelope, Geo};
    let stubbed = stubbed().await;
    let sent = message(7);
    let envelope = Envelope {
        message_id: sent.message_id,
        project: sent.project,
        write_key_id: "key".to_owned(),
        protocol: "native".to_owned(),
        received_at: event_model::Timestamp(0),
        user_agent: None,
        geo: Geo::default(),
        events: vec![event_model::Event::default()],
        rejected: Vec::new(),
        replays: Vec::new(),
    };
    let body = envelope.encode(Compression::None).unwrap();
    for text in [event_queue::envelope::to_text(&body), "hello, world".to_owned()] {
        let url = format!("{}/0/events", stubbed.stub.endpoint());
        let call = serde_json::json!({ "QueueUrl": url, "MessageBody": text });
        stubbed.stub.account.act("SendMessage", call.to_string().as_bytes()).await.unwrap();
    }
    let all = receive_all(&stubbed.queue).await;
    let [ours, foreign] = all.as_slice() else { panic!("two messages") };
    assert_eq!((ours.message_id, ours.events), (envelope.message_id, Some(1)));
    assert_eq!((&foreign.body[..], foreign.project.as_ref()), (&b"hello, world"[..], None));
}

#[tokio::test]
async fn redeliveries_and_lost_deletions_end() {
    let stubbed = stubbed().await;
    stubbed.stub.set_faults(SqsFaults { seed: 1, redelivered: 30, lost_deletions: 30, ..SqsFaults::none() });
    send(&stubbed.queue, 0..100).await.unwrap();
    let mut deliveries = 0;
    let mut seen = HashSet::new();
    while stubbed.stub.counts("events").unwrap() != super::Counts::default() {
        let some = receive_all(&stubbed.queue).await;
        deliveries += some.len();
        seen.extend(some.iter().map(|delivery| delivery.message_id));
        stubbed.queue.ack(&receipts(&some)).await.unwrap();
        stubbed.clock.advance(HIDDEN);
    }
    assert_eq!(seen.len(), 100);
    assert!(deliveries > 130, "{deliveries} deliveries");
}

#[tokio::test]
async fn a_hundred_thousand_messages_do_not_slow_it_down() {
    let stub = SqsStub::start().await.unwrap();
    let url = stub.create_queue("deep", QueueRules::default());
    let entries = |call: u32| -> Vec<_> {
        (0..10)
            .map(|entry| serde_json::json!({ "Id": entry.to_string(), "MessageBody": format!("{call} {entry}") }))
            .collect()
    };
    for call in 0..10_000 {
        let body = serde_json::json!({ "QueueUrl": url, "Entries": entries(call) }).to_string();
        stub.account.act("SendMessageBatch", body.as_bytes()).await.unwrap();
    }
    let started = Instant::now();
    let receive = serde_json::json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 }).to_string();
    for _ in 0..1_000 {
        stub.account.act("ReceiveMessage", receive.as_bytes()).await.unwrap();
    }
    assert_eq!(stub.counts("deep"), Some(super::Counts { visible: 90_000, hidden: 10_000 }));
    // Some milliseconds for a thousand calls; a scan of the queue would take minutes.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
