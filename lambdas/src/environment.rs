//! What the deployment says: environment variables, which `terraform/modules` sets.

use std::str::FromStr;

use anyhow::{Context as _, anyhow};
use url::Url;

/// `HEADWATER_LAKE_URL`: where the tables are, `s3://<bucket>/<path>`.
pub const LAKE_URL: &str = "HEADWATER_LAKE_URL";
/// `HEADWATER_PROJECTS_URL`: where projects.json is, `s3://<bucket>/<path>`.
pub const PROJECTS_URL: &str = "HEADWATER_PROJECTS_URL";
/// `HEADWATER_QUEUE_URL`: the queue in SQS.
pub const QUEUE_URL: &str = "HEADWATER_QUEUE_URL";
/// `HEADWATER_LOOK_BACK_DAYS`: how many days back an event's id is looked for.
pub const LOOK_BACK_DAYS: &str = "HEADWATER_LOOK_BACK_DAYS";
/// `HEADWATER_TIME_LIMIT_SECONDS`: how long one call of the function may take.
pub const TIME_LIMIT_SECONDS: &str = "HEADWATER_TIME_LIMIT_SECONDS";
/// `HEADWATER_FURTHER_RECEIVES`: whether the compactor fetches more than it was called with, `true` or `false`.
pub const FURTHER_RECEIVES: &str = "HEADWATER_FURTHER_RECEIVES";

/// The value of a variable.
///
/// # Errors
/// If it is not set, or not of its kind.
pub fn required<T: FromStr>(name: &str) -> anyhow::Result<T>
where
    T::Err: std::fmt::Display,
{
    let text = std::env::var(name).with_context(|| format!("{name} is not set"))?;
    text.parse().map_err(|error| anyhow!("{name} cannot be used: {error}"))
}

/// A URL of S3.
///
/// # Errors
/// As [`required`].
pub fn url(name: &str) -> anyhow::Result<Url> {
    required(name)
}

/// The memory of the function in bytes, as Lambda says it.
///
/// # Errors
/// As [`required`].
pub fn memory_bytes() -> anyhow::Result<u64> {
    let megabytes: u64 = required("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?;
    Ok(megabytes << 20)
}
