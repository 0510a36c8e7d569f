//! The table provider: the same answers as a table in memory, from fewer files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use lake::At;
use lake::provider::{ScanMetrics, scan_metrics};

use crate::made::{Made, Row, at, events_batch, track};

const EVENTS: &[&str] = &["add_to_cart", "open", "purchase", "view_item"];
const BROWSERS: &[Option<&str>] = &[Some("Chrome"), Some("Firefox"), None, Some("Safari")];

/// Commits of random rows over three months; the same rows for a table in memory.
async fn random_project(seed: u64) -> (Made, Vec<RecordBatch>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let made = Made::new().await;
    let mut batches = Vec::new();
    let mut id = 0;
    for commit in 1..=6_i64 {
        let rows: Vec<Row> = (0..random.usize(1..60))
            .map(|_| {
                id += 1;
                let day = random.u32(1..28);
                let micros = random.u32(0..1_000_000);
                let time = format!("2026-0{}-{day:02}T{:02}:00:00.{micros:06}Z", random.u32(1..4), random.u32(0..24));
                let user = format!("u{}", random.u32(0..12));
                Row {
                    browser: random.choice(BROWSERS.iter().copied()).flatten().map(str::to_owned),
                    properties: random.bool().then(|| format!(r#"{{"price":{}}}"#, random.u32(0..50))),
                    ..track(id, random.choice(EVENTS.iter().copied()).unwrap(), &user, &time)
                }
            })
            .collect();
        made.add(&rows).await;
        batches.push(events_batch(&rows, commit));
    }
    (made, batches)
}

struct Asked {
    answer: String,
    plan: Arc<dyn ExecutionPlan>,
    metrics: ScanMetrics,
}

async fn ask(context: &SessionContext, sql: &str) -> Asked {
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let batches = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    let metrics = scan_metrics(plan.as_ref());
    Asked { answer: pretty_format_batches(&batches).unwrap().to_string(), plan, metrics }
}

fn session(partitions: usize) -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions))
}

