//! How much time and memory a call of a function may still use.

use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::Context;

/// What is left for saying how the call ended, and for the clocks' difference.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The time of one call.
#[derive(Clone, Copy, Debug)]
pub struct TimeBudget {
    end: Instant,
}

impl TimeBudget {
    /// That of the call, less what is needed to answer.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        Self::lasting(left.saturating_sub(LAST_WORDS))
    }

    /// One that begins now.
    #[must_use]
    pub fn lasting(time: Duration) -> Self {
        let now = Instant::now();
        Self { end: now.checked_add(time).unwrap_or(now) }
    }

    /// When it ends.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.end
    }

    /// Whether something that last took `time` can be expected to be done before it ends. It may well take longer this
    /// time, so twice of it must be left.
    #[must_use]
    pub fn allows(&self, time: Duration) -> bool {
        self.end.saturating_duration_since(Instant::now()) > time.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_allows_what_can_be_done_twice_in_it() {
        let budget = TimeBudget::lasting(Duration::from_secs(60));
        assert!(budget.allows(Duration::from_secs(29)) && !budget.allows(Duration::from_secs(31)));
        assert!(!TimeBudget::lasting(Duration::ZERO).allows(Duration::ZERO));
    }

    #[test]
    fn the_time_of_a_call_ends_before_its_deadline() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut context = Context::default();
        context.deadline = u64::try_from((now + Duration::from_secs(60)).as_millis()).unwrap_or_default();
        let left = TimeBudget::of(&context).end().saturating_duration_since(Instant::now());
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(58), "{left:?}");
        context.deadline = 0;
        assert!(!TimeBudget::of(&context).allows(Duration::ZERO));
    }
}
