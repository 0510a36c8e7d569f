//! Funnels from a real lake.

use event_model::{Event, EventId, EventType, Json};
use serde_json::{Value, json};

use super::{Deployment, event};
use crate::QuerySettings;

const PATH: &str = "/api/v1/insights/query";

fn funnel(more: &Value) -> Value {
    let mut question = json!({"kind": "funnel", "period": {"from": "2026-01-01", "to": "2026-01-31"},
        "steps": [{"event": "view"}, {"event": "cart"}, {"event": "purchase"}]});
    for (name, value) in more.as_object().unwrap() {
        question[name] = value.clone();
    }
    question
}

async fn shop() -> Deployment {
    let deployment = Deployment::new().await;
    deployment
        .store(vec![
            event(1, "view", "2026-01-01T10:00:00Z", "u1", json!({"country": "DE"})),
            event(2, "cart", "2026-01-01T10:10:00Z", "u1", json!({})),
            event(3, "purchase", "2026-01-02T10:00:00Z", "u1", json!({"country": "FR"})),
            event(4, "view", "2026-01-03T09:00:00Z", "u2", json!({"country": "FR"})),
        ])
        .await;
    // What was sent later may have happened before.
    deployment.store(vec![event(5, "cart", "2026-01-03T09:30:00Z", "u2", json!({}))]).await;
    deployment
}

async fn persons(deployment: &Deployment, question: &Value) -> Vec<Value> {
    let json = deployment.post(PATH, question).await.stable();
    let groups = json["result"]["groups"].as_array().unwrap().clone();
    groups
        .iter()
        .map(|group| group["steps"].as_array().unwrap().iter().map(|step| step["persons"].clone()).collect())
        .collect()
}

#[tokio::test]
async fn a_funnel_says_its_steps_its_question_and_how_it_was_made() {
    let deployment = shop().await;
    let reply = deployment.post(PATH, &funnel(&json!({"breakdown": [{"property": "country"}]}))).await;
    assert!(reply.json()["meta"]["bytes_scanned"].as_u64().unwrap() > 0);
    insta::assert_json_snapshot!(reply.stable());
}

