//! A whole deployment but for the collector: a queue in memory, a compactor, a lake in a temporary folder, and the
//! router that is asked.

mod access;
mod activity;
mod events;
mod funnels;
mod insights;
mod limits;
mod persons;
mod quarantine;
mod schema;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use batch_compactor::{Compactor, CompactorSettings};
use event_model::project::{Directory, Key, Privacy, Scope, SharedDirectory, Snapshot, Tier, WeekStart, key_hash};
use event_model::{ErrorCode, Event, EventId, Problem, Project, ProjectId, Reason, Rejected, Timestamp};
use event_queue::memory::MemoryQueue;
use event_queue::{Compression, Envelope, Geo, Outgoing, Queue};
use http::{HeaderMap, Request, StatusCode};
use lake::maintenance::MaintenanceSettings;
use lake::{Lake, LakeSettings, PersonIds};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::{Control, Erased, QueryService, QuerySettings, QueueSide, QueueStatus, Redriven, Replayed, Selection};

pub(super) const READ: &str = "hw_r_read";
pub(super) const ADMIN: &str = "hw_a_admin";
pub(super) const OTHER: &str = "hw_r_other";
pub(super) const PAGE: &str = "https://app.example.com";

pub(super) struct Deployment {
    router: Router,
    registry: Registry,
    pub(super) service: Arc<QueryService>,
    pub(super) control: Arc<LocalControl>,
    pub(super) directory: SharedDirectory,
    messages: Mutex<u8>,
    _folder: TempDir,
}

/// The answer to one request.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

pub(super) struct LocalControl {
    queue: Arc<MemoryQueue>,
    compactor: Compactor,
    lake: Arc<Lake>,
    pub(super) replays: Mutex<Vec<Selection>>,
}

impl Deployment {
    pub(super) async fn new() -> Self {
        Self::with(QuerySettings { threads: 2, ..QuerySettings::default() }).await
    }

    pub(super) async fn with(settings: QuerySettings) -> Self {
        let folder = TempDir::new().unwrap();
        let lake = Arc::new(Lake::open_local(folder.path(), LakeSettings::default()).await.unwrap());
        let queue = Arc::new(MemoryQueue::default());
        let as_queue: Arc<dyn Queue> = Arc::clone(&queue) as Arc<dyn Queue>;
        let compactor = Compactor::new(as_queue, Arc::clone(&lake), CompactorSettings::default());
        let control = Arc::new(LocalControl { queue, compactor, lake: Arc::clone(&lake), replays: Mutex::default() });
        let directory = SharedDirectory::new(directory());
        let mut registry = Registry::default();
        let as_control: Arc<dyn Control> = Arc::clone(&control) as Arc<dyn Control>;
        let service = QueryService::new(lake, directory.clone(), as_control, settings, &mut registry).unwrap();
        let service = Arc::new(service);
        let router = crate::router(Arc::clone(&service)).fallback(crate::not_found);
        Self { router, registry, service, control, directory, messages: Mutex::new(0), _folder: folder }
    }

    /// Puts events into the lake, as a request of its own.
    pub(super) async fn store(&self, events: Vec<Event>) {
        self.send("shop", events, Vec::new()).await;
        self.control.compactor.drain_until_empty().await.unwrap();
    }

    /// Puts events into the queue.
    pub(super) async fn send(&self, project: &str, events: Vec<Event>, rejected: Vec<Rejected>) {
        let message_id = {
            let mut messages = self.messages.lock();
            *messages += 1;
            EventId([*messages; 16])
        };
        let latest = events.iter().map(|event| event.timestamp).max();
        let received_at = at("2026-02-01T00:00:00Z").max(latest.unwrap_or_default());
        let envelope = Envelope {
            message_id,
            project: ProjectId::parse(project).unwrap(),
            write_key_id: "default".to_owned(),
            protocol: "native".to_owned(),
            received_at,
            user_agent: None,
            geo: Geo::default(),
            events,
            rejected,
            replays: Vec::new(),
        };
        let body = envelope.encode(Compression::None).unwrap().into();
        let events = envelope.event_count();
        let message = Outgoing { message_id, project: envelope.project, events, body };
        self.control.queue.send(vec![message]).await.unwrap();
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        if let Some(cause) = parts.extensions.get::<Problem>().and_then(|problem| problem.cause.as_ref()) {
            // Shown only if the test fails.
            println!("{} {cause}", parts.status);
        }
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask(request("POST", path, ADMIN).body(Body::from(body.to_string())).unwrap()).await
    }

