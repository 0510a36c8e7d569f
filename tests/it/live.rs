//! One client shows the live stream of a server on one machine and of the Worker at the edge.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use event_model::project::key_hash;
use serde_json::{Value, json};
use tests::edge::Edge;
use tests::http::Request;
use tests::server::{API_KEY, Server, WRITE_KEY, binary};

#[test]
fn the_command_line_shows_what_one_machine_takes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).unwrap();
    check(server.address);
}

#[test]
fn the_command_line_shows_what_the_edge_takes() {
    let key = |id: &str, secret: &str, scope: &str| json!({ "id": id, "sha256": key_hash(secret), "scopes": [scope] });
    let keys = [key("write", WRITE_KEY, "write"), key("api", API_KEY, "read")];
    let edge = Edge::start(&json!({ "projects": [{ "id": "default", "keys": keys }] })).unwrap();
    check(edge.address);
}

/// Ends the client with the test.
struct Tail(Child);

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn check(address: SocketAddr) {
    let mut command = Command::new(binary().unwrap());
    command
        .args(["events", "tail", "--live", "--outcome", "rejected", "--output", "json"])
        .env("HEADWATER_URL", format!("http://{address}"))
        .env("HEADWATER_API_KEY", API_KEY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut tail = Tail(command.spawn().unwrap());
    let mut told = BufReader::new(tail.0.stderr.take().unwrap()).lines();
    assert_eq!(told.next().unwrap().unwrap(), "watching the project default");

    let batch = json!({ "batch": [{ "event": "taken", "user_id": "u" }, { "user_id": "u" }] });
    let answer = Request::post("/api/v1/events/batch", WRITE_KEY, batch.to_string()).send(address).unwrap();
    assert_eq!(answer.ok().unwrap()["accepted"], json!(1));
    let mut shown = BufReader::new(tail.0.stdout.take().unwrap()).lines();
    let event: Value = serde_json::from_str(&shown.next().unwrap().unwrap()).unwrap();
    assert_eq!((&event["outcome"], &event["reason"]), (&json!("rejected"), &json!("event_name_missing")));
    assert_eq!((&event["position"], &event["user_id"]), (&json!(1), &json!("u")));
}
