//! The shell around the core for a machine of one's own: axum, a queue, a rate limiter, metrics.

mod body;
mod collector;
mod limiter;
mod live;
mod metrics;
mod random;
mod reply;
mod router;
mod salt;
mod settings;
mod watch;

pub use collector::Collector;
pub use router::router;
pub use salt::{DailySalt, MemorySalt};
pub use settings::CollectorSettings;
