//! Real pages in a real Chromium, on one machine and at the edge: what our tracker and Segment's library send is in the
//! answers, each event once.

use std::path::Path;
use std::process::Command;

use edge_collector::pack;
use event_model::project::key_hash;
use event_queue::disk::{DiskQueue, DiskSettings};
use event_queue::{Compression, Queue as _};
use serde_json::{Value, json};
use tests::edge::Edge;
use tests::server::{Server, WRITE_KEY};

#[test]
fn the_tracker_counts_pages_and_calls_of_a_site_and_of_tabs_that_close() {
    let folder = tempfile::tempdir().unwrap();
    let server = one_machine(&folder.path().join("data"), "tracker");
    check_tracker(&stored(&server));
    check_ledger(&server, 1);
    server.stop().unwrap();
}

#[test]
fn segments_own_library_in_a_page_only_needs_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let server = one_machine(&folder.path().join("data"), "segment");
    check_segment(&stored(&server));
    check_ledger(&server, 0);
    server.stop().unwrap();
}

#[test]
fn the_tracker_works_with_the_worker_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = edge(&folder.path().join("data"), "tracker");
    check_tracker(&stored(&server));
    check_ledger(&server, 1);
    server.stop().unwrap();
}

#[test]
fn segments_own_library_works_with_the_worker_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = edge(&folder.path().join("data"), "segment");
    check_segment(&stored(&server));
    check_ledger(&server, 0);
    server.stop().unwrap();
}

/// A visit whose events go to `headwater serve`.
fn one_machine(data: &Path, script: &str) -> Server {
    let server = Server::start(data).unwrap();
    visit(script, &format!("http://{}", server.address));
    server.flush().unwrap();
    server
}

