//! Answers that are larger than Lambda hands on: kept in the bucket, and fetched there by a link.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use event_model::problem::MEDIA_TYPE;
use event_model::{ErrorCode, Problem};
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use lambda_http::http::{HeaderValue, Method, StatusCode};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{Attribute, Attributes, ObjectStore, PutOptions};
use serde_json::json;
use url::Url;

use crate::bucket;

/// What Lambda takes of a function's answer is 6 MB of JSON; this much of it is left to the headers.
const HEADER_BYTES: usize = 64 << 10;
/// Largest answer that is given directly, in bytes as they lie in Lambda's JSON.
pub(crate) const MAX_BYTES: usize = (6 << 20) - HEADER_BYTES;
/// How long a link is good.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);
/// How long the bucket may take to keep one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds after which trying again makes sense.
const RETRY_SECONDS: u32 = 5;

/// Where large answers are kept. Whatever lies there is deleted by the bucket's lifecycle after a day.
pub(crate) struct LargeAnswers {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) folder: Path,
    pub(crate) max_bytes: usize,
}

/// Hands a large answer over by way of the bucket: 303, with a link that anybody who has it may open for 15 minutes.
pub(crate) async fn hand_over(State(answers): State<Arc<LargeAnswers>>, request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let body = match to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => return refused(anyhow!(error).context("an answer broke off")),
    };
    if parts.status != StatusCode::OK || bytes_in_json(&body) <= answers.max_bytes {
        return Response::from_parts(parts, Body::from(body));
    }
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bytes = body.len();
    let mut found = json!({ "content_type": content_type, "bytes": bytes, "expires_seconds": GOOD_FOR.as_secs() });
    let location = match answers.keep(body, content_type.to_owned()).await {
        Ok(location) => location,
        Err(error) => return refused(error),
    };
    let Ok(header) = HeaderValue::from_str(&location) else { return refused(anyhow!("a link is no header")) };
    if let Some(fields) = found.as_object_mut() {
        fields.insert("location".to_owned(), location.into());
    }
    tracing::info!(bytes, "an answer was put into the bucket");
    // The headers of the answer stay: its request id, and what lets a page read it.
    let mut response = Response::from_parts(parts, Body::from(found.to_string()));
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(LOCATION, header);
    response
}

impl LargeAnswers {
    /// Below `s3://<bucket>/<path>`.
    pub(crate) fn open(url: &Url) -> anyhow::Result<Self> {
        let (store, folder) = bucket::client(url, PATIENCE)?;
        let store = Arc::new(store);
        Ok(Self { store: store.clone(), signer: store, folder, max_bytes: MAX_BYTES })
    }

    /// With links that lead nowhere.
    #[cfg(test)]
    pub(crate) fn in_memory(store: Arc<dyn ObjectStore>, folder: Path, max_bytes: usize) -> Self {
        Self { store, signer: Arc::new(tests::Nowhere), folder, max_bytes }
    }

    /// Puts it under a name that nobody can guess. The link to it.
    async fn keep(&self, body: Bytes, content_type: String) -> anyhow::Result<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow!("no random bytes are given: {error}"))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = if content_type.contains("json") { "answer.json" } else { "answer" };
        let path = self.folder.clone().join(name).join(file);
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, content_type.into());
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.store.put_opts(&path, body.into(), options).await?;
        Ok(self.signer.signed_url(Method::GET, &path, GOOD_FOR).await?.into())
    }
}

/// How many bytes it has at most as a part of JSON: as text with its escapes, or in base64.
fn bytes_in_json(body: &[u8]) -> usize {
    let escaped = body.iter().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    escaped.sum::<usize>().max(body.len().div_ceil(3).saturating_mul(4))
}

