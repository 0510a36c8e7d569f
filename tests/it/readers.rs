//! Programs of others read the tables in place: DuckDB, ClickHouse, delta-rs's Python package and pyarrow agree with what was sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use event_model::columns::{self, ColumnType};

use event_model::{PersonId, ProjectId, Timestamp};

use lake::{Lake, LakeSettings, MaintenanceSettings};
use serde_json::{Value, json};
use tests::server::Server;

const EVENTS: [&str; 3] = ["Product Viewed", "Order Completed", "größer"];
const BATCHES: usize = 6;
const BATCH: usize = 100;

#[test]
fn readers_agree_on_counts_sums_and_schema_before_and_after_maintenance() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).unwrap();
    for batch in 0..BATCHES {
        let events: Vec<Value> = (batch * BATCH..(batch + 1) * BATCH).map(event).collect();
        server.send_events(&events).unwrap();
        server.flush().unwrap();
    }
    let lake = server.data_dir.join("lake");
    let table = lake.join("projects/default/events");
    expect(&table, "log", &["duckdb", "clickhouse", "delta-rs"]);
    server.stop().unwrap();

    // Merged: what the new files replace stays where it is, and only the log says that it no longer counts.
    let before = files(&table);
    assert!(maintain(&lake, Duration::from_secs(3_600)) > 0);
    assert!(files(&table) > before);
    expect(&table, "log", &["duckdb", "clickhouse", "delta-rs"]);

    // Vacuumed: now a plain folder of Parquet files is right as well.
    maintain(&lake, Duration::ZERO);
    assert_eq!(files(&table), 3);
    expect(&table, "files", &["duckdb", "clickhouse", "pyarrow"]);
    expect(&table, "log", &["duckdb", "clickhouse", "delta-rs"]);
}

/// The event of a number: over three months, some of bots, some referred.
fn event(number: usize) -> Value {
    let agent = if number.is_multiple_of(10) { "Googlebot/2.1 (+http://www.google.com/bot.html)" } else { "curl/8.5" };
    let referrer = number.is_multiple_of(4).then_some("https://news.example/today");
    json!({
        "event": EVENTS[number % 3], "user_id": user(number), "timestamp": timestamp(number),
        "properties": { "n": number, "price": 12.5 },
        "context": { "userAgent": agent, "page": { "url": "https://shop.example/", "referrer": referrer } },
    })
}

fn user(number: usize) -> String {
    format!("user-{}", number % 70)
}

fn timestamp(number: usize) -> String {
    format!("2025-{:02}-{:02}T10:{:02}:00.000{:03}Z", 3 + number % 3, 1 + number % 28, number % 60, number)
}

/// Runs the readers and compares what each of them found with what was sent.
fn expect(table: &Path, how: &str, readers: &[&str]) {
    let python = std::env::var("HEADWATER_TEST_PYTHON").expect("`make test` installs the readers and names its Python");
    let script = tests::root().join("tests/readers/read.py");
    // ClickHouse inside of Python sometimes waits for itself for ever, and is then begun anew.
    let run = || {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "20"]).arg(&python).arg(&script).arg(table).arg(how).output().unwrap()
    };
    let output = (0..6).map(|_| run()).find(|output| output.status.code().is_some_and(|code| code != 137));
    let output = output.expect("the readers end within 20 seconds, in one of six tries");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.iter().map(|found| found["reader"].as_str().unwrap()).collect::<Vec<_>>(), readers);
    for found in &found {
        let reader = found["reader"].as_str().unwrap();
        assert_eq!(found["figures"], figures(), "{reader}, {how}");
        assert_eq!(found["events"], counts(), "{reader}, {how}");
        assert_eq!(found["types"], types(reader, found), "{reader}, {how}");
    }
}