/// A visit whose events go to the Worker in workerd; what it sends to its queue is stored and answered by a server.
fn edge(data: &Path, script: &str) -> Server {
    let key = json!({ "id": "write", "sha256": key_hash(WRITE_KEY), "scopes": ["write"] });
    let edge = Edge::start(&json!({ "projects": [{ "id": "default", "keys": [key] }] })).unwrap();
    visit(script, &format!("http://{}", edge.address));
    let messages = pack(&edge.messages().unwrap(), Compression::Deflate).unwrap();
    assert!(!messages.is_empty());

    Server::start(data).unwrap().stop().unwrap();
    let queue = DiskQueue::open(data.join("queue"), DiskSettings::default()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(queue.send(messages)).unwrap();
    drop(queue);
    let server = Server::start(data).unwrap();
    server.flush().unwrap();
    server
}

/// Lets the visitor of a script visit its site, whose events go to a collector.
fn visit(script: &str, collector: &str) {
    let script = tests::root().join("tests/sdks/browser").join(script).with_extension("mjs");
    let output = Command::new("node").arg(script).args([collector, WRITE_KEY]).output().expect("node starts");
    assert!(output.status.success(), "the visit failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// Nothing was refused or lost. Events that a browser sent again, because an answer was lost on its way, count once.
fn check_ledger(server: &Server, least_duplicates: u64) {
    let ledger = server.read("/api/v1/ledger").unwrap();
    assert!(ledger["duplicates"].as_u64().unwrap() >= least_duplicates, "{ledger}");
    assert_eq!((&ledger["quarantined"], &ledger["balanced"]), (&json!(0), &json!(true)), "{ledger}");
}

/// The columns that the checks look at.
const COLUMNS: &[&str] = &[
    "type",
    "event",
    "user_id",
    "anonymous_id",
    "group_id",
    "url",
    "path",
    "title",
    "referrer",
    "utm_source",
    "locale",
    "library",
    "source",
    "browser",
    "bot_reason",
    "properties",
    "traits",
];

fn stored(server: &Server) -> Vec<Value> {
    let question = json!({ "period": { "last": { "value": 1, "unit": "day" } }, "columns": COLUMNS });
    server.ask("/api/v1/events/query", &question).unwrap()["events"].as_array().unwrap().clone()
}

/// What `tracker.mjs` must have left behind.
fn check_tracker(events: &[Value]) {
    let seen = |path| ("track", "Campaign Seen", path, None, None);
    let page = |path| ("page", "page", path, None, None);
    let added = ("track", "Product Added", "/lamps", None, None);
    assert_calls(
        events,
        &[
            seen("/"),
            page("/"),
            page("/lamps"),
            page("/chairs"),
            page("/lamps"),
            added,
            ("identify", "identify", "/lamps", Some("ada"), None),
            ("group", "group", "/lamps", Some("ada"), Some("acme")),
            added,
            seen("/closed"),
            page("/closed"),
            ("track", "Left By Closing", "/closed", None, None),
            seen("/moved"),
            page("/moved"),
            ("track", "Left By Moving On", "/moved", None, None),
            // The site that knows its visitors again.
            seen("/known"),
            ("track", "First Load", "/known", None, None),
            seen("/known"),
            ("track", "Second Load", "/known", None, None),
        ],
    );
    let of = |path: &str| -> Vec<&Value> { events.iter().filter(|event| event["path"] == path).collect() };
    let visitors = |events: Vec<&Value>| -> std::collections::BTreeSet<String> {
        events.iter().filter_map(|event| event["anonymous_id"].as_str()).map(str::to_owned).collect()
    };
    // One browser at one address is one visitor a day, without anything kept on the device; a site may ask for more.
    let without_storage = visitors(events.iter().filter(|event| event["path"] != "/known").collect());
    assert!(without_storage.len() == 1 && without_storage.iter().all(|id| id.starts_with("v_")), "{without_storage:?}");
    let with_storage = visitors(of("/known"));
    assert!(with_storage.len() == 1 && !with_storage.iter().any(|id| id.starts_with("v_")), "{with_storage:?}");

    let home = of("/").into_iter().find(|event| event["type"] == "page").unwrap();
    assert!(home["url"].as_str().unwrap().ends_with("/?utm_source=poster"), "{home}");
    assert_eq!(
        (&home["title"], &home["utm_source"], &home["locale"], &home["library"], &home["source"]),
        (&json!("Home"), &json!("poster"), &json!("de-DE"), &json!("headwater.js"), &json!("sdk"))
    );
    assert_eq!((&home["browser"], &home["bot_reason"]), (&json!("Chrome"), &json!("headless_browser")));
    let chairs = of("/chairs").remove(0);
    assert_eq!(chairs["title"], "Chairs");
    assert!(chairs["referrer"].as_str().unwrap().ends_with("/lamps?utm_source=newsletter"), "{chairs}");
    let find = |event: &str| events.iter().find(|row| row["event"] == event).unwrap();
    assert_eq!(find("Product Added")["properties"], json!({ "sku": "L-1", "price": 39.5 }));
    assert_eq!(find("identify")["traits"], json!({ "plan": "pro" }));
    assert_eq!(find("group")["traits"], json!({ "seats": 12 }));
}

/// What `segment.mjs` must have left behind.
fn check_segment(events: &[Value]) {
    let (user, group) = (Some("segment-user"), Some("segment-org"));
    assert_calls(
        events,
        &[
            ("page", "page", "/", None, None),
            ("track", "Product Viewed", "/", None, None),
            ("identify", "identify", "/", user, None),
            ("group", "group", "/", user, group),
            ("track", "Order Completed", "/", user, None),
            ("alias", "alias", "/", user, None),
            ("page", "page", "/batching", user, None),
            ("track", "Left By Closing", "/batching", user, None),
        ],
    );
    for event in events {
        assert_eq!((&event["library"], &event["browser"]), (&json!("analytics.js"), &json!("Chrome")), "{event}");
    }
}

/// Type, name, path, user and group of an event.
type Call = (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>);

/// These events are stored, and no others, in any order.
fn assert_calls(events: &[Value], expected: &[Call]) {
    let text = |event: &Value, column: &str| event[column].as_str().map(str::to_owned);
    let call = |event: &Value| {
        let [kind, name, path] = ["type", "event", "path"].map(|column| text(event, column).unwrap_or_default());
        (kind, name, path, text(event, "user_id"), text(event, "group_id"))
    };
    let mut found: Vec<_> = events.iter().map(call).collect();
    let owned = |text: &str| text.to_owned();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(kind, name, path, user, group)| {
            (owned(kind), owned(name), owned(path), user.map(owned), group.map(owned))
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
