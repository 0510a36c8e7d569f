//! Sends the shop's traffic as its clients would: in batches, some of them twice, some events with mistakes.

use std::time::{Duration, Instant};

use event_model::Timestamp;
use serde_json::{Value, json};

use super::narrator::Narrator;
use super::shop::Shop;
use crate::cli::client::Client;
use crate::cli::sender::{self, Sent};

/// Events of a request.
const BATCH: usize = 500;
/// Every so many batches one is sent again, as a client does whose answer was lost.
const AGAIN_EVERY: usize = 12;
const DAY_MICROS: i64 = 86_400_000_000;

/// How much traffic.
pub(super) struct Plan {
    pub(super) visitors: u32,
    pub(super) days: u32,
    pub(super) seed: u64,
}

/// What was sent.
pub(super) struct Traffic {
    pub(super) events: usize,
    pub(super) twice: usize,
    pub(super) unusable: usize,
    pub(super) requests: usize,
    pub(super) took: Duration,
    pub(super) stored_after: Duration,
}

/// Sends all of it, and waits until it is in the lake.
pub(super) fn send(plan: &Plan, writer: &Client, reader: &Client, narrator: &Narrator) -> anyhow::Result<()> {
    let now = crate::clock::now();
    let midnight = Timestamp((now.0.div_euclid(DAY_MICROS) + 1) * DAY_MICROS);
    let shop = Shop::new(plan.seed, plan.visitors, plan.days, midnight);
    let is_past = |event: &Value| {
        event.get("timestamp").and_then(Value::as_str).and_then(Timestamp::parse).is_some_and(|time| time <= now)
    };
    let mut batches = batches(shop.filter(is_past).map(|event| event.to_string()));
    let mistakes = mistakes();
    let unusable = mistakes.len();
    // Only in batches that are sent once: a mistake without an id of its own is another one each time.
    let places: Vec<usize> = (0..batches.len()).filter(|number| !is_sent_again(*number)).collect();
    for (place, mistake) in places.iter().cycle().zip(mistakes) {
        if let Some(batch) = batches.get_mut(*place) {
            batch.push(mistake);
        }
    }
    let events: usize = batches.iter().map(Vec::len).sum();
    let (start, mut sent, mut twice) = (Instant::now(), Sent::default(), 0);
    for (number, batch) in batches.iter().enumerate() {
        sender::send(writer, batch, &mut sent)?;
        if is_sent_again(number) {
            sender::send(writer, batch, &mut sent)?;
            twice += batch.len();
        }
        narrator.progress(sent.accepted + sent.rejected.len() as u64, (events + twice) as u64);
    }
    let took = start.elapsed();
    let start = Instant::now();
    reader.post("/api/v1/flush", "{}")?;
    narrator.sent(&Traffic {
        events,
        twice,
        unusable,
        requests: batches.len() + batches.len() / AGAIN_EVERY,
        took,
        stored_after: start.elapsed(),
    });
    Ok(())
}

fn is_sent_again(number: usize) -> bool {
    number % AGAIN_EVERY == AGAIN_EVERY - 1
}

fn batches(events: impl Iterator<Item = String>) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    for event in events {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH => batch.push(event),
            _ => batches.push(vec![event]),
        }
    }
    batches
}

/// Events as they come from clients with mistakes in them: kept in quarantine, with their reasons.
fn mistakes() -> Vec<String> {
    let person = "customer-10001";
    [
        json!({ "user_id": person, "properties": { "sku": "tent-2" } }),
        json!({ "user_id": person, "event": "" }),
        json!({ "user_id": person, "event": 42 }),
        json!({ "event": "view_item", "properties": { "sku": "mat-air" } }),
        json!({ "event": "view_item", "user_id": { "id": 7 } }),
        json!({ "event": "purchase", "user_id": person, "timestamp": "yesterday" }),
        json!({ "event": "purchase", "user_id": person, "timestamp": "1985-10-26T01:21:00Z" }),
        json!({ "event": "purchase", "user_id": person, "timestamp": "2999-01-01T00:00:00Z" }),
        json!({ "event": "add_to_cart", "user_id": person, "properties": "sku=boot-mid" }),
        json!({ "type": "click", "event": "click", "user_id": person }),
        json!({ "type": "alias", "user_id": person }),
        json!({ "type": "group", "user_id": person }),
    ]
    .iter()
    .map(Value::to_string)
    .collect()
}