#[tokio::test]
async fn a_session_of_funnel_questions() {
    let deployment = shop().await;
    assert_eq!(persons(&deployment, &funnel(&json!({}))).await, [json!([2, 2, 1])]);
    assert_eq!(persons(&deployment, &funnel(&json!({"order": "strict"}))).await, [json!([2, 2, 1])]);
    assert_eq!(persons(&deployment, &funnel(&json!({"count": "sessions"}))).await, [json!([2, 2, 0])]);
    let trend = funnel(&json!({"view": "trend", "interval": "month", "to_step": 1}));
    let trend = deployment.post(PATH, &trend).await.stable()["result"].clone();
    assert_eq!((&trend["intervals"], &trend["groups"][0]["converted"]), (&json!(["2026-01-01"]), &json!([2])));
    let times = funnel(&json!({"view": "time_to_convert", "to_step": 1, "bins": 2}));
    let times = deployment.post(PATH, &times).await.stable()["result"].clone();
    assert_eq!((&times["median_seconds"], &times["bins"][1]["persons"]), (&json!(1_200.0), &json!(1)));

    // A visitor who viewed turns out to be the buyer of before.
    let mut visit = event(6, "view", "2026-01-05T10:00:00Z", "", json!({}));
    (visit.user_id, visit.anonymous_id) = (None, Some("visitor_1".to_owned()));
    deployment.store(vec![visit, event(7, "cart", "2026-01-05T10:01:00Z", "u3", json!({}))]).await;
    assert_eq!(persons(&deployment, &funnel(&json!({}))).await, [json!([3, 2, 1])]);
    let mut identify = event(8, "identify", "2026-01-06T10:00:00Z", "u3", json!({}));
    identify.kind = EventType::Identify;
    identify.anonymous_id = Some("visitor_1".to_owned());
    identify.traits = Json::parse(r#"{"plan": "pro"}"#);
    deployment.store(vec![identify]).await;
    assert_eq!(persons(&deployment, &funnel(&json!({}))).await, [json!([3, 3, 1])]);
    let pro = json!({"filters": [{"property": "plan", "of": "person", "op": "is", "value": "pro"}]});
    assert_eq!(persons(&deployment, &funnel(&pro)).await, [json!([1, 1, 0])]);
}

#[tokio::test]
async fn a_funnel_is_answered_from_the_cache_until_something_changes() {
    let deployment = shop().await;
    let cached = async || deployment.post(PATH, &funnel(&json!({}))).await.json()["meta"]["cached"] == true;
    assert_eq!((cached().await, cached().await), (false, true));
    deployment.store(vec![event(9, "view", "2026-01-09T10:00:00Z", "u9", json!({}))]).await;
    assert!(!cached().await);
}

/// A thousand persons with three thousand events, most of whose values nobody else has.
async fn store_crowd(deployment: &Deployment, crowd_number: u8) {
    for part in crowd(crowd_number).chunks(500) {
        deployment.store(part.to_vec()).await;
    }
}

fn crowd(message: u8) -> Vec<Event> {
    let one = |number: u16| {
        let name = ["view", "cart", "purchase"][usize::from(number % 3)];
        let minute = number % 50;
        let mut one = event(0, name, &format!("2026-01-01T10:{minute:02}:00Z"), "", json!({}));
        let mut id = [message; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        (one.event_id, one.user_id) = (EventId(id), Some(format!("u{message}_{}", number % 1_000)));
        one.properties =
            Json::parse(&json!({"a": number, "b": format!("{message} {number}"), "c": number % 100}).to_string());
        one
    };
    (0..3_000).map(one).collect()
}

fn hostile() -> Value {
    let steps: Vec<Value> =
        (0..50).map(|step| json!({"any_of": ["view", "cart", "purchase"], "name": format!("step {step}")})).collect();
    json!({
        "steps": steps, "hold_constant": ["c"], "exclusions": [{"event": "never"}, {"event": "purchase", "from_step": 10}],
        "breakdown": [{"property": "a", "limit": 1000}, {"property": "b", "limit": 1000}, {"property": "c", "limit": 1000}],
        "attribution": "all_steps", "compare": {"to": "previous_period"}, "window": {"value": 1_000_000, "unit": "month"},
    })
}

#[tokio::test]
async fn a_hostile_funnel_ends_in_an_answer_or_a_clear_refusal() {
    let deployment = Deployment::new().await;
    for message in 1..4 {
        store_crowd(&deployment, message).await;
    }
    let reply = deployment.post(PATH, &funnel(&hostile())).await;
    let refused = reply.status != 200;
    assert!(!refused || reply.problem().1 == "question_too_complex", "{}", reply.text);
    for order in ["strict", "any_order"] {
        let mut question = hostile();
        (question["order"], question["exclusions"], question["count"]) = (json!(order), json!([]), json!("totals"));
        let reply = deployment.post(PATH, &funnel(&question)).await;
        assert!(reply.status == 200 || reply.problem().1 == "question_too_complex", "{}", reply.text);
    }
    assert_eq!(persons(&deployment, &funnel(&json!({}))).await[0][0], 3_000);
}

#[tokio::test]
async fn a_funnel_that_needs_too_much_memory_is_refused_and_the_next_is_answered() {
    let deployment =
        Deployment::with(QuerySettings { threads: 2, memory_bytes: 600_000, ..QuerySettings::default() }).await;
    store_crowd(&deployment, 1).await;
    let (status, code, _) = deployment.post(PATH, &funnel(&hostile())).await.problem();
    assert_eq!((status, code.as_str()), (503, "question_memory"));
    let small = funnel(&json!({"period": {"from": "2025-01-01", "to": "2025-01-02"}}));
    assert_eq!(persons(&deployment, &small).await, [json!([0, 0, 0])]);
}
