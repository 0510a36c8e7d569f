//! Maintenance beside writers and readers: the same rows in fewer files, and nothing that is needed goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use event_model::{Action as TieAction, PersonId, Timestamp, columns};
use futures::TryStreamExt;
use lake::files::FileList;
use lake::maintenance::{Done, MaintenanceReport, MaintenanceSettings, Step};
use lake::rows::{Wanted, read};
use lake::tables::Table;
use lake::{At, Clock, LakeError, LakeSettings};

use crate::made::{Made, Row, identify, tie, track};

const DAY: i64 = 86_400_000_000;

fn eager() -> MaintenanceSettings {
    MaintenanceSettings { small_files: 4, tier_files: 4, persons: false, ..MaintenanceSettings::default() }
}

fn of(report: &MaintenanceReport, step: Step) -> Vec<&Done> {
    report.done.iter().filter(|done| done.step == step).collect()
}

async fn files(table: &Table) -> FileList {
    let snapshot = table.refresh().await.unwrap();
    FileList::new(snapshot.snapshot().unwrap().log_data().iter(), &FileList::default())
}

/// Every row of the table as text, sorted: equal exactly if the tables hold the same rows.
async fn contents(table: &Table) -> Vec<String> {
    let mut all = Vec::new();
    for file in files(table).await.files() {
        let mut stream = read(table.object_store(), file, Wanted::default()).await.unwrap();
        while let Some(batch) = stream.try_next().await.unwrap() {
            for row in 0..batch.num_rows() {
                let texts: Vec<String> =
                    batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect();
                all.push(format!("{:?} {}", file.month, texts.join("|")));
            }
        }
    }
    all.sort();
    all
}