fn refused(error: anyhow::Error) -> Response {
    tracing::error!(error = format!("{error:#}"), "an answer could not be put into the bucket");
    let problem = Problem::new(ErrorCode::LakeUnavailable, "The answer is too large to be given directly.")
        .retry_after(RETRY_SECONDS);
    let retry_after = RETRY_SECONDS.to_string();
    let headers = [("content-type", MEDIA_TYPE), ("retry-after", retry_after.as_str())];
    (StatusCode::SERVICE_UNAVAILABLE, headers, problem.to_json()).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use async_trait::async_trait;
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use object_store::aws::AmazonS3Builder;
    use object_store::memory::InMemory;
    use serde_json::Value;
    use test_support::faulty_store::{Fault, FaultyStore};
    use test_support::moto::{Moto, REGION};
    use tower::ServiceExt as _;

    use super::*;

    /// Makes links that lead nowhere.
    #[derive(Debug)]
    pub(super) struct Nowhere;

    #[async_trait]
    impl Signer for Nowhere {
        async fn signed_url(&self, _: Method, path: &Path, _: Duration) -> object_store::Result<Url> {
            Ok(Url::parse(&format!("https://bucket.test/{path}?signature")).unwrap())
        }
    }

    /// Answers so many bytes, as JSON.
    fn app(answers: LargeAnswers) -> Router {
        let answer = async |axum::extract::Path(bytes): axum::extract::Path<usize>| {
            let text = format!("[{}]", "1".repeat(bytes - 2));
            ([("content-type", "application/json"), ("x-request-id", "r")], text)
        };
        let missing = async || (StatusCode::NOT_FOUND, "x".repeat(100));
        let router = Router::new().route("/{bytes}", get(answer)).route("/missing", get(missing));
        router.layer(from_fn_with_state(Arc::new(answers), hand_over))
    }

    async fn ask(app: &Router, path: &str) -> (u16, axum::http::HeaderMap, Bytes) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status.as_u16(), parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    fn answers(store: Arc<dyn ObjectStore>, max_bytes: usize) -> LargeAnswers {
        LargeAnswers::in_memory(store, Path::from("answers"), max_bytes)
    }

    #[tokio::test]
    async fn only_an_answer_that_does_not_fit_goes_by_way_of_the_bucket() {
        let store = Arc::new(InMemory::new());
        let app = app(answers(store.clone(), 48));
        let (status, headers, body) = ask(&app, "/36").await;
        assert_eq!((status, headers["x-request-id"].to_str().unwrap(), body.len()), (200, "r", 36));
        assert_eq!(ask(&app, "/missing").await.0, 404, "a refusal is given as it is");
        let (status, headers, body) = ask(&app, "/37").await;
        assert_eq!(status, 303);
        assert_eq!(
            (headers["x-request-id"].to_str().unwrap(), headers["cache-control"].to_str().unwrap()),
            ("r", "no-store")
        );
        let location = headers["location"].to_str().unwrap();
        let said: Value = serde_json::from_slice(&body).unwrap();
        let expect =
            json!({ "location": location, "content_type": "application/json", "bytes": 37, "expires_seconds": 900 });
        assert_eq!(said, expect);
        let name = location.strip_prefix("https://bucket.test/").unwrap().strip_suffix("?signature").unwrap();
        let parts: Vec<&str> = name.split('/').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2]), ("answers", 32, "answer.json"));
        let kept = store.get_opts(&Path::from(name), object_store::GetOptions::default()).await.unwrap();
        assert_eq!(kept.bytes().await.unwrap(), format!("[{}]", "1".repeat(35)));
        let other = ask(&app, "/37").await.1["location"].clone();
        assert_ne!(other, location, "no two answers have the same name");
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_kept_is_a_problem_that_passes() {
        let store = Arc::new(FaultyStore::new(Arc::new(InMemory::new())).with_fault(0, Fault::Before));
        let (status, headers, body) = ask(&app(answers(store, 48)), "/100").await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (status, problem["code"].as_str(), headers["retry-after"].to_str().unwrap()),
            (503, Some("lake_unavailable"), "5")
        );
    }

    #[test]
    fn an_answer_is_as_large_as_it_lies_in_the_json_of_lambda() {
        for body in ["", "plain", "\"quoted\"\\", "line\nline\t", "{\"a\":[\"b\",\"c\"]}", "\u{1}", "größer"] {
            let as_text = serde_json::to_string(body).unwrap().len() - 2;
            let in_base64 = body.len().div_ceil(3) * 4;
            assert_eq!(bytes_in_json(body.as_bytes()), as_text.max(in_base64), "{body}");
        }
    }

    /// A request without a key of any kind, and the whole of what comes back.
    fn fetch(method: &str, url: &str) -> Vec<u8> {
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "{method} /{path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_link_opens_without_a_key_and_gives_the_whole_answer() {
        let moto = Moto::start().unwrap();
        fetch("PUT", &format!("{}/bucket-of-answers", moto.endpoint()));
        let store = AmazonS3Builder::new()
            .with_endpoint(moto.endpoint())
            .with_allow_http(true)
            .with_region(REGION)
            .with_bucket_name("bucket-of-answers")
            .with_access_key_id("test")
            .with_secret_access_key("test");
        let store = Arc::new(store.build().unwrap());
        let folder = Path::from("answers");
        let answers = LargeAnswers { store: store.clone(), signer: store, folder, max_bytes: MAX_BYTES };
        let bytes = 7_000_000;
        let (status, headers, body) = ask(&app(answers), &format!("/{bytes}")).await;
        assert!(status == 303 && body.len() < 2_000);
        let location = headers["location"].to_str().unwrap();
        assert!(location.contains("X-Amz-Expires=900") && location.contains("X-Amz-Signature="), "{location}");
        let found = fetch("GET", location);
        let head = String::from_utf8_lossy(&found[..found.len() - bytes]).to_lowercase();
        assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/json"), "{head}");
        assert!(found.ends_with(b"11]") && found[found.len() - bytes] == b'[');
    }
}
