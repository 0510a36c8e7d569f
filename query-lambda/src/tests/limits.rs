//! What a request may cost: bytes, time, memory, and company.

use std::time::Duration;

use axum::body::Body;
use serde_json::json;
use tokio::time::Instant;

use super::{Deployment, READ, event, request};
use crate::QuerySettings;

const PATH: &str = "/api/v1/insights/query";

fn settings() -> QuerySettings {
    QuerySettings { threads: 2, ..QuerySettings::default() }
}

#[tokio::test]
async fn a_body_above_one_mebibyte_is_refused_whether_announced_or_not() {
    let deployment = Deployment::new().await;
    let announced = request("POST", PATH, READ).header("content-length", "1048577").body(Body::empty()).unwrap();
    assert_eq!(deployment.ask(announced).await.problem().1, "body_too_large");
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let streamed = request("POST", PATH, READ).body(Body::from_stream(futures::stream::iter(chunks))).unwrap();
    let (status, code, detail) = deployment.ask(streamed).await.problem();
    assert_eq!((status, code.as_str(), detail.as_str()), (413, "body_too_large", "The limit is 1048576 bytes."));
}

#[tokio::test]
async fn compressed_bodies_are_refused_by_name() {
    let deployment = Deployment::new().await;
    let packed = request("POST", PATH, READ).header("content-encoding", "gzip").body(Body::from("x")).unwrap();
    assert_eq!(deployment.ask(packed).await.problem().1, "unsupported_encoding");
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_stopped() {
    let deployment = Deployment::with(QuerySettings { time_limit: Duration::ZERO, ..settings() }).await;
    let (status, code, _) = deployment.post(PATH, &question()).await.problem();
    assert_eq!((status, code.as_str()), (503, "question_timeout"));
    assert!(deployment.figures().contains(r#"headwater_questions_total{kind="trend",status="503"} 1"#));
}

#[tokio::test]
async fn when_the_waiting_list_is_full_the_next_is_told_to_come_back() {
    let deployment = Deployment::with(QuerySettings { concurrent: 1, waiting: 0, ..settings() }).await;
    let place = deployment.service.gate.enter(Instant::now() + Duration::from_secs(60)).await.unwrap();
    let reply = deployment.post(PATH, &question()).await;
    assert_eq!((reply.problem().1.as_str(), reply.header("retry-after")), ("too_many_questions", "1"));
    drop(place);
    assert_eq!(deployment.post(PATH, &question()).await.status, 200);
}

#[tokio::test]
async fn a_question_that_needs_too_much_memory_is_refused_and_the_next_is_answered() {
    let deployment = Deployment::with(QuerySettings { memory_bytes: 64, ..settings() }).await;
    deployment.store(vec![event(1, "purchase", "2026-01-01T10:00:00Z", "u1", json!({}))]).await;
    let events = json!({"period": {"from": "2026-01-01", "to": "2026-01-31"}});
    let (status, code, _) = deployment.post("/api/v1/events/query", &events).await.problem();
    assert_eq!((status, code.as_str()), (503, "question_memory"));
    assert_eq!(deployment.get("/api/v1/schema").await.status, 200);
}

fn question() -> serde_json::Value {
    json!({"kind": "trend", "period": {"from": "2026-01-01", "to": "2026-01-02"}, "series": [{}]})
}
