//! List prices, from one file that says where each is from and as of when.

use anyhow::Context as _;
use serde::Deserialize;

/// The prices that this build knows.
const BUILT_IN: &str = include_str!("prices.json");

/// One price.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Dollars for [`Self::per`] units.
    pub dollars: f64,
    /// How many units it is for.
    pub per: f64,
    /// What is counted.
    pub unit: String,
    /// Where it is published.
    pub source: String,
}

/// As of when the prices of one provider are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Year and month.
    pub as_of: String,
    /// Which of its prices these are.
    pub note: String,
}

/// All prices.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Their currency; all names speak of dollars.
    pub currency: String,
    /// The region of AWS that they hold for.
    pub region: String,
    /// Those of AWS.
    pub aws: Origin,
    /// Those of Cloudflare.
    pub cloudflare: Origin,
    /// Each by name.
    pub prices: List,
}

/// Each price by name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are those of the file, and each price has its unit with it")]
pub struct List {
    pub worker_requests: Price,
    pub worker_cpu: Price,
    pub worker_key_value_reads: Price,
    pub worker_plan: Price,
    pub cloudfront_requests: Price,
    pub cloudfront_transfer: Price,
    pub queue_requests: Price,
    pub function_requests: Price,
    pub function_gb_seconds: Price,
    pub storage_writes: Price,
    pub storage_reads: Price,
    pub storage_months: Price,
    pub api_requests: Price,
    pub log_bytes: Price,
    pub alarms: Price,
    pub dashboards: Price,
}

impl Prices {
    /// Those that this build knows.
    ///
    /// # Errors
    /// None: a test reads them.
    pub fn built_in() -> anyhow::Result<Self> {
        Self::parse(BUILT_IN)
    }

    /// Those of another file of the same shape: another region, a contract of one's own.
    ///
    /// # Errors
    /// If it is not of that shape.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        serde_json::from_str(text).context("this is no list of prices")
    }
}
