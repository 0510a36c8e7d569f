//! A bucket of Amazon S3, or of anything that speaks like it and honours conditional puts.

use std::sync::Arc;
use std::time::Duration;

use deltalake_core::DeltaResult;
use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{ObjectStore, RetryConfig};
use url::Url;

use crate::error::LakeError;

/// How long a call of S3 is tried again. A function that stores events has two minutes, one that answers has half of
/// one; whoever waits for the latter is told earlier by the question's own limit.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the bucket that `s3://<bucket>/...` names. Region, credentials and an endpoint other than Amazon's come from the
/// environment (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and so on), or from the machine's role.
///
/// # Errors
/// [`LakeError::Storage`] if the URL names no bucket, or the environment no region.
pub fn open(url: &Url) -> Result<Arc<dyn ObjectStore>, LakeError> {
    let bucket = url.host_str().filter(|_| url.scheme() == "s3");
    let bucket = bucket.ok_or_else(|| LakeError::storage(url.as_str(), "this is not s3://<bucket>/<path>"))?;
    // Otherwise object_store takes one that is not the bucket's, and each call fails with a redirect.
    if !["AWS_REGION", "AWS_DEFAULT_REGION"].iter().any(|name| std::env::var_os(name).is_some()) {
        return Err(LakeError::storage(url.as_str(), "no region is known: set AWS_REGION"));
    }
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig { retry_timeout: PATIENCE, ..RetryConfig::default() })
        .build()
        .map_err(|error| LakeError::storage(url.as_str(), error))?;
    speak_of_s3();
    Ok(Arc::new(store))
}

/// Lets the table library take URLs of S3: it only knows those of files and memory by itself. Its log needs nothing
/// else of a store than the conditional put.
fn speak_of_s3() {
    if let Ok(scheme) = Url::parse("s3://") {
        logstore_factories().entry(scheme).or_insert_with(|| Arc::new(ConditionalPut));
    }
}

struct ConditionalPut;

impl LogStoreFactory for ConditionalPut {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bucket_is_refused() {
        for url in ["file:///lake", "gs://bucket/lake", "s3:/lake"] {
            assert!(open(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
    }
}
