//! How a receiver waits: for a send, for a hidden message to come back, or for its own patience to end.

use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;

/// Calls `take` until it yields something or `wait` is over. `take` also says when a hidden message may come back.
pub(crate) async fn wait_for_first<T>(
    clock: &dyn Clock,
    changed: &Notify,
    wait: Duration,
    mut take: impl FnMut() -> (Vec<T>, Option<Duration>),
) -> Vec<T> {
    let patience_ends = clock.monotonic().saturating_add(wait);
    loop {
        let notified = changed.notified();
        tokio::pin!(notified);
        // Registered before looking: a send between the look and the wait still wakes us.
        notified.as_mut().enable();
        let (found, next_deadline) = take();
        if !found.is_empty() || clock.monotonic() >= patience_ends {
            return found;
        }
        let wake = next_deadline.map_or(patience_ends, |deadline| deadline.min(patience_ends));
        tokio::select! {
            () = notified => {}
            () = clock.sleep_until(wake) => {}
        }
    }
}