const QUESTIONS: &[&str] = &[
    "SELECT count(*) FROM events",
    "SELECT count(*), min(timestamp), max(timestamp), min(person_key), max(event), min(date) FROM events",
    "SELECT event, count(*) FROM events GROUP BY event ORDER BY event",
    "SELECT event, browser, count(DISTINCT person_key) FROM events GROUP BY event, browser ORDER BY event, browser",
    "SELECT count(*) FROM events WHERE event = 'purchase'",
    "SELECT count(*) FROM events WHERE event IN ('purchase', 'open') AND browser <> 'Chrome'",
    "SELECT count(*) FROM events WHERE event LIKE 'p%' OR browser IS NULL",
    "SELECT count(*) FROM events WHERE browser IS NOT NULL AND lower(browser) = 'safari'",
    "SELECT count(*) FROM events WHERE event > 'open'",
    "SELECT count(*) FROM events WHERE event = 'nobody did this'",
    "SELECT user_id, event FROM events WHERE month = '2026-02' ORDER BY event_id",
    "SELECT month, count(*) FROM events WHERE month IN ('2026-01', '2026-03') GROUP BY month ORDER BY month",
    "SELECT count(*) FROM events WHERE date BETWEEN '2026-01-10' AND '2026-02-03'",
    "SELECT count(*) FROM events WHERE timestamp >= '2026-02-14T05:00:00.000500Z'",
    "SELECT max(timestamp) FROM events WHERE timestamp < '2026-02-14T05:00:00.000500Z'",
    "SELECT count(*) FROM events WHERE ingest_seq > 4 AND properties IS NOT NULL",
    "SELECT event, person_key, timestamp FROM events ORDER BY event, person_key, timestamp",
    "SELECT event_id FROM events WHERE event = 'open' ORDER BY timestamp DESC, event_id LIMIT 7",
    "SELECT a.event, count(*) FROM events a JOIN events b ON a.person_key = b.person_key AND a.event = b.event GROUP BY a.event ORDER BY 1",
    "SELECT CASE WHEN browser = 'Chrome' THEN event ELSE browser END AS x, count(*) FROM events GROUP BY x ORDER BY x NULLS LAST",
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_a_table_in_memory() {
    for seed in 0..3 {
        let (made, batches) = random_project(seed).await;
        let all = concat_batches(&batches[0].schema(), &batches).unwrap();
        let memory = session(3);
        let table = MemTable::try_new(all.schema(), vec![vec![all]]).unwrap();
        memory.register_table("events", Arc::new(table)).unwrap();
        let view = made.reader().read(At::Latest).await.unwrap();
        // Fewer partitions than files, and more.
        for partitions in [2, 64] {
            let lake = session(partitions);
            lake.register_table("events", view.events().unwrap()).unwrap();
            for sql in QUESTIONS {
                let (expect, got) = (ask(&memory, sql).await, ask(&lake, sql).await);
                assert_eq!(got.answer, expect.answer, "{sql} (seed {seed}, {partitions} partitions)");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_as_of_a_moment_counts_what_was_received_until_then() {
    let made = Made::new().await;
    let late = Row { received_at: at("2026-02-01T00:00:00Z"), ..track(2, "open", "u1", "2026-01-01T00:00:00Z") };
    made.add(&[track(1, "open", "u1", "2026-01-02T00:00:00Z"), late]).await;
    made.add(&[track(3, "open", "u2", "2026-03-01T00:00:00Z")]).await;
    let reader = made.reader();
    for (moment, expect) in [("2026-01-15", 1), ("2026-02-01", 2), ("2026-04-01", 3), ("2025-01-01", 0)] {
        let context = session(2);
        let view = reader.read(At::AsOf(at(moment))).await.unwrap();
        context.register_table("events", view.events().unwrap()).unwrap();
        let asked = ask(&context, "SELECT count(*) AS n FROM events WHERE event = 'open'").await;
        assert!(asked.answer.contains(&format!("| {expect} ")), "{moment}: {}", asked.answer);
    }
}

/// Three months, a file each, one event a month.
async fn three_files() -> (Made, SessionContext) {
    let made = Made::new().await;
    for (month, event) in [(1, "open"), (2, "purchase"), (3, "view_item")] {
        let rows: Vec<Row> = (0..100)
            .map(|n| {
                track(month * 1_000 + n, event, &format!("u{n}"), &format!("2026-0{month}-01T00:00:00.{n:03}999Z"))
            })
            .collect();
        made.add(&rows).await;
    }
    let context = session(4);
    let view = made.reader().read(At::Latest).await.unwrap();
    context.register_table("events", view.events().unwrap()).unwrap();
    (made, context)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_left_out_by_the_statistics_of_the_log() {
    let (_made, context) = three_files().await;
    for (filter, pruned) in [
        ("event = 'purchase'", 2),
        ("event IN ('open', 'view_item')", 1),
        ("month = '2026-01'", 2),
        ("month >= '2026-02'", 1),
        ("date = '2026-02-01'", 2),
        ("timestamp < '2026-02-01T00:00:00Z'", 2),
        // The last microsecond of a file whose bound is cut to the millisecond.
        ("timestamp >= '2026-03-01T00:00:00.099999Z'", 2),
        ("ingest_seq = 3", 2),
        ("ingest_seq > 2 AND month > '2026-01'", 2),
        ("user_id = 'u1'", 0),
        ("event = 'open' OR user_id = 'u1'", 0),
    ] {
        let asked = ask(&context, &format!("SELECT count(*), max(user_id) FROM events WHERE {filter}")).await;
        assert_eq!(asked.metrics.files_pruned, pruned, "{filter}");
        assert!(asked.metrics.files_read <= 3 - pruned, "{filter}: {:?}", asked.metrics);
    }
    let asked = ask(&context, "SELECT user_id FROM events WHERE timestamp >= '2026-03-01T00:00:00.099999Z'").await;
    assert!(asked.answer.contains("u99"), "{}", asked.answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scan_cost_is_read_from_its_plan() {
    let (_made, context) = three_files().await;
    let some = ask(&context, "SELECT user_id FROM events WHERE event = 'purchase' AND user_id = 'u7'").await;
    assert_eq!((some.metrics.files_read, some.metrics.files_pruned), (1, 2));
    assert!(some.metrics.rows >= 1 && some.metrics.rows <= 100 && some.metrics.bytes > 0, "{:?}", some.metrics);
    let all = ask(&context, "SELECT user_id FROM events").await;
    assert_eq!((all.metrics.files_read, all.metrics.files_pruned, all.metrics.rows), (3, 0, 300));
    let counted = ask(&context, "SELECT count(*) FROM events").await;
    assert_eq!(counted.metrics.bytes, 0, "the log knows the number of rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_keeps_its_order() {
    let (_made, context) = three_files().await;
    let asked =
        ask(&context, "SELECT event, person_key, timestamp FROM events ORDER BY event, person_key, timestamp").await;
    let plan = displayable(asked.plan.as_ref()).indent(false).to_string();
    assert!(!plan.contains("SortExec"), "files are merged, not sorted:\n{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_reaches_the_files_of_its_table_only() {
    let (_made, context) = three_files().await;
    ask(&context, "SELECT count(*), max(user_id) FROM events").await;
    let url = datafusion::execution::object_store::ObjectStoreUrl::parse("headwater-lake://files").unwrap();
    let store = context.runtime_env().object_store(&url).unwrap();
    let found = store.list_with_delimiter(None).await.unwrap();
    assert!(found.objects.is_empty() && found.common_prefixes.is_empty());
}
