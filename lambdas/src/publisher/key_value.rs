//! The Worker's value in Workers KV, by Cloudflare's API.

use anyhow::{Context as _, bail, ensure};
use http::Method;
use serde::Deserialize;
use url::Url;

use super::http::{Answer, Client};

/// The key that the Worker reads.
const KEY: &str = "projects.json";

/// One value.
pub(super) struct KeyValue {
    client: Client,
    url: Url,
}

/// What Cloudflare's API answers to everything but a value that is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    success: bool,
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    #[serde(default)]
    message: String,
}

impl KeyValue {
    pub(super) fn new(client: Client, base: &Url, account: &str, namespace: &str) -> anyhow::Result<Self> {
        for id in [account, namespace] {
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            ensure!(is_id, "{id:?} is not an id of Cloudflare's");
        }
        let path = format!("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/values/{KEY}");
        Ok(Self { client, url: base.join(&path).context("Cloudflare's address")? })
    }

    /// The value; `None` if there is none.
    pub(super) async fn get(&self, token: &str) -> anyhow::Result<Option<String>> {
        let answer = self.send(Method::GET, token, String::new()).await?;
        match answer.status {
            200 => Ok(Some(String::from_utf8(answer.body.into()).context("the value in KV is not text")?)),
            404 => Ok(None),
            _ => bail!("Cloudflare does not give the value: {}", said(&answer)),
        }
    }

    /// Replaces it.
    pub(super) async fn put(&self, token: &str, text: &str) -> anyhow::Result<()> {
        let answer = self.send(Method::PUT, token, text.to_owned()).await?;
        let envelope: Envelope = serde_json::from_slice(&answer.body).unwrap_or_default();
        ensure!(answer.status == 200 && envelope.success, "Cloudflare does not take the value: {}", said(&answer));
        Ok(())
    }

    async fn send(&self, method: Method, token: &str, body: String) -> anyhow::Result<Answer> {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/octet-stream")];
        let request = Client::request(method, &self.url, &headers, body)?;
        self.client.send(request).await.context("Cloudflare does not answer")
    }
}

/// Status and errors in one line.
fn said(answer: &Answer) -> String {
    let envelope: Envelope = serde_json::from_slice(&answer.body).unwrap_or_default();
    let errors = envelope.errors.iter().map(|error| format!(", {} ({})", error.message, error.code));
    errors.fold(format!("status {}", answer.status), |line, error| line + &error)
}
