//! Bucket, parameter store and Cloudflare as one small server, and what the function does between them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use object_store::aws::AwsCredential;
use object_store::memory::InMemory;
use object_store::path::Path;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

const TOKEN: &str = "token-of-the-account";

#[derive(Default)]
struct Services {
    value: Option<String>,
    writes: usize,
    /// What the bucket is changed to while the next value is being written.
    meanwhile: Option<String>,
    refuses_writes: bool,
    token: String,
}

struct Deployment {
    bucket: Arc<InMemory>,
    services: Arc<Mutex<Services>>,
    function: PublisherFunction,
}

type Shared = (Arc<Mutex<Services>>, Arc<InMemory>);

async fn parameter(State((services, _)): State<Shared>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let signed = header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=key/")
        && header("authorization").contains("/eu-central-1/ssm/aws4_request, SignedHeaders=content-type;host;x-amz-")
        && header("x-amz-security-token") == "session";
    let right = asked == json!({ "Name": "/headwater/cloudflare", "WithDecryption": true });
    if !signed || !right || header("x-amz-target") != "AmazonSSM.GetParameter" {
        return (StatusCode::BAD_REQUEST, json!({ "__type": "ParameterNotFound" }).to_string());
    }
    (StatusCode::OK, json!({ "Parameter": { "Value": format!("{}\n", services.lock().token) } }).to_string())
}

fn is_let_in(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value.to_str().unwrap() == format!("Bearer {TOKEN}"))
}

fn refusal(code: i64, message: &str) -> String {
    json!({ "success": false, "errors": [{ "code": code, "message": message }], "result": null }).to_string()
}

async fn read(State((services, _)): State<Shared>, headers: HeaderMap) -> (StatusCode, String) {
    match (is_let_in(&headers), services.lock().value.clone()) {
        (false, _) => (StatusCode::FORBIDDEN, refusal(10_000, "Authentication error")),
        (true, None) => (StatusCode::NOT_FOUND, refusal(10_009, "get: 'key not found'")),
        (true, Some(value)) => (StatusCode::OK, value),
    }
}

async fn write(State((services, bucket)): State<Shared>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    assert!(is_let_in(&headers));
    let meanwhile = services.lock().meanwhile.take();
    if let Some(text) = meanwhile {
        bucket.put(&Path::from("config/projects.json"), text.into()).await.unwrap();
    }
    let mut services = services.lock();
    if services.refuses_writes {
        return (StatusCode::OK, refusal(10_048, "quota"));
    }
    services.value = Some(body);
    services.writes += 1;
    (StatusCode::OK, json!({ "success": true, "errors": [], "result": null }).to_string())
}

impl Deployment {
    async fn start() -> Self {
        let bucket = Arc::new(InMemory::new());
        let services = Arc::new(Mutex::new(Services { token: TOKEN.to_owned(), ..Services::default() }));
        let values = "/client/v4/accounts/account-1/storage/kv/namespaces/namespace-1/values/projects.json";
        let app = Router::new().route("/", post(parameter)).route(values, get(read).put(write));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let app = app.with_state((services.clone(), bucket.clone()));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client = Client::new(PATIENCE).unwrap();
        let credential = AwsCredential {
            key_id: "key".to_owned(),
            secret_key: "secret".to_owned(),
            token: Some("session".to_owned()),
        };
        let function = PublisherFunction {
            projects: Place { store: bucket.clone(), path: Path::from("config/projects.json") },
            values: KeyValue::new(client.clone(), &url, "account-1", "namespace-1").unwrap(),
            token: Parameter {
                client,
                url,
                region: "eu-central-1".to_owned(),
                credential,
                name: "/headwater/cloudflare".to_owned(),
            },
            pause: Duration::ZERO,
        };
        Self { bucket, services, function }
    }

    async fn give(&self, text: &str) {
        self.bucket.put(&Path::from("config/projects.json"), text.to_owned().into()).await.unwrap();
    }

    fn there(&self) -> (Option<String>, usize) {
        let services = self.services.lock();
        (services.value.clone(), services.writes)
    }

    async fn refused(&self) -> String {
        format!("{:#}", self.function.publish().await.unwrap_err())
    }
}

fn projects(ids: &[&str]) -> String {
    let projects: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    json!({ "version": 1, "projects": projects }).to_string()
}

#[tokio::test]
async fn the_edge_gets_what_the_bucket_has_and_is_written_to_only_when_it_differs() {
    let deployment = Deployment::start().await;
    deployment.give(&projects(&["shop"])).await;
    assert_eq!(deployment.function.publish().await.unwrap(), Published { changed: true, projects: 1 });
    assert_eq!(deployment.function.publish().await.unwrap(), Published { changed: false, projects: 1 });
    assert_eq!(deployment.there(), (Some(projects(&["shop"])), 1));
    deployment.give(&projects(&["shop", "blog"])).await;
    assert_eq!(deployment.function.publish().await.unwrap(), Published { changed: true, projects: 2 });
    assert_eq!(deployment.there(), (Some(projects(&["shop", "blog"])), 2));
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_the_edge_keeps_what_it_had() {
    let deployment = Deployment::start().await;
    assert!(deployment.refused().await.contains("cannot be read"));
    let good = projects(&["shop"]);
    deployment.give(&good).await;
    deployment.function.publish().await.unwrap();
    for (bad, why) in [
        ("{", "not a snapshot"),
        (r#"{"version": 2, "projects": []}"#, "newer"),
        (&projects(&["shop", "shop"]), "twice"),
        (r#"{"version": 1, "projects": [{"id": "shop", "timezone": "Mars/Base"}]}"#, "time zone"),
    ] {
        deployment.give(bad).await;
        let said = deployment.refused().await;
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(deployment.there(), (Some(good), 1));
}

#[tokio::test]
async fn a_change_while_an_older_value_is_written_is_published_by_the_same_call() {
    let deployment = Deployment::start().await;
    deployment.give(&projects(&["old"])).await;
    deployment.services.lock().meanwhile = Some(projects(&["new"]));
    assert_eq!(deployment.function.publish().await.unwrap(), Published { changed: true, projects: 1 });
    assert_eq!(deployment.there(), (Some(projects(&["new"])), 2));
}

#[tokio::test]
async fn a_refusal_fails_the_call_and_says_why_without_the_token() {
    let deployment = Deployment::start().await;
    deployment.give(&projects(&["shop"])).await;
    deployment.services.lock().refuses_writes = true;
    assert!(deployment.refused().await.contains("quota (10048)"));
    deployment.services.lock().token = "another-token".to_owned();
    let said = deployment.refused().await;
    assert!(said.contains("status 403, Authentication error") && !said.contains("another-token"), "{said}");
    let mut deployment = deployment;
    deployment.function.token.name = "/nothing".to_owned();
    assert!(deployment.refused().await.contains("ParameterNotFound"));
}

#[test]
fn what_is_no_id_does_not_become_a_part_of_the_address() {
    let url: Url = "https://api.cloudflare.com".parse().unwrap();
    for id in ["", "../accounts", "a/b", "a?b"] {
        assert!(KeyValue::new(Client::new(PATIENCE).unwrap(), &url, id, "namespace").is_err(), "{id}");
    }
}
