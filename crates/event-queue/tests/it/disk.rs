//! The queue on disk: restarts, dead letters, full disks, failing files, damage and versions.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use event_queue::clock::ManualClock;
use event_queue::conformance::{message, project};
use event_queue::disk::files::Files as _;
use event_queue::disk::simulated::{Crash, Operation, SimulatedFiles};
use event_queue::disk::{DiskQueue, DiskSettings};
use event_queue::{Delivery, ProjectStats, Queue, QueueError, QueueStats, Receipt};

const HIDDEN: Duration = Duration::from_secs(60);

/// Small files, so that a test sees several of them.
pub(crate) fn small() -> DiskSettings {
    DiskSettings {
        max_bytes: 1 << 20,
        segment_bytes: 1_000,
        sync_marks_every: Duration::from_millis(1),
        ..DiskSettings::default()
    }
}

pub(crate) fn open(files: &SimulatedFiles, settings: DiskSettings) -> DiskQueue {
    DiskQueue::open_with(Arc::new(files.clone()), settings, Arc::new(ManualClock::default())).unwrap()
}

async fn send(queue: &DiskQueue, number: u32) {
    queue.send(vec![message(number)]).await.unwrap();
}

async fn receive(queue: &DiskQueue) -> Vec<Delivery> {
    queue.receive(1_000, HIDDEN, Duration::ZERO).await.unwrap()
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|delivery| delivery.receipt.clone()).collect()
}

fn numbers(deliveries: &[Delivery]) -> Vec<u32> {
    let number = |delivery: &Delivery| u32::from_be_bytes(delivery.message_id.0[..4].try_into().unwrap());
    deliveries.iter().map(number).collect()
}

async fn stats(queue: &DiskQueue) -> QueueStats {
    queue.stats().await.unwrap()
}

fn events(sent: impl IntoIterator<Item = u32>) -> u64 {
    sent.into_iter().map(|number| u64::from(message(number).events)).sum()
}

