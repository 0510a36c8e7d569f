//! From a collector through SQS to an answer: the count is what was sent, whatever SQS does on the way.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use batch_compactor::{Compactor, CompactorSettings};
use edge_collector::{Entropy, Limits, collect, decode, pack};
use event_model::Timestamp;
use event_model::project::{Directory, key_hash};
use event_queue::sqs::{Keys, SqsQueue, SqsSettings};
use event_queue::{Compression, Geo, Queue as _};
use lake::{Lake, LakeSettings};
use serde_json::{Value, json};
use test_support::moto::{self, Moto};
use test_support::sqs_stub::{Counts, QueueRules, SqsFaults, SqsStub};
use tests::edge::Edge;
use tests::http::Request;
use tests::server::{Server, WRITE_KEY};
use tokio::runtime::Runtime;

/// Requests to a bad SQS.
const REQUESTS: u64 = 60;
/// Events of one request.
const BATCH: u64 = 25;
/// How often a client sends a request that is not answered with success.
const TRIES: u64 = 20;

#[test]
fn what_the_collectors_core_sends_through_a_bad_sqs_is_counted_once() {
    let runtime = Runtime::new().unwrap();
    let (stub, url) = bad_sqs(&runtime);
    let queue = runtime.block_on(queue(stub.endpoint(), &url));
    let directory = Directory::parse(&json!({ "version": 1, "projects": projects() }).to_string()).unwrap();
    runtime.block_on(async {
        for request in 0..REQUESTS {
            let mut tries = 0;
            while !core(&queue, &directory, &body(request), [request, tries]).await {
                tries += 1;
                assert!(tries < TRIES, "request {request} is never taken");
            }
        }
    });
    assert!(stub.calls("SendMessageBatch") > REQUESTS, "SQS was not bad enough for this test");
    let folder = tempfile::tempdir().unwrap();
    check(&runtime, &folder.path().join("data"), &queue, &|| left(&stub), REQUESTS * BATCH);
}

#[test]
fn what_the_worker_sends_through_a_bad_sqs_is_counted_once() {
    let runtime = Runtime::new().unwrap();
    let (stub, url) = bad_sqs(&runtime);
    let what = json!({ "projects": projects(), "queue_url": url, "vars": { "SQS_BUDGET_MS": "700" } });
    let edge = Edge::start(&what).unwrap();
    send_all(edge.address, REQUESTS);
    drop(edge);
    assert!(stub.calls("SendMessageBatch") > REQUESTS, "SQS was not bad enough for this test");
    let queue = runtime.block_on(queue(stub.endpoint(), &url));
    let folder = tempfile::tempdir().unwrap();
    check(&runtime, &folder.path().join("data"), &queue, &|| left(&stub), REQUESTS * BATCH);
}

#[test]
fn what_the_worker_sends_through_moto_is_counted_once() {
    let runtime = Runtime::new().unwrap();
    let moto = Moto::start().unwrap();
    let url = moto.create_queue("events", 10).unwrap();
    let what = json!({ "projects": projects(), "queue_url": url, "vars": { "SQS_REGION": moto::REGION } });
    let edge = Edge::start(&what).unwrap();
    assert_eq!(send_all(edge.address, 20), 0, "nothing is wrong with this SQS");
    drop(edge);
    let queue = runtime.block_on(queue(moto.endpoint(), &url));
    let folder = tempfile::tempdir().unwrap();
    let left = || runtime.block_on(queue.stats()).map(|stats| stats.visible + stats.in_flight).unwrap();
    check(&runtime, &folder.path().join("data"), &queue, &left, 20 * BATCH);
}

/// An SQS with partial failures, 5xx, calls without an answer, messages that come again, and deletions that are lost.
fn bad_sqs(runtime: &Runtime) -> (SqsStub, String) {
    let stub = runtime.block_on(SqsStub::start()).unwrap();
    let url = stub.create_queue("events", QueueRules { max_receives: Some(20), ..QueueRules::default() });
    stub.set_faults(SqsFaults {
        seed: 20,
        unavailable: 15,
        stalled: 2,
        failed_entries: 20,
        redelivered: 10,
        lost_deletions: 5,
        max_delay: Duration::from_millis(2),
    });
    (stub, url)
}

async fn queue(endpoint: &str, url: &str) -> SqsQueue {
    let settings = SqsSettings {
        endpoint: Some(endpoint.to_owned()),
        keys: Some(Keys { id: "test".to_owned(), secret: "test".to_owned() }),
        call_timeout: Duration::from_millis(300),
        first_backoff: Duration::from_millis(2),
        ..SqsSettings::new(url)
    };
    SqsQueue::connect(settings).await.unwrap()
}