fn random_rows(random: &mut fastrand::Rng, next_id: &mut u64, months: u32) -> Vec<Row> {
    (0..random.usize(1..30))
        .map(|_| {
            *next_id += 1;
            let time = format!(
                "2026-0{}-{:02}T00:00:00.{:06}Z",
                random.u32(1..=months),
                random.u32(1..28),
                random.u32(0..1_000_000)
            );
            let event = *random.choice(["open", "purchase", "view", "äpfel"].iter()).unwrap();
            track(*next_id, event, &format!("u{}", random.u32(0..9)), &time)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_keeps_every_row_and_the_order_of_files() {
    let made = Made::new().await;
    let (mut random, mut id) = (fastrand::Rng::with_seed(1), 0);
    for _ in 0..12 {
        made.add(&random_rows(&mut random, &mut id, 3)).await;
    }
    let (before, files_before) = (contents(&made.events).await, files(&made.events).await);
    let report = made.project.maintain(&eager()).await.unwrap();
    let merges = of(&report, Step::Merge);
    assert_eq!(merges.len(), 3, "one a month: {report:?}");
    assert_eq!(contents(&made.events).await, before);
    let after = files(&made.events).await;
    assert!(after.files().len() < files_before.files().len());
    assert_eq!(after.rows(), files_before.rows());
    let mut newest = i64::MIN;
    for file in after.files() {
        let mut last = None;
        let mut stream =
            read(made.events.object_store(), file, Wanted { batch_rows: 7, ..Wanted::default() }).await.unwrap();
        while let Some(batch) = stream.try_next().await.unwrap() {
            let event = batch.column_by_name(columns::EVENT).unwrap().as_string::<i32>().clone();
            let key = batch.column_by_name(columns::PERSON_KEY).unwrap().as_primitive::<Int64Type>().clone();
            let time =
                batch.column_by_name(columns::TIMESTAMP).unwrap().as_primitive::<TimestampMicrosecondType>().clone();
            for row in 0..batch.num_rows() {
                let this = (event.value(row).to_owned(), key.value(row), time.value(row));
                assert!(last.as_ref().is_none_or(|last| *last <= this));
                newest = newest.max(this.2);
                last = Some(this);
            }
        }
    }
    assert_eq!(after.newest(), Some(Timestamp(newest)), "bounds of merged files are exact");
    let again = made.project.maintain(&eager()).await.unwrap();
    assert!(of(&again, Step::Merge).is_empty(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_merges_are_cut_by_date() {
    let made = Made::new().await;
    for commit in 0..4_u64 {
        let rows: Vec<Row> = (0..400)
            .map(|n| track(commit * 1_000 + n, "open", "u1", &format!("2026-01-0{}T00:00:00Z", n % 3 + 1)))
            .collect();
        made.add(&rows).await;
    }
    let before = contents(&made.events).await;
    let settings = MaintenanceSettings { date_bytes: 100, ..eager() };
    made.project.maintain(&settings).await.unwrap();
    let after = files(&made.events).await;
    let dates: Vec<_> = after.files().iter().map(|file| file.bounds.date.unwrap()).collect();
    assert!(dates.len() == 3 && dates.iter().all(|(first, last)| first == last), "{dates:?}");
    assert_eq!(contents(&made.events).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_beside_appends_lose_and_double_nothing() {
    let made = Arc::new(Made::new().await);
    let writer = Arc::clone(&made);
    let writing = tokio::spawn(async move {
        let (mut random, mut id, mut expect) = (fastrand::Rng::with_seed(2), 0, 0);
        for _ in 0..25 {
            let rows = random_rows(&mut random, &mut id, 1);
            expect += rows.len() as u64;
            let report = writer.ingest(&rows, Vec::new()).await;
            assert_eq!(report.messages.len(), 1);
        }
        expect
    });
    let mut merges = 0;
    while !writing.is_finished() {
        let report = made.project.maintain(&eager()).await.unwrap();
        merges += of(&report, Step::Merge).iter().filter(|done| done.gave_up.is_none()).count();
    }
    let expect = writing.await.unwrap();
    made.project.maintain(&eager()).await.unwrap();
    assert!(merges > 0, "no merge ran beside the appends");
    let rows = contents(&made.events).await;
    assert_eq!(rows.len() as u64, expect);
    assert_eq!(made.project.ledger().await.unwrap().stored, expect);
    let mut different = rows.clone();
    different.dedup();
    assert_eq!(different.len(), rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_merges_of_the_same_files_one_lands() {
    for round in 0..4 {
        let made = Made::new().await;
        let (mut random, mut id) = (fastrand::Rng::with_seed(round), 0);
        for _ in 0..8 {
            made.add(&random_rows(&mut random, &mut id, 1)).await;
        }
        let before = contents(&made.events).await;
        let other = lake::Lake::open_local(made.folder.path(), LakeSettings::default()).await.unwrap();
        let other = other.project(made.project.id()).await.unwrap();
        let (settings, again) = (eager(), eager());
        let (one, two) = tokio::join!(made.project.maintain(&settings), other.maintain(&again));
        let (one, two) = (one.unwrap(), two.unwrap());
        let landed = [&one, &two]
            .iter()
            .flat_map(|report| of(report, Step::Merge))
            .filter(|done| done.gave_up.is_none())
            .count();
        assert_eq!(landed, 1, "{one:?}\n{two:?}");
        assert_eq!(contents(&made.events).await, before);
        assert_eq!(files(&made.events).await.files().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_sorted_are_merged_by_the_same_code() {
    let made = Made::new().await;
    for user in 0..6 {
        made.add_ties(&[tie(TieAction::Tie, &format!("u{user}"), &format!("a{user}"), "2026-01-01T00:00:00Z")]).await;
    }
    let reader = made.reader();
    let keys = reader.read(At::Latest).await.unwrap().keys().await.unwrap();
    let before = contents(&made.identities).await;
    let report = made.project.maintain(&eager()).await.unwrap();
    assert_eq!(of(&report, Step::Merge).iter().map(|done| done.table).collect::<Vec<_>>(), ["identities"]);
    assert_eq!(contents(&made.identities).await, before);
    assert_eq!(files(&made.identities).await.files().len(), 1);
    assert_eq!(reader.read(At::Latest).await.unwrap().keys().await.unwrap(), keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_left_alone_and_keeps_no_other_step_from_being_done() {
    let made = Made::new().await;
    for n in 0..4_u64 {
        let month = if n == 0 { "2026-01" } else { "2026-02" };
        made.ingest(&[track(n, "open", "u1", &format!("{month}-01T00:00:00Z"))], Vec::new()).await;
    }
    let broken = files(&made.events).await.files()[0].path.clone();
    std::fs::remove_file(made.place(&made.events).join(&broken)).unwrap();
    let settings = MaintenanceSettings { small_files: 1, checkpoint_commits: 2, persons: true, ..eager() };
    let report = made.project.maintain(&settings).await.unwrap();
    let gave_up: Vec<Step> = report.done.iter().filter(|done| done.gave_up.is_some()).map(|done| done.step).collect();
    assert!(gave_up.contains(&Step::Persons) && !of(&report, Step::Checkpoint).is_empty(), "{report:?}");
    assert!(files(&made.events).await.get(&broken).is_some(), "what is damaged stays named");
}

/// The rows of `persons`: id, first and last seen, traits.
async fn persons(made: &Made) -> BTreeMap<String, (String, String, String)> {
    let mut all = BTreeMap::new();
    for file in files(&made.persons).await.files() {
        let mut stream = read(made.persons.object_store(), file, Wanted::default()).await.unwrap();
        while let Some(batch) = stream.try_next().await.unwrap() {
            for row in 0..batch.num_rows() {
                let text = |name: &str| array_value_to_string(batch.column_by_name(name).unwrap(), row).unwrap();
                let id = format!("{}{}", text(columns::USER_ID), text(columns::ANONYMOUS_ID));
                let found = all.insert(id, (text("first_seen"), text("last_seen"), text(columns::TRAITS)));
                assert!(found.is_none(), "one row an id");
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn persons_are_built_on_and_readers_take_the_rest_from_events() {
    let made = Made::new().await;
    let settings = MaintenanceSettings { persons: true, ..eager() };
    let reader = made.reader();
    let visitor = Row { anonymous: Some("a1".to_owned()), user: None, ..track(1, "open", "", "2026-01-01T00:00:00Z") };
    made.add(&[visitor, identify(2, "u1", "2026-01-02T00:00:00Z", r#"{"plan":"free","n":1}"#)]).await;
    let report = made.project.maintain(&settings).await.unwrap();
    assert_eq!(of(&report, Step::Persons).iter().map(|done| done.rows).collect::<Vec<_>>(), [2]);
    assert_eq!(persons(&made).await.len(), 2);

    // Older than what is there, in part: the table must know which call set which trait.
    let late = identify(3, "u1", "2026-01-01T12:00:00Z", r#"{"plan":"none","old":true}"#);
    made.add(&[late, identify(4, "u1", "2026-01-03T00:00:00Z", r#"{"n":2}"#)]).await;
    let expect = r#"{"n":2,"old":true,"plan":"free"}"#;
    let key = PersonId::User("u1".to_owned()).key().0;
    let unbuilt = reader.read(At::Latest).await.unwrap();
    assert_eq!(unbuilt.traits().await.unwrap()[&key].as_str(), expect);
    assert_eq!(made.reader().read(At::Latest).await.unwrap().traits().await.unwrap()[&key].as_str(), expect);

    made.project.maintain(&settings).await.unwrap();
    let row = &persons(&made).await["u1"];
    assert_eq!(row, &("2026-01-01T12:00:00Z".to_owned(), "2026-01-03T00:00:00Z".to_owned(), expect.to_owned()));
    let built = made.reader().read(At::Latest).await.unwrap();
    assert_eq!(built.traits().await.unwrap()[&key].as_str(), expect);
    assert!(built.versions.persons > unbuilt.versions.persons);
    let report = made.project.maintain(&settings).await.unwrap();
    assert!(of(&report, Step::Persons).is_empty(), "nothing is new");
}

#[tokio::test(flavor = "multi_thread")]
async fn persons_built_in_many_steps_are_those_built_at_once() {
    let (mut random, mut id) = (fastrand::Rng::with_seed(5), 0);
    let (steps, once) = (Made::new().await, Made::new().await);
    for _ in 0..10 {
        let mut rows = random_rows(&mut random, &mut id, 2);
        for row in rows.iter_mut().filter(|row| row.id % 3 == 0) {
            row.kind = "identify";
            row.event = "identify".to_owned();
            row.traits = Some(format!(r#"{{"t{}":{}}}"#, row.id % 4, row.id));
        }
        steps.add(&rows).await;
        once.add(&rows).await;
        let settings = MaintenanceSettings { persons: true, persons_rows: 5, ..eager() };
        steps.project.maintain(&settings).await.unwrap();
    }
    once.project.maintain(&MaintenanceSettings { persons: true, ..eager() }).await.unwrap();
    let built = persons(&steps).await;
    assert!(!built.is_empty());
    // What a few rows brought may still wait; readers see it all the same.
    let (one, other) = (steps.reader().read(At::Latest).await.unwrap(), once.reader().read(At::Latest).await.unwrap());
    assert_eq!(one.traits().await.unwrap(), other.traits().await.unwrap());
    steps.project.maintain(&MaintenanceSettings { persons: true, persons_rows: 5, ..eager() }).await.unwrap();
    let all = persons(&once).await;
    for (id, row) in persons(&steps).await {
        assert!(all[&id].0 <= row.0 && all[&id].1 >= row.1, "{id}");
    }
}

/// A lake whose clock a test moves. Files and commits carry the machine's time, so it only moves into the future.
async fn with_clock() -> (Made, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let moved = Arc::clone(&ahead);
    let clock = Clock::new(move || Timestamp(Clock::system().now().0 + moved.load(Ordering::Relaxed)));
    (Made::with(LakeSettings { clock, ..LakeSettings::default() }).await, ahead)
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_files_and_old_entries_go_after_seven_days_and_not_before() {
    let (made, ahead) = with_clock().await;
    for n in 0..10_u64 {
        made.ingest(&[track(n, "open", "u1", "2026-01-01T00:00:00Z")], Vec::new()).await;
    }
    let settings = MaintenanceSettings { checkpoint_commits: 5, ..eager() };
    let first = made.project.maintain(&settings).await.unwrap();
    assert!(!of(&first, Step::Merge).is_empty() && !of(&first, Step::Checkpoint).is_empty());
    let merged = files(&made.events).await.files()[0].path.clone();
    // Somebody's file that no commit names yet.
    let orphan = made.place(&made.events).join("month=2026-01/part-orphan.parquet");
    std::fs::write(&orphan, b"not committed").unwrap();

    ahead.store(6 * DAY, Ordering::Relaxed);
    let report = made.project.maintain(&settings).await.unwrap();
    assert!(of(&report, Step::Vacuum).is_empty() && of(&report, Step::CleanLog).is_empty(), "{report:?}");
    let reader = made.project.read(At::Version(3)).await.unwrap();
    assert_eq!(reader.file_count, 3);

    ahead.store(8 * DAY, Ordering::Relaxed);
    let report = made.project.maintain(&settings).await.unwrap();
    let vacuumed = of(&report, Step::Vacuum).into_iter().find(|done| done.table == "events").unwrap();
    assert_eq!(vacuumed.files_removed, 11, "ten small files and the orphan");
    assert!(of(&report, Step::CleanLog).iter().any(|done| done.table == "events"));
    assert!(!orphan.exists());
    assert!(made.place(&made.events).join(&merged).exists());
    assert_eq!(contents(&made.events).await.len(), 10);
    let gone = made.project.read(At::Version(3)).await.unwrap_err();
    assert!(matches!(gone, LakeError::VersionGone { requested: 3, .. }), "{gone}");
    // All goes on, in this process and in a new one, and the names of messages outlive the log.
    made.ingest(&[track(100, "open", "u1", "2026-01-01T00:00:00Z")], Vec::new()).await;
    assert_eq!(made.project.ledger().await.unwrap().stored, 11);
    let other = lake::Lake::open_local(made.folder.path(), LakeSettings::default()).await.unwrap();
    let other = other.project(made.project.id()).await.unwrap();
    assert_eq!(other.ledger().await.unwrap().stored, 11);
    assert_eq!(other.read(At::Latest).await.unwrap().event_files().files.rows(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_version_keeps_its_answer_through_maintenance() {
    let made = Made::new().await;
    let (mut random, mut id) = (fastrand::Rng::with_seed(9), 0);
    let mut counts = Vec::new();
    for _ in 0..9 {
        made.add(&random_rows(&mut random, &mut id, 2)).await;
        counts.push(id);
    }
    let reader = made.reader();
    let held = reader.read(At::Version(5)).await.unwrap();
    made.project.maintain(&MaintenanceSettings { persons: true, ..eager() }).await.unwrap();
    for (place, count) in counts.iter().enumerate() {
        let view = reader.read(At::Version(place as u64 + 1)).await.unwrap();
        assert_eq!(view.event_files().files.rows(), *count);
    }
    assert_eq!(held.event_files().files.rows(), counts[4]);
    for file in held.event_files().files.files() {
        let mut stream = read(made.events.object_store(), file, Wanted::default()).await.unwrap();
        while stream.try_next().await.unwrap().is_some() {}
    }
}

/// Commits, reads and maintenance as they come in a day; the time of each stays flat.
#[tokio::test(flavor = "multi_thread")]
async fn commits_and_reads_stay_as_quick_as_they_were() {
    let commits: u64 = std::env::var("HEADWATER_COMMITS").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let made = Made::new().await;
    let reader = made.reader();
    let settings = MaintenanceSettings { small_files: 32, ..eager() };
    let part = commits / 3;
    let (mut commit_times, mut read_times, mut maintenance) = (Vec::new(), Vec::new(), Duration::ZERO);
    for n in 0..commits {
        let second = Timestamp(1_767_225_600_000_000 + n as i64 * 1_000_000);
        let row = Row { timestamp: second, received_at: second, ..track(n, "open", "u1", "2026-01-01T00:00:00Z") };
        let started = Instant::now();
        made.ingest(&[row], Vec::new()).await;
        commit_times.push(started.elapsed());
        let started = Instant::now();
        let view = reader.read(At::Latest).await.unwrap();
        read_times.push(started.elapsed());
        assert_eq!(view.newest_event, Some(second), "a read right after an ingest sees it");
        if n % 32 == 31 {
            let started = Instant::now();
            made.project.maintain(&settings).await.unwrap();
            maintenance += started.elapsed();
        }
    }
    let median = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[times.len() / 2]
    };
    let ends = |times: &[Duration]| (median(&times[..part as usize]), median(&times[(commits - part) as usize..]));
    let ((commit_first, commit_last), (read_first, read_last)) = (ends(&commit_times), ends(&read_times));
    println!(
        "{commits} commits: commit {commit_first:?} -> {commit_last:?}, read {read_first:?} -> {read_last:?}, maintenance {:?} a run, {} files",
        maintenance / (commits / 32).max(1) as u32,
        files(&made.events).await.files().len(),
    );
    assert!(commit_last < commit_first * 4, "a commit took {commit_first:?}, then {commit_last:?}");
    assert!(read_last < read_first * 4, "a read took {read_first:?}, then {read_last:?}");
    assert_eq!(files(&made.events).await.rows(), commits);
}
