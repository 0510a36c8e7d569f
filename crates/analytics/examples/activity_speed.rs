//! How fast questions about persons are answered from a table in memory: one line a question.
//!
//! `cargo run --release -p analytics --example activity_speed -- [events] [persons]`

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for people; it may stop at the first failure"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use analytics::{Insight, ProjectSettings, Source, Step};
use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionContext;
use datafusion::prelude::SessionConfig;
use event_model::{KeyMap, Timestamp, columns};
use query_model::Question;
use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z, in microseconds; events lie in the 90 days from then.
const BEGIN: i64 = 1_767_225_600_000_000;
const DAY: i64 = 86_400_000_000;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().unwrap());
    let events = arguments.next().unwrap_or(2_000_000);
    let persons = arguments.next().unwrap_or(events / 20);
    let source = source(events, persons);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{events} events of {persons} persons, {threads} threads");
    for (name, question) in questions() {
        let started = Instant::now();
        let result = answer(&question, &source, threads).await;
        println!("{name:32} {:>8.0?}  {} bytes of answer", started.elapsed(), result.len());
    }
}

fn questions() -> Vec<(&'static str, Value)> {
    let period = json!({ "from": "2026-01-01", "to": "2026-03-31" });
    let visits = json!([{ "event": "view" }]);
    let retention = |more: Value| {
        let mut question = json!({ "kind": "retention", "period": period, "start": { "event": "buy" }, "return": {} });
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        question
    };
    vec![
        (
            "trend, unique persons by day",
            json!({ "kind": "trend", "period": period, "series": [{ "event": "view", "measure": "unique_persons" }] }),
        ),
        ("trend, mau by day", json!({ "kind": "trend", "period": period, "series": [{ "measure": "mau" }] })),
        ("retention, by day", retention(json!({}))),
        ("retention, by week", retention(json!({ "interval": "week" }))),
        ("retention, first time", retention(json!({ "cohort_by": "first_time" }))),
        ("retention, by value", retention(json!({ "interval": "week", "breakdown": [{ "property": "plan" }] }))),
        ("retention, twice or more", retention(json!({ "minimum_occurrences": 2 }))),
        ("stickiness", json!({ "kind": "stickiness", "period": period, "series": visits })),
        ("lifecycle", json!({ "kind": "lifecycle", "period": period, "series": visits })),
        ("paths", json!({ "kind": "paths", "period": period })),
    ]
}

async fn answer(question: &Value, source: &Source, threads: usize) -> String {
    let question = Question::parse(question.to_string().as_bytes()).unwrap();
    let mut insight = Insight::new(question, &ProjectSettings::default(), Timestamp(BEGIN + 200 * DAY)).unwrap();
    let mut batches = None;
    loop {
        match insight.next(source, batches.take()).unwrap() {
            Step::Done(result) => return result.get().to_owned(),
            Step::Run(plan) => {
                let config = SessionConfig::new().with_target_partitions(threads);
                let state = SessionContext::new_with_config(config).state();
                batches = Some(DataFrame::new(state, plan).collect().await.unwrap());
            }
        }
    }
}

fn source(events: usize, persons: usize) -> Source {
    let mut partitions: Vec<Vec<RecordBatch>> = vec![Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for (number, start) in (0..events).step_by(8_192).enumerate() {
        let rows = 8_192.min(events - start);
        partitions[number % 4].push(batch(&mut fastrand::Rng::with_seed(number as u64), rows, persons));
    }
    let schema = partitions.iter().flatten().next().unwrap_or_else(|| panic!("no events")).schema();
    let events = Arc::new(MemTable::try_new(schema, partitions).unwrap());
    Source { events, keys: Arc::new(KeyMap::default()), traits: Some(Arc::new(HashMap::new())) }
}

fn batch(random: &mut fastrand::Rng, rows: usize, persons: usize) -> RecordBatch {
    let mut times: Vec<i64> = (0..rows).map(|_| BEGIN + random.i64(0..90 * DAY)).collect();
    times.sort_unstable();
    let time = || Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC")) as ArrayRef;
    let text = |random: &mut fastrand::Rng, words: &[&str]| -> ArrayRef {
        Arc::new((0..rows).map(|_| Some(words[random.usize(..words.len())])).collect::<StringArray>())
    };
    let nothing = || Arc::new(StringArray::new_null(rows)) as ArrayRef;
    let plans = [r#"{"plan":"free"}"#, r#"{"plan":"pro","price":12.5}"#, r#"{"price":3}"#];
    let ids: Vec<[u8; 16]> = (0..rows).map(|_| random.u128(..).to_le_bytes()).collect();
    RecordBatch::try_from_iter([
        (columns::EVENT_ID, Arc::new(BinaryArray::from_iter_values(&ids)) as ArrayRef),
        (columns::TYPE, text(random, &["track", "track", "page"])),
        (columns::EVENT, text(random, &["view", "view", "view", "buy", "page", "search"])),
        (columns::TIMESTAMP, time()),
        (columns::RECEIVED_AT, time()),
        (columns::POSITION, Arc::new((0..rows).map(|row| row as i32).collect::<Int32Array>())),
        (columns::PERSON_KEY, Arc::new((0..rows).map(|_| random.usize(..persons) as i64).collect::<Int64Array>())),
        (columns::SESSION_ID, nothing()),
        (columns::PATH, text(random, &["/", "/pricing", "/docs", "/buy"])),
        (columns::TITLE, nothing()),
        (columns::PROPERTIES, text(random, &plans)),
    ])
    .unwrap()
}
