//! Every hostile input gets the answer that the table names, none is a 5xx, and the server lives.

mod translate;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tests::http::{Body, Request, Response};
use tests::server::{API_KEY, Server, WRITE_KEY};

/// Cases that wait for a part that does not exist yet, by the beginning of their name.
const LEFT_OUT: &[(&str, &str)] = &[
    ("hmac-", "signed requests come with the control plane"),
    ("jwt-", "tokens come with the control plane"),
    ("q-formula-div-zero", "formulas come with the insights"),
    ("q-heavy-1000x", "retention comes with the insights"),
];

#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) target: String,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    pub(crate) body: Option<String>,
    pub(crate) generator: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    refused: Option<(u16, Option<String>)>,
    accepted: Option<u64>,
    quarantined: Option<String>,
    index: Option<u64>,
    duplicates: Option<u64>,
    answered: Option<String>,
    preflight: Option<String>,
}

#[test]
fn every_bad_input_is_answered_as_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let expected: BTreeMap<String, Expected> = serde_yaml_ng::from_str(&data("bad_input_codes.yaml")).unwrap();
    let mut failures = Vec::new();
    let mut played = 0;
    for (number, line) in data("bad_inputs.jsonl").lines().filter(|line| !line.is_empty()).enumerate() {
        let case: Case = serde_json::from_str(line).unwrap();
        let left_out = LEFT_OUT.iter().any(|(prefix, _)| case.id.starts_with(prefix));
        if left_out || !matches!(case.target.as_str(), "collector" | "query") {
            continue;
        }
        played += 1;
        let Some(expected) = expected.get(&case.id) else {
            failures.push(format!("{}: the table does not say what it must be answered with", case.id));
            continue;
        };
        if let Err(failure) = play(&server, number, &case, expected) {
            failures.push(format!("{}: {failure}", case.id));
        }
    }
    assert!(failures.is_empty(), "{} of {played} cases failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(played, expected.len(), "the table names cases that the file does not have");
    let health = Request::get("/health", API_KEY).send(server.address).unwrap();
    assert_eq!(health.status, 200, "the server lives");
    let ledger = server.read("/api/v1/ledger").unwrap();
    assert_eq!(ledger["balanced"], json!(true), "nothing is lost: {ledger}");
}

/// The requests of the cases for the collector, by name.
pub(crate) fn collector_requests() -> Vec<(String, Request)> {
    let cases = data("bad_inputs.jsonl");
    let cases = cases.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str::<Case>(line).unwrap());
    let of_collector = cases.filter(|case| case.target == "collector");
    let taken = of_collector.filter(|case| !LEFT_OUT.iter().any(|(prefix, _)| case.id.starts_with(prefix)));
    taken
        .enumerate()
        .map(|(number, case)| {
            let request = request(&case, &format!("5eed{number:04}-0000-4000-8000-000000000000"));
            (case.id, request)
        })
        .collect()
}

/// The second project, for the cases that need somebody else's key.
pub(crate) const OTHER_WRITE_KEY: &str = "hw_w_other_write_key";

fn start(folder: &std::path::Path) -> Server {
    let data_dir = folder.join("data");
    std::fs::create_dir_all(&data_dir).unwrap();
    let key = |id: &str, secret: &str, scopes: &[&str]| json!({ "id": id, "sha256": event_model::project::key_hash(secret), "scopes": scopes });
    let projects = json!({ "version": 1, "projects": [
        { "id": "default", "keys": [key("write", WRITE_KEY, &["write"]), key("api", API_KEY, &["read", "admin"])] },
        { "id": "other", "keys": [key("other-write", OTHER_WRITE_KEY, &["write"])] },
    ] });
    std::fs::write(data_dir.join("projects.json"), projects.to_string()).unwrap();
    Server::start(&data_dir).unwrap()
}

fn data(name: &str) -> String {
    std::fs::read_to_string(tests::root().join("tests/data").join(name)).unwrap()
}

fn play(server: &Server, number: usize, case: &Case, expected: &Expected) -> Result<(), String> {
    // The first half is the case; generators that make several events count in the last twelve digits.
    let fresh_id = format!("5eed{number:04}-0000-4000-8000-000000000000");
    let before = server.read("/api/v1/ledger").map_err(|error| error.to_string())?;
    let request = request(case, &fresh_id);
    let answer = request.send(server.address).map_err(|error| format!("{error:#}"))?;
    if answer.status >= 500 {
        return Err(format!("a {}: {}", answer.status, text(&answer)));
    }
    if case.id == "mid-other-tenant" {
        let other = Request::post(&request.target, OTHER_WRITE_KEY, translated(&request)).send(server.address);
        let other = other.map_err(|error| format!("{error:#}"))?.json();
        let both = other["accepted"].as_u64().unwrap_or(0) + answer.json()["accepted"].as_u64().unwrap_or(0);
        server.flush().map_err(|error| format!("{error:#}"))?;
        return equal("accepted by both projects", &json!(both), &json!(expected.accepted));
    }
    check_answer(&answer, expected)?;
    if expected.accepted.is_some() {
        check_ledger(server, &before, expected)?;
    }
    if let Some(reason) = &expected.quarantined {
        let page =
            server.read(&format!("/api/v1/quarantine?reason={reason}&limit=1")).map_err(|error| error.to_string())?;
        let newest = page["events"].get(0).ok_or_else(|| format!("the quarantine has no {reason}: {page}"))?;
        equal("the quarantined reason", &newest["reason"], &json!(reason))?;
    }
    Ok(())
}