/// The thread tidies on its own: waits until the folder looks as it should.
async fn until(files: &SimulatedFiles, what: &str, holds: impl Fn(&[String]) -> bool) {
    for _ in 0..500 {
        if holds(&files.listing().into_keys().collect::<Vec<_>>()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: {:?}", files.listing());
}

fn count(names: &[String], suffix: &str) -> usize {
    names.iter().filter(|name| name.ends_with(suffix)).count()
}

#[tokio::test]
async fn a_restart_finds_what_waited_in_order_with_its_deliveries_counted() {
    let files = SimulatedFiles::default();
    let queue = open(&files, small());
    for number in 1..=20 {
        send(&queue, number).await;
    }
    let taken = queue.receive(7, HIDDEN, Duration::ZERO).await.unwrap();
    queue.ack(&receipts(&taken[..5])).await.unwrap();
    drop(queue);
    let queue = open(&files, small());
    assert_eq!(stats(&queue).await.events_sent, Some(events(1..=20)));
    let left = receive(&queue).await;
    assert_eq!(numbers(&left), (6..=20).collect::<Vec<_>>());
    let counts: Vec<u32> = left.iter().map(|delivery| delivery.receive_count).collect();
    assert_eq!((counts[0], counts[1], counts[2]), (2, 2, 1));
}

#[tokio::test]
async fn a_receipt_from_before_a_restart_acknowledges_nothing() {
    let files = SimulatedFiles::default();
    let queue = open(&files, small());
    send(&queue, 1).await;
    let old = receive(&queue).await;
    drop(queue);
    let queue = open(&files, small());
    let new = receive(&queue).await;
    queue.ack(&receipts(&old)).await.unwrap();
    assert_eq!(stats(&queue).await.in_flight, 1);
    queue.ack(&receipts(&new)).await.unwrap();
    assert_eq!(stats(&queue).await.in_flight, 0);
}

#[tokio::test]
async fn an_acknowledged_segment_is_deleted_and_its_events_stay_counted() {
    let files = SimulatedFiles::default();
    let queue = open(&files, small());
    for number in 1..=60 {
        send(&queue, number).await;
    }
    assert!(count(&files.listing().into_keys().collect::<Vec<_>>(), ".segment") > 5);
    let all = receive(&queue).await;
    queue.ack(&receipts(&all)).await.unwrap();
    until(&files, "only the open segment is left", |names| count(names, ".segment") == 1).await;
    drop(queue);
    let queue = open(&files, small());
    assert_eq!(stats(&queue).await.events_sent, Some(events(1..=60)));
    until(&files, "nothing is left", |names| count(names, ".segment") == 0 && count(names, ".marks") == 0).await;
    send(&queue, 61).await;
    drop(queue);
    assert_eq!(stats(&open(&files, small())).await.events_sent, Some(events(1..=61)));
}

#[tokio::test]
async fn a_message_that_kills_its_consumer_each_time_is_a_dead_letter_in_the_end() {
    let mut files = SimulatedFiles::default();
    let settings = DiskSettings { max_receives: 3, ..small() };
    let queue = open(&files, settings);
    send(&queue, 1).await;
    drop(queue);
    for count in 1..=3 {
        let queue = open(&files, settings);
        assert_eq!(receive(&queue).await[0].receive_count, count);
        files = files.crash(Crash::Kill);
    }
    let queue = open(&files, settings);
    assert_eq!(receive(&queue).await.len(), 0);
    assert_eq!(stats(&queue).await.dead, 1);
    assert_eq!(queue.dead_letters(10).await.unwrap()[0].body, message(1).body);
}

#[tokio::test]
async fn a_dead_letter_outlives_its_segment_and_comes_back_once_when_it_is_redriven() {
    let files = SimulatedFiles::default();
    let settings = DiskSettings { max_receives: 1, ..small() };
    let queue = open(&files, settings);
    for number in 1..=30 {
        send(&queue, number).await;
    }
    let all = receive(&queue).await;
    queue.ack(&receipts(&all[1..])).await.unwrap();
    queue.extend(&receipts(&all[..1]), Duration::ZERO).await.unwrap();
    until(&files, "the letter has a file", |names| count(names, ".letters") == 1).await;
    until(&files, "its segment is gone", |names| count(names, ".segment") == 1).await;
    drop(queue);

    let queue = open(&files, settings);
    let letters = queue.dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), &letters[0].body, letters[0].receive_count), (1, &message(1).body, 1));
    assert_eq!(queue.redrive(&[letters[0].sequence, 999]).await.unwrap(), 1);
    assert_eq!(queue.redrive(&[letters[0].sequence]).await.unwrap(), 0);
    assert_eq!(stats(&queue).await.dead, 0);
    drop(queue);

    let queue = open(&files, settings);
    let again = receive(&queue).await;
    assert_eq!((numbers(&again), again[0].receive_count), (vec![1], 1));
    assert_eq!(stats(&queue).await.events_sent, Some(events(1..=30)));
    queue.ack(&receipts(&again)).await.unwrap();
    drop(queue);
    let queue = open(&files, settings);
    let stats = stats(&queue).await;
    assert_eq!((stats.events, stats.events_sent), (Some(0), Some(events(1..=30))));
}

