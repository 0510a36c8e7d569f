//! The Worker in workerd answers each request as the native collector does, byte for byte, and sends the same messages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_collector::native::{Collector, CollectorSettings, router};
use event_model::project::{Directory, SharedDirectory, key_hash};
use event_queue::memory::MemoryQueue;
use event_queue::{Envelope, Queue};
use serde_json::{Value, json};
use tests::edge::Edge;
use tests::http::{Body, Request, Response};
use tests::server::{API_KEY, WRITE_KEY};

use crate::bad_inputs::{self, OTHER_WRITE_KEY};

/// The key in the recorded requests.
const RECORDED_KEY: &str = "wk_test";

/// A body that never comes: both give up on it after ten seconds, which is too long for a test that runs all the time.
const TOO_SLOW: &str = "size-content-length-lies";

#[test]
fn the_worker_answers_and_sends_what_the_native_collector_does() {
    let projects = projects();
    let native = Native::start(&projects);
    let edge = Edge::start(&json!({ "projects": projects })).unwrap();
    let mut differences = Vec::new();
    let mut compared = 0;
    for (name, request) in recordings().into_iter().chain(bad_inputs::collector_requests()) {
        if name == TOO_SLOW {
            continue;
        }
        compared += 1;
        let one = (request.send(native.address).unwrap(), native.messages());
        let other = (request.send(edge.address).unwrap(), edge.messages().unwrap());
        if let Err(difference) = same(&one, &other, (native.address, edge.address)) {
            differences.push(format!("{name}: {difference}"));
        }
    }
    assert!(differences.is_empty(), "{} of {compared} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(compared > 90, "only {compared} requests were compared");
}

fn projects() -> Value {
    let key =
        |id: &str, secret: &str, scopes: &[&str]| json!({ "id": id, "sha256": key_hash(secret), "scopes": scopes });
    json!([
        { "id": "default", "keys": [
            key("write", WRITE_KEY, &["write"]),
            key("recorded", RECORDED_KEY, &["write"]),
            key("api", API_KEY, &["read", "admin"]),
        ] },
        { "id": "other", "keys": [key("other-write", OTHER_WRITE_KEY, &["write"])] },
    ])
}

/// Requests that real libraries sent.
fn recordings() -> Vec<(String, Request)> {
    let folder = tests::root().join("tests/captures");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "http"));
    paths.sort();
    paths.iter().map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), recorded(path))).collect()
}

fn recorded(path: &std::path::Path) -> Request {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let (first, rest) = head.split_once("\r\n").unwrap();
    let mut first = first.split(' ').map(str::to_owned);
    let headers = rest.lines().map(|line| line.split_once(": ").unwrap());
    // These are the client's own business with the server in front; workerd would compress its answers.
    let own = |name: &str| {
        ["host", "connection", "content-length", "accept-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    let headers = headers.filter(|(name, _)| !own(name)).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Request {
        method: first.next().unwrap(),
        target: first.next().unwrap(),
        headers: headers.collect(),
        body: Body::Bytes(bytes[end + 4..].to_vec()),
    }
}

/// The native collector on a queue in memory.
struct Native {
    address: SocketAddr,
    queue: Arc<MemoryQueue>,
    runtime: tokio::runtime::Runtime,
}

impl Native {
    fn start(projects: &Value) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let queue = Arc::new(MemoryQueue::default());
        let snapshot = json!({ "version": 1, "projects": projects }).to_string();
        let directory = SharedDirectory::new(Directory::parse(&snapshot).unwrap());
        let mut registry = prometheus_client::registry::Registry::default();
        let collector =
            Collector::new(Arc::<MemoryQueue>::clone(&queue), directory, CollectorSettings::default(), &mut registry);
        let service = router(Arc::new(collector)).into_make_service_with_connect_info::<SocketAddr>();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, service).await });
        Self { address, queue, runtime }
    }

    fn messages(&self) -> Vec<Envelope> {
        let receive = self.queue.receive(1_000, Duration::from_secs(60), Duration::ZERO);
        let deliveries = self.runtime.block_on(receive).unwrap();
        let receipts: Vec<_> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        self.runtime.block_on(self.queue.ack(&receipts)).unwrap();
        deliveries.iter().map(|delivery| Envelope::decode(&delivery.body).unwrap()).collect()
    }
}

type Outcome = (Response, Vec<Envelope>);

fn same(native: &Outcome, edge: &Outcome, addresses: (SocketAddr, SocketAddr)) -> Result<(), String> {
    let differ = |what: &str, one: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
        Err(format!("{what} is {one:?} natively and {other:?} at the edge"))
    };
    let status = (native.0.status, edge.0.status);
    if status.0 != status.1 {
        return differ("the status", &status.0, &status.1);
    }
    // A settings file names the host that was asked.
    let text = |response: &Response, own: SocketAddr| {
        String::from_utf8_lossy(&response.body).replace(&own.to_string(), "HOST")
    };
    let body = (text(&native.0, addresses.0), text(&edge.0, addresses.1));
    if body.0 != body.1 {
        return differ("the body", &body.0, &body.1);
    }
    for name in [
        "content-type",
        "allow",
        "retry-after",
        "cache-control",
        "access-control-allow-origin",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-max-age",
        "access-control-expose-headers",
    ] {
        if native.0.header(name) != edge.0.header(name) {
            return differ(name, &native.0.header(name), &edge.0.header(name));
        }
    }
    if native.1.len() != edge.1.len() {
        return differ("the number of messages", &native.1.len(), &edge.1.len());
    }
    // Messages of one request may reach the queue in any order.
    let sorted = |envelopes: &[Envelope]| {
        let mut envelopes = envelopes.to_vec();
        envelopes.sort_by_key(|envelope| {
            let first = envelope.events.first().map(|event| event.position);
            first.or(envelope.rejected.first().map(|rejected| rejected.position))
        });
        envelopes
    };
    for (one, other) in sorted(&native.1).iter().zip(&sorted(&edge.1)) {
        let received = (one.received_at.0, other.received_at.0);
        let values = (serde_json::to_value(one).unwrap(), serde_json::to_value(other).unwrap());
        equal("message", &values.0, &values.1, received)?;
    }
    Ok(())
}

/// Equal but for what each request has of its own: the moment it was received, and ids made from it.
fn equal(place: &str, one: &Value, other: &Value, received: (i64, i64)) -> Result<(), String> {
    let differ = || Err(format!("{place} is {one} natively and {other} at the edge"));
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) => {
            if fields.keys().collect::<Vec<_>>() != others.keys().collect::<Vec<_>>() {
                return differ();
            }
            fields
                .iter()
                .try_for_each(|(name, value)| equal(&format!("{place}/{name}"), value, &others[name], received))
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => items
            .iter()
            .zip(others)
            .enumerate()
            .try_for_each(|(index, (item, other))| equal(&format!("{place}/{index}"), item, other, received)),
        _ if one == other => Ok(()),
        (Value::Number(number), Value::Number(another)) => {
            let since = number.as_i64().zip(another.as_i64()).map(|(a, b)| (a - received.0, b - received.1));
            if since.is_some_and(|(a, b)| a == b) { Ok(()) } else { differ() }
        }
        (Value::String(id), Value::String(another)) if is_made(id, received.0) && is_made(another, received.1) => {
            Ok(())
        }
        _ => differ(),
    }
}

/// Whether an id is one that the collector made for a request received then: its first 48 bits are that millisecond.
fn is_made(id: &str, received_at: i64) -> bool {
    let digits = id.replace('-', "");
    digits.len() == 32 && digits.get(..12) == Some(format!("{:012x}", received_at / 1_000).as_str())
}
