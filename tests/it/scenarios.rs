//! Every scenario is answered through HTTP and the lake as it is in memory: a project a scenario, one server.

use serde_json::{Value, json};
use test_support::scenario::{Expected, Scenario};
use tests::http::Request;
use tests::server::{API_KEY, Server};

#[test]
fn every_trend_scenario_is_answered_through_http_and_the_lake() {
    check("trend", 30);
}

#[test]
fn every_funnel_scenario_is_answered_through_http_and_the_lake() {
    check("funnel", 60);
}

#[test]
fn every_retention_scenario_is_answered_through_http_and_the_lake() {
    check("retention", 40);
}

#[test]
fn every_stickiness_scenario_is_answered_through_http_and_the_lake() {
    check("stickiness", 30);
}

#[test]
fn every_lifecycle_scenario_is_answered_through_http_and_the_lake() {
    check("lifecycle", 30);
}

#[test]
fn every_paths_scenario_is_answered_through_http_and_the_lake() {
    check("paths", 40);
}

fn check(kind: &str, at_least: usize) {
    let scenarios = Scenario::load_all(&tests::root().join("tests/scenarios").join(kind)).unwrap();
    let scenarios: Vec<Scenario> = scenarios.into_iter().filter(|scenario| !scenario.memory_only).collect();
    assert!(scenarios.len() >= at_least, "only {} scenarios of kind {kind} run through HTTP", scenarios.len());
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder.path().join("data"), &scenarios);

    for (number, scenario) in scenarios.iter().enumerate().filter(|(_, scenario)| !scenario.events.is_empty()) {
        let answer =
            Request::post("/api/v1/events/batch", &key("w", number), scenario.events_json()).send(server.address);
        let answer = answer.unwrap().ok().unwrap();
        assert_eq!(answer["accepted"], json!(scenario.events.len()), "{}: {answer}", scenario.path.display());
    }
    server.flush().unwrap();

    let mut failures = Vec::new();
    for (number, scenario) in scenarios.iter().enumerate() {
        let answer =
            Request::post("/api/v1/insights/query", &key("r", number), scenario.question_json()).send(server.address);
        let answer = answer.unwrap();
        let expected_status = if matches!(scenario.expected, Expected::Result(_)) { 200 } else { 400 };
        if answer.status != expected_status {
            failures.push(format!("{}: status {}", scenario.path.display(), answer.status));
        }
        if let Err(difference) = scenario.check(&String::from_utf8_lossy(&answer.body)) {
            failures.push(difference);
        }
    }
    assert!(failures.is_empty(), "{} of {} scenarios:\n{}", failures.len(), scenarios.len(), failures.join("\n"));
}

fn key(kind: &str, number: usize) -> String {
    format!("hw_{kind}_scenario_{number}")
}

fn start(data_dir: &std::path::Path, scenarios: &[Scenario]) -> Server {
    let entry = |id: &str, secret: &str, scopes: &[&str]| json!({ "id": id, "sha256": event_model::project::key_hash(secret), "scopes": scopes });
    let mut projects: Vec<Value> = scenarios
        .iter()
        .enumerate()
        .map(|(number, scenario)| {
            json!({
                "id": format!("scenario-{number}"), "timezone": scenario.project.timezone, "week_start": scenario.project.week_start,
                "keys": [entry("write", &key("w", number), &["write"]), entry("read", &key("r", number), &["read"])],
            })
        })
        .collect();
    projects.push(json!({ "id": "operator", "keys": [entry("api", API_KEY, &["read", "admin"])] }));
    std::fs::create_dir_all(data_dir).unwrap();
    std::fs::write(data_dir.join("projects.json"), json!({ "version": 1, "projects": projects }).to_string()).unwrap();
    Server::start(data_dir).unwrap()
}
