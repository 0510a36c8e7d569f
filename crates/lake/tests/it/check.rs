//! Every damage that is planted is named; sound tables are called sound.

use event_model::rejection::Reason;
use event_model::{EventId, Rejected};
use lake::check::{Damage, DamageKind, Depth};
use lake::maintenance::MaintenanceSettings;
use lake::{At, Lake, LakeError, LakeSettings, QuarantineRow};

use crate::made::{Made, Row, append_rows, at, events_batch, track};

fn rejected(position: u32) -> QuarantineRow {
    QuarantineRow {
        message: 0,
        events: 1,
        protocol: "native".to_owned(),
        write_key_id: "key".to_owned(),
        received_at: at("2026-01-01T00:00:00Z"),
        rejected: Rejected::new(position, EventId([position as u8; 16]), Reason::NotAnObject, "not an object", b"5"),
    }
}

/// Three drains, one of them with rejected events.
async fn sound() -> Made {
    let made = Made::new().await;
    made.ingest(
        &[track(1, "open", "u1", "2026-01-01T00:00:00Z"), track(2, "buy", "u2", "2026-02-01T00:00:00Z")],
        Vec::new(),
    )
    .await;
    made.ingest(&[track(3, "open", "u1", "2026-01-02T00:00:00Z")], vec![rejected(0), rejected(1)]).await;
    made.ingest(&[track(4, "open", "u3", "2026-01-03T00:00:00Z")], Vec::new()).await;
    made
}

async fn damage(made: &Made, depth: Depth) -> Vec<Damage> {
    let report = made.project.check(depth).await.unwrap();
    for found in &report.damage {
        assert!(!found.kind.what_to_do().is_empty());
        println!("{found}");
    }
    report.damage
}

