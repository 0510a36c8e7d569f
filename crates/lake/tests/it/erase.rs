//! Erasing a person: nothing of them is left in any byte, nothing comes back, and a crash anywhere is made good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_model::{Action as TieAction, EventId, PersonId, ProjectId, Reason, Rejected};
use futures::TryStreamExt as _;
use lake::maintenance::MaintenanceSettings;
use lake::schema::{EVENTS, IDENTITIES, PERSONS, QUARANTINE, SEQUENCES};
use lake::{
    At, Depth, ErasureState, IngestBatch, Lake, LakeError, LakeSettings, PersonIds, ProjectLake, QuarantineFilter,
    QuarantineRow,
};
use object_store::ObjectStore;
use test_support::canaries::in_store;
use test_support::faulty_store::{Fault, FaultyStore};
use tokio::sync::Notify;

use crate::derived::{wrong_activity, wrong_sequences};
use crate::drains::{Message, batch, event_counts, insist, memory, message, rows_of, settings, start};
use crate::hooked::hooked;
use crate::made::{Row, identify, tie, track};

const BEFORE: &str = "2026-03-10T12:00:00Z";
/// The lake's clock: the erase is asked for and ends now.
const NOW: &str = "2026-03-10T13:00:00Z";
const LATER: &str = "2026-03-10T14:00:00Z";
/// When all of it happened, by what the events say: in a month that is over, so that derived tables have it.
const HAPPENED: &str = "2026-01-20T12:00:00Z";

/// What Ada's rows are full of.
fn ada() -> Vec<String> {
    ["canary-ada", "canary-visitor"].map(str::to_owned).to_vec()
}

