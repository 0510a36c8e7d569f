//! The server from outside: time to ready, requests and events a second, memory, time from accept to queryable, bytes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tests::load::{cpu_seconds, post_all};
use tests::server::{Server, WRITE_KEY};

use crate::table::Table;
use crate::traffic::event;

/// Events in one batched request, as in the budget.
const BATCH: usize = 50;
/// Connections that send at the same time.
const CONNECTIONS: usize = 64;

pub(crate) fn measure(table: &mut Table, full: bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir)?;
    table.add("time to ready, empty folder", format!("{} ms", server.ready_after.as_millis()), "<= 1 s");
    std::thread::sleep(Duration::from_secs(2));
    table.add("memory, idle", megabytes(server.resident_bytes()?), "<= 150 MB");

    let scale = if full { 10 } else { 1 };
    single(table, &server, 40_000 * scale)?;
    batched(table, &server, 200_000 * scale)?;
    table.add("memory, after the load", megabytes(server.resident_bytes()?), "");
    let flushed = Instant::now();
    server.flush()?;
    table.add("flush after the load", format!("{:.1} s", flushed.elapsed().as_secs_f64()), "");
    freshness(table, &server)?;

    let ledger = server.read("/api/v1/ledger")?;
    let stored = ledger["stored"].as_f64().context("stored")?;
    let bytes = parquet_bytes(&data_dir.join("lake/projects/default/events"))?;
    table.add("bytes an event in the lake", format!("{:.1} B", bytes / stored), "<= 46 B on shop data, closed months");
    table.add("nothing lost", format!("{} stored, balanced: {}", ledger["stored"], ledger["balanced"]), "balanced");
    let restarted = restart(server)?;
    table.add("time to ready, folder with data", format!("{} ms", restarted.ready_after.as_millis()), "<= 1 s");
    restarted.stop()
}

fn restart(server: Server) -> Result<Server> {
    let data_dir = server.data_dir.clone();
    server.stop()?;
    Server::start(&data_dir)
}

fn single(table: &mut Table, server: &Server, requests: usize) -> Result<()> {
    let bodies: Vec<String> = (0..requests as u64).map(|number| event(number).to_string()).collect();
    run(table, server, "/api/v1/events", &bodies, 1, "single requests, durable", ">= 20,000 requests/s a core")
}

fn batched(table: &mut Table, server: &Server, events: usize) -> Result<()> {
    let batch =
        |first: usize| (first..first + BATCH).map(|number| event(number as u64 + 10_000_000)).collect::<Vec<Value>>();
    let bodies: Vec<String> =
        (0..events).step_by(BATCH).map(|first| json!({ "batch": batch(first) }).to_string()).collect();
    run(
        table,
        server,
        "/api/v1/events/batch",
        &bodies,
        BATCH,
        "batched events (50 a request), durable",
        ">= 100,000 events/s a core",
    )
}

#[allow(clippy::cast_precision_loss, reason = "counts of some hundred thousands")]
fn run(
    table: &mut Table,
    server: &Server,
    target: &str,
    bodies: &[String],
    events_a_body: usize,
    what: &str,
    goal: &str,
) -> Result<()> {
    let before = cpu_seconds(server.pid())?;
    let report = post_all(server.address, target, WRITE_KEY, bodies, CONNECTIONS)?;
    let cpu = cpu_seconds(server.pid())? - before;
    let events = (bodies.len() * events_a_body) as f64;
    let bytes = bodies.iter().map(String::len).sum::<usize>() as f64 / events;
    table.add(
        what,
        format!(
            "{:.0}/s wall, {:.0}/s a CPU second ({bytes:.0} B an event)",
            events / report.wall.as_secs_f64(),
            events / cpu
        ),
        goal,
    );
    let (median, tail) = (report.percentile_millis(0.5), report.percentile_millis(0.99));
    table.add(format!("{what}: latency"), format!("p50 {median:.1} ms, p99 {tail:.1} ms"), "");
    Ok(())
}

/// From the 200 of one event to the first answer that holds it.
fn freshness(table: &mut Table, server: &Server) -> Result<()> {
    let mut millis = Vec::new();
    for number in 0..30 {
        let id = format!("f4e50000-0000-4000-8000-{number:012}");
        server.send_events(&[json!({ "event_id": id, "event": "fresh", "user_id": "f" })])?;
        let sent = Instant::now();
        let question = json!({
            "period": { "last": { "value": 1, "unit": "day" } }, "event": "fresh", "columns": ["event_id"], "limit": 1_000,
        });
        loop {
            let answer = server.ask("/api/v1/events/query", &question)?;
            if answer["events"].as_array().context("events")?.iter().any(|event| event["event_id"] == json!(id)) {
                break;
            }
            anyhow::ensure!(sent.elapsed() < Duration::from_secs(30), "not queryable after 30 s");
            std::thread::sleep(Duration::from_millis(20));
        }
        millis.push(sent.elapsed().as_millis());
    }
    millis.sort_unstable();
    let at = |place: usize| millis.get(place).copied().unwrap_or_default();
    table.add("from accepted to queryable", format!("p50 {} ms, p95 {} ms", at(14), at(28)), "p95 <= 2 s");
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "file sizes")]
pub(crate) fn parquet_bytes(folder: &Path) -> Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += if entry.file_name() == "_delta_log" { 0.0 } else { parquet_bytes(&entry.path())? };
        } else if entry.path().extension().is_some_and(|ending| ending == "parquet") {
            bytes += entry.metadata()?.len() as f64;
        }
    }
    Ok(bytes)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
