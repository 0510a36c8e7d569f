//! How much a deployment is used in a month of 30 days.

use clap::ValueEnum;

/// Which collector takes the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CollectorKind {
    /// The Worker at Cloudflare's edge.
    #[default]
    Worker,
    /// The function behind CloudFront and an HTTP API.
    Function,
}

/// What the estimate is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Events taken.
    pub events: f64,
    /// Events that one request brings.
    pub events_per_request: f64,
    /// JSON of one event as it is sent, in bytes.
    pub bytes_per_event: f64,
    /// What one event takes in the lake for good, in bytes.
    pub stored_bytes_per_event: f64,
    /// How many months events are kept.
    pub months_kept: f64,
    /// Questions asked.
    pub questions: f64,
    /// Projects that have events all the time.
    pub projects: f64,
    /// How long messages are gathered before they are stored, in seconds.
    pub drain_seconds: f64,
    /// Which collector.
    pub collector: CollectorKind,
}
