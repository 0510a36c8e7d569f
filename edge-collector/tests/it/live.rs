//! The live stream through a real socket: who may watch, what they see, and how a watch ends.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge_collector::native::CollectorSettings;
use event_model::project::{Directory, key_hash};
use event_queue::memory::MemoryQueue;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::{Error, handshake};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::{Server, project};

const READ_KEY: &str = "hw_r_test";

/// A server on a real port, whose listener ends with the test.
struct Live {
    server: Server,
    address: String,
    listening: JoinHandle<()>,
}

fn projects(enabled: bool) -> Vec<Value> {
    let mut shop = project(|_| {});
    let reader = json!({
        "id": "reader", "sha256": key_hash(READ_KEY), "scopes": ["read"], "enabled": enabled,
        "allowed_origins": ["https://board.example"],
    });
    shop["keys"].as_array_mut().unwrap().push(reader);
    vec![shop]
}

impl Live {
    async fn start() -> Self {
        Self::with(CollectorSettings::default()).await
    }

    async fn with(settings: CollectorSettings) -> Self {
        let server = Server::on(Arc::new(MemoryQueue::default()), settings, projects(true));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = server.router.clone();
        let listening = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { server, address, listening }
    }

    async fn connect(&self, query: &str, headers: &[(&'static str, &str)]) -> Result<Watching, (u16, String)> {
        let mut request = format!("ws://{}/api/v1/live{query}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let tcp = TcpStream::connect(&self.address).await.unwrap();
        match client_async(request, tcp).await {
            Ok((socket, answer)) => Ok(Watching { socket, headers: answer.headers().clone() }),
            Err(Error::Http(answer)) => Err(refusal(&answer)),
            Err(other) => panic!("{other}"),
        }
    }

    async fn watch(&self, query: &str) -> Watching {
        self.connect(query, &[("authorization", &format!("Bearer {READ_KEY}"))]).await.unwrap()
    }

    async fn send(&self, batch: Value) {
        assert_eq!(self.server.post_json("/api/v1/events/batch", batch).await.status, 200);
    }
}

fn refusal(answer: &handshake::client::Response) -> (u16, String) {
    let body: Value = serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).unwrap_or_default();
    (answer.status().as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
}

struct Watching {
    socket: WebSocketStream<TcpStream>,
    headers: HeaderMap,
}

impl Watching {
    /// The next JSON message.
    async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn message(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(10), self.socket.next());
        next.await.expect("a message within ten seconds").unwrap().unwrap()
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.message().await {
                return frame.unwrap().code.into();
            }
        }
    }
}

fn event(name: &str) -> Value {
    json!({ "event": name, "user_id": "u", "properties": { "v": 1 } })
}

#[tokio::test]
async fn a_watcher_sees_what_is_taken_and_what_is_refused() {
    let live = Live::start().await;
    let mut watching = live.watch("").await;
    let hello = json!({
        "kind": "hello", "version": 1, "project": "shop", "filter": {}, "max_per_second": 10, "max_watchers": 20,
    });
    assert_eq!(watching.next().await, hello);
    live.send(json!({ "batch": [event("a"), { "user_id": "u", "type": "track" }] })).await;
    let seen = watching.next().await;
    assert_eq!((&seen["kind"], &seen["omitted"]), (&json!("events"), &json!(0)));
    let (taken, refused) = (&seen["events"][0], &seen["events"][1]);
    assert_eq!((&taken["outcome"], &taken["event"]), (&json!("accepted"), &json!("a")));
    assert_eq!((&taken["properties"], &taken["write_key_id"]), (&json!({ "v": 1 }), &json!("web")));
    assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("rejected"), &json!("event_name_missing")));
    assert_eq!((&refused["position"], &refused["user_id"]), (&json!(1), &json!("u")));
    let envelope = live.server.envelope().await;
    assert_eq!(taken["event_id"], envelope.events[0].event_id.to_string());
    assert_eq!(refused["event_id"], envelope.rejected[0].event_id.to_string());
}

#[tokio::test]
async fn a_filter_chooses_and_the_rest_is_counted_within_a_second() {
    let live = Live::start().await;
    let mut rejected = live.watch("?outcome=rejected").await;
    let mut named = live.watch("?event=rare&type=track&user=u").await;
    assert_eq!(rejected.next().await["filter"], json!({ "outcome": "rejected" }));
    assert_eq!(named.next().await["filter"], json!({ "event": ["rare"], "type": ["track"], "user": ["u"] }));
    let mut batch = vec![event("often"); 500];
    batch.push(event("rare"));
    batch.push(json!({ "event": 7 }));
    live.send(json!({ "batch": batch })).await;
    for (watching, position) in [(&mut named, 500), (&mut rejected, 501)] {
        let seen = watching.next().await;
        assert_eq!((seen["events"].as_array().unwrap().len(), &seen["omitted"]), (1, &json!(0)));
        assert_eq!(seen["events"][0]["position"], position);
    }
    let mut all = live.watch("").await;
    all.next().await;
    live.send(json!({ "batch": batch })).await;
    let seen = all.next().await;
    assert_eq!((seen["events"].as_array().unwrap().len(), &seen["omitted"]), (10, &json!(492)));
}