fn kinds(damage: &[Damage]) -> Vec<(&'static str, DamageKind)> {
    let mut kinds: Vec<_> = damage.iter().map(|damage| (damage.table, damage.kind)).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// The file of `events` that holds that row.
async fn file_of(made: &Made, month: &str) -> std::path::PathBuf {
    let view = made.project.read(At::Latest).await.unwrap();
    let file =
        view.event_files().files.files().iter().find(|file| file.month.as_deref() == Some(month)).unwrap().clone();
    made.place(&made.events).join(&file.path)
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_tables_are_called_sound() {
    let made = sound().await;
    // Maintenance makes the derived tables.
    for tables in [6, 8] {
        for depth in [Depth::Footers, Depth::Rows] {
            let report = made.project.check(depth).await.unwrap();
            assert!(report.is_sound(), "{:?}", report.damage);
            assert_eq!((report.ledger.stored, report.ledger.quarantined, report.quarantined_in_flight), (4, 2, 0));
            assert_eq!(report.tables.len(), tables);
        }
        let settings = MaintenanceSettings { small_files: 2, ..MaintenanceSettings::default() };
        made.project.maintain(&settings).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_derived_table_is_named() {
    let made = sound().await;
    made.project.maintain(&MaintenanceSettings::default()).await.unwrap();
    let period = (at("2026-01-01"), at("2026-12-31"));
    let parts = made.project.read(At::Latest).await.unwrap().sequences(period.0, period.1).await.unwrap();
    let files: Vec<_> = parts.parts().map(|part| part.file.path.clone()).collect();
    let place = |file: &String| made.folder.path().join("projects/shop/sequences").join(file);
    // Another month's rows in its place: of the right shape, and of a wrong size.
    std::fs::copy(place(&files[0]), place(&files[1])).unwrap();
    std::fs::remove_file(place(&files[0])).unwrap();
    let damage = damage(&made, Depth::Rows).await;
    let kinds: Vec<_> = kinds(&damage);
    assert!(kinds.contains(&("sequences", DamageKind::FileMissing)), "{damage:?}");
    assert!(kinds.len() > 1 && kinds.iter().all(|(table, _)| *table == "sequences"), "{damage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_named() {
    let made = sound().await;
    let file = file_of(&made, "2026-02").await;
    std::fs::remove_file(&file).unwrap();
    let damage = damage(&made, Depth::Footers).await;
    assert_eq!(kinds(&damage), [("events", DamageKind::FileMissing)]);
    assert!(file.to_str().unwrap().ends_with(damage[0].file.as_deref().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_named() {
    let made = sound().await;
    let file = file_of(&made, "2026-02").await;
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(kinds(&damage(&made, Depth::Footers).await), [("events", DamageKind::FileSize)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_are_found_by_reading() {
    let made = sound().await;
    let file = file_of(&made, "2026-02").await;
    let whole = std::fs::read(&file).unwrap();
    let mut footer = whole.clone();
    let middle = footer.len() - 200;
    footer[middle..middle + 100].fill(0xff);
    std::fs::write(&file, footer).unwrap();
    assert_eq!(kinds(&damage(&made, Depth::Footers).await), [("events", DamageKind::FileUnreadable)]);
    let mut data = whole;
    data[4..200].fill(0xff);
    std::fs::write(&file, data).unwrap();
    assert_eq!(kinds(&damage(&made, Depth::Rows).await), [("events", DamageKind::FileUnreadable)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_blind_append_doubles_are_named_with_both_files() {
    let made = sound().await;
    let rows = events_batch(&[track(1, "open", "u1", "2026-01-01T00:00:00Z")], 1);
    append_rows(&made.events, rows, Vec::new()).await;
    let damage = damage(&made, Depth::Rows).await;
    assert_eq!(kinds(&damage), [("events", DamageKind::DuplicateEvent), ("events", DamageKind::Ledger)]);
    assert!(damage.iter().any(|found| found.detail.contains("and again in month=2026-01/")), "{damage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_rows_are_named() {
    let plant = async |row: Row, sequence: i64| {
        let made = sound().await;
        append_rows(&made.events, events_batch(&[row], sequence), Vec::new()).await;
        let mut found = kinds(&damage(&made, Depth::Rows).await);
        found.retain(|(_, kind)| *kind != DamageKind::Ledger);
        found
    };
    let plain = || track(9, "open", "u1", "2026-01-01T00:00:00Z");
    assert_eq!(plant(plain(), 3).await, []);
    assert_eq!(plant(plain(), 4).await, [("events", DamageKind::Sequence)]);
    assert_eq!(plant(Row { kind: "unknown", ..plain() }, 3).await, [("events", DamageKind::Row)]);
    assert_eq!(plant(Row { properties: Some("{".to_owned()), ..plain() }, 3).await, [("events", DamageKind::Row)]);
    let late = Row { received_at: at("2025-01-01T00:00:00Z"), ..plain() };
    assert_eq!(plant(late, 3).await, [("events", DamageKind::Row)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_out_of_order_or_in_the_wrong_month_are_named() {
    let made = sound().await;
    let rows =
        events_batch(&[track(11, "a", "u1", "2026-01-01T00:00:00Z"), track(12, "b", "u1", "2026-01-01T00:00:00Z")], 1);
    let reversed = arrow::compute::take_record_batch(&rows, &arrow::array::UInt32Array::from(vec![1, 0])).unwrap();
    append_rows(&made.events, reversed, Vec::new()).await;
    assert!(kinds(&damage(&made, Depth::Rows).await).contains(&("events", DamageKind::Order)));

    let made = sound().await;
    let rows = events_batch(&[track(13, "a", "u1", "2026-01-01T00:00:00Z")], 1);
    let months = std::sync::Arc::new(arrow::array::StringArray::from(vec!["2026-07"])) as arrow::array::ArrayRef;
    let mut columns = rows.columns().to_vec();
    *columns.last_mut().unwrap() = months;
    let moved = arrow::array::RecordBatch::try_new(rows.schema(), columns).unwrap();
    append_rows(&made.events, moved, Vec::new()).await;
    assert!(kinds(&damage(&made, Depth::Footers).await).contains(&("events", DamageKind::Month)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_a_log_is_named() {
    let made = sound().await;
    let entry = made.place(&made.events).join("_delta_log/00000000000000000002.json");
    std::fs::remove_file(entry).unwrap();
    assert_eq!(kinds(&damage(&made, Depth::Footers).await)[0], ("events", DamageKind::Log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_is_named() {
    let made = sound().await;
    let entry = made.place(&made.identities).join("_delta_log/00000000000000000000.json");
    std::fs::write(entry, b"{ this is not a log entry").unwrap();
    assert_eq!(kinds(&damage(&made, Depth::Footers).await), [("identities", DamageKind::Log)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_gone_or_torn_is_named_and_no_new_table_hides_its_files() {
    for is_gone in [true, false] {
        let made = sound().await;
        let log = made.place(&made.events).join("_delta_log");
        if is_gone {
            std::fs::remove_dir_all(&log).unwrap();
        } else {
            let entry = log.join("00000000000000000003.json");
            let bytes = std::fs::read(&entry).unwrap();
            std::fs::write(&entry, &bytes[..bytes.len() / 2]).unwrap();
        }
        let lake = Lake::open_local(made.folder.path(), LakeSettings::default()).await.unwrap();
        let report = lake.check(made.project.id(), Depth::Footers).await.unwrap();
        assert_eq!(kinds(&report.damage)[0], ("events", DamageKind::Log), "{:?}", report.damage);
        // Neither a look nor an ingest may begin a new log over what is there.
        let opened = lake.project(made.project.id()).await.err();
        assert!(matches!(opened, Some(LakeError::Damaged { .. })), "{opened:?}");
        assert_eq!(log.exists(), !is_gone);
    }
}
