//! A collector on a queue in memory, with one project and one key.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use edge_collector::native::{Collector, CollectorSettings, router};
use event_model::project::{Directory, SharedDirectory, key_hash};
use event_queue::memory::MemoryQueue;
use event_queue::{Envelope, Queue};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const KEY: &str = "hw_w_test";

pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) directory: SharedDirectory,
    pub(crate) registry: Registry,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of a problem, or `""`.
    pub(crate) fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }
}

/// The settings of a project with the key `KEY`, changed as the test needs it.
pub(crate) fn project(change: impl FnOnce(&mut Value)) -> Value {
    let mut project = json!({
        "id": "shop",
        "keys": [{ "id": "web", "sha256": key_hash(KEY), "scopes": ["write"] }],
    });
    change(&mut project);
    project
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(vec![project(|_| {})])
    }

    pub(crate) fn with(projects: Vec<Value>) -> Self {
        Self::on(Arc::new(MemoryQueue::default()), CollectorSettings::default(), projects)
    }

    pub(crate) fn on(queue: Arc<dyn Queue>, settings: CollectorSettings, projects: Vec<Value>) -> Self {
        let snapshot = json!({ "version": 1, "projects": projects }).to_string();
        let directory = SharedDirectory::new(Directory::parse(&snapshot).unwrap());
        let mut registry = Registry::default();
        let collector = Collector::new(queue.clone(), directory.clone(), settings, &mut registry);
        Self { router: router(Arc::new(collector)), queue, directory, registry }
    }

    /// Sends a request as it is.
    pub(crate) async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Posts a body with the key and more headers.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            request = request.header("authorization", format!("Bearer {KEY}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.request(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: Value) -> Answer {
        self.post(path, body.to_string(), &[]).await
    }

    /// All messages that wait, in the order they were sent.
    pub(crate) async fn envelopes(&self) -> Vec<Envelope> {
        let deliveries = self.queue.receive(100, Duration::from_secs(60), Duration::ZERO).await.unwrap();
        deliveries.iter().map(|delivery| Envelope::decode(&delivery.body).unwrap()).collect()
    }

    /// The only message, with its events as JSON.
    pub(crate) async fn envelope(&self) -> Envelope {
        let mut envelopes = self.envelopes().await;
        assert_eq!(envelopes.len(), 1);
        envelopes.remove(0)
    }

    /// The only event of the only message, as JSON.
    pub(crate) async fn event(&self) -> Value {
        let envelope = self.envelope().await;
        assert_eq!(envelope.events.len(), 1, "{:?}", envelope.rejected);
        serde_json::to_value(&envelope.events[0]).unwrap()
    }
}