#[tokio::test]
async fn behind_a_cut_files_go_with_their_last_message_and_letters_with_those_that_were_put_back() {
    let files = SimulatedFiles::default();
    let settings = DiskSettings { max_receives: 1, segment_bytes: 1 << 16, ..small() };
    let queue = open(&files, settings);
    for number in 1..=3 {
        send(&queue, number).await;
    }
    let all = receive(&queue).await;
    queue.extend(&receipts(&all[..2]), Duration::ZERO).await.unwrap();
    let cut = queue.cut().await.unwrap();
    assert!(queue.holds_before(cut), "a message is still in somebody's hands");
    queue.ack(&receipts(&all[2..])).await.unwrap();
    until(&files, "nothing but letters is left", |names| count(names, ".segment") == 0).await;
    assert!(!queue.holds_before(cut) && count(&files.listing().into_keys().collect::<Vec<_>>(), ".letters") == 1);

    let dead = queue.dead_sequences();
    let before = files.listing().into_iter().find(|(name, _)| name.ends_with(".letters")).unwrap();
    assert_eq!(queue.redrive(&dead[..1]).await.unwrap(), 1);
    assert!(!queue.compact_letters().await.unwrap(), "the letter must not come back while its message waits");
    let again = receive(&queue).await;
    assert_eq!(numbers(&again), [1]);
    queue.ack(&receipts(&again)).await.unwrap();
    queue.cut().await.unwrap();
    until(&files, "its segment is gone", |names| count(names, ".segment") == 0).await;
    assert!(queue.compact_letters().await.unwrap());
    assert!(!files.listing().contains_key(&before.0), "the file that held it is gone");
    let left = queue.dead_letters(10).await.unwrap();
    assert_eq!((left.len(), &left[0].body), (1, &message(2).body));
    drop(queue);
    let left = open(&files, settings).dead_letters(10).await.unwrap();
    assert_eq!((left.len(), &left[0].body), (1, &message(2).body));
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let files = SimulatedFiles::default();
    let queue = open(&files, DiskSettings { max_bytes: 4_000, ..small() });
    let mut sent = 0;
    while queue.send(vec![message(sent)]).await.is_ok() {
        sent += 1;
    }
    let refused = queue.send(vec![message(sent)]).await;
    assert!(matches!(refused, Err(QueueError::Full { retry_after }) if !retry_after.is_zero()), "{refused:?}");
    assert!(
        files.listing().iter().filter(|(name, _)| name.ends_with(".segment")).map(|(_, size)| size).sum::<usize>()
            <= 4_000
    );
    let taken = queue.receive(10, HIDDEN, Duration::ZERO).await.unwrap();
    queue.ack(&receipts(&taken)).await.unwrap();
    until(&files, "a segment was deleted", |names| !names.contains(&"00000000000000000001.segment".to_owned())).await;
    queue.send(vec![message(sent)]).await.unwrap();
    assert_eq!(stats(&queue).await.events_sent, Some(events(0..=sent)));
}

#[tokio::test]
async fn the_reserve_of_free_space_is_left_to_the_lake() {
    let files = SimulatedFiles::default();
    let clock = ManualClock::default();
    let settings = DiskSettings { reserve_free_bytes: 10_000, ..small() };
    let queue = DiskQueue::open_with(Arc::new(files.clone()), settings, Arc::new(clock.clone())).unwrap();
    files.set_free_bytes(10_200);
    send(&queue, 1).await;
    send(&queue, 2).await;
    let refused = queue.send(vec![message(3)]).await;
    assert!(matches!(refused, Err(QueueError::Full { .. })), "what was written since counts: {refused:?}");
    files.set_free_bytes(20_000);
    clock.advance(Duration::from_secs(2));
    send(&queue, 3).await;
}

#[tokio::test]
async fn a_failed_write_or_fsync_is_never_acknowledged_and_the_next_send_goes_to_a_new_file() {
    for (operation, error) in [
        (Operation::Sync, ErrorKind::Other),
        (Operation::Write, ErrorKind::Other),
        (Operation::Write, ErrorKind::StorageFull),
    ] {
        let files = SimulatedFiles::default();
        let queue = open(&files, small());
        send(&queue, 1).await;
        files.fail_next(operation, ".segment", error);
        let failed = queue.send(vec![message(2)]).await;
        match error {
            ErrorKind::StorageFull => assert!(matches!(failed, Err(QueueError::Full { .. })), "{failed:?}"),
            _ => assert!(matches!(failed, Err(QueueError::Unavailable(_))), "{failed:?}"),
        }
        assert_eq!(stats(&queue).await.events_sent, Some(events([1])));
        send(&queue, 3).await;
        assert_eq!(count(&files.listing().into_keys().collect::<Vec<_>>(), ".segment"), 2);
        assert_eq!(numbers(&receive(&queue).await), [1, 3]);
        drop(queue);
        let queue = open(&files, small());
        assert_eq!(numbers(&receive(&queue).await), [1, 3], "the failed one was cut off");
        assert_eq!(stats(&queue).await.events_sent, Some(events([1, 3])));
    }
}

