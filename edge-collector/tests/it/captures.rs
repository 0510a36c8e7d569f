//! Every recorded request of a real library gives the answer and the events that the table beside it says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use axum::body::Body;
use event_model::project::key_hash;
use http::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::{Server, project};

/// What one recording must give.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    events: Vec<Value>,
}

#[tokio::test]
async fn every_recording_gives_its_answer_and_its_events() {
    let expected: BTreeMap<String, Expected> =
        serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    let recordings: BTreeMap<String, Vec<u8>> = recordings();
    assert_eq!(recordings.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, expected) in expected {
        check(&name, &recordings[&name], &expected).await;
    }
}

/// The recordings by name.
pub(crate) fn recordings() -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let recordings = files.filter(|path| path.extension().is_some_and(|end| end == "http"));
    recordings
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures")
}

/// A recording as a request.
pub(crate) fn request(recording: &[u8]) -> Request<Vec<u8>> {
    let end = recording.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&recording[..end]).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request::builder().method(first.next().unwrap()).uri(first.next().unwrap());
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap()) {
        request = request.header(name, value);
    }
    request.body(recording[end + 4..].to_vec()).unwrap()
}

async fn check(name: &str, recording: &[u8], expected: &Expected) {
    let server = Server::with(vec![project(|project| project["keys"][0]["sha256"] = json!(key_hash("wk_test")))]);
    let answer = server.request(request(recording).map(Body::from)).await;
    assert_eq!(answer.status.as_u16(), expected.status, "{name} {:?}", answer.body);
    for (header, part) in &expected.headers {
        let value = answer.headers.get(header).map(|value| value.to_str().unwrap()).unwrap_or_default();
        assert!(value.contains(part), "{name}: {header} is {value:?}");
    }
    if let Some(body) = &expected.body {
        assert_eq!(&answer.body, body, "{name}");
    }
    let envelopes = server.envelopes().await;
    assert!(envelopes.iter().all(|envelope| envelope.rejected.is_empty()), "{name} {envelopes:?}");
    let events: Vec<Value> =
        envelopes.iter().flat_map(|one| &one.events).map(|one| serde_json::to_value(one).unwrap()).collect();
    assert_eq!(events.len(), expected.events.len(), "{name}");
    for (event, expected) in events.iter().zip(&expected.events) {
        assert_holds(name, event, expected);
    }
}

/// Every field of `expected` is in `found`; objects may hold more.
fn assert_holds(place: &str, found: &Value, expected: &Value) {
    match expected {
        Value::Object(fields) => {
            for (field, expected) in fields {
                assert_holds(&format!("{place}/{field}"), found.get(field).unwrap_or(&Value::Null), expected);
            }
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}
