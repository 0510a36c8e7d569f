//! One person: everything that is kept of them.

use axum::body::Body;
use event_model::{Event, EventType, Reason};
use serde_json::{Value, json};

use super::{ADMIN, Deployment, event, rejected, request};

async fn shop() -> Deployment {
    let deployment = Deployment::new().await;
    let by_visitor = Event {
        user_id: None,
        anonymous_id: Some("a1".to_owned()),
        ..event(1, "view", "2026-01-01T10:00:00Z", "", json!({ "n": 12_345_678_901_234_567_890_u64 }))
    };
    let identify = Event {
        kind: EventType::Identify,
        anonymous_id: Some("a1".to_owned()),
        ..event(2, "identify", "2026-01-01T11:00:00Z", "ada@example.com", json!({}))
    };
    let events = vec![
        by_visitor,
        identify,
        event(3, "purchase", "2026-01-01T12:00:00Z", "ada@example.com", json!({})),
        event(4, "purchase", "2026-01-01T12:00:00Z", "ben", json!({})),
    ];
    let refused = vec![
        rejected(5, Reason::TimestampInvalid, br#"{"user_id": "ada@example.com", "timestamp": "soon"}"#),
        rejected(6, Reason::TimestampInvalid, br#"{"user_id": "ben", "timestamp": "soon"}"#),
    ];
    deployment.send("shop", events, refused).await;
    assert_eq!(deployment.post("/api/v1/flush", &Value::Null).await.status, 200);
    deployment
}

async fn export(deployment: &Deployment, body: Value) -> Vec<Value> {
    let reply = deployment.post("/api/v1/persons/export", &body).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/x-ndjson"), "{}", reply.text);
    reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_export_holds_every_row_of_all_ids_of_a_person_and_of_nobody_else() {
    let deployment = shop().await;
    let lines = export(&deployment, json!({ "user_id": "ada@example.com" })).await;
    let ids = json!([{ "type": "user", "id": "ada@example.com" }, { "type": "anonymous", "id": "a1" }]);
    assert_eq!((&lines[0]["header"]["project"], &lines[0]["header"]["ids"]), (&json!("shop"), &ids));
    let rows = json!({ "events": 3, "identities": 1, "persons": 0, "quarantine": 1 });
    assert_eq!(lines.last().unwrap()["end"]["rows"], rows);
    let view = lines.iter().find(|line| line["row"]["event"] == "view").unwrap();
    assert_eq!(view["row"]["properties"]["n"], 12_345_678_901_234_567_890_u64);
    let kept = lines.iter().find(|line| line["table"] == "quarantine").unwrap();
    assert_eq!(kept["row"]["original"], r#"{"user_id": "ada@example.com", "timestamp": "soon"}"#);
    assert!(!lines.iter().any(|line| line.to_string().contains("ben")));
    assert_eq!(export(&deployment, json!({ "anonymous_id": "a1" })).await[0]["header"]["ids"], ids);
    let exact = export(&deployment, json!({ "anonymous_id": "a1", "ids": "exact" })).await;
    assert_eq!(exact.last().unwrap()["end"]["rows"]["events"], 2);
    let nobody = export(&deployment, json!({ "user_id": "a1" })).await;
    assert_eq!(nobody.len(), 2, "the same text is another id as user: {nobody:?}");
}

#[tokio::test]
async fn a_request_names_one_person() {
    let deployment = Deployment::new().await;
    for body in [
        json!({}),
        json!({ "user_id": "u", "anonymous_id": "a" }),
        json!({ "user_id": "undefined" }),
        json!({ "user_id": "u", "ids": "some" }),
    ] {
        let reply = deployment.post("/api/v1/persons/export", &body).await;
        assert_eq!(reply.problem().1, "invalid_body", "{body}");
    }
}

#[tokio::test]
async fn an_erased_person_is_gone_from_every_answer_and_earlier_versions_are_refused() {
    let deployment = shop().await;
    let trend = |version: Option<u64>| {
        let mut question = json!({ "kind": "trend", "display": "total", "period": { "from": "2026-01-01", "to": "2026-01-31" },
            "series": [{ "measure": "unique_persons" }] });
        if let Some(version) = version {
            question["table_version"] = json!(version);
        }
        question
    };
    let path = "/api/v1/insights/query";
    let before = deployment.post(path, &trend(None)).await.json();
    assert_eq!(before["result"]["series"][0]["total"], 2);
    let receipt = deployment.post("/api/v1/persons/erase", &json!({ "anonymous_id": "a1" })).await.json();
    assert_eq!(
        (&receipt["tables"][0]["table"], &receipt["tables"][0]["rows"]),
        (&json!("events"), &json!(3)),
        "{receipt}"
    );
    assert_eq!(deployment.post(path, &trend(None)).await.json()["result"]["series"][0]["total"], 1);
    let name = receipt["erasure"].as_str().unwrap();
    let kept = deployment.administer("GET", &format!("/api/v1/persons/erasures/{name}")).await;
    assert_eq!((&kept["state"], &kept["tables"]), (&json!("finished"), &receipt["tables"]));
    for nothing in ["another", "..%2F..%2Fheadwater-lake"] {
        let asked = request("GET", &format!("/api/v1/persons/erasures/{nothing}"), ADMIN).body(Body::empty()).unwrap();
        let problem = deployment.ask(asked).await.problem();
        assert_eq!((problem.0, problem.1.as_str()), (404, "not_found"), "{nothing}");
    }
    let reader = deployment.get(&format!("/api/v1/persons/erasures/{name}")).await.problem();
    assert_eq!(reader.0, 403, "a receipt is for administrators");
    let version = before["meta"]["versions"]["events"].as_u64().unwrap();
    let (status, code, detail) = deployment.post(path, &trend(Some(version))).await.problem();
    assert_eq!((status, code.as_str()), (410, "version_gone"));
    assert!(detail.contains(&receipt["tables"][0]["version"].to_string()), "{detail}");
    assert_eq!(export(&deployment, json!({ "user_id": "ada@example.com" })).await.len(), 2);
    assert_eq!(
        deployment.post("/api/v1/persons/erase", &json!({ "user_id": "null" })).await.problem().1,
        "invalid_body"
    );
}
