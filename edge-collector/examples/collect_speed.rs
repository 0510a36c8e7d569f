//! Prints what the core costs an event: `cargo run --release -p edge-collector --example collect_speed`.
//!
//! Each line is one shape of request, 50 events a request. `decode` scans the body, `collect` makes, enriches and checks
//! the events, `encode` writes the message. Times are of one thread, the best of many rounds: what else runs on the
//! machine only ever adds to them.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program for people, on input of its own"
)]

use std::time::{Duration, Instant};

use edge_collector::{Entropy, Limits, Request, collect, decode};
use event_model::project::{Directory, key_hash};
use event_model::{Problem, Timestamp};
use event_queue::{Compression, Geo};
use serde_json::{Value, json};

const EVENTS: usize = 50;
const KEY: &str = "hw_w_speed";
const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36";

fn main() {
    println!("{:<22}{:>8}{:>10}{:>10}{:>10}   µs an event", "request", "bytes", "decode", "collect", "encode");
    measure("native", "/api/v1/events/batch", &batch(native));
    measure("segment server", "/v1/batch", &batch(segment_server));
    measure("segment browser", "/v1/batch", &batch(segment_browser));
}

fn measure(name: &str, path: &str, body: &str) {
    let directory = Directory::parse(&snapshot()).unwrap();
    let (project, key) = directory.find(KEY).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    headers.insert("user-agent", BROWSER.parse().unwrap());
    let now = Timestamp::parse("2026-11-20T12:00:01Z").unwrap();
    let geo = Geo::default();
    let mut best = [Duration::MAX; 3];
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let request = Request {
            method: "POST",
            path,
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            remote_ip: Some([203, 0, 113, 7].into()),
            geo: &geo,
        };
        let start = Instant::now();
        let decoded = decode(&request, &Limits::default()).map_err(|problem: Problem| problem.to_string()).unwrap();
        let decoded_at = Instant::now();
        let collected = collect(decoded, &project, &key, now, Entropy { seed: [1; 32], daily_salt: [2; 32] });
        let collected_at = Instant::now();
        let bytes: usize =
            collected.envelopes.iter().map(|envelope| envelope.encode(Compression::None).unwrap().len()).sum();
        let encoded_at = Instant::now();
        assert!(collected.accepted == EVENTS && bytes > 0, "{:?}", collected.rejected);
        let round = [decoded_at - start, collected_at - decoded_at, encoded_at - collected_at];
        best = std::array::from_fn(|step| best[step].min(round[step]));
    }
    let micros = best.map(|time| time.as_secs_f64() * 1e6 / EVENTS as f64);
    let size = body.len() / EVENTS;
    println!("{name:<22}{size:>8}{:>10.2}{:>10.2}{:>10.2}", micros[0], micros[1], micros[2]);
}

fn snapshot() -> String {
    let key = json!({ "id": "k", "sha256": key_hash(KEY), "scopes": ["write"] });
    json!({ "version": 1, "projects": [{ "id": "speed", "keys": [key] }] }).to_string()
}

fn batch(event: impl Fn(usize) -> Value) -> String {
    json!({ "batch": (0..EVENTS).map(event).collect::<Vec<_>>(), "sentAt": "2026-11-20T12:00:00.500Z" }).to_string()
}

fn native(place: usize) -> Value {
    json!({
        "event_id": format!("5ac66e5c-d856-4188-9f89-{place:012x}"),
        "event": "product_viewed",
        "user_id": format!("user_{place}"),
        "session_id": "s-1029384756",
        "timestamp": "2026-11-20T12:00:00.123Z",
        "properties": {
            "product_id": format!("sku-{place}"), "category": "shoes", "price": 59.9, "currency": "EUR",
            "quantity": 1, "in_stock": true, "coupon": null, "list": "spring sale", "rank": place,
        },
        "context": { "service": "shop", "version": "4.12.0", "locale": "de-DE", "timezone": "Europe/Berlin" },
    })
}

fn segment_server(place: usize) -> Value {
    json!({
        "timestamp": "2026-11-20T12:00:00.123Z", "integrations": {}, "type": "track", "event": "Order Completed",
        "userId": format!("user_{place}"), "messageId": format!("node-next-1795177981155-{place:032x}"),
        "properties": { "total": 12.5, "currency": "EUR", "items": [{ "sku": "x", "qty": 1 }] },
        "context": { "library": { "name": "@segment/analytics-node", "version": "3.1.0" } },
        "_metadata": { "nodeVersion": "v20.20.2", "jsRuntime": "node" },
    })
}

fn segment_browser(place: usize) -> Value {
    let page = json!({
        "path": "/shoes/", "referrer": "https://www.google.com/", "search": "?utm_source=news&utm_campaign=c1&gclid=abc",
        "title": "Shoes", "url": "https://shop.example/shoes/?utm_source=news&utm_campaign=c1&gclid=abc",
    });
    json!({
        "timestamp": "2026-11-20T12:00:00.123Z", "integrations": { "Segment.io": true }, "type": "page",
        "properties": page, "name": "Home", "anonymousId": format!("1da30df4-88c7-4124-afbd-{place:012x}"),
        "context": {
            "page": page, "userAgent": BROWSER, "locale": "en-US", "timezone": "Europe/Berlin",
            "library": { "name": "analytics.js", "version": "npm:next-1.84.3" },
            "campaign": { "source": "news", "name": "c1" },
        },
        "messageId": format!("ajs-next-1795178247162-{place:032x}"), "userId": null,
        "_metadata": { "bundled": ["Segment.io"], "unbundled": [], "bundledIds": [] },
    })
}
