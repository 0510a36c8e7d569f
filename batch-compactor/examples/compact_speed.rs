//! How fast messages become committed Parquet: `cargo run --release -p batch-compactor --example compact_speed -- 1000000`.
//!
//! Makes events of about 680 bytes of JSON, puts them into a queue in memory, drains it into a lake in a temporary
//! folder, and prints events a second, CPU seconds, bytes an event on disk and the peak of memory. The events are made
//! and encoded before the clock starts.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and stops where it cannot measure")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use batch_compactor::{Compactor, CompactorSettings};
use event_model::{Event, EventId, Json, ProjectId, Timestamp};
use event_queue::memory::{MemoryQueue, MemorySettings};
use event_queue::{Compression, Envelope, Geo, Outgoing, Queue as _};
use lake::{Clock, Lake, LakeSettings};

/// Events in one message, as a client that batches sends them.
const BATCH: u64 = 200;

#[tokio::main]
async fn main() {
    let count: u64 = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().unwrap());
    let settings = MemorySettings { max_bytes: u64::MAX, ..MemorySettings::default() };
    let queue = Arc::new(MemoryQueue::new(settings));
    let json_bytes = fill(&queue, count).await;
    let before = peak_memory();

    let folder = tempfile::tempdir().unwrap();
    // The clock stands where the events are, so that looking back is what it is on the day.
    let clock = Clock::new(move || instant(count));
    let lake =
        Arc::new(Lake::open_local(folder.path(), LakeSettings { clock, ..LakeSettings::default() }).await.unwrap());
    let compactor = Compactor::new(queue, lake, CompactorSettings::default());
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let report = compactor.drain_until_empty().await.unwrap();
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);

    assert_eq!(report.stored, count, "{report:?}");
    let events = count as f64;
    println!("events             {count}");
    println!("JSON               {:.0} bytes an event", json_bytes as f64 / events);
    println!("wall               {wall:.2} s, {:.0} events/s", events / wall);
    println!("CPU                {cpu:.2} s, {:.0} events/s a core", events / cpu);
    println!("decoding           {:.2} s", report.decode_ms as f64 / 1e3);
    println!("committing         {:.2} s in {} commits", report.commit_ms as f64 / 1e3, report.commits);
    println!("on disk            {:.1} bytes an event", folder_bytes(folder.path()) as f64 / events);
    println!("memory             {} MiB at the peak, {before} MiB of it before the drain", peak_memory());
}

/// Sends all events; returns the bytes of their JSON.
async fn fill(queue: &MemoryQueue, count: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes = 0;
    let mut first = 0;
    while first < count {
        let next = count.min(first + BATCH);
        let events: Vec<Event> = (first..next).map(|number| event(&mut random, number)).collect();
        first = next;
        let envelope = Envelope {
            message_id: EventId(random.u128(..).to_be_bytes()),
            project: ProjectId::parse("shop").unwrap(),
            write_key_id: "key".to_owned(),
            protocol: "segment".to_owned(),
            received_at: Timestamp(events.last().unwrap().timestamp.0 + 1_000_000),
            user_agent: None,
            geo: Geo { country: Some("DE".to_owned()), ..Geo::default() },
            events,
            rejected: Vec::new(),
            replays: Vec::new(),
        };
        let body = envelope.encode(Compression::None).unwrap();
        bytes += body.len() as u64;
        let events = envelope.event_count();
        let (message_id, project) = (envelope.message_id, envelope.project);
        queue.send(vec![Outgoing { message_id, project, events, body: body.into() }]).await.unwrap();
    }
    bytes
}

/// One event of a shop: few names, some breakdowns, an address, properties, a context.
fn event(random: &mut fastrand::Rng, number: u64) -> Event {
    const NAMES: &[&str] = &["product_viewed", "page_viewed", "product_added", "checkout_started", "order_completed"];
    const BROWSERS: &[&str] = &["Chrome", "Safari", "Firefox", "Edge"];
    let user = random.u64(..100_000);
    let product = random.u32(..5_000);
    let text = |value: &str| Some(value.to_owned());
    let properties = format!(
        r#"{{"product_id":"sku-{product}","price":{}.{:02},"currency":"EUR","quantity":{},"category":"category-{}"}}"#,
        random.u32(1..300),
        random.u32(..100),
        random.u32(1..5),
        product % 40,
    );
    let context = format!(r#"{{"screen":{{"width":1920,"height":1080}},"page_load_ms":{}}}"#, random.u32(100..4_000));
    Event {
        event_id: EventId(random.u128(..).to_be_bytes()),
        position: u32::try_from(number % BATCH).unwrap(),
        event: (*random.choice(NAMES).unwrap()).to_owned(),
        timestamp: instant(number),
        user_id: random.bool().then(|| format!("user-{user}")),
        anonymous_id: Some(format!("7c0a2a3e-59a5-4a1e-8b7a-{user:012x}")),
        session_id: Some(format!("session-{}", user * 31 + number / 10_000)),
        library: text("analytics.js"),
        library_version: text("4.2.1"),
        url: Some(format!("https://shop.example/products/{product}")),
        path: Some(format!("/products/{product}")),
        host: text("shop.example"),
        channel: text("organic_search"),
        browser: random.choice(BROWSERS).map(|name| (*name).to_owned()),
        os: text("macOS"),
        device_type: text("desktop"),
        locale: text("de-DE"),
        properties: Json::parse(&properties),
        context: Json::parse(&context),
        ..Event::default()
    }
}

/// From 2026-11-01 on, twenty events a second: a million are fourteen hours.
fn instant(number: u64) -> Timestamp {
    Timestamp(1_793_491_200_000_000 + i64::try_from(number).unwrap() * 50_000)
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    // Linux counts in hundredths of a second wherever Rust runs.
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The largest resident set so far, in MiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Bytes of all files below a folder.
fn folder_bytes(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        bytes += if metadata.is_dir() { folder_bytes(&entry.path()) } else { metadata.len() };
    }
    bytes
}
