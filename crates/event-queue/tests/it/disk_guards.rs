//! Each fsync of the queue on disk is taken away once, and the check must then find what it was good for.
//!
//! | guard | without it |
//! |---|---|
//! | fsync of a segment before `send` returns | a message that was answered is lost |
//! | an fsync error is told to the sender | a message that was answered is lost |
//! | fsync of the folder after a new segment | the whole segment is lost |
//! | fsync of the totals before a segment is deleted | events ever sent are forgotten |
//! | fsync of a dead letter before its segment is deleted | the dead letter is lost |
//! | the mark of an acknowledgement | a killed process delivers again what was done |

use std::sync::Arc;

use event_queue::Queue as _;
use event_queue::disk::DiskSettings;
use event_queue::disk::simulated::{Crash, Operation};

use crate::disk::small;
use crate::disk_crash::Run;

/// Runs work and crashes with all guards and with one taken away: says what the check found in either.
async fn with_and_without(operation: Operation, suffix: &str, power: bool) -> (Vec<String>, Vec<String>) {
    let mut found = [Vec::new(), Vec::new()];
    for (lie, found) in [false, true].into_iter().zip(&mut found) {
        for seed in 0..30 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut run = Run::new(DiskSettings { max_receives: 3, segment_bytes: 400, ..small() });
            let queue = Arc::new(run.open());
            if lie {
                run.files.lie_about(operation, suffix);
            }
            for _ in 0..15 {
                run.send(&queue, &mut random).await;
                run.consume(&queue, &mut random).await;
            }
            run.crash(if power { Crash::PowerCut(seed) } else { Crash::Kill });
            drop(queue);
            found.extend(run.check().await.err());
        }
    }
    found.into()
}

async fn check(operation: Operation, suffix: &str, power: bool, expected: &str) {
    let (with, without) = with_and_without(operation, suffix, power).await;
    assert_eq!(with, Vec::<String>::new(), "with the guard");
    assert!(without.iter().any(|wrong| wrong.contains(expected)), "without {operation:?} of {suffix}: {without:?}");
}

#[tokio::test]
async fn the_fsync_of_a_segment_is_what_keeps_answered_messages() {
    check(Operation::Sync, ".segment", true, "is lost").await;
}

#[tokio::test]
async fn the_fsync_of_the_folder_is_what_keeps_new_segments() {
    check(Operation::SyncDirectory, "", true, "is lost").await;
}

#[tokio::test]
async fn the_fsync_of_the_totals_is_what_keeps_the_count_of_deleted_segments() {
    check(Operation::Sync, "totals", true, "events are counted as sent").await;
}

#[tokio::test]
async fn the_fsync_of_the_letters_is_what_keeps_dead_letters_of_deleted_segments() {
    check(Operation::Sync, ".letters", true, "is lost").await;
}

#[tokio::test]
async fn the_marks_are_what_keeps_a_killed_process_from_delivering_again() {
    check(Operation::Write, ".marks", false, "was acknowledged and is back").await;
}

#[tokio::test]
async fn telling_the_sender_of_an_fsync_error_is_what_keeps_his_message() {
    for told in [true, false] {
        let mut lost = 0;
        for seed in 0..30 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut run = Run::new(small());
            let queue = Arc::new(run.open());
            run.send(&queue, &mut random).await;
            if told {
                run.files.fail_next(Operation::Sync, ".segment", std::io::ErrorKind::Other);
            } else {
                // What a queue would see that took the error for a success.
                run.files.lie_about(Operation::Sync, ".segment");
            }
            run.send(&queue, &mut random).await;
            assert_eq!(queue.stats().await.unwrap().dead, 0);
            run.crash(Crash::PowerCut(seed));
            drop(queue);
            lost += usize::from(run.check().await.is_err());
        }
        assert_eq!(lost > 0, !told, "{lost} of 30 runs lost messages");
    }
}
