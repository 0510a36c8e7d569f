//! The function that tells the edge who may send: it puts the bucket's `projects.json` into the Worker's key-value store.
//!
//! It is called when the object changes, and by a schedule in case such a call was lost. What the call says is not read:
//! the bucket and the store are compared each time, so that calls may come twice, late or in any order.

mod http;
mod key_value;
mod parameter;

use std::time::Duration;

use anyhow::{Context as _, bail};
use object_store::ObjectStoreExt as _;
use serde::Serialize;
use url::Url;

use self::http::Client;
use self::key_value::KeyValue;
use self::parameter::Parameter;
use crate::bucket::{self, Place};
use crate::environment::{
    self, CLOUDFLARE_ACCOUNT, CLOUDFLARE_NAMESPACE, CLOUDFLARE_TOKEN_PARAMETER, CLOUDFLARE_URL, PROJECTS_URL,
};
use crate::snapshot;

/// How long one call of a service may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// KV takes one write a second to a key.
const PAUSE: Duration = Duration::from_millis(1_100);
/// How often a file that changes while it is published is published again.
const ROUNDS: u32 = 5;

/// What the function keeps from call to call.
pub struct PublisherFunction {
    projects: Place,
    token: Parameter,
    values: KeyValue,
    pause: Duration,
}

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Whether the edge had something else, or nothing.
    pub changed: bool,
    /// How many projects it has now.
    pub projects: usize,
}

impl PublisherFunction {
    /// As the environment says.
    ///
    /// # Errors
    /// A variable that is missing or cannot be used.
    pub fn start() -> anyhow::Result<Self> {
        let base: Url = match environment::optional(CLOUDFLARE_URL) {
            Some(_) => environment::url(CLOUDFLARE_URL)?,
            None => Url::parse("https://api.cloudflare.com")?,
        };
        let client = Client::new(PATIENCE)?;
        let (account, namespace): (String, String) =
            (environment::required(CLOUDFLARE_ACCOUNT)?, environment::required(CLOUDFLARE_NAMESPACE)?);
        Ok(Self {
            projects: bucket::open(&environment::url(PROJECTS_URL)?, PATIENCE)?,
            token: Parameter::from_environment(client.clone(), environment::required(CLOUDFLARE_TOKEN_PARAMETER)?)?,
            values: KeyValue::new(client, &base, &account, &namespace)?,
            pause: PAUSE,
        })
    }

    /// Makes the edge's value that of the bucket.
    ///
    /// # Errors
    /// If the bucket's cannot be read or used, or the edge's cannot be read or written. The edge then keeps what it
    /// had, and the call counts as failed, which raises an alarm.
    pub async fn publish(&self) -> anyhow::Result<Published> {
        // Read each time: whoever changes the token changes it in one place, and needs no new instance.
        let token = self.token.value().await.context("the token for Cloudflare cannot be read")?;
        let mut there = self.values.get(&token).await?;
        let mut changed = false;
        for _ in 0..ROUNDS {
            let text = self.text().await?;
            let projects = snapshot::parse(&text)?.projects().len();
            if there.as_deref() == Some(text.as_str()) {
                tracing::info!(projects, changed, "the edge has projects.json");
                return Ok(Published { changed, projects });
            }
            if changed {
                tokio::time::sleep(self.pause).await;
            }
            self.values.put(&token, &text).await?;
            // Looked at once more: another call may have read and written in between, and what it wrote was older.
            (there, changed) = (Some(text), true);
        }
        bail!("projects.json changes faster than it can be published")
    }

    async fn text(&self) -> anyhow::Result<String> {
        let found = self.projects.store.get(&self.projects.path).await.context("projects.json cannot be read")?;
        let bytes = found.bytes().await.context("projects.json cannot be read")?;
        String::from_utf8(bytes.into()).context("projects.json is not text")
    }
}

#[cfg(test)]
mod tests;