#[tokio::test]
async fn while_no_new_file_can_be_made_it_stays_unavailable_and_then_recovers() {
    let files = SimulatedFiles::default();
    let queue = open(&files, small());
    for _ in 0..3 {
        files.fail_next(Operation::Sync, ".segment", ErrorKind::Other);
        assert!(matches!(queue.send(vec![message(1)]).await, Err(QueueError::Unavailable(_))));
    }
    files.fail_next(Operation::Create, ".segment", ErrorKind::Other);
    assert!(matches!(queue.send(vec![message(1)]).await, Err(QueueError::Unavailable(_))));
    assert_eq!(count(&files.listing().into_keys().collect::<Vec<_>>(), ".segment"), 0, "no litter");
    send(&queue, 2).await;
    assert_eq!(numbers(&receive(&queue).await), [2]);
}

#[tokio::test]
async fn writes_that_take_only_a_part_are_finished() {
    let files = SimulatedFiles::default();
    files.write_short();
    let queue = open(&files, small());
    send(&queue, 1).await;
    drop(queue);
    assert_eq!(numbers(&receive(&open(&files, small())).await), [1]);
}

#[tokio::test]
async fn damage_in_the_middle_is_set_aside_and_all_else_is_delivered() {
    let files = SimulatedFiles::default();
    let queue = open(&files, DiskSettings { segment_bytes: 1 << 16, ..small() });
    for number in 1..=5 {
        send(&queue, number).await;
    }
    drop(queue);
    let name = "00000000000000000001.segment";
    files.damage(name, 64 + 110 * 2);
    for _ in 0..2 {
        let queue = open(&files, small());
        assert_eq!(numbers(&receive(&queue).await).len(), 4);
        let sent = stats(&queue).await;
        assert_eq!(sent.events_sent, Some(events(1..=5)), "what was lost had been sent");
        assert!(sent.events < Some(events(1..=5)), "so that the ledger shows the loss");
    }
    assert!(files.listing().contains_key("00000000000000000001.segment.damaged"));
}

#[tokio::test]
async fn a_damaged_header_costs_no_message() {
    let files = SimulatedFiles::default();
    let queue = open(&files, small());
    send(&queue, 1).await;
    send(&queue, 2).await;
    drop(queue);
    files.damage("00000000000000000001.segment", 40);
    let queue = open(&files, small());
    assert_eq!(numbers(&receive(&queue).await), [1, 2]);
    assert_eq!(stats(&queue).await.events_sent, Some(events([1, 2])));
    assert!(files.listing().contains_key("00000000000000000001.segment.damaged"));
}

#[tokio::test]
async fn damage_that_appears_while_it_runs_is_not_delivered() {
    let files = SimulatedFiles::default();
    let queue = open(&files, DiskSettings { max_receives: 1, ..small() });
    send(&queue, 1).await;
    send(&queue, 2).await;
    files.damage("00000000000000000001.segment", 100);
    assert_eq!(numbers(&receive(&queue).await), [2]);
}

#[tokio::test]
async fn a_newer_version_is_refused_before_anything_is_written() {
    for suffix in [".segment", ".marks", "totals"] {
        let files = SimulatedFiles::default();
        let queue = open(&files, small());
        send(&queue, 1).await;
        send(&queue, 2).await;
        let taken = queue.receive(1, HIDDEN, Duration::ZERO).await.unwrap();
        queue.ack(&receipts(&taken)).await.unwrap();
        drop(queue);
        let name = files.listing().into_keys().find(|name| name.ends_with(suffix)).unwrap();
        files.damage(&name, 8);
        let (before, operations) = (files.listing(), files.operations());
        let opened = DiskQueue::open_with(Arc::new(files.clone()), small(), Arc::new(ManualClock::default()));
        assert!(matches!(opened, Err(QueueError::Newer { found: 0xfd, supported: 2 })), "{suffix}: {:?}", opened.err());
        assert_eq!((files.listing(), files.operations()), (before, operations), "{suffix}");
    }
}