    /// The answer to an administrator's request without a body.
    pub(super) async fn administer(&self, method: &str, path: &str) -> Value {
        let reply = self.ask(request(method, path, ADMIN).body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask(request("GET", path, READ).body(Body::empty()).unwrap()).await
    }

    /// The figures as `/metrics` shows them.
    pub(super) fn figures(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// The status, code and detail of a problem.
    pub(super) fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(json["status"], self.status.as_u16());
        (self.status.as_u16(), text("code"), text("detail"))
    }

    /// A header's value; empty if it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a successful answer without what differs from run to run.
    pub(super) fn stable(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        let mut json = self.json();
        if let Some(meta) = json.get_mut("meta").and_then(Value::as_object_mut) {
            for name in ["elapsed_ms", "bytes_scanned"] {
                assert!(meta.remove(name).is_some(), "{name} is missing");
            }
        }
        json
    }
}

#[async_trait]
impl Control for LocalControl {
    async fn flush(&self, _: &ProjectId) -> Result<(), Problem> {
        let flushed = self.compactor.flush().await;
        flushed.map(|_| ()).map_err(|error| Problem::from(ErrorCode::LakeUnavailable).because(error))
    }

    async fn replay(&self, _: &ProjectId, selection: Selection) -> Result<Replayed, Problem> {
        self.replays.lock().push(selection);
        Ok(Replayed { accepted: 1, still_rejected: 0, not_replayable: 0 })
    }

    async fn queue(&self, _: &ProjectId) -> Result<QueueSide, Problem> {
        let stats = self.queue.stats().await.unwrap();
        Ok(QueueSide { sent: stats.events_sent, in_flight: stats.events.unwrap_or(0), dead: 0 })
    }

    async fn queue_status(&self) -> Result<QueueStatus, Problem> {
        let stats = self.queue.stats().await.unwrap();
        Ok(QueueStatus { waiting_messages: stats.visible, events: stats.events, ..QueueStatus::default() })
    }

    async fn erase(&self, project: &ProjectId, ids: PersonIds, forbid: bool) -> Result<Erased, Problem> {
        let shop = self.lake.project(project).await.unwrap();
        let erasure = shop.begin_erasure(ids, forbid).await.unwrap();
        Ok(shop.finish_erasure(&erasure, &MaintenanceSettings::default()).await.unwrap().into())
    }

    async fn redrive(&self) -> Result<Redriven, Problem> {
        Ok(Redriven { messages: 2 })
    }
}

pub(super) fn request(method: &str, path: &str, key: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"))
}

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// An event by its number, name, time and user, with properties.
pub(super) fn event(number: u8, name: &str, timestamp: &str, user: &str, properties: Value) -> Event {
    serde_json::from_value(json!({
        "event_id": EventId([number; 16]),
        "position": number,
        "event": name,
        "timestamp": at(timestamp),
        "user_id": user,
        "source": "api",
        "properties": properties,
    }))
    .unwrap()
}

pub(super) fn rejected(number: u8, reason: Reason, original: &[u8]) -> Rejected {
    Rejected::new(u32::from(number), EventId([number; 16]), reason, "It cannot be used.", original)
}

/// Two projects: `shop` in UTC with four keys, and `other` with one.
fn directory() -> Directory {
    let mut off = key("hw_r_disabled", &[Scope::Read]);
    off.enabled = false;
    let mut old = key("hw_r_expired", &[Scope::Read]);
    old.expires_at = Some("2020-01-01T00:00:00Z".to_owned());
    let mut page = key("hw_r_page", &[Scope::Read]);
    page.allowed_origins = vec![PAGE.to_owned()];
    let write = key("hw_w_write", &[Scope::Write]);
    let keys = vec![key(READ, &[Scope::Read]), key(ADMIN, &[Scope::Admin]), off, old, page, write];
    let projects = vec![project("shop", keys), project("other", vec![key(OTHER, &[Scope::Read])])];
    Directory::new(Snapshot { version: 1, projects }).unwrap()
}

fn key(text: &str, scopes: &[Scope]) -> Key {
    Key {
        id: text.trim_start_matches("hw_").to_owned(),
        sha256: key_hash(text),
        scopes: scopes.to_vec(),
        expires_at: None,
        enabled: true,
        allowed_origins: Vec::new(),
        server_side: false,
    }
}

fn project(id: &str, keys: Vec<Key>) -> Project {
    Project {
        id: ProjectId::parse(id).unwrap(),
        name: id.to_owned(),
        timezone: "UTC".to_owned(),
        week_start: WeekStart::Monday,
        tier: Tier::Large,
        keys,
        privacy: Privacy::default(),
    }
}
