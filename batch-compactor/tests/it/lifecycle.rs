//! How drains follow each other: budgets, slow commits, flush, start and stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use batch_compactor::{CompactorSettings, DrainReport, Observer};
use event_queue::Queue as _;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::support::{Recorder, compactor, envelope, event, queue, quick, send};

#[tokio::test]
async fn a_slow_commit_keeps_its_messages_hidden() {
    for heartbeat in [true, false] {
        let (queue, recorder) = (queue(), Recorder::slow(Duration::from_millis(300)));
        let mut settings = CompactorSettings { visibility: Duration::from_millis(90), ..quick() };
        settings.guards.heartbeat = heartbeat;
        send(&queue, &[envelope("shop", 1, [event(1)])]).await;
        let first = compactor(&queue, &recorder, settings);
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            queue.stats().await.unwrap().in_flight
        };
        let (report, in_flight) = tokio::join!(first.drain(), meanwhile);
        assert_eq!(report.unwrap().stored, 1);
        assert_eq!(in_flight, u64::from(heartbeat), "heartbeat {heartbeat}");
    }
}

#[tokio::test]
async fn a_drain_takes_no_more_than_its_budget_and_says_that_there_is_more() {
    let (queue, recorder) = (queue(), Recorder::willing());
    let messages: Vec<_> = (0..10).map(|message| envelope("shop", message, [event(message)])).collect();
    send(&queue, &messages).await;
    let compactor = compactor(&queue, &recorder, CompactorSettings { max_messages: 4, ..quick() });
    let taken: Vec<_> = [compactor.drain().await, compactor.drain().await, compactor.drain().await]
        .map(|report| report.map(|report| (report.messages, report.more)).unwrap())
        .into();
    assert_eq!(taken, [(4, true), (4, true), (2, false)]);
}

#[tokio::test]
async fn a_commit_is_made_of_no_more_json_than_its_budget() {
    let (queue, recorder) = (queue(), Recorder::willing());
    let messages: Vec<_> = (0..10).map(|message| envelope("shop", message, [event(message)])).collect();
    send(&queue, &messages).await;
    let settings = CompactorSettings { max_json_bytes: 1_000, ..quick() };
    let report = compactor(&queue, &recorder, settings).drain().await.unwrap();
    assert_eq!((report.messages, report.stored), (10, 10));
    let batches = recorder.messages();
    assert!(batches.len() > 1 && batches.len() < 10, "{batches:?}");
    assert_eq!(batches.concat(), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_flush_waits_for_messages_in_another_ones_hands() {
    let (queue, recorder) = (queue(), Recorder::slow(Duration::from_millis(200)));
    send(&queue, &[envelope("shop", 1, [event(1)])]).await;
    let other = compactor(&queue, &recorder, quick());
    let flushing = compactor(&queue, &recorder, quick());
    let flush = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(recorder.stored().len(), 0);
        flushing.flush().await.unwrap();
        recorder.stored().len()
    };
    let (_, stored) = tokio::join!(other.drain(), flush);
    assert_eq!(stored, 1);
}

#[tokio::test]
async fn a_flush_returns_although_others_go_on_sending() {
    let (queue, recorder) = (queue(), Recorder::slow(Duration::from_millis(5)));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let sender = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move {
            let mut message = 100;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                send(&queue, &[envelope("shop", message, [event(message)])]).await;
                message += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    send(&queue, &[envelope("shop", 1, [event(1)])]).await;
    let compactor = compactor(&queue, &recorder, quick());
    tokio::time::timeout(Duration::from_secs(10), compactor.flush()).await.unwrap().unwrap();
    assert!(recorder.messages().concat().contains(&1));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    sender.await.unwrap();
}

#[tokio::test]
async fn a_flush_of_an_idle_queue_does_not_wait_for_the_poll_of_run() {
    let (queue, recorder) = (queue(), Recorder::willing());
    let compactor =
        Arc::new(compactor(&queue, &recorder, CompactorSettings { poll: Duration::from_secs(5), ..quick() }));
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn({
        let compactor = compactor.clone();
        async move { compactor.run(shutdown).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    compactor.flush().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    drop(stop);
    running.abort();
}

#[derive(Default)]
struct Sum(Mutex<DrainReport>);

impl Observer for Sum {
    fn drained(&self, report: &DrainReport) {
        self.0.lock().merge(report.clone());
    }
}

#[tokio::test]
async fn run_drains_what_comes_tells_its_observer_and_finishes_its_commit_before_it_stops() {
    let (queue, recorder) = (queue(), Recorder::slow(Duration::from_millis(100)));
    let sum = Arc::new(Sum::default());
    let compactor = compactor(&queue, &recorder, quick()).observed_by(sum.clone());
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(async move { compactor.run(shutdown).await });
    send(&queue, &[envelope("shop", 1, [event(1)])]).await;
    while recorder.stored().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    send(&queue, &[envelope("shop", 2, [event(2)])]).await;
    while queue.stats().await.unwrap().in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(recorder.messages(), [[1], [2]]);
    assert_eq!(sum.0.lock().stored, 2);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.visible, stats.in_flight), (0, 0));
}
