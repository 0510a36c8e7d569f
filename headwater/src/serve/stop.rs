//! One signal that everything which runs listens to.

use tokio::sync::watch;

/// Makes the process stop.
pub(crate) struct StopSwitch(watch::Sender<bool>);

/// Waits for the stop. Dropping the switch counts as one.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// A switch, and what listens to it.
pub(crate) fn switch() -> (StopSwitch, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSwitch(sender), Stop(receiver))
}

impl StopSwitch {
    pub(crate) fn turn(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Returns once the stop was asked for.
    pub(crate) async fn requested(&mut self) {
        // An error means that the switch is gone, and then nobody could turn it any more.
        drop(self.0.wait_for(|stop| *stop).await);
    }

    /// Whether the stop was asked for.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// The same signal for those who know nothing of this type.
    pub(crate) fn receiver(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }
}
