//! What could not be used: listed, replayed, and part of the equation.

use event_model::{EventId, Reason};
use serde_json::{Value, json};

use super::{Deployment, event, rejected};
use crate::Selection;

async fn shop() -> Deployment {
    let deployment = Deployment::new().await;
    let refused = vec![
        rejected(1, Reason::EventNameMissing, br#"{"user_id": "u1"}"#),
        rejected(2, Reason::TimestampInvalid, br#"{"event": "a", "timestamp": "now"}"#),
        rejected(3, Reason::NotAnObject, b"\xff\xfe"),
    ];
    let good = vec![event(9, "view", "2026-01-01T10:00:00Z", "u1", json!({}))];
    deployment.send("shop", good.clone(), refused).await;
    deployment.send("shop", good, Vec::new()).await;
    deployment
}

#[tokio::test]
async fn the_list_shows_the_original_bytes_and_why_they_could_not_be_used() {
    let deployment = shop().await;
    deployment.post("/api/v1/flush", &Value::Null).await.stable_flush();
    let reply = deployment.get("/api/v1/quarantine").await;
    insta::assert_json_snapshot!(reply.json());
}

#[tokio::test]
async fn the_list_is_paged_and_chosen_from() {
    let deployment = shop().await;
    deployment.post("/api/v1/flush", &Value::Null).await.stable_flush();
    let whole = reasons(&deployment.get("/api/v1/quarantine").await.json());
    let first = deployment.get("/api/v1/quarantine?limit=2").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = deployment.get(&format!("/api/v1/quarantine?limit=2&cursor={cursor}")).await.json();
    assert_eq!([reasons(&first), reasons(&rest)].concat(), whole);
    assert_eq!((whole.len(), &rest["next_cursor"]), (3, &Value::Null));
    let chosen = deployment.get("/api/v1/quarantine?reason=timestamp_invalid&include_replayed=true").await.json();
    assert_eq!(reasons(&chosen), ["timestamp_invalid"]);
    for (query, code) in [
        ("limit=0", "invalid_question"),
        ("limit=x", "invalid_question"),
        ("reason=bad", "invalid_question"),
        ("cursor=x", "invalid_cursor"),
        ("page=2", "invalid_question"),
    ] {
        assert_eq!(deployment.get(&format!("/api/v1/quarantine?{query}")).await.problem().1, code, "{query}");
    }
}

#[tokio::test]
async fn a_replay_names_rows_or_a_reason_or_all() {
    let deployment = Deployment::new().await;
    let path = "/api/v1/quarantine/replay";
    let row = EventId([7; 16]);
    for body in [json!({"row_ids": [row]}), json!({"reason": "event_too_large"}), json!({"all": true})] {
        let replayed = deployment.post(path, &body).await.json();
        assert_eq!(replayed, json!({"accepted": 1, "still_rejected": 0, "not_replayable": 0}), "{body}");
    }
    let selections = std::mem::take(&mut *deployment.control.replays.lock());
    assert_eq!(selections, [Selection::Rows(vec![row]), Selection::Reason(Reason::EventTooLarge), Selection::All]);
    let refused = async |body: Value| deployment.post(path, &body).await.problem();
    insta::assert_json_snapshot!([
        refused(json!({})).await,
        refused(json!({"all": false})).await,
        refused(json!({"all": true, "reason": "event_too_large"})).await,
        refused(json!({"row_ids": ["x"]})).await,
        refused(json!({"rows": []})).await,
        refused(json!([])).await,
        refused(json!("all")).await,
    ]);
    assert!(deployment.control.replays.lock().is_empty());
}

#[tokio::test]
async fn the_ledger_balances_before_and_after_the_drain() {
    let deployment = shop().await;
    let ledger = async || {
        let json = deployment.get("/api/v1/ledger").await.json();
        ["sent", "stored", "quarantined", "duplicates", "in_flight", "balanced"].map(|name| json[name].clone())
    };
    assert_eq!(json!(ledger().await), json!([5, 0, 0, 0, 5, true]));
    let flushed = deployment.post("/api/v1/flush", &Value::Null).await.stable_flush();
    assert!(flushed["versions"]["events"].as_u64().unwrap() > 0);
    assert_eq!(json!(ledger().await), json!([5, 1, 3, 1, 0, true]));
}

#[tokio::test]
async fn an_admin_sees_the_queue_and_puts_dead_letters_back() {
    let deployment = shop().await;
    let status = deployment.administer("GET", "/api/v1/queue").await;
    assert_eq!((&status["waiting_messages"], &status["events"]), (&json!(2), &json!(5)), "{status}");
    assert_eq!(deployment.administer("POST", "/api/v1/queue/redrive").await, json!({ "messages": 2 }));
}

fn reasons(list: &Value) -> Vec<String> {
    list["events"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap().to_owned()).collect()
}

impl super::Reply {
    fn stable_flush(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }
}
