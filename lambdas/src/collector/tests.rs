//! Requests as an HTTPS address of Lambda hands them over, and what becomes of them.

use event_model::project::key_hash;
use event_queue::Envelope;
use event_queue::memory::{MemoryQueue, MemorySettings};
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::{Value, json};

use super::*;

const VISITOR: &str = "198.51.100.7:46532";

/// A bucket and a queue, and functions in front of them.
struct Deployment {
    bucket: Arc<InMemory>,
    queue: Arc<MemoryQueue>,
}

impl Deployment {
    async fn with(keys: &[&str]) -> Self {
        let deployment = Self { bucket: Arc::default(), queue: Arc::default() };
        deployment.give(keys).await;
        deployment
    }

    async fn give(&self, keys: &[&str]) {
        let keys: Vec<Value> =
            keys.iter().map(|key| json!({ "id": "web", "sha256": key_hash(key), "scopes": ["write"] })).collect();
        let text = json!({ "version": 1, "projects": [{ "id": "shop", "keys": keys }] }).to_string();
        self.bucket.put(&Path::from("config/projects.json"), text.into()).await.unwrap();
    }

    fn place(&self, path: &str) -> Place {
        Place { store: self.bucket.clone(), path: Path::from(path) }
    }

    fn function(&self) -> CollectorFunction {
        let (projects, salts) = (self.place("config/projects.json"), self.place("config/salts"));
        CollectorFunction::new(projects, salts, self.queue.clone(), "secret")
    }

    async fn received(&self) -> Vec<Envelope> {
        let hidden = Duration::from_secs(60);
        let deliveries = self.queue.receive(100, hidden, Duration::ZERO).await.unwrap();
        deliveries.iter().map(|delivery| Envelope::decode(&delivery.body).unwrap()).collect()
    }
}

/// What the function answered: status, the code of a problem, and `Retry-After`.
type Answer = (u16, Value, Option<String>);

async fn call(function: &CollectorFunction, method: &str, path: &str, more: Value) -> Answer {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {
            "authorization": "Bearer write-key-1", "content-type": "application/json", "user-agent": "a browser",
            "x-headwater-origin": "secret", "cloudfront-viewer-address": VISITOR, "cloudfront-viewer-country": "BR",
        },
        "requestContext": { "stage": "$default", "timeEpoch": 0,
                            "http": { "method": method, "path": path, "sourceIp": "203.0.113.9" } },
        "isBase64Encoded": false,
    });
    for (name, value) in more.as_object().unwrap() {
        match (name.as_str(), value) {
            ("headers", Value::Object(headers)) => {
                event["headers"].as_object_mut().unwrap().extend(headers.clone());
            }
            _ => event[name] = value.clone(),
        }
    }
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let response = function.handle(request).await;
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), body, retry_after)
}

async fn send(function: &CollectorFunction, event: Value) -> Answer {
    call(function, "POST", "/api/v1/events", json!({ "body": event.to_string() })).await
}

#[tokio::test]
async fn an_event_is_in_the_queue_with_its_visitors_place_when_it_is_answered() {
    let deployment = Deployment::with(&["write-key-1"]).await;
    let (status, body, _) = send(&deployment.function(), json!({ "event": "Paid", "user_id": "u" })).await;
    assert_eq!((status, body), (200, json!({ "accepted": 1, "rejected": [] })));
    let envelope = deployment.received().await.remove(0);
    assert_eq!((envelope.project.as_str(), envelope.write_key_id.as_str()), ("shop", "web"));
    assert_eq!((envelope.events[0].event.as_str(), envelope.geo.country.as_deref()), ("Paid", Some("BR")));
}

#[tokio::test]
async fn a_body_comes_as_text_or_in_base64_and_compressed_or_not() {
    let deployment = Deployment::with(&["write-key-1"]).await;
    let function = deployment.function();
    // {"event":"Paid","user_id":"u"}, as it is and as gzip.
    for body in
        ["eyJldmVudCI6IlBhaWQiLCJ1c2VyX2lkIjoidSJ9", "H4sIAAAAAAAAA6tWSi1LzStRslIKSMxMUdJRKi1OLYoHsqyUSpVqAdLzniYeAAAA"]
    {
        let sent = json!({ "body": body, "isBase64Encoded": true });
        assert_eq!(call(&function, "POST", "/api/v1/events", sent).await.0, 200, "{body}");
    }
    assert_eq!(deployment.received().await.len(), 2);
}