#[tokio::test]
async fn whoever_may_not_watch_is_told_before_the_upgrade() {
    let live = Live::start().await;
    let bearer = |key: &str| format!("Bearer {key}");
    let (reader, writer) = (bearer(READ_KEY), bearer(crate::server::KEY));
    for (query, headers, status, code) in [
        ("", vec![], 401, "key_missing"),
        ("?key=hw_r_test", vec![], 401, "key_missing"),
        ("", vec![("authorization", "Bearer nobody")], 401, "key_unknown"),
        ("", vec![("authorization", writer.as_str())], 403, "scope_missing"),
        ("", vec![("authorization", &reader), ("origin", "https://evil.example")], 403, "origin_not_allowed"),
        ("?outcome=both", vec![("authorization", &reader)], 400, "invalid_question"),
        ("?evnt=a", vec![("authorization", &reader)], 400, "invalid_question"),
    ] {
        let refused = live.connect(query, &headers).await.err();
        assert_eq!(refused, Some((status, code.to_owned())), "{query} {headers:?}");
    }
    let plain = live.server.request(Request::get("/api/v1/live").body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((plain.status.as_u16(), plain.code()), (426, "upgrade_required"));
    assert_eq!(
        (&plain.headers["upgrade"], plain.headers.contains_key("x-request-id")),
        (&"websocket".parse().unwrap(), true)
    );
    assert_eq!(live.server.post("/api/v1/live", "", &[]).await.status, 405);
}

#[tokio::test]
async fn a_browser_offers_its_key_as_a_subprotocol() {
    let live = Live::start().await;
    let offered = format!("headwater.live.v1, headwater.key.{}", URL_SAFE_NO_PAD.encode(READ_KEY));
    let headers = [("sec-websocket-protocol", offered.as_str()), ("origin", "https://board.example")];
    let mut watching = live.connect("", &headers).await.unwrap();
    assert_eq!(watching.headers["sec-websocket-protocol"], "headwater.live.v1");
    assert_eq!(watching.next().await["project"], "shop");
}

#[tokio::test]
async fn so_many_may_watch_a_project_and_a_place_is_free_when_one_leaves() {
    let live = Live::start().await;
    let mut watching = Vec::new();
    for _ in 0..20 {
        watching.push(live.watch("").await);
    }
    let authorization = format!("Bearer {READ_KEY}");
    let headers = [("authorization", authorization.as_str())];
    assert_eq!(live.connect("", &headers).await.err(), Some((429, "too_many_watchers".to_owned())));
    let mut one = watching.pop().unwrap();
    one.socket.close(None).await.unwrap();
    while one.socket.next().await.is_some() {}
    // The server's side ends at the same time as ours, on another thread.
    for attempt in 0.. {
        match live.connect("", &headers).await {
            Ok(_) => break,
            Err(refused) => assert!(attempt < 1_000, "{refused:?}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_a_watcher_who_sends_much_is_not_kept() {
    let live = Live::start().await;
    let mut watching = live.watch("").await;
    watching.next().await;
    watching.socket.send(Message::text("hello?")).await.unwrap();
    watching.socket.send(Message::text("ping")).await.unwrap();
    assert_eq!(watching.message().await, Message::text("pong"));
    watching.socket.send(Message::Ping(b"x".to_vec().into())).await.unwrap();
    assert_eq!(watching.message().await, Message::Pong(b"x".to_vec().into()));
    watching.socket.send(Message::text("x".repeat(5_000))).await.unwrap();
    assert_eq!(watching.close_code().await, 1009);
}

#[tokio::test]
async fn a_watch_ends_with_the_server() {
    let live = Live::start().await;
    let mut watching = live.watch("").await;
    watching.next().await;
    let Live { server, listening, .. } = live;
    listening.abort();
    drop(server);
    assert_eq!(watching.close_code().await, 1001);
}

#[tokio::test]
async fn a_watch_ends_with_its_key() {
    let settings = CollectorSettings { live_key_interval: Duration::from_millis(20), ..CollectorSettings::default() };
    let live = Live::with(settings).await;
    let mut watching = live.watch("").await;
    watching.next().await;
    live.server.directory.set(Err("the file is gone".to_owned()));
    watching.socket.send(Message::text("ping")).await.unwrap();
    assert_eq!(watching.message().await, Message::text("pong"));
    let snapshot = json!({ "version": 1, "projects": projects(false) }).to_string();
    live.server.directory.set(Directory::parse(&snapshot));
    assert_eq!(watching.close_code().await, 4001);
}

#[tokio::test]
async fn a_watch_ends_when_its_key_is_moved_to_another_project() {
    let settings = CollectorSettings { live_key_interval: Duration::from_millis(20), ..CollectorSettings::default() };
    let live = Live::with(settings).await;
    let mut watching = live.watch("").await;
    watching.next().await;
    let mut other = projects(true).remove(0);
    other["id"] = json!("other");
    other["keys"].as_array_mut().unwrap().retain(|key| key["id"] == "reader");
    let snapshot = json!({ "version": 1, "projects": [project(|_| {}), other] }).to_string();
    live.server.directory.set(Directory::parse(&snapshot));
    assert_eq!(watching.close_code().await, 4001);
}