fn projects() -> Value {
    json!([{ "id": "default", "keys": [{ "id": "write", "sha256": key_hash(WRITE_KEY), "scopes": ["write"] }] }])
}

/// A request with events of its own, always the same for the same number: a client that sends it again sends the same
/// ids.
fn body(request: u64) -> Vec<u8> {
    let event = |number: u64| {
        let id = format!("{request:08x}-0000-4000-8000-{number:012x}");
        json!({ "event_id": id, "event": "Order Completed", "user_id": format!("user-{number}") })
    };
    json!({ "batch": (0..BATCH).map(event).collect::<Vec<_>>() }).to_string().into_bytes()
}

/// What a host does with a request, without the host; whether it may answer 2xx.
async fn core(queue: &SqsQueue, directory: &Directory, body: &[u8], entropy: [u64; 2]) -> bool {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {WRITE_KEY}").parse().unwrap());
    let geo = Geo::default();
    let request = edge_collector::Request {
        method: "POST",
        path: "/api/v1/events/batch",
        query: "",
        headers: &headers,
        body,
        remote_ip: None,
        geo: &geo,
    };
    let decoded = decode(&request, &Limits::default()).unwrap();
    let (project, key) = directory.find(decoded.key()).unwrap();
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&entropy[0].to_le_bytes());
    seed[8..16].copy_from_slice(&entropy[1].to_le_bytes());
    let collected = collect(decoded, &project, &key, now(), Entropy { seed, daily_salt: [7; 32] });
    assert_eq!((collected.accepted, collected.rejected.len()), (usize::try_from(BATCH).unwrap(), 0));
    queue.send(pack(&collected.envelopes, Compression::Deflate).unwrap()).await.is_ok()
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

/// Sends requests from several clients, each until it is taken; how many answers said that it was not.
fn send_all(address: SocketAddr, requests: u64) -> u64 {
    const CLIENTS: u64 = 8;
    let refused = Arc::new(AtomicU64::new(0));
    let clients = (0..CLIENTS).map(|client| {
        let refused = refused.clone();
        std::thread::spawn(move || {
            for request in (0..requests).filter(|request| request % CLIENTS == client) {
                let taken = (0..TRIES).any(|_| {
                    let text = String::from_utf8(body(request)).unwrap();
                    let answer = Request::post("/api/v1/events/batch", WRITE_KEY, text).send(address).unwrap();
                    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                    refused.fetch_add(u64::from(answer.status != 200), Ordering::Relaxed);
                    answer.status == 200
                });
                assert!(taken, "request {request} is never taken");
            }
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
    refused.load(Ordering::Relaxed)
}

fn left(stub: &SqsStub) -> u64 {
    let Counts { visible, hidden } = stub.counts("events").unwrap();
    (visible + hidden) as u64
}

/// Drains the queue into a server's folder, then asks the server.
fn check(runtime: &Runtime, data: &Path, queue: &SqsQueue, left: &dyn Fn() -> u64, sent: u64) {
    Server::start(data).unwrap().stop().unwrap();
    let lake = runtime.block_on(Lake::open_local(data.join("lake"), LakeSettings::default())).unwrap();
    // Short, because what SQS did not delete comes back only when it is over.
    let settings = CompactorSettings { visibility: Duration::from_secs(2), ..CompactorSettings::default() };
    let compactor = Compactor::new(Arc::new(queue.clone()), Arc::new(lake), settings);
    let mut drains = 0;
    while left() > 0 {
        // A drain may fail as a whole: then it is made again, as `run` does.
        drop(runtime.block_on(compactor.drain()));
        drains += 1;
        assert!(drains < 500, "{} messages are never drained", left());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(compactor);

    let server = Server::start(data).unwrap();
    let question = json!({
        "kind": "trend", "period": { "last": { "value": 2, "unit": "day" } }, "interval": "day",
        "series": [{ "event": "Order Completed", "measure": "total" }, { "measure": "unique_persons" }],
    });
    let answer = server.ask("/api/v1/insights/query", &question).unwrap();
    let series = &answer["result"]["series"];
    assert_eq!((&series[0]["total"], &series[1]["total"]), (&json!(sent), &json!(BATCH)), "{answer}");
    assert_eq!(server.read("/api/v1/ledger").unwrap()["stored"], json!(sent));
    server.stop().unwrap();
}