fn request(case: &Case, fresh_id: &str) -> Request {
    let (target, key) = match case.target.as_str() {
        "collector" => ("/api/v1/events/batch", WRITE_KEY),
        _ if case.id == "q-offset-negative" => ("/api/v1/events/query", API_KEY),
        _ => ("/api/v1/insights/query", API_KEY),
    };
    let mut request = Request::post(target, key, Vec::new());
    request.body = translate::body(case, fresh_id);
    if let Some(content_type) = &case.content_type {
        request.headers[0].1.clone_from(content_type);
    }
    for (name, value) in &case.headers {
        let value = match value.as_str() {
            "<65536 x a>" => "a".repeat(65_536),
            "Bearer <key A>" => format!("Bearer {WRITE_KEY}"),
            value => value.to_owned(),
        };
        match name.as_str() {
            ":method" => request.method = value,
            ":path" => request.target = format!("{target}?{}", vec!["a=1"; 10_000].join("&")),
            name => {
                request.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
                request.headers.push((name.to_owned(), value));
            }
        }
    }
    if case.id == "auth-body-header-mismatch" {
        let body = String::from_utf8(translated(&request)).unwrap().replace("<key B>", OTHER_WRITE_KEY);
        request.body = Body::Bytes(body.into_bytes());
    }
    request
}

fn translated(request: &Request) -> Vec<u8> {
    match &request.body {
        Body::Bytes(bytes) => bytes.clone(),
        Body::Chunked { .. } => Vec::new(),
    }
}

fn check_answer(answer: &Response, expected: &Expected) -> Result<(), String> {
    if let Some((status, code)) = &expected.refused {
        if answer.status != *status {
            return Err(format!("status {} instead of {status}: {}", answer.status, text(answer)));
        }
        // Some requests are refused before they are one: those have a status only.
        if let Some(code) = code {
            equal("media type", &json!(answer.header("content-type")), &json!("application/problem+json"))?;
            equal("code", &answer.json()["code"], &json!(code))?;
            for field in ["title", "what_to_do"] {
                if answer.json()[field].as_str().is_none_or(str::is_empty) {
                    return Err(format!("the problem has no {field}: {}", text(answer)));
                }
            }
        }
        return Ok(());
    }
    if expected.preflight.is_some() {
        let allowed = answer.header("access-control-allow-origin");
        return if allowed.is_none() { Ok(()) } else { Err(format!("the origin is allowed: {allowed:?}")) };
    }
    if answer.status != 200 {
        return Err(format!("status {} instead of 200: {}", answer.status, text(answer)));
    }
    let body = answer.json();
    if expected.answered.is_some() {
        let values = body["result"]["series"][0]["values"].as_array().ok_or_else(|| format!("no values: {body}"))?;
        return equal("values", &json!(values), &json!(vec![0; values.len()]));
    }
    equal("accepted", &body["accepted"], &json!(expected.accepted))?;
    let rejected = body["rejected"].as_array().ok_or_else(|| format!("no list of rejected events: {body}"))?;
    match &expected.quarantined {
        None => equal("rejected", &json!(rejected), &json!([])),
        Some(reason) => {
            equal("how many are rejected", &json!(rejected.len()), &json!(1))?;
            equal("the code of the rejected event", &rejected[0]["code"], &json!(reason))?;
            expected.index.map_or(Ok(()), |index| equal("its index", &rejected[0]["index"], &json!(index)))
        }
    }
}

/// After a flush the ledger has grown by exactly what the answer said.
fn check_ledger(server: &Server, before: &Value, expected: &Expected) -> Result<(), String> {
    server.flush().map_err(|error| format!("{error:#}"))?;
    let after = server.read("/api/v1/ledger").map_err(|error| format!("{error:#}"))?;
    let grown = |name: &str| after[name].as_u64().unwrap_or(0) - before[name].as_u64().unwrap_or(0);
    let duplicates = expected.duplicates.unwrap_or(0);
    equal("stored", &json!(grown("stored")), &json!(expected.accepted.unwrap_or(0) - duplicates))?;
    equal("quarantined", &json!(grown("quarantined")), &json!(u64::from(expected.quarantined.is_some())))?;
    equal("duplicates", &json!(grown("duplicates")), &json!(duplicates))
}

fn equal(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found} instead of {expected}")) }
}

fn text(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body).chars().take(300).collect()
}