/// Every row of a person, with the person's mark in each field that a client fills.
fn rows(first_id: u64, mark: &str, visitor: &str) -> Vec<Row> {
    let time = HAPPENED;
    let traits = format!(r#"{{"name":"{mark}-trait"}}"#);
    let properties = Some(format!(r#"{{"note":"{mark}-property"}}"#));
    vec![
        Row { properties: properties.clone(), ..track(first_id, &format!("{mark}-event"), mark, time) },
        Row { anonymous: Some(visitor.to_owned()), ..identify(first_id + 1, mark, time, &traits) },
        Row {
            user: None,
            anonymous: Some(visitor.to_owned()),
            browser: Some(format!("{mark}-browser")),
            ..track(first_id + 2, "open", mark, time)
        },
    ]
}

fn refused(position: u32, mark: &str) -> QuarantineRow {
    let original = format!(r#"{{"user_id":"{mark}","timestamp":"{mark}-soon"}}"#);
    QuarantineRow {
        message: 0,
        protocol: "native".to_owned(),
        write_key_id: "key".to_owned(),
        received_at: crate::made::at(BEFORE),
        events: 1,
        rejected: Rejected::new(position, EventId([7; 16]), Reason::TimestampInvalid, mark, original.as_bytes()),
    }
}

/// A drain with Ada, Ben, and a rejected event of each.
fn both(id: u64, received_at: &str) -> IngestBatch {
    let base = id * 100;
    let all = [rows(base, "canary-ada", "canary-visitor"), rows(base + 10, "ben", "ben-visitor")];
    let mut drain = batch(&[message(id, received_at, all.concat())]);
    drain.quarantine = vec![refused(0, "canary-ada"), refused(1, "ben")];
    drain.ties = vec![
        tie(TieAction::Tie, "canary-ada", "canary-visitor", received_at),
        tie(TieAction::Tie, "ben", "ben-visitor", received_at),
    ];
    drain
}

fn maintenance() -> MaintenanceSettings {
    MaintenanceSettings {
        small_files: 2,
        checkpoint_commits: 3,
        derived_every: Duration::ZERO,
        bucket_rows: 4,
        ..MaintenanceSettings::default()
    }
}

async fn erase(shop: &ProjectLake, forbid: bool) -> Result<lake::Receipt, LakeError> {
    let ids = shop.ids_of(&PersonId::User("canary-ada".to_owned()), false).await?;
    let erasure = shop.begin_erasure(ids, forbid).await?;
    shop.finish_erasure(&erasure, &maintenance()).await
}

fn ids_of_ada() -> PersonIds {
    [PersonId::User("canary-ada".to_owned()), PersonId::Anonymous("canary-visitor".to_owned())].into_iter().collect()
}

/// What is wrong with a lake in which Ada was erased and Ben was not.
async fn wrong(store: &Arc<dyn ObjectStore>, settings: &LakeSettings, bens_events: usize) -> Vec<String> {
    let mut wrong = in_store(store, &ada()).await;
    let bens: usize = event_counts(store).await.values().sum();
    if bens != bens_events {
        wrong.push(format!("{bens} events are left, {bens_events} are Ben's"));
    }
    let lake = Lake::with_store(Arc::clone(store), crate::drains::url(), settings.clone()).await.unwrap();
    let report = lake.check(&ProjectId::parse("shop").unwrap(), Depth::Rows).await.unwrap();
    wrong.extend(report.damage.iter().map(ToString::to_string));
    if report.unfinished_erasures > 0 {
        wrong.push("it is not finished".to_owned());
    }
    let shop = lake.project(&ProjectId::parse("shop").unwrap()).await.unwrap();
    let view = shop.read(At::Latest).await.unwrap();
    wrong.extend(wrong_sequences(&view).await.0);
    wrong.extend(wrong_activity(&view, "UTC").await.0);
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erase_leaves_no_byte_of_the_person_and_everything_of_others() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    for id in 1..6 {
        shop.ingest(both(id, BEFORE)).await.unwrap();
        // Merged away files, checkpoints and persons hold her too.
        if id % 2 == 0 {
            shop.maintain(&maintenance()).await.unwrap();
        }
    }
    assert!(!in_store(&store, &ada()).await.is_empty());
    let before = shop.read(At::Latest).await.unwrap().versions.events;
    let traits = shop.read(At::Latest).await.unwrap().traits().await.unwrap();
    assert_eq!(traits.len(), 2);
    drop(traits);
    let receipt = erase(&shop, false).await.unwrap();
    let rows: Vec<(&str, u64)> = receipt.tables.iter().map(|table| (table.table.as_ref(), table.rows)).collect();
    let of_tables = [("events", 15), ("identities", 1), ("quarantine", 5), ("persons", 2)];
    // Of the last drain nothing was made yet.
    assert_eq!(rows, [&of_tables[..], &[("sequences", 8), ("activity", 2)]].concat());
    assert!(wrong_activity(&shop.read(At::Latest).await.unwrap(), "UTC").await.1 > 0, "parts without her stay");
    assert!(receipt.tables.iter().all(|table| table.bytes_scanned > 0 && table.files_deleted > 0), "{receipt:?}");
    assert_eq!(wrong(&store, &settings, 15).await, Vec::<String>::new());

    let view = shop.read(At::Latest).await.unwrap();
    assert_eq!(view.traits().await.unwrap().len(), 1, "what is kept in memory is forgotten too");
    assert_eq!(view.keys().await.unwrap().len(), 2);
    for version in [0, before] {
        let gone = shop.read(At::Version(version)).await.unwrap_err();
        let oldest = receipt.tables[0].version;
        assert!(matches!(gone, LakeError::VersionGone { oldest: found, .. } if found == oldest), "{gone}");
    }
    let first = shop.read(At::Version(receipt.tables[0].version)).await.unwrap();
    assert_eq!(first.keys().await.unwrap().len(), 2);
    let kept = shop.quarantine(QuarantineFilter::default()).await.unwrap().entries;
    let replayable = kept.iter().filter(|entry| entry.rejected.replayable).count();
    assert_eq!((kept.len(), replayable), (10, 5), "emptied rows stay, and cannot be replayed");
    // And everything goes on.
    shop.ingest(both(9, LATER)).await.unwrap();
    shop.maintain(&maintenance()).await.unwrap();
    assert_eq!(rows_of(&store, &PERSONS).await.iter().map(|rows| rows.num_rows()).sum::<usize>(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_before_stays_out_and_what_comes_later_is_of_a_person_who_came_back() {
    for forbid in [false, true] {
        let (store, settings) = (memory(), settings(NOW));
        let shop = start(&store, &settings).await.unwrap();
        shop.ingest(both(1, BEFORE)).await.unwrap();
        erase(&shop, forbid).await.unwrap();
        for shop in [&shop, &start(&store, &settings).await.unwrap()] {
            // What waited in the queue; a message that is delivered again; a retry of hers that comes much later.
            let waited = shop.ingest(both(2, BEFORE)).await.unwrap();
            assert_eq!(waited.messages[0].map_or(6, |counts| counts.stored), 6, "counted as stored and erased");
            shop.ingest(both(1, BEFORE)).await.unwrap();
            let retry = batch(&[message(3, LATER, rows(100, "canary-ada", "canary-visitor"))]);
            let retried = shop.ingest(retry).await.unwrap();
            if let Some(counts) = retried.messages[0] {
                assert_eq!((counts.stored, counts.duplicates), (0, 3), "duplicates of what was erased");
            }
        }
        assert_eq!(wrong(&store, &settings, 6).await, Vec::<String>::new());
        // She comes back, and ties herself to the same visitor.
        let mut back = batch(&[message(4, LATER, rows(400, "canary-ada", "canary-visitor"))]);
        back.ties = vec![tie(TieAction::Tie, "canary-ada", "canary-visitor", LATER)];
        shop.ingest(back).await.unwrap();
        let keys = shop.read(At::Latest).await.unwrap().keys().await.unwrap();
        assert_eq!((keys.len(), event_counts(&store).await.len()), if forbid { (2, 6) } else { (4, 9) });
    }
}

/// Every operation of an erase, made to fail in every way; afterwards the next process looks after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_operation_leaves_nothing_asked_for_or_an_erase_that_maintenance_ends() {
    let settings = settings(NOW);
    let prepare = async |store: &Arc<dyn ObjectStore>| {
        let shop = start(store, &settings).await.unwrap();
        insist(&shop, &both(1, BEFORE)).await;
        insist(&shop, &both(2, BEFORE)).await;
        shop.maintain(&maintenance()).await.unwrap();
        shop
    };
    let counting = Arc::new(FaultyStore::new(memory()));
    let store: Arc<dyn ObjectStore> = Arc::clone(&counting) as _;
    let shop = prepare(&store).await;
    let first = counting.counted().len();
    erase(&shop, false).await.unwrap();
    let operations = first..counting.counted().len();
    assert!(operations.len() > 20, "{operations:?}");
    let mut found = Vec::new();
    // A crash behind each operation; of the other faults each at every third.
    for (turn, fault) in [Fault::CrashAfter, Fault::Before, Fault::After, Fault::CrashBefore].into_iter().enumerate() {
        let chosen = operations.clone().filter(|operation| turn == 0 || operation % 3 == turn - 1);
        for operation in chosen {
            let inner = memory();
            let faulty = Arc::new(FaultyStore::new(Arc::clone(&inner)).with_fault(operation, fault));
            let store: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
            let shop = prepare(&store).await;
            let told = erase(&shop, false).await;
            assert_ne!(faulty.faults(), 0, "operation {operation}");
            let next = start(&inner, &settings).await.unwrap();
            let asked = !next.erasures().await.unwrap().is_empty();
            next.maintain(&maintenance()).await.unwrap();
            // What waited in the queue meanwhile.
            insist(&next, &batch(&[message(7, BEFORE, rows(700, "canary-ada", "canary-visitor"))])).await;
            if told.is_err() && !asked && event_counts(&inner).await.len() == 15 {
                // Nothing was recorded: everything is as it was.
                continue;
            }
            let broken = wrong(&inner, &settings, 6).await;
            found.extend(broken.into_iter().map(|what| format!("{fault:?} at {operation}: {what}")));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Holds the first put below `held` until the returned function is called.
pub fn holding(inner: &Arc<dyn ObjectStore>, held: &'static str) -> (Arc<dyn ObjectStore>, Arc<Notify>, Arc<Notify>) {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waited = Arc::new(AtomicBool::new(false));
    let slow = {
        let (arrived, go) = (Arc::clone(&arrived), Arc::clone(&go));
        hooked(Arc::clone(inner), move |store, path, payload, options| {
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
    (slow, arrived, go)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_decided_before_an_erase_decides_again() {
    for held in [
        "projects/shop/identities/_delta_log/",
        "projects/shop/quarantine/_delta_log/",
        "projects/shop/events/month=",
        "projects/shop/events/_delta_log/",
    ] {
        let (inner, settings) = (memory(), settings(NOW));
        let shop = start(&inner, &settings).await.unwrap();
        shop.ingest(batch(&[Message { rejected: 1, ..message(9, BEFORE, vec![track(1, "x", "u", BEFORE)]) }]))
            .await
            .unwrap();
        let (slow, arrived, go) = holding(&inner, held);
        let writer = start(&slow, &settings).await.unwrap();
        let writing = tokio::spawn(async move { writer.ingest(both(1, BEFORE)).await.unwrap() });
        arrived.notified().await;
        let erasure = shop.begin_erasure(ids_of_ada(), false).await.unwrap();
        shop.finish_erasure(&erasure, &maintenance()).await.unwrap();
        go.notify_one();
        let report = writing.await.unwrap();
        assert_eq!(report.messages[0].unwrap().stored, 6, "{held}");
        assert_eq!(wrong(&inner, &settings, 4).await, Vec::<String>::new(), "{held}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_or_a_build_of_persons_that_read_before_an_erase_is_refused() {
    for (held, merges) in [("projects/shop/events/_delta_log/", true), ("projects/shop/persons/_delta_log/", false)] {
        let (inner, settings) = (memory(), settings(NOW));
        let shop = start(&inner, &settings).await.unwrap();
        shop.ingest(both(1, BEFORE)).await.unwrap();
        shop.ingest(both(2, BEFORE)).await.unwrap();
        let (slow, arrived, go) = holding(&inner, held);
        let other = start(&slow, &settings).await.unwrap();
        let eager = MaintenanceSettings { persons: !merges, ..maintenance() };
        let eager = if merges { eager } else { MaintenanceSettings { small_files: 99, ..eager } };
        let working = tokio::spawn(async move { other.maintain(&eager).await.unwrap() });
        arrived.notified().await;
        erase(&shop, false).await.unwrap();
        go.notify_one();
        let report = working.await.unwrap();
        assert!(report.done.iter().any(|done| done.gave_up.is_some()), "{held}: {report:?}");
        assert_eq!(wrong(&inner, &settings, 6).await, Vec::<String>::new(), "{held}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_derived_tables_that_read_before_an_erase_is_refused() {
    for held in
        ["projects/shop/sequences/month=", "projects/shop/sequences/_delta_log/", "projects/shop/activity/month="]
    {
        let (inner, settings) = (memory(), settings(NOW));
        let shop = start(&inner, &settings).await.unwrap();
        shop.ingest(both(1, BEFORE)).await.unwrap();
        shop.maintain(&maintenance()).await.unwrap();
        shop.ingest(both(2, BEFORE)).await.unwrap();
        let (slow, arrived, go) = holding(&inner, held);
        let other = start(&slow, &settings).await.unwrap();
        let only = MaintenanceSettings { small_files: 99, persons: false, ..maintenance() };
        let working = tokio::spawn(async move { other.maintain(&only).await.unwrap() });
        arrived.notified().await;
        erase(&shop, false).await.unwrap();
        go.notify_one();
        let report = working.await.unwrap();
        assert!(report.done.iter().any(|done| done.gave_up.is_some()), "{held}: {report:?}");
        assert_eq!(wrong(&inner, &settings, 6).await, Vec::<String>::new(), "{held}");
        shop.maintain(&maintenance()).await.unwrap();
        assert_eq!(wrong(&inner, &settings, 6).await, Vec::<String>::new(), "{held}");
    }
}

/// Ben has used Ada's browser once, and was taken for her for a while: rows of his lie under a key of hers.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_in_which_others_have_rows_under_a_key_of_the_person_goes_and_is_made_anew() {
    for exact in [false, true] {
        let (store, settings) = (memory(), settings(NOW));
        let shop = start(&store, &settings).await.unwrap();
        shop.ingest(both(1, BEFORE)).await.unwrap();
        let shared = Row { anonymous: Some("canary-visitor".to_owned()), ..track(900, "shared", "ben", HAPPENED) };
        let mut taken = batch(&[message(7, BEFORE, vec![shared])]);
        taken.ties = vec![tie(TieAction::Tie, "ben", "canary-visitor", BEFORE)];
        shop.ingest(taken).await.unwrap();
        shop.maintain(&maintenance()).await.unwrap();
        let mut undone = batch(&[message(8, NOW, Vec::new())]);
        undone.ties = vec![tie(TieAction::Undo, "ben", "canary-visitor", NOW)];
        shop.ingest(undone).await.unwrap();
        let id = PersonId::Anonymous("canary-visitor".to_owned());
        let ids = shop.ids_of(&id, exact).await.unwrap();
        assert!(!ids.has_user("ben"));
        let erasure = shop.begin_erasure(ids, false).await.unwrap();
        let receipt = shop.finish_erasure(&erasure, &maintenance()).await.unwrap();
        assert_eq!(receipt.tables[0].rows, if exact { 3 } else { 4 });
        let rows = |table: &'static lake::schema::TableSpec| {
            let store = Arc::clone(&store);
            async move { rows_of(&store, table).await.iter().map(|rows| rows.num_rows()).sum::<usize>() }
        };
        assert_eq!(rows(&SEQUENCES).await, 0, "all of them were one person when it was made");
        shop.maintain(&maintenance()).await.unwrap();
        assert_eq!(rows(&SEQUENCES).await, if exact { 3 } else { 2 });
        let view = shop.read(At::Latest).await.unwrap();
        assert_eq!(wrong_sequences(&view).await.0, Vec::<String>::new());
        let marks = if exact { vec!["canary-visitor".to_owned()] } else { ada() };
        drop(view);
        assert_eq!(in_store(&store, &marks).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_before_are_waited_for() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    shop.ingest(both(1, BEFORE)).await.unwrap();
    let view = shop.read(At::Latest).await.unwrap();
    let erasing = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move { erase(&shop, false).await.unwrap() }
    });
    // The erase has committed; a new reader does not see her, the old one still can.
    while shop.read(At::Latest).await.unwrap().versions.events == view.versions.events {
        tokio::task::yield_now().await;
    }
    let files = view.event_files().files.files().to_vec();
    for file in &files {
        let store = Arc::clone(&view.event_files().store);
        let batches = lake::rows::read(store, file, lake::rows::Wanted::default()).await.unwrap();
        assert!(!batches.try_collect::<Vec<_>>().await.unwrap().is_empty());
    }
    assert!(!erasing.is_finished());
    drop((view, files));
    erasing.await.unwrap();
    assert_eq!(wrong(&store, &settings, 3).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erase_that_is_only_recorded_is_done_by_maintenance_with_what_came_in_between_and_its_receipt_stays() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    shop.ingest(both(1, BEFORE)).await.unwrap();
    let ids = shop.ids_of(&PersonId::User("canary-ada".to_owned()), false).await.unwrap();
    let recorded = shop.record_erasure(ids, false).await.unwrap();
    assert_eq!(shop.erasure(recorded.name()).await.unwrap(), Some(ErasureState::Recorded));
    shop.ingest(both(2, BEFORE)).await.unwrap();
    assert_eq!(event_counts(&store).await.len(), 12, "nobody is kept out yet");

    // By another process, as in the cloud.
    let writer = start(&store, &settings).await.unwrap();
    writer.maintain(&maintenance()).await.unwrap();
    assert_eq!(wrong(&store, &settings, 6).await, Vec::<String>::new());
    let Some(ErasureState::Finished(receipt)) = shop.erasure(recorded.name()).await.unwrap() else { panic!() };
    assert_eq!((receipt.erasure.as_str(), receipt.tables[0].table.as_ref()), (recorded.name(), "events"));
    assert_eq!(receipt.tables[0].rows, 6);
    assert_eq!(writer.finish_erasure(&recorded, &maintenance()).await.unwrap(), receipt, "who comes late reads it");
    writer.ingest(both(3, BEFORE)).await.unwrap();
    assert_eq!(wrong(&store, &settings, 9).await, Vec::<String>::new());
    for name in ["another", "", "../persons", "a/b", &"a".repeat(65)] {
        assert_eq!(shop.erasure(name).await.unwrap(), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_erase_takes_one_id_and_leaves_the_others_of_the_person() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    shop.ingest(both(1, BEFORE)).await.unwrap();
    let ids = shop.ids_of(&PersonId::Anonymous("canary-visitor".to_owned()), true).await.unwrap();
    let erasure = shop.begin_erasure(ids, false).await.unwrap();
    let receipt = shop.finish_erasure(&erasure, &maintenance()).await.unwrap();
    assert_eq!(receipt.rows(), 3, "two events and the tie: {receipt:?}");
    assert_eq!(event_counts(&store).await.len(), 4);
    assert_eq!(in_store(&store, &["canary-visitor".to_owned()]).await, Vec::<String>::new());
    for table in [&EVENTS, &IDENTITIES, &QUARANTINE] {
        assert!(!rows_of(&store, table).await.is_empty());
    }
}
