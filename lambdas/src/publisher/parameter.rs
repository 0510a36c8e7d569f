//! A secret in SSM's parameter store, read by one signed call.

use anyhow::{Context as _, ensure};
use http::Method;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::http::Client;
use crate::{bucket, environment};

/// Where a secret is, and who may read it.
pub(super) struct Parameter {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) region: String,
    /// Those of the function's role, which Lambda gives each instance for its life.
    pub(super) credential: AwsCredential,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    parameter: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Value {
    value: String,
}

impl Parameter {
    /// By name, with the credentials and the endpoint that the environment says.
    pub(super) fn from_environment(client: Client, name: String) -> anyhow::Result<Self> {
        let region = bucket::region()?;
        let own = ["AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL"].iter().find_map(|name| environment::optional(name));
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = own.unwrap_or_else(|| format!("https://ssm.{region}.{domain}"));
        let credential = AwsCredential {
            key_id: environment::required("AWS_ACCESS_KEY_ID")?,
            secret_key: environment::required("AWS_SECRET_ACCESS_KEY")?,
            token: environment::optional("AWS_SESSION_TOKEN"),
        };
        Ok(Self { client, url: url.parse().context("the address of SSM")?, region, credential, name })
    }

    /// The secret.
    ///
    /// # Errors
    /// If SSM does not give it.
    pub(super) async fn value(&self) -> anyhow::Result<String> {
        let body = json!({ "Name": self.name, "WithDecryption": true }).to_string();
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")];
        let mut request = Client::request(Method::POST, &self.url, &headers, body)?;
        AwsAuthorizer::new(&self.credential, "ssm", &self.region).authorize(&mut request, None);
        let answer = self.client.send(request).await.context("SSM does not answer")?;
        // What it says when it refuses names the parameter and the role, and never the value.
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status == 200, "SSM does not give {}: status {}, {}", self.name, answer.status, text());
        let found: Found = serde_json::from_slice(&answer.body).context("what SSM answers is no parameter")?;
        Ok(found.parameter.value.trim().to_owned())
    }
}