#[tokio::test]
async fn every_instance_gives_a_visitor_the_same_id_of_the_day_and_another_address_another_one() {
    let deployment = Deployment::with(&["write-key-1"]).await;
    let event = json!({ "event": "Seen", "cookieless": true });
    for function in [deployment.function(), deployment.function()] {
        assert_eq!(send(&function, event.clone()).await.0, 200);
    }
    let elsewhere = json!({ "body": event.to_string(), "headers": { "cloudfront-viewer-address": "198.51.100.8:1" } });
    assert_eq!(call(&deployment.function(), "POST", "/api/v1/events", elsewhere).await.0, 200);
    let ids: Vec<String> =
        deployment.received().await.iter().map(|envelope| envelope.events[0].anonymous_id.clone().unwrap()).collect();
    assert!(ids[0].starts_with("v_") && ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn whatever_fails_on_our_side_is_tried_again_by_the_client() {
    let event = json!({ "event": "Paid", "user_id": "u" });
    let retry = Some("5".to_owned());
    let refused = async |deployment: &Deployment, code: &str| {
        let (status, body, after) = send(&deployment.function(), event.clone()).await;
        assert_eq!((status, body["code"].as_str(), after), (503, Some(code), retry.clone()), "{code}");
        assert!(deployment.received().await.is_empty());
    };
    let deployment = Deployment::with(&["write-key-1"]).await;
    deployment.bucket.delete(&Path::from("config/projects.json")).await.unwrap();
    refused(&deployment, "snapshot_unavailable").await;
    deployment.give(&["write-key-1"]).await;
    let (year, month, day) = now().civil();
    let salt = Path::from(format!("config/salts/{year:04}-{month:02}-{day:02}"));
    deployment.bucket.put(&salt, b"no salt".to_vec().into()).await.unwrap();
    refused(&deployment, "snapshot_unavailable").await;
    deployment.bucket.delete(&salt).await.unwrap();
    let full = MemoryQueue::new(MemorySettings { max_bytes: 1, ..MemorySettings::default() });
    let deployment = Deployment { queue: Arc::new(full), ..deployment };
    refused(&deployment, "queue_unavailable").await;
}

#[tokio::test]
async fn a_key_works_as_soon_as_it_is_in_the_bucket_and_an_unknown_one_is_refused() {
    let deployment = Deployment::with(&["another-key"]).await;
    let function = deployment.function();
    let event = json!({ "event": "Paid", "user_id": "u" });
    assert_eq!(send(&function, event.clone()).await.1["code"], "key_unknown");
    deployment.give(&["write-key-1"]).await;
    // An instance that has just looked looks again after five seconds; one that has not, at once.
    assert_eq!(send(&deployment.function(), event.clone()).await.0, 200);
    let young = format!("hw_w_{:08x}{}", now().0 / 1_000_000, "0".repeat(32));
    let sent = json!({ "body": event.to_string(), "headers": { "authorization": format!("Bearer {young}") } });
    let (status, body, _) = call(&deployment.function(), "POST", "/api/v1/events", sent).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("snapshot_unavailable")), "it may be on its way");
}

#[tokio::test]
async fn what_is_no_event_is_answered_as_everywhere() {
    let deployment = Deployment::with(&["write-key-1"]).await;
    let function = deployment.function();
    let large = json!({ "body": " ".repeat(MAX_BODY_BYTES + 1) });
    let long = json!({ "rawQueryString": "a".repeat(MAX_URI_BYTES) });
    for (method, path, more, status, code) in [
        ("OPTIONS", "/api/v1/events", json!({}), 204, None),
        ("GET", "/hw.js", json!({}), 200, None),
        ("GET", "/api/v1/events", json!({}), 405, Some("method_not_allowed")),
        ("POST", "/api/v1/nothing", json!({}), 404, Some("not_found")),
        ("GET", "/api/v1/live", json!({}), 400, Some("not_supported")),
        ("POST", "/api/v1/events", large, 413, Some("body_too_large")),
        ("POST", "/api/v1/events", long, 414, Some("uri_too_long")),
        ("POST", "/api/v1/events", json!({ "body": "{" }), 400, Some("invalid_json")),
    ] {
        let (answered, body, _) = call(&function, method, path, more).await;
        assert_eq!((answered, body["code"].as_str()), (status, code), "{method} {path}");
    }
    assert!(deployment.received().await.is_empty());
}

#[tokio::test]
async fn settings_of_segments_libraries_name_the_host_that_visitors_know() {
    let deployment = Deployment::with(&["write-key-1"]).await;
    let path = "/v1/projects/write-key-1/settings";
    let behind = json!({ "headers": { "host": "api.test" } });
    for (known_as, host) in [(None, "api.test"), (Some("events.test"), "events.test")] {
        let function = deployment.function().known_as(known_as).unwrap();
        let (status, settings, _) = call(&function, "GET", path, behind.clone()).await;
        assert_eq!(status, 200);
        assert_eq!(settings["integrations"]["Segment.io"]["apiHost"], format!("{host}/v1"));
    }
    assert!(deployment.function().known_as(Some("two\nlines")).is_err());
}
