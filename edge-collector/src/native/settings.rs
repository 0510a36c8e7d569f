//! What an operator may set about the collector.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use event_model::limits::MAX_BODY_BYTES;
use event_queue::Compression;

use super::salt::{DailySalt, MemorySalt};
use crate::request::Limits;

/// Settings of the native collector, with their defaults.
#[derive(Clone)]
pub struct CollectorSettings {
    /// Largest body on the wire, in bytes. Default: [`MAX_BODY_BYTES`].
    pub max_body_bytes: usize,
    /// How long a body may take to arrive. Default: 10 s.
    pub body_timeout: Duration,
    /// How often the key of each watcher of the live stream is looked at again. Default: 60 s.
    pub live_key_interval: Duration,
    /// Limits after decompression.
    pub limits: Limits,
    /// How messages are packed. Default: not at all, since bytes on a local disk cost less than cycles.
    pub compression: Compression,
    /// Where the day's salt of cookieless visitors comes from. Default: memory, so that a restart begins a new day.
    pub salt: Arc<dyn DailySalt>,
}

impl Default for CollectorSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: MAX_BODY_BYTES,
            body_timeout: Duration::from_secs(10),
            live_key_interval: Duration::from_secs(60),
            limits: Limits::default(),
            compression: Compression::None,
            salt: Arc::new(MemorySalt::default()),
        }
    }
}

impl fmt::Debug for CollectorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorSettings")
            .field("max_body_bytes", &self.max_body_bytes)
            .field("body_timeout", &self.body_timeout)
            .field("live_key_interval", &self.live_key_interval)
            .field("limits", &self.limits)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}
