//! The steps of a request that cost processor time, many times over: for benchmarks in workerd, never deployed.

use std::time::Duration;

use event_model::project::{Directory, key_hash};
use event_model::{Problem, Timestamp};
use event_queue::{Compression, Geo};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::sqs::{Credentials, Sending, Target};
use crate::{Entropy, Limits, Request, collect, decode, pack};

const KEY: &str = "hw_w_speed";

/// Decodes a native batch and does the first `steps` of 1 collect, 2 pack and 3 sign, `rounds` times; gives how many
/// events were accepted, or batches decoded where that is all.
///
/// # Errors
/// What the collector says of the batch.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "what JavaScript calls must be public")]
pub fn work(batch: &str, rounds: u32, steps: u32) -> Result<u32, JsValue> {
    let error = |problem: Problem| JsValue::from_str(&problem.to_string());
    let key = serde_json::json!({ "id": "k", "sha256": key_hash(KEY), "scopes": ["write"] });
    let snapshot = serde_json::json!({ "version": 1, "projects": [{ "id": "speed", "keys": [key] }] });
    let directory = Directory::parse(&snapshot.to_string())?;
    let (project, key) = directory.find(KEY).ok_or("no key")?;
    let target = Target::parse("https://sqs.eu-central-1.amazonaws.com/000000000000/events", None)?;
    let by =
        Credentials { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: "s".repeat(40), session_token: None };
    let mut headers = http::HeaderMap::new();
    headers.insert("x-write-key", http::HeaderValue::from_static(KEY));
    let (now, geo) = (Timestamp::from_millis(1_800_000_000_000), Geo::default());
    let mut events = 0;
    for _ in 0..rounds {
        let request = Request {
            method: "POST",
            path: "/api/v1/events/batch",
            query: "",
            headers: &headers,
            body: batch.as_bytes(),
            remote_ip: None,
            geo: &geo,
        };
        let decoded = decode(&request, &Limits::default()).map_err(error)?;
        if steps < 1 {
            events += u32::from(decoded.protocol() == "native");
            continue;
        }
        let collected = collect(decoded, &project, &key, now, Entropy { seed: [1; 32], daily_salt: [2; 32] });
        events += u32::try_from(collected.accepted).unwrap_or_default();
        if steps < 2 {
            continue;
        }
        let messages = pack(&collected.envelopes, Compression::Deflate).map_err(error)?;
        if steps < 3 {
            continue;
        }
        for batch in Sending::new(&messages, now, Duration::MAX).round() {
            target.request(&batch, &by, now)?;
        }
    }
    Ok(events)
}
