//! The events that benchmarks send: a web shop's, about 600 bytes each, the same for the same number.

use std::ops::Range;

use anyhow::{Context as _, Result, anyhow};
use edge_collector::{Entropy, Limits, Request, collect, decode};
use event_model::Timestamp;
use event_model::project::{Directory, key_hash};
use event_queue::{Compression, Geo, Outgoing};
use serde_json::{Value, json};

/// An event without an id: each time it is sent it is a new one.
pub(crate) fn event(number: u64) -> Value {
    let item = number * 7_919 % 20_000;
    let names = ["page_view", "view_item", "view_item", "search", "add_to_cart", "checkout", "purchase", "click"];
    let name = names.get(usize::try_from(number % 8).unwrap_or(0));
    json!({
        "type": "track", "event": name,
        "user_id": format!("u{:08x}", number.wrapping_mul(2_654_435_761) % 50_000), "anonymous_id": format!("v{:08x}", number % 90_000),
        "properties": { "item_id": item, "category": "shoes", "ab": format!("exp{}:a", item % 9), "scroll_pct": number % 101,
                        "price": format!("{}.{:02}", item / 100, item % 100), "currency": "EUR" },
        "context": { "page": { "url": format!("https://shop.example/item/{item}?utm_source=google"), "path": format!("/item/{item}"),
                               "referrer": "https://www.google.com/", "title": "Item" },
                     "locale": "en-US", "library": { "name": "analytics.js", "version": "5.2.0" },
                     "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36" },
    })
}

/// The time at which simulated clocks begin.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-01T00:00:00Z").unwrap_or_default()
}

/// The queue messages that the collector's own core makes of one request with these events.
pub(crate) fn messages(numbers: Range<u64>, received_at: Timestamp, compression: Compression) -> Result<Vec<Outgoing>> {
    let key = json!({ "id": "write", "sha256": key_hash("key"), "scopes": ["write"] });
    let snapshot = json!({ "version": 1, "projects": [{ "id": "default", "keys": [key] }] });
    let directory = Directory::parse(&snapshot.to_string()).map_err(|error| anyhow!(error))?;
    let (project, key) = directory.find("key").context("key")?;
    let mut seed = [0; 32];
    seed.iter_mut().zip(numbers.start.to_le_bytes()).for_each(|(byte, number)| *byte = number);
    let body = json!({ "batch": numbers.map(event).collect::<Vec<_>>() }).to_string();
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, http::HeaderValue::from_static("Bearer key"));
    let geo = Geo::default();
    let request = Request {
        method: "POST",
        path: "/api/v1/events/batch",
        query: "",
        headers: &headers,
        body: body.as_bytes(),
        remote_ip: None,
        geo: &geo,
    };
    let decoded = decode(&request, &Limits::default())?;
    let collected = collect(decoded, &project, &key, received_at, Entropy { seed, daily_salt: [0; 32] });
    collected
        .envelopes
        .iter()
        .map(|envelope| {
            Ok(Outgoing {
                message_id: envelope.message_id,
                project: envelope.project.clone(),
                events: envelope.event_count(),
                body: envelope.encode(compression)?.into(),
            })
        })
        .collect()
}
