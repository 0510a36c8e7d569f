//! What the deployment says: environment variables, which `terraform/modules` sets.
//!
//! | function | variables |
//! |---|---|
//! | collector | [`QUEUE_URL`], [`PROJECTS_URL`], [`SALTS_URL`], [`ORIGIN_SECRET`], [`PUBLIC_HOST`] |
//! | compactor | [`QUEUE_URL`], [`LAKE_URL`], [`LOOK_BACK_DAYS`], [`TIME_LIMIT_SECONDS`], [`FURTHER_RECEIVES`] |
//! | publisher | [`PROJECTS_URL`], [`CLOUDFLARE_ACCOUNT`], [`CLOUDFLARE_NAMESPACE`], [`CLOUDFLARE_TOKEN_PARAMETER`], [`CLOUDFLARE_URL`] |
//! | query | [`QUEUE_URL`], [`LAKE_URL`], [`PROJECTS_URL`], [`TIME_LIMIT_SECONDS`], [`ANSWERS_URL`] |

use std::str::FromStr;

use anyhow::{Context as _, anyhow};
use url::Url;

/// `HEADWATER_LAKE_URL`: where the tables are, `s3://<bucket>/<path>`.
pub const LAKE_URL: &str = "HEADWATER_LAKE_URL";
/// `HEADWATER_PROJECTS_URL`: where projects.json is, `s3://<bucket>/<path>`.
pub const PROJECTS_URL: &str = "HEADWATER_PROJECTS_URL";
/// `HEADWATER_QUEUE_URL`: the queue in SQS.
pub const QUEUE_URL: &str = "HEADWATER_QUEUE_URL";
/// `HEADWATER_SALTS_URL`: below which the daily salts of visitor ids lie, `s3://<bucket>/<path>`.
pub const SALTS_URL: &str = "HEADWATER_SALTS_URL";
/// `HEADWATER_ORIGIN_SECRET`: what the CDN in front of the collector says in `x-headwater-origin`, so that its word on
/// the visitor's address and place is believed. Several, separated by commas, while it is being changed. Default: none,
/// and nobody's word is believed.
pub const ORIGIN_SECRET: &str = "HEADWATER_ORIGIN_SECRET";
/// `HEADWATER_PUBLIC_HOST`: the name by which visitors know the collector, where requests reach it by another. Default:
/// the host of the request.
pub const PUBLIC_HOST: &str = "HEADWATER_PUBLIC_HOST";
/// `HEADWATER_CLOUDFLARE_ACCOUNT`: the id of the account that the Worker runs in.
pub const CLOUDFLARE_ACCOUNT: &str = "HEADWATER_CLOUDFLARE_ACCOUNT";
/// `HEADWATER_CLOUDFLARE_NAMESPACE`: the id of the Worker's namespace in KV.
pub const CLOUDFLARE_NAMESPACE: &str = "HEADWATER_CLOUDFLARE_NAMESPACE";
/// `HEADWATER_CLOUDFLARE_TOKEN_PARAMETER`: the name of the parameter in SSM whose value is a token that may write to the
/// namespace.
pub const CLOUDFLARE_TOKEN_PARAMETER: &str = "HEADWATER_CLOUDFLARE_TOKEN_PARAMETER";
/// `HEADWATER_CLOUDFLARE_URL`: where Cloudflare's API is. Default: `https://api.cloudflare.com`; set by tests.
pub const CLOUDFLARE_URL: &str = "HEADWATER_CLOUDFLARE_URL";
/// `HEADWATER_ANSWERS_URL`: below which answers are kept that are larger than Lambda hands on, `s3://<bucket>/<path>`.
/// Default: `/answers` in the bucket of the lake.
pub const ANSWERS_URL: &str = "HEADWATER_ANSWERS_URL";
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

/// The value of a variable that need not be set: empty counts as not set.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
