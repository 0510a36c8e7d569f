//! Segment's own SDKs send every kind of call, and the answers hold exactly those events and the right persons.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::server::{Server, WRITE_KEY};

#[test]
fn the_node_sdk_is_answered_with_exactly_its_events_and_persons() {
    check("node", Command::new("node").arg(sdk("node/send_segment.mjs")));
}

#[test]
fn the_python_sdk_is_answered_with_exactly_its_events_and_persons() {
    let python = std::env::var("HEADWATER_TEST_PYTHON").expect("`make test` installs the SDK and names its Python");
    check("python", Command::new(python).arg(sdk("python/send_segment.py")));
}

fn sdk(script: &str) -> std::path::PathBuf {
    tests::root().join("tests/sdks").join(script)
}

/// Both scripts send the same calls with ids that begin with the name of their language.
fn check(language: &str, script: &mut Command) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).unwrap();
    send(&server, script);
    server.flush().unwrap();

    let id = |name: &str| format!("{language}-{name}");
    let rows = events(&server);
    let mut found: Vec<(String, String, String)> = rows
        .iter()
        .map(|row| {
            let id = row["user_id"].as_str().or(row["anonymous_id"].as_str()).unwrap().to_owned();
            (row["type"].as_str().unwrap().to_owned(), row["event"].as_str().unwrap().to_owned(), id)
        })
        .collect();
    found.sort();
    let expected = [
        ("alias", "alias", id("user")),
        ("group", "group", id("user")),
        ("identify", "identify", id("user")),
        ("page", "page", id("user")),
        ("screen", "screen", id("phone")),
        ("track", "Order Completed", id("user")),
        ("track", "Product Viewed", id("old-user")),
        ("track", "Product Viewed", id("visitor")),
    ];
    assert_eq!(found, expected.map(|(kind, event, id)| (kind.to_owned(), event.to_owned(), id)));

    // Four persons' ids, two persons: the visitor and the old user became the user; the phone is its own.
    assert_eq!(trend(&server, &json!({ "event": "Product Viewed", "measure": "total" })), json!(2));
    assert_eq!(trend(&server, &json!({ "event": "Product Viewed", "measure": "unique_persons" })), json!(1));
    assert_eq!(trend(&server, &json!({ "measure": "total" })), json!(5));
    assert_eq!(trend(&server, &json!({ "measure": "unique_persons" })), json!(2));
    let plan = if language == "node" { "pro" } else { "free" };
    let by_trait = json!([{ "property": "plan", "of": "person", "op": "is", "value": plan }]);
    assert_eq!(
        trend(&server, &json!({ "event": "Product Viewed", "measure": "total", "filters": by_trait })),
        json!(2)
    );

    let ledger = server.read("/api/v1/ledger").unwrap();
    assert_eq!((&ledger["stored"], &ledger["quarantined"], &ledger["balanced"]), (&json!(8), &json!(0), &json!(true)));
    server.stop().unwrap();
}

fn send(server: &Server, script: &mut Command) {
    let output = script
        .arg(format!("http://{}", server.address))
        .arg(WRITE_KEY)
        .current_dir(Path::new("/"))
        .output()
        .expect("the script starts");
    assert!(output.status.success(), "the SDK failed: {}", String::from_utf8_lossy(&output.stderr));
}

fn events(server: &Server) -> Vec<Value> {
    let columns = ["type", "event", "user_id", "anonymous_id", "group_id"];
    let question = json!({ "period": { "last": { "value": 1, "unit": "day" } }, "columns": columns });
    server.ask("/api/v1/events/query", &question).unwrap()["events"].as_array().unwrap().clone()
}

fn trend(server: &Server, series: &Value) -> Value {
    let question = json!({
        "kind": "trend", "period": { "last": { "value": 2, "unit": "day" } }, "interval": "day", "series": [series],
    });
    server.ask("/api/v1/insights/query", &question).unwrap()["result"]["series"][0]["total"].clone()
}
