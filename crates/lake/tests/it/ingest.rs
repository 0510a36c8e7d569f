//! Ingest: what is stored, how it lies in its files, and what is said of each message.

use std::sync::Arc;

use arrow::array::AsArray;
use event_model::{Action, EventId, PersonId, Tie, columns};
use futures::TryStreamExt;
use lake::maintenance::MaintenanceSettings;
use lake::quarantine::row_id;
use lake::schema::{EVENTS, IDENTITIES};
use lake::{Lake, LakeError, LakeSettings, MessageCounts, QuarantineFilter};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::drains::{
    batch, broken, counted, event_counts, insist, memory, message, message_id, project, rows_of, sequences, settings,
    start, ties, without,
};
use crate::made::{Row, at, identify, track};

const NOW: &str = "2026-03-10T12:00:00Z";

fn counts(stored: u32, quarantined: u32, duplicates: u32) -> Option<MessageCounts> {
    Some(MessageCounts { stored, quarantined, duplicates })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_stored_on_a_folder_and_a_second_delivery_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(NOW);
    let messages = [
        message(1, NOW, vec![track(1, "Order Completed", "u1", "2026-03-10"), track(2, "Viewed", "u2", "2026-02-28")]),
        message(2, NOW, vec![track(3, "Viewed", "u1", "2026-03-10T11:00:00Z")]),
    ];
    let lake = Lake::open_local(folder.path().join("lake"), settings.clone()).await.unwrap();
    let shop = lake.project(&project()).await.unwrap();
    let report = shop.ingest(batch(&messages)).await.unwrap();
    assert_eq!(report.messages, [counts(2, 0, 0), counts(1, 0, 0)]);
    assert_eq!((report.version, report.ingest_seq, report.conflicts), (Some(1), Some(1), 0));
    let again = shop.ingest(batch(&messages)).await.unwrap();
    assert_eq!((again.messages, again.version), (vec![None, None], None));
    assert_eq!(lake.projects().await.unwrap(), [project()]);
    for month in ["2026-02", "2026-03"] {
        let files = std::fs::read_dir(folder.path().join("lake/projects/shop/events").join(format!("month={month}")));
        assert_eq!(files.unwrap().count(), 1, "one file for {month}");
    }
    let reopened = Lake::open_local(folder.path().join("lake"), settings).await.unwrap();
    let totals = reopened.project(&project()).await.unwrap().ledger().await.unwrap();
    assert_eq!((totals.messages, totals.stored, totals.duplicates, totals.covers), (2, 3, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sorted_by_event_person_and_time_and_carry_the_number_of_their_commit() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    let mut rows = Vec::new();
    for id in 0..200 {
        let event = ["Viewed", "Added", "Ordered"][id as usize % 3];
        rows.push(track(id, event, &format!("u{}", id * 7 % 11), &format!("2026-03-10T00:{:02}:00Z", (200 - id) % 60)));
    }
    shop.ingest(batch(&[message(1, NOW, rows)])).await.unwrap();
    let stored = rows_of(&store, &EVENTS).await;
    let mut keys = Vec::new();
    for rows in &stored {
        let event = rows.column_by_name(columns::EVENT).unwrap().as_string::<i32>();
        let person = rows.column_by_name(columns::PERSON_KEY).unwrap().as_primitive::<arrow::datatypes::Int64Type>();
        let time = rows
            .column_by_name(columns::TIMESTAMP)
            .unwrap()
            .as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        keys.extend((0..rows.num_rows()).map(|row| (event.value(row).to_owned(), person.value(row), time.value(row))));
    }
    assert_eq!(keys.len(), 200);
    assert!(keys.is_sorted());
    assert_eq!(sequences(&store).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_knows_the_bounds_that_pruning_needs_and_no_ids() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    shop.ingest(batch(&[message(1, NOW, vec![track(1, "Viewed", "u1", "2026-03-10")])])).await.unwrap();
    let entry = Path::from("projects/shop/events/_delta_log/00000000000000000001.json");
    let text = store.get(&entry).await.unwrap().bytes().await.unwrap();
    let add = std::str::from_utf8(&text).unwrap().lines().find(|line| line.contains("\"add\"")).unwrap().to_owned();
    let add: serde_json::Value = serde_json::from_str(&add).unwrap();
    let statistics: serde_json::Value = serde_json::from_str(add["add"]["stats"].as_str().unwrap()).unwrap();
    let mut names: Vec<&String> = statistics["minValues"].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["date", "event", "ingest_seq", "person_key", "received_at", "timestamp"]);
    assert_eq!(statistics["numRecords"], 1);
    assert_eq!(add["add"]["partitionValues"]["month"], "2026-03");
    assert_eq!(add["add"]["dataChange"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_an_event_again_makes_a_duplicate_and_without_the_look_back_a_double() {
    let first = message(1, "2026-03-01T00:00:00Z", vec![track(1, "Viewed", "u1", "2026-03-01")]);
    // Sent again after ten days, its timestamp corrected across midnight and a month.
    let retry = message(2, "2026-03-10T00:00:00Z", vec![track(1, "Viewed", "u1", "2026-02-28")]);
    for (guarded, times) in [(true, 1), (false, 2)] {
        let (store, settings) = (memory(), without(&settings(NOW), |guards| guards.look_back = guarded));
        start(&store, &settings).await.unwrap().ingest(batch(std::slice::from_ref(&first))).await.unwrap();
        let report = start(&store, &settings).await.unwrap().ingest(batch(std::slice::from_ref(&retry))).await.unwrap();
        assert_eq!(event_counts(&store).await, [(1, times)].into());
        if guarded {
            assert_eq!(report.messages, [counts(0, 0, 1)]);
            assert_eq!(report.version, Some(2), "a drain that adds no rows is named all the same");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_id_twice_in_a_batch_the_first_in_the_total_order_stays() {
    let late = Row { event: "late".to_owned(), ..track(1, "x", "u1", "2026-03-09T02:00:00Z") };
    let early = Row { event: "early".to_owned(), ..track(1, "x", "u1", "2026-03-09T01:00:00Z") };
    for (guarded, times) in [(true, 1), (false, 2)] {
        for order in [[late.clone(), early.clone()], [early.clone(), late.clone()]] {
            let (store, settings) = (memory(), without(&settings(NOW), |guards| guards.batch_duplicates = guarded));
            let [one, other] = order;
            let messages = [message(1, NOW, vec![one]), message(2, NOW, vec![other])];
            let shop = start(&store, &settings).await.unwrap();
            shop.ingest(batch(&messages)).await.unwrap();
            assert_eq!(event_counts(&store).await, [(1, times)].into());
            if guarded {
                let rows = rows_of(&store, &EVENTS).await;
                assert_eq!(rows[0].column_by_name(columns::EVENT).unwrap().as_string::<i32>().value(0), "early");
                assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delivered_twice_in_one_drain_is_counted_once() {
    let (store, settings) = (memory(), settings(NOW));
    let one = message(1, NOW, vec![track(1, "Viewed", "u1", "2026-03-10")]);
    let messages = [one.clone(), one];
    let report = start(&store, &settings).await.unwrap().ingest(batch(&messages)).await.unwrap();
    assert_eq!(report.messages, [counts(1, 0, 0), None]);
    assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_only_rejected_is_named_too() {
    let (store, settings) = (memory(), settings(NOW));
    let messages = [lake_message(1, 2)];
    let shop = start(&store, &settings).await.unwrap();
    assert_eq!(shop.ingest(batch(&messages)).await.unwrap().messages, [counts(0, 2, 0)]);
    assert_eq!(shop.ingest(batch(&messages)).await.unwrap().messages, [None]);
    assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
}

fn lake_message(id: u64, rejected: u32) -> crate::drains::Message {
    crate::drains::Message { rejected, ..message(id, NOW, Vec::new()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_drain_commits_nothing() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    let report = shop.ingest(batch(&[])).await.unwrap();
    assert_eq!((report.version, report.messages.len()), (None, 0));
    assert_eq!(shop.ledger().await.unwrap().covers, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_over_many_months_takes_several_commits_and_each_message_is_named_once() {
    let (store, settings) = (memory(), LakeSettings { months_per_commit: 24, ..settings(NOW) });
    let rows = |offset: u64| -> Vec<Row> {
        (0..60)
            .map(|month| {
                track(offset + month, "Viewed", "u1", &format!("{:04}-{:02}-05", 2020 + month / 12, month % 12 + 1))
            })
            .collect()
    };
    let messages = [message(1, NOW, rows(0)), message(2, NOW, rows(1_000)), message(3, NOW, rows(0))];
    let shop = start(&store, &settings).await.unwrap();
    let report = shop.ingest(batch(&messages)).await.unwrap();
    assert_eq!(report.messages, [counts(60, 0, 0), counts(60, 0, 0), counts(0, 0, 60)]);
    assert_eq!(report.ingest_seq, Some(3));
    assert_eq!(sequences(&store).await, [1, 2, 3]);
    assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
    shop.roll_ledger().await.unwrap();
    assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_look_back_is_found_in_the_files() {
    let old = message(1, "2025-11-01T00:00:00Z", vec![track(1, "Viewed", "u1", "2025-11-01")]);
    let retry = message(2, "2025-11-09T00:00:00Z", vec![track(1, "Viewed", "u1", "2025-11-01")]);
    let store = memory();
    // Drained when it was received; delivered again, and sent again, months later.
    start(&store, &settings("2025-11-01T00:01:00Z"))
        .await
        .unwrap()
        .ingest(batch(std::slice::from_ref(&old)))
        .await
        .unwrap();
    let settings = settings(NOW);
    let shop = start(&store, &settings).await.unwrap();
    let messages = [old, retry];
    assert_eq!(shop.ingest(batch(&messages)).await.unwrap().messages, [None, counts(0, 0, 1)]);
    shop.roll_ledger().await.unwrap();
    let shop = start(&store, &settings).await.unwrap();
    assert_eq!(shop.ingest(batch(&messages)).await.unwrap().messages, [None, None]);
    assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_does_not_change_what_is_stored() {
    let store = memory();
    let one = message(1, "2026-03-01T00:00:00Z", vec![track(1, "Viewed", "u1", "2026-03-01")]);
    let retry = message(2, "2026-03-02T00:00:00Z", vec![track(1, "Viewed", "u1", "2026-03-01")]);
    let jumping = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let times = [at("2026-03-02"), at("2036-03-02"), at("2016-03-02"), at("2026-03-02")];
    let clock = lake::Clock::new(move || {
        let call = jumping.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        times[call % times.len()]
    });
    let settings = LakeSettings { clock, ..LakeSettings::default() };
    let shop = start(&store, &settings).await.unwrap();
    shop.ingest(batch(std::slice::from_ref(&one))).await.unwrap();
    for id in 2..10 {
        let retry = crate::drains::Message { id, ..retry.clone() };
        assert_eq!(shop.ingest(batch(&[retry])).await.unwrap().messages, [counts(0, 0, 1)], "message {id}");
        assert_eq!(shop.ingest(batch(std::slice::from_ref(&one))).await.unwrap().messages, [None]);
    }
    assert_eq!(event_counts(&store).await, [(1, 1)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_counts_the_same_before_and_after_it_is_rolled_up_and_by_whoever_reads_it() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    let mut messages = Vec::new();
    for id in 0..6 {
        let mut next =
            message(id, NOW, vec![track(id, "Viewed", "u1", "2026-03-10"), track(0, "Viewed", "u1", "2026-03-10")]);
        next.rejected = u32::try_from(id % 2).unwrap();
        shop.ingest(batch(std::slice::from_ref(&next))).await.unwrap();
        messages.push(next);
        if id % 3 == 2 {
            let rolled = shop.roll_ledger().await.unwrap();
            assert_eq!((rolled.rows, rolled.covers), (3, id + 1));
            assert_eq!(shop.roll_ledger().await.unwrap().rows, 0);
        }
        assert_eq!(shop.ledger().await.unwrap(), start(&store, &settings).await.unwrap().ledger().await.unwrap());
        assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
    }
    let again = start(&store, &settings).await.unwrap().ingest(batch(&messages)).await.unwrap();
    assert_eq!(again.messages, vec![None; 6], "names in the table count as well as those in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tie_is_left_out_only_while_the_same_tie_is_live() {
    let (store, settings) = (memory(), settings(NOW));
    let edge = |action, event: u8, received: &str| {
        let (user, visitor) = (PersonId::User("u1".to_owned()), PersonId::Anonymous("a1".to_owned()));
        Tie::new(action, user, visitor, "identify", EventId([event; 16]), at(received)).unwrap()
    };
    let steps = [
        (edge(Action::Tie, 1, "2026-03-01"), 1, "the first tie is stored"),
        (edge(Action::Tie, 2, "2026-03-02"), 1, "a second says nothing new"),
        (edge(Action::Tie, 3, "2026-02-27"), 2, "unless it was received before the first"),
        (edge(Action::Undo, 4, "2026-03-03"), 3, "an undo is stored"),
        (edge(Action::Tie, 1, "2026-03-01"), 3, "the first tie, delivered again, does not tie again"),
        (edge(Action::Tie, 5, "2026-03-04"), 4, "a new tie after the undo is stored"),
        (edge(Action::Tie, 6, "2026-03-05"), 4, "and then it is live"),
    ];
    let warm = start(&store, &settings).await.unwrap();
    for (number, (tie, expected, what)) in steps.into_iter().enumerate() {
        let shop = if number % 2 == 0 { start(&store, &settings).await.unwrap() } else { Arc::clone(&warm) };
        let id = 100 + number as u64;
        shop.ingest(ties(id, NOW, vec![tie.clone(), tie])).await.unwrap();
        let stored: usize = counted(&store, &IDENTITIES, "edge_id").await.values().sum();
        assert_eq!(stored, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_is_read_newest_first_in_pages_with_the_original_bytes() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    let received = ["2026-01-31T23:59:59Z", "2026-03-01T00:00:00Z", "2026-03-09T00:00:00Z"];
    for (id, received) in received.iter().enumerate() {
        let rejected = crate::drains::Message { rejected: 3, ..message(id as u64, received, Vec::new()) };
        shop.ingest(batch(&[rejected])).await.unwrap();
    }
    let mut filter = QuarantineFilter { limit: 2, ..QuarantineFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = shop.quarantine(filter.clone()).await.unwrap();
        assert!(page.entries.len() <= 2);
        seen.extend(page.entries);
        filter.cursor = page.next;
        if filter.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 9);
    assert!(seen.is_sorted_by(|one, next| one.received_at >= next.received_at));
    let ids: std::collections::BTreeSet<_> = seen.iter().map(|entry| entry.row_id).collect();
    assert_eq!(ids.len(), 9);
    let entry = seen.iter().find(|entry| entry.row_id == row_id(message_id(1), 2)).unwrap();
    assert_eq!(entry.rejected, crate::drains::rejected(1, 2));
    assert_eq!((entry.message_id, entry.write_key_id.as_str(), entry.replayed), (message_id(1), "key", false));
    let other = QuarantineFilter { reason: Some("too_deep".to_owned()), ..QuarantineFilter::default() };
    assert_eq!(shop.quarantine(other).await.unwrap().entries, []);
    let wrong = QuarantineFilter { cursor: Some("yesterday".to_owned()), ..QuarantineFilter::default() };
    assert!(matches!(shop.quarantine(wrong).await, Err(LakeError::Shape(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_row_is_marked_once_its_event_is_stored_once_and_both_are_counted() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    let rejected = crate::drains::Message { rejected: 2, ..message(1, "2026-03-01T00:00:00Z", Vec::new()) };
    shop.ingest(batch(std::slice::from_ref(&rejected))).await.unwrap();
    let row = row_id(message_id(1), 0);
    // Replayed twice: a second replay before the first was marked, and its message delivered again.
    let event = track(77, "Viewed", "u1", "2026-03-01");
    let mut messages = vec![rejected];
    for id in [2, 2, 3] {
        let replay = message(id, "2026-03-01T00:00:00Z", vec![event.clone()]);
        let mut drain = batch(std::slice::from_ref(&replay));
        drain.replays = vec![row];
        shop.ingest(drain).await.unwrap();
        messages.push(replay);
    }
    let page = shop.quarantine(QuarantineFilter::default()).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.row_id).collect::<Vec<_>>(), [row_id(message_id(1), 1)]);
    let all =
        shop.quarantine(QuarantineFilter { include_replayed: true, ..QuarantineFilter::default() }).await.unwrap();
    assert_eq!(all.entries.iter().filter(|entry| entry.replayed).map(|entry| entry.row_id).collect::<Vec<_>>(), [row]);
    assert_eq!(event_counts(&store).await, [(77, 1)].into());
    let totals = shop.ledger().await.unwrap();
    assert_eq!((totals.messages, totals.stored, totals.quarantined, totals.duplicates), (3, 1, 2, 1));
    assert_eq!(totals.replayed, 1);
    assert_eq!(start(&store, &settings).await.unwrap().ledger().await.unwrap().replayed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_wrote_is_refused_before_anything_is_written() {
    let (store, settings) = (memory(), settings(NOW));
    start(&store, &settings).await.unwrap();
    let entry = Path::from("projects/shop/ledger/_delta_log/00000000000000000000.json");
    let text = store.get(&entry).await.unwrap().bytes().await.unwrap();
    let newer =
        String::from_utf8(text.to_vec()).unwrap().replace(r#""headwater.layout":"1""#, r#""headwater.layout":"2""#);
    assert_ne!(newer.as_bytes(), text.as_ref());
    store.put(&entry, newer.into()).await.unwrap();
    let before = listing(&store).await;
    let refused = start(&store, &settings).await;
    assert!(matches!(refused, Err(LakeError::Newer { found: 2, supported: 1, .. })), "{refused:?}");
    store.put(&Path::from("headwater-lake.json"), r#"{"version":2}"#.into()).await.unwrap();
    let refused = start(&store, &settings).await;
    assert!(matches!(&refused, Err(LakeError::Newer { what, .. }) if what.contains("folder")), "{refused:?}");
    assert_eq!(listing(&store).await, before);
}

async fn listing(store: &Arc<dyn ObjectStore>) -> Vec<String> {
    let all: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut paths: Vec<String> = all.into_iter().map(|meta| meta.location.to_string()).collect();
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_another_shape_is_refused_whole() {
    let (store, settings) = (memory(), settings(NOW));
    let shop = start(&store, &settings).await.unwrap();
    let good = batch(&[message(1, NOW, vec![identify(1, "u1", "2026-03-10", "{}")])]);
    let mut other_columns = good.clone();
    other_columns.events = other_columns.events.project(&[0, 1]).unwrap();
    let mut no_message = good.clone();
    no_message.messages.clear();
    for wrong in [other_columns, no_message] {
        assert!(matches!(shop.ingest(wrong).await, Err(LakeError::Shape(_))));
    }
    assert_eq!(insist(&shop, &good).await.messages, [counts(1, 0, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_maintenance_rewrote_and_cleaned_is_still_found_by_running_and_by_new_processes() {
    let (store, settings) = (memory(), LakeSettings::default());
    // A day on, so that nothing is too young to be cleaned.
    let tomorrow = LakeSettings {
        clock: lake::Clock::new(|| event_model::Timestamp(lake::Clock::system().now().0 + 86_400_000_000)),
        ..settings.clone()
    };
    let now = settings.clock.now().to_string();
    let (warm, keeper) = (start(&store, &settings).await.unwrap(), start(&store, &tomorrow).await.unwrap());
    let eager = MaintenanceSettings {
        small_files: 2,
        checkpoint_commits: 4,
        retention: std::time::Duration::ZERO,
        ..MaintenanceSettings::default()
    };
    let mut messages = Vec::new();
    for id in 0..24 {
        let mut next = message(id, &now, vec![track(id, "Viewed", "u1", &now), track(id / 2, "Viewed", "u1", &now)]);
        next.rejected = u32::try_from(id % 2).unwrap();
        warm.ingest(batch(std::slice::from_ref(&next))).await.unwrap();
        messages.push(next);
        if id % 6 == 5 {
            keeper.maintain(&eager).await.unwrap();
        }
    }
    let entries = listing(&store)
        .await
        .into_iter()
        .filter(|path| path.contains("/events/_delta_log/") && path.ends_with(".json"));
    assert!(entries.count() < 24, "the log was cleaned");
    assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
    let sent = messages.clone();
    for (offset, shop) in [(100, warm), (200, start(&store, &settings).await.unwrap())] {
        assert_eq!(shop.ingest(batch(&sent)).await.unwrap().messages, vec![None; 24]);
        let retries: Vec<_> = sent
            .iter()
            .map(|sent| crate::drains::Message { id: sent.id + offset, rejected: 0, ..sent.clone() })
            .collect();
        assert_eq!(shop.ingest(batch(&retries)).await.unwrap().messages, vec![counts(0, 0, 2); 24]);
        messages.extend(retries);
    }
    assert_eq!(broken(&store, &settings, &messages).await, Vec::<String>::new());
}
