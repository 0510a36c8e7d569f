//! The bucket: what lies in it beside the tables, and the client of S3 that reaches it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

/// A place in a bucket: an object, or what the names of some objects begin with.
#[derive(Clone, Debug)]
pub struct Place {
    /// The bucket.
    pub store: Arc<dyn ObjectStore>,
    /// The name.
    pub path: Path,
}

/// Opens what `s3://<bucket>/<path>` names. Region, credentials and an endpoint other than Amazon's come from the
/// environment, as Lambda sets it. A call that fails is tried again for as long as `patience`.
///
/// # Errors
/// If the URL names no place in a bucket, or the environment no region.
pub fn open(url: &Url, patience: Duration) -> anyhow::Result<Place> {
    let (store, path) = client(url, patience)?;
    Ok(Place { store: Arc::new(store), path })
}

/// As [`open`], for whoever needs more of S3 than any store has.
pub(crate) fn client(url: &Url, patience: Duration) -> anyhow::Result<(AmazonS3, Path)> {
    let Some(bucket) = url.host_str().filter(|_| url.scheme() == "s3") else {
        bail!("{url} is not s3://<bucket>/<path>");
    };
    // Otherwise the client takes one that is not the bucket's, and each call fails.
    region()?;
    let path = Path::from_url_path(url.path()).with_context(|| format!("{url} is no place in a bucket"))?;
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), format!("{}ms", patience.as_millis()))
        .with_retry(RetryConfig { retry_timeout: patience, ..RetryConfig::default() })
        .build()
        .with_context(|| format!("{url} cannot be opened"))?;
    Ok((store, path))
}

/// The region of this function.
///
/// # Errors
/// If nobody says it.
pub fn region() -> anyhow::Result<String> {
    let said = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    said.context("no region is known: AWS_REGION is not set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_in_a_bucket_is_refused() {
        for url in ["file:///config/projects.json", "gs://bucket/config/projects.json", "s3:/config"] {
            assert!(open(&Url::parse(url).unwrap(), Duration::from_secs(1)).is_err(), "{url}");
        }
    }
}