/// What was sent, added up here.
fn figures() -> Value {
    let all = 0..BATCHES * BATCH;
    let micros = || all.clone().map(|number| Timestamp::parse(&timestamp(number)).unwrap().0);
    let key = |number| PersonId::User(user(number)).key().0.unsigned_abs() % 1_000_003;
    json!({
        "rows": all.len(),
        "ids": all.len(),
        "positions": BATCHES * (0..BATCH).sum::<usize>(),
        "keys": all.clone().map(key).sum::<u64>(),
        "first": micros().min(),
        "last": micros().max(),
        "properties": all.clone().map(|number| event(number)["properties"].to_string().len()).sum::<usize>(),
        "bots": all.clone().filter(|number| number.is_multiple_of(10)).count(),
        "referred": all.clone().filter(|number| number.is_multiple_of(4)).count(),
        "first_month": "2025-03",
    })
}

fn counts() -> Value {
    let mut counts = BTreeMap::new();
    for number in 0..BATCHES * BATCH {
        *counts.entry(EVENTS[number % 3]).or_insert(0) += 1;
    }
    json!(counts)
}

/// The documented columns, in the reader's words.
fn types(reader: &str, found: &Value) -> Value {
    let columns = columns::EVENTS.iter().map(|column| {
        let word = match (reader, column.kind) {
            ("duckdb", ColumnType::Binary) => "BLOB",
            ("duckdb", ColumnType::Boolean) => "BOOLEAN",
            ("duckdb", ColumnType::Date32) => "DATE",
            ("duckdb", ColumnType::Int32) => "INTEGER",
            ("duckdb", ColumnType::Int64) => "BIGINT",
            ("duckdb", ColumnType::Timestamp) => "TIMESTAMP WITH TIME ZONE",
            ("duckdb", ColumnType::Utf8) => "VARCHAR",
            ("clickhouse", ColumnType::Binary | ColumnType::Utf8) => "String",
            ("clickhouse", ColumnType::Boolean) => "Bool",
            ("clickhouse", ColumnType::Date32) => "Date32",
            ("clickhouse", ColumnType::Int32) => "Int32",
            ("clickhouse", ColumnType::Int64) => "Int64",
            ("clickhouse", ColumnType::Timestamp) => "DateTime64(6)",
            (_, ColumnType::Binary) => "binary",
            (_, ColumnType::Boolean) => "bool",
            (_, ColumnType::Date32) => "date32[day]",
            (_, ColumnType::Int32) => "int32",
            (_, ColumnType::Int64) => "int64",
            (_, ColumnType::Timestamp) => "timestamp[us, tz=UTC]",
            (_, ColumnType::Utf8) => "string",
        };
        (column.name.to_owned(), json!(spelled(word, &found["types"][column.name])))
    });
    Value::Object(columns.collect())
}

/// The type as the reader spells it, if it spells one that is as good: a partition's values, and texts that a file holds as a dictionary,
/// have several; ClickHouse says of a type that it may be null, and of a file's times in which zone they are.
fn spelled<'a>(word: &'a str, found: &'a Value) -> &'a str {
    let spelled = found.as_str().unwrap_or("missing");
    let mut bare = spelled;
    for (open, close) in
        [("LowCardinality(", ")"), ("Nullable(", ")"), ("dictionary<values=", ", indices=int32, ordered=0>")]
    {
        bare = bare.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).unwrap_or(bare);
    }
    if bare.replace(", 'UTC'", "") == word { spelled } else { word }
}

fn maintain(lake: &Path, retention: Duration) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let lake = Lake::open_local(lake, LakeSettings::default()).await.unwrap();
        let project = lake.project(&ProjectId::parse("default").unwrap()).await.unwrap();
        let settings =
            MaintenanceSettings { small_files: 2, sweep_every: Duration::ZERO, retention, ..Default::default() };
        let report = project.maintain(&settings).await.unwrap();
        report.done.len()
    })
}

/// How many Parquet files lie in the table's folder.
fn files(table: &Path) -> usize {
    let months = std::fs::read_dir(table).unwrap().map(|entry| entry.unwrap().path());
    let months = months.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("month="));
    months.map(|month| std::fs::read_dir(month).unwrap().count()).sum()
}
