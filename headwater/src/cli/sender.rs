//! Sends batches of events and sends them again where that makes sense: each event carries an id, so nothing is
//! stored twice.

use std::time::Duration;

use anyhow::anyhow;
use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, refusal};
use super::output::tell;

/// Tries of one batch: with the waits below about two minutes.
const TRIES: u32 = 8;
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What became of everything sent so far.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Events that were taken.
    pub accepted: u64,
    /// Events that went to quarantine.
    pub rejected: Vec<RejectedEvent>,
    /// Batches sent again.
    pub retries: u64,
    events: usize,
}

/// An event that went to quarantine.
#[derive(Debug)]
pub(crate) struct RejectedEvent {
    /// Its place among all events sent, from 0.
    pub place: usize,
    /// Why, as a stable code.
    pub code: String,
    /// Why, as a sentence.
    pub detail: String,
}

#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    #[serde(default)]
    rejected: Vec<RejectedItem>,
}

#[derive(Deserialize)]
struct RejectedItem {
    index: usize,
    code: String,
    #[serde(default)]
    detail: String,
}

/// Sends one batch of events, each a JSON object as text.
///
/// # Errors
/// If the server refuses the batch, or cannot be reached after all tries.
pub(crate) fn send(client: &Client, events: &[String], sent: &mut Sent) -> anyhow::Result<()> {
    let body = format!("{{\"batch\":[{}]}}", events.join(","));
    let answer = with_retries(|| client.post("/api/v1/events/batch", &body), &mut sent.retries)?;
    let answer: Answer = serde_json::from_value(answer)
        .map_err(|error| anyhow!("{} answered in an unknown shape: {error}", client.url()))?;
    let rejected = answer.rejected.into_iter().map(|item| RejectedEvent {
        place: sent.events + item.index,
        code: item.code,
        detail: item.detail,
    });
    sent.rejected.extend(rejected);
    sent.accepted += answer.accepted;
    sent.events += events.len();
    Ok(())
}

fn with_retries(mut attempt: impl FnMut() -> anyhow::Result<Value>, retries: &mut u64) -> anyhow::Result<Value> {
    let mut wait = Duration::from_millis(500);
    for _ in 1..TRIES {
        let error = match attempt() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let asked = match refusal(&error) {
            Some(refusal) if matches!(refusal.status, 408 | 429 | 502 | 503 | 504) => refusal.retry_after,
            Some(_) => return Err(error),
            None => None,
        };
        let pause = asked.map_or(wait, Duration::from_secs).min(LONGEST_WAIT);
        tell(&format!("{} Trying again in {:.1} s.", first_line(&error), pause.as_secs_f32()));
        std::thread::sleep(pause);
        wait = (wait * 2).min(LONGEST_WAIT);
        *retries += 1;
    }
    attempt()
}

fn first_line(error: &anyhow::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    if line.ends_with('.') { line.to_owned() } else { format!("{line}.") }
}

/// A new event id.
///
/// # Errors
/// If the system gives no randomness.
pub(crate) fn fresh_event_id() -> anyhow::Result<event_model::EventId> {
    let mut id = [0_u8; 16];
    getrandom::fill(&mut id).map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
    Ok(event_model::EventId(id))
}
