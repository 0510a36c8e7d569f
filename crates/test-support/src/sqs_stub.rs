//! A small SQS on this machine: JSON protocol, real visibility, receive counts and redrive, and faults by seed.
//!
//! Every call is O(log n) in the depth of the queue, so that tests load it with a hundred thousand messages, which
//! moto cannot take. Signatures are not checked.
//!
//! ```text
//! HTTP -> server (faults: delay, stall, 5xx) -> actions (what each call means) -> queue (which message is where)
//! ```

mod actions;
mod faults;
mod protocol;
mod queue;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use event_queue::clock::{Clock, SystemClock};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use actions::Account;
pub use faults::SqsFaults;
pub use queue::{Counts, QueueRules};

/// The account that all queues belong to.
pub const ACCOUNT: &str = "000000000000";
/// The region that all queues are in.
pub const REGION: &str = "us-east-1";

/// A running stub; it ends when this is dropped.
pub struct SqsStub {
    account: Arc<Account>,
    server: JoinHandle<()>,
}

impl SqsStub {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// If there is none.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0, Arc::new(SystemClock::default())).await
    }

    /// Listens on a port of the loopback interface (0: a free one), with another clock.
    ///
    /// # Errors
    /// If the port is taken.
    pub async fn start_on(port: u16, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let account = Arc::new(Account::new(format!("http://{}", listener.local_addr()?), clock));
        let server = tokio::spawn(server::run(listener, account.clone()));
        Ok(Self { account, server })
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.account.endpoint()
    }

    /// Makes a queue, and `<name>-dead` for its dead letters if the rules have a limit of receives. Its URL.
    #[must_use]
    pub fn create_queue(&self, name: &str, rules: QueueRules) -> String {
        self.account.create_with_dead_letters(name, rules)
    }

    /// Misbehaves like this from now on.
    pub fn set_faults(&self, faults: SqsFaults) {
        self.account.set_faults(faults);
    }

    /// What a queue holds, exactly; `None` if there is no such queue.
    #[must_use]
    pub fn counts(&self, name: &str) -> Option<Counts> {
        self.account.counts(name)
    }

    /// How many calls of an action came in, those answered with a fault included.
    #[must_use]
    pub fn calls(&self, action: &str) -> u64 {
        self.account.calls(action)
    }

    /// The last call of an action, as it came in.
    #[must_use]
    pub fn last_call(&self, action: &str) -> Option<Value> {
        self.account.last_call(action)
    }

    /// Serves until the process is ended.
    pub async fn serve_for_ever(mut self) {
        // The server's task never ends by itself.
        drop((&mut self.server).await);
    }
}

impl Drop for SqsStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}
