//! Faults: storage that fails before, during and after each step, processes that die, and several at once. For each
//! guard there is a run that breaks the invariant without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lake::{LakeSettings, MessageCounts};
use object_store::ObjectStore;
use test_support::faulty_store::{Fault, FaultyStore};
use tokio::sync::Notify;

use crate::drains::{Message, batch, broken, event_counts, insist, memory, message, settings, start, without};
use crate::hooked::hooked;
use crate::made::{Row, track};

const NOW: &str = "2026-03-10T12:00:00Z";

/// Two messages whose events overlap, with rejected events, over three months.
fn messages() -> Vec<Message> {
    let event = |id: u64| -> Row { track(id, "Viewed", &format!("u{id}"), &format!("2026-0{}-05", id % 3 + 1)) };
    vec![
        Message { rejected: 2, ..message(1, NOW, (0..6).map(event).collect()) },
        Message { rejected: 1, ..message(2, NOW, (4..9).map(event).collect()) },
    ]
}

/// Two months a commit, so that the run takes several.
fn two_months(settings: LakeSettings) -> LakeSettings {
    LakeSettings { months_per_commit: 2, ..settings }
}

/// Every operation of an ingest, made to fail in every way, with the same message then delivered to another process.
async fn at_every_operation(settings: &LakeSettings, fault: Fault) -> Vec<String> {
    let messages = messages();
    let drain = batch(&messages);
    let counting = Arc::new(FaultyStore::new(memory()));
    let store: Arc<dyn ObjectStore> = Arc::clone(&counting) as _;
    let shop = start(&store, settings).await.unwrap();
    let first = counting.counted().len();
    shop.ingest(drain.clone()).await.unwrap();
    let operations = first..counting.counted().len();
    assert!(operations.len() >= 7, "quarantine, events in two commits: {operations:?}");
    let mut wrong = Vec::new();
    for operation in operations {
        let faulty = Arc::new(FaultyStore::new(memory()).with_fault(operation, fault));
        let store: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
        let shop = start(&store, settings).await.unwrap();
        let tried = shop.ingest(drain.clone()).await;
        assert_ne!(faulty.faults(), 0, "operation {operation}");
        if let Err(error) = &tried {
            assert!(error.is_transient(), "operation {operation}: {error}");
        }
        let crashed = matches!(fault, Fault::CrashBefore | Fault::CrashAfter);
        let survivor = faulty.survivor();
        // The same process tries again unless it died; then another one gets the message as well.
        if !crashed {
            insist(&shop, &drain).await;
        }
        insist(&start(&survivor, settings).await.unwrap(), &drain).await;
        let found = broken(&survivor, settings, &messages).await;
        wrong.extend(found.into_iter().map(|what| format!("operation {operation}: {what}")));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_whichever_operation_fails_or_kills_the_process() {
    let settings = two_months(settings(NOW));
    for fault in [Fault::Before, Fault::After, Fault::CrashBefore, Fault::CrashAfter] {
        assert_eq!(at_every_operation(&settings, fault).await, Vec::<String>::new(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_names_of_messages_or_the_row_ids_or_the_look_back_a_failure_is_counted_or_stored_twice() {
    let settings = two_months(settings(NOW));
    let no_names = without(&settings, |guards| guards.message_names = false);
    assert!(!at_every_operation(&no_names, Fault::CrashAfter).await.is_empty());
    let no_row_ids = without(&settings, |guards| guards.row_ids = false);
    assert!(!at_every_operation(&no_row_ids, Fault::CrashBefore).await.is_empty());
    let no_look_back = without(&settings, |guards| guards.look_back = false);
    assert!(!at_every_operation(&no_look_back, Fault::CrashBefore).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_recognised_and_without_its_token_it_is_not() {
    let messages = [message(1, NOW, vec![track(1, "Viewed", "u1", "2026-03-05")])];
    for guarded in [true, false] {
        let settings = without(&settings(NOW), |guards| guards.commit_token = guarded);
        let counting = Arc::new(FaultyStore::new(memory()));
        let store: Arc<dyn ObjectStore> = Arc::clone(&counting) as _;
        start(&store, &settings).await.unwrap();
        // The file, then the commit.
        let commit = counting.counted().len() + 1;
        let faulty = Arc::new(FaultyStore::new(memory()).with_fault(commit, Fault::After));
        let store: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
        let report = start(&store, &settings).await.unwrap().ingest(batch(&messages)).await.unwrap();
        assert_eq!(faulty.faults(), 1);
        let stored = Some(MessageCounts { stored: 1, ..MessageCounts::default() });
        let (expected, conflicts) = if guarded { (stored, 0) } else { (None, 1) };
        assert_eq!((report.messages, report.conflicts), (vec![expected], conflicts));
        assert_eq!(broken(&faulty.survivor(), &settings, &messages).await, Vec::<String>::new());
    }
}

/// Another process commits the same event while the first one waits before its first put below `held`; returns how often
/// the event is stored.
async fn overtaken(settings: &LakeSettings, held: &'static str) -> usize {
    let inner = memory();
    start(&inner, settings).await.unwrap();
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (arrived, go, waited) = (Arc::clone(&arrived), Arc::clone(&go), Arc::new(AtomicBool::new(false)));
        hooked(Arc::clone(&inner), move |store, path, payload, options| {
            let (arrived, go, waited) = (Arc::clone(&arrived), Arc::clone(&go), Arc::clone(&waited));
            async move {
                if path.as_ref().starts_with(held) && !waited.swap(true, Ordering::SeqCst) {
                    arrived.notify_one();
                    go.notified().await;
                }
                store.put_opts(&path, payload, options).await
            }
        })
    };
    let first = start(&slow, settings).await.unwrap();
    let second = start(&inner, settings).await.unwrap();
    let send = |id| batch(&[message(id, NOW, vec![track(1, "Viewed", "u1", "2026-03-05")])]);
    let waiting = tokio::spawn({
        let drain = send(1);
        async move { first.ingest(drain).await.unwrap() }
    });
    arrived.notified().await;
    second.ingest(send(2)).await.unwrap();
    go.notify_one();
    waiting.await.unwrap();
    event_counts(&inner).await[&1]
}

const ITS_FILE: &str = "projects/shop/events/month=";
const ITS_COMMIT: &str = "projects/shop/events/_delta_log/";

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_overtaken_while_it_writes_its_file_looks_back_again_and_only_then() {
    let guarded = settings(NOW);
    assert_eq!(overtaken(&guarded, ITS_FILE).await, 1);
    let fresh = without(&guarded, |guards| guards.same_snapshot = false);
    assert_eq!(
        overtaken(&fresh, ITS_FILE).await,
        2,
        "committing against a snapshot that was not looked back into doubles"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_overtaken_at_its_commit_conflicts_and_without_the_transaction_does_not() {
    let guarded = settings(NOW);
    assert_eq!(overtaken(&guarded, ITS_COMMIT).await, 1);
    let blind = without(&guarded, |guards| guards.transaction = false);
    assert_eq!(overtaken(&blind, ITS_COMMIT).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_processes_that_get_overlapping_messages_in_any_order_store_each_event_once() {
    for seed in 0..3 {
        let settings = settings(NOW);
        let inner = memory();
        let all: Vec<Message> = (0..12)
            .map(|id| {
                let events = (0..5)
                    .map(|event| track((id * 3 + event) % 24, "Viewed", "u1", &format!("2026-0{}-05", event % 3 + 1)));
                Message { rejected: u32::try_from(id % 3).unwrap(), ..message(id, NOW, events.collect()) }
            })
            .collect();
        let mut tasks = Vec::new();
        for process in 0..4 {
            let mut random = fastrand::Rng::with_seed(seed * 10 + process);
            let store: Arc<dyn ObjectStore> =
                Arc::new(FaultyStore::new(Arc::clone(&inner)).with_seed(random.u64(..), 2));
            let (settings, mut mine) = (settings.clone(), all.clone());
            tasks.push(tokio::spawn(async move {
                let shop = loop {
                    match start(&store, &settings).await {
                        Ok(shop) => break shop,
                        Err(error) => assert!(error.is_transient(), "{error}"),
                    }
                };
                random.shuffle(&mut mine);
                for drain in mine.chunks(1 + random.usize(..4)) {
                    insist(&shop, &batch(drain)).await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(broken(&inner, &settings, &all).await, Vec::<String>::new(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_lake_opens_although_the_answer_to_a_write_of_its_making_is_lost() {
    let settings = settings(NOW);
    let counting = Arc::new(FaultyStore::new(memory()));
    let store: Arc<dyn ObjectStore> = Arc::clone(&counting) as _;
    start(&store, &settings).await.unwrap();
    assert_eq!(counting.counted().len(), 7, "what names the lake, and six tables: {:?}", counting.counted());
    for operation in 0..7 {
        let faulty = Arc::new(FaultyStore::new(memory()).with_fault(operation, Fault::After));
        let store: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
        start(&store, &settings).await.unwrap_or_else(|error| panic!("operation {operation}: {error}"));
        assert_eq!(faulty.faults(), 1);
    }
}
