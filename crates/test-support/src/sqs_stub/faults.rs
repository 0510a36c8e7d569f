//! How the stub misbehaves: in all the ways that SQS, or the way to it, may.

use std::time::Duration;

/// All in percent unless said otherwise; the same seed and the same calls give the same faults.
#[derive(Clone, Copy, Debug)]
pub struct SqsFaults {
    /// Decides everything.
    pub seed: u64,
    /// Calls answered with 503; of every second one the work was done all the same.
    pub unavailable: u32,
    /// Calls that are never answered; of every second one the work was done all the same.
    pub stalled: u32,
    /// Entries of a batch that are answered as failed, for no fault of the sender.
    pub failed_entries: u32,
    /// Received messages that are delivered once more at once, although they are hidden. Three times a message at
    /// most, so that none becomes a dead letter by it.
    pub redelivered: u32,
    /// Deletions that are answered as done and are not. Twice a message at most, so that a drain ends.
    pub lost_deletions: u32,
    /// Each call takes up to this long.
    pub max_delay: Duration,
}

impl SqsFaults {
    /// No faults.
    #[must_use]
    pub fn none() -> Self {
        Self {
            seed: 0,
            unavailable: 0,
            stalled: 0,
            failed_entries: 0,
            redelivered: 0,
            lost_deletions: 0,
            max_delay: Duration::ZERO,
        }
    }
}

/// The faults with the randomness that chooses them.
pub(super) struct Chance {
    pub(super) faults: SqsFaults,
    random: fastrand::Rng,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is answered.
    Answered,
    /// It is answered with 503.
    Unavailable { done: bool },
    /// It is never answered.
    Stalled { done: bool },
}

impl Chance {
    pub(super) fn new(faults: SqsFaults) -> Self {
        Self { faults, random: fastrand::Rng::with_seed(faults.seed) }
    }

    pub(super) fn fate(&mut self) -> Fate {
        let done = self.random.bool();
        if self.happens(self.faults.unavailable) {
            Fate::Unavailable { done }
        } else if self.happens(self.faults.stalled) {
            Fate::Stalled { done }
        } else {
            Fate::Answered
        }
    }

    pub(super) fn delay(&mut self) -> Duration {
        self.faults.max_delay.mul_f64(self.random.f64())
    }

    pub(super) fn happens(&mut self, percent: u32) -> bool {
        percent > 0 && self.random.u32(..100) < percent
    }
}
