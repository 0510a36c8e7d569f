//! Plain calls over HTTPS, with the client that the store of objects has anyway.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use url::Url;

/// Largest answer that is read, in bytes: KV keeps values of up to 25 MiB.
const MAX_ANSWER_BYTES: usize = 26 << 20;

/// The client; clones share their connections.
#[derive(Clone)]
pub(super) struct Client(HttpClient);

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Client {
    /// One whose calls take at most so long.
    pub(super) fn new(patience: Duration) -> anyhow::Result<Self> {
        // In the clear only to where the environment says so: all addresses of our own begin with https.
        let options = ClientOptions::new().with_timeout(patience).with_allow_http(true);
        let client = ReqwestConnector::default().connect(&options).context("no client for HTTPS")?;
        Ok(Self(client))
    }

    /// A request for it.
    pub(super) fn request(
        method: Method,
        url: &Url,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> anyhow::Result<HttpRequest> {
        let mut request = http::Request::builder().method(method).uri(url.as_str());
        for (name, value) in headers {
            // The value may be a secret, which an error must not repeat.
            let value = http::HeaderValue::from_str(value).with_context(|| format!("a value of {name}"))?;
            request = request.header(*name, value);
        }
        Ok(request.body(HttpRequestBody::from(body))?)
    }

    /// Sends it and reads the answer.
    ///
    /// # Errors
    /// If none came.
    pub(super) async fn send(&self, request: HttpRequest) -> anyhow::Result<Answer> {
        let response = self.0.execute(request).await?;
        let status = response.status().as_u16();
        let read = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = read.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        Ok(Answer { status, body })
    }
}