#[tokio::test]
async fn a_second_one_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/queue");
    let first = DiskQueue::open(&path, DiskSettings::default()).unwrap();
    let second = DiskQueue::open(&path, DiskSettings::default());
    assert!(
        matches!(&second, Err(QueueError::Unavailable(why)) if why.contains("another process")),
        "{:?}",
        second.err()
    );
    drop(first);
    DiskQueue::open(&path, DiskSettings::default()).unwrap();
}

#[tokio::test]
async fn concurrent_sends_share_a_sync() {
    let files = SimulatedFiles::default();
    let queue = Arc::new(open(&files, DiskSettings::default()));
    send(&queue, 0).await;
    let before = files.operations();
    // On this runtime of one thread all sends are queued before the first is answered.
    let sends: Vec<_> = (1..=500)
        .map(|number| {
            let queue = queue.clone();
            tokio::spawn(async move { send(&queue, number).await })
        })
        .collect();
    for one in sends {
        one.await.unwrap();
    }
    let operations = files.operations() - before;
    assert!(operations < 500, "{operations} writes and syncs for 500 sends");
    assert_eq!(stats(&queue).await.events_sent, Some(events(0..=500)));
}

#[tokio::test]
async fn a_long_history_of_deleted_segments_is_added_up() {
    let files = SimulatedFiles::default();
    let mut expected = 0;
    for start in 0..3 {
        let queue = open(&files, DiskSettings { segment_bytes: 1, ..small() });
        for number in 0..1_500 {
            let number = start * 1_500 + number;
            send(&queue, number).await;
            expected += u64::from(message(number).events);
            let taken = receive(&queue).await;
            queue.ack(&receipts(&taken)).await.unwrap();
        }
    }
    let queue = open(&files, small());
    assert_eq!(stats(&queue).await.events_sent, Some(expected));
    assert_eq!(files.listing()["totals"], 64 + 4_096 * 32);
    for number in 0..3 {
        let sent = (0..4_500).filter(|sent| sent % 3 == number).map(|sent| u64::from(message(sent).events)).sum();
        let found = queue.project_stats(&project(number)).await.unwrap().unwrap();
        assert_eq!(found, ProjectStats { sent: Some(sent), waiting: 0, dead: 0 });
    }
}

/// A file of totals as version 1 wrote it: one deleted segment of eleven events.
fn totals_of_version_1() -> Vec<u8> {
    let slot = [1_u64.to_le_bytes(), 4_u64.to_le_bytes(), 11_u64.to_le_bytes()].concat();
    let mut bytes = [b"HWQUEUE\n".as_slice(), &1_u32.to_le_bytes(), &4_u32.to_le_bytes(), &[0; 48]].concat();
    bytes.extend(&slot);
    bytes.extend(xxhash_rust::xxh3::xxh3_64(&slot).to_le_bytes());
    bytes.resize(64 + 2_048 * 32, 0);
    bytes
}

#[tokio::test]
async fn totals_that_knew_no_projects_are_kept_and_no_project_is_said_to_have_sent_them() {
    let files = SimulatedFiles::default();
    let totals = files.create("totals").unwrap();
    totals.write_at(&totals_of_version_1(), 0).unwrap();
    totals.sync().unwrap();
    files.sync_directory().unwrap();
    drop(totals);
    for round in 0..2 {
        let queue = open(&files, small());
        assert_eq!(stats(&queue).await.events_sent, Some(11 + events(0..round)));
        send(&queue, round).await;
        let found = queue.project_stats(&project(round)).await.unwrap().unwrap();
        assert_eq!((found.sent, found.waiting), (None, u64::from(message(round).events)));
    }
}
