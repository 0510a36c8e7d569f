//! Time as queues see it: injected, so that a test moves it by hand instead of sleeping.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use event_model::Timestamp;
use tokio::sync::watch;

/// Where a queue gets its time from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Time since some fixed moment; never goes back. Visibility timeouts are counted on it, so that a jump of the
    /// wall clock neither hides nor frees a message.
    fn monotonic(&self) -> Duration;

    /// The wall clock: only for the age of messages, which outlives a restart.
    fn wall(&self) -> Timestamp;

    /// Returns when [`Self::monotonic`] has reached `moment`.
    async fn sleep_until(&self, moment: Duration);
}

/// The machine's clock.
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, moment: Duration) {
        tokio::time::sleep(moment.saturating_sub(self.monotonic())).await;
    }
}

/// A clock that stands still until a test moves it. Clones are one clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    elapsed: watch::Sender<Duration>,
    start: Timestamp,
}

impl ManualClock {
    /// A clock whose wall time is `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { elapsed: watch::Sender::new(Duration::ZERO), start }
    }

    /// Moves it forward and wakes those who sleep until then.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed = elapsed.saturating_add(by));
    }
}

impl Default for ManualClock {
    /// Starts at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::starting_at(Timestamp(1_767_225_600_000_000))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn wall(&self) -> Timestamp {
        let micros = i64::try_from(self.monotonic().as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.start.0.saturating_add(micros))
    }

    async fn sleep_until(&self, moment: Duration) {
        // The sender lives in self, so the wait cannot end by its being dropped.
        let _ = self.elapsed.subscribe().wait_for(|elapsed| *elapsed >= moment).await;
    }
}
