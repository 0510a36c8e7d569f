//! What the shell does around the core: methods, preflight, limits of time and rate, a queue that fails.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use edge_collector::native::CollectorSettings;
use event_queue::memory::MemoryQueue;
use event_queue::{Delivery, Outgoing, Queue, QueueError, QueueStats, Receipt};
use http::{Method, Request};
use serde_json::json;

use crate::server::{KEY, Server, project};

const EVENT: &str = r#"{"event":"a","user_id":"u"}"#;

/// A queue that takes nothing.
struct Broken(fn() -> QueueError);

#[async_trait]
impl Queue for Broken {
    async fn send(&self, _: Vec<Outgoing>) -> Result<(), QueueError> {
        Err(self.0())
    }
    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        Ok(Vec::new())
    }
    async fn ack(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }
    async fn extend(&self, _: &[Receipt], _: Duration) -> Result<(), QueueError> {
        Ok(())
    }
    async fn stats(&self) -> Result<QueueStats, QueueError> {
        Ok(QueueStats::default())
    }
}

#[tokio::test]
async fn a_request_is_not_answered_with_2xx_when_the_queue_did_not_take_it() {
    let full = || QueueError::Full { retry_after: Duration::from_secs(7) };
    let unavailable = || QueueError::Unavailable("fsync: input/output error on /secret/place".to_owned());
    for (error, code, retry_after) in [(full as fn() -> _, "queue_full", "7"), (unavailable, "queue_unavailable", "5")]
    {
        let server = Server::on(Arc::new(Broken(error)), CollectorSettings::default(), vec![project(|_| {})]);
        let answer = server.post("/api/v1/events", EVENT, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, code));
        assert_eq!(answer.headers["retry-after"], retry_after);
        assert!(!answer.body.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn other_methods_are_named_and_other_paths_are_the_callers() {
    let server = Server::new();
    for method in [Method::PUT, Method::GET, Method::DELETE] {
        let request = Request::builder().method(method).uri("/api/v1/events/batch").body(Body::from(EVENT)).unwrap();
        let answer = server.request(request).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (405, "method_not_allowed"));
        assert_eq!(answer.headers["allow"], "POST, OPTIONS");
    }
    let nowhere = Request::post("/api/v1/other").body(Body::empty()).unwrap();
    let answer = server.request(nowhere).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (404, ""));
    assert_eq!(server.post("/v1/track/", r#"{"event":"a","userId":"u"}"#, &[]).await.status, 200);
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_key_and_kept_for_a_day() {
    let server = Server::new();
    server.directory.set(Err("the file is gone".to_owned()));
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("/v1/batch")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .body(Body::empty())
        .unwrap();
    let answer = server.request(request).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.headers["access-control-max-age"], "86400");
    assert!(answer.headers["access-control-allow-headers"].to_str().unwrap().contains("Authorization"));
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn browsers_may_read_every_answer() {
    let server = Server::new();
    for (body, status) in [(EVENT, 200), ("nonsense", 400)] {
        let answer = server.post("/api/v1/events", body, &[("origin", "https://shop.example")]).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["access-control-allow-origin"]),
            (status, &"*".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let server = Server::new();
    for (path, body, status) in [("/api/v1/events", EVENT, 200), ("/v1/t", "nonsense", 400), ("/v1/m", "", 200)] {
        let own = server.post(path, body, &[("x-request-id", "my-request.7")]).await;
        assert_eq!((own.status.as_u16(), &own.headers["x-request-id"]), (status, &"my-request.7".parse().unwrap()));
        assert!(own.headers["access-control-expose-headers"].to_str().unwrap().contains("X-Request-Id"));
    }
    let fresh = server.post("/api/v1/events", EVENT, &[("x-request-id", "<script>")]).await;
    let other = server.post("/api/v1/events", EVENT, &[]).await;
    assert_eq!(fresh.headers["x-request-id"].len(), 32);
    assert_ne!(fresh.headers["x-request-id"], other.headers["x-request-id"]);
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_a_passing_fault() {
    let server = Server::new();
    server.directory.set(Err("projects.json: permission denied".to_owned()));
    let answer = server.post("/api/v1/events", EVENT, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "snapshot_unavailable"));
    assert!(answer.headers.contains_key("retry-after") && !answer.body.to_string().contains("projects.json"));
}

#[tokio::test]
async fn a_project_may_send_as_much_as_its_tier() {
    let server = Server::with(vec![project(|project| project["tier"] = json!("small"))]);
    let mut limited = 0;
    for _ in 0..300 {
        let answer = server.post("/api/v1/events", EVENT, &[]).await;
        if answer.status == 429 {
            assert_eq!((answer.code(), &answer.headers["retry-after"]), ("rate_limited", &"1".parse().unwrap()));
            limited += 1;
        }
    }
    assert!((1..=200).contains(&limited), "{limited}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_off_by_size_and_by_time() {
    let settings = CollectorSettings { body_timeout: Duration::from_millis(50), ..CollectorSettings::default() };
    let server = Server::on(Arc::new(MemoryQueue::default()), settings, vec![project(|_| {})]);
    let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 * 1024]));
    let endless = Body::from_stream(futures::stream::repeat_with(chunk));
    let answer = server.post("/api/v1/events", endless, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (413, "body_too_large"));
    let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = server.post("/api/v1/events", silent, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (408, "body_timeout"));
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_before_the_body_is_read() {
    let server = Server::new();
    for (path, headers, status, code) in [
        (format!("/v1/batch?{}", "a=1&".repeat(2_500)), vec![], 414, "uri_too_long"),
        ("/v1/batch".into(), vec![("content-length", "5"), ("transfer-encoding", "chunked")], 400, "ambiguous_length"),
        ("/v1/batch".into(), vec![("content-length", "99999999")], 413, "body_too_large"),
    ] {
        let mut request = Request::post(path).header("authorization", format!("Bearer {KEY}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = server.request(request.body(Body::from(EVENT)).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code));
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = Server::new();
    let batch = r#"{"batch":[{"event":"a","user_id":"u"},{"user_id":"u"},{"event":"b","user_id":"u"}]}"#;
    server.post("/api/v1/events/batch", batch, &[]).await;
    server.post("/api/v1/events/batch", "nonsense", &[]).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &server.registry).unwrap();
    for line in [
        "headwater_collector_accepted_events_total{protocol=\"native\"} 2",
        "headwater_collector_rejected_events_total{reason=\"event_name_missing\"} 1",
        "headwater_collector_requests_total{status=\"200\"} 1",
        "headwater_collector_requests_total{status=\"400\"} 1",
        "headwater_collector_request_seconds_count 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
