//! What an operator may say about the queue in SQS.

use std::fmt;
use std::time::Duration;

/// Which queue, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct SqsSettings {
    /// The queue's URL, as `GetQueueUrl` answers it.
    pub queue_url: String,
    /// Where to call instead of Amazon: for tests on the same machine. Default none.
    pub endpoint: Option<String>,
    /// The region; where it is not said: that of the URL, then what the environment says. Default none.
    pub region: Option<String>,
    /// Keys that do not come from the environment: for other implementations of SQS, and for tests. Default none.
    pub keys: Option<Keys>,
    /// How long one call may take, beyond the time that a receive waits for a message. Default 5 s.
    pub call_timeout: Duration,
    /// How long a send, an acknowledgement or an extension goes on trying with the messages that SQS did not take.
    /// Default 10 s: a Worker's or a client's patience is not longer.
    pub patience: Duration,
    /// First wait before a further try; it doubles each time, half of it by chance. Default 50 ms.
    pub first_backoff: Duration,
    /// How many calls of one receive, send or acknowledgement run at the same time: SQS takes and gives ten messages
    /// a call, so a drain of thousands is as fast as its calls are parallel. Default 16.
    pub parallel_calls: usize,
}

impl SqsSettings {
    /// The defaults for a queue.
    #[must_use]
    pub fn new(queue_url: impl Into<String>) -> Self {
        Self {
            queue_url: queue_url.into(),
            endpoint: None,
            region: None,
            keys: None,
            call_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            first_backoff: Duration::from_millis(50),
            parallel_calls: 16,
        }
    }
}

/// An access key. Its secret is never printed.
#[derive(Clone)]
pub struct Keys {
    /// The public part.
    pub id: String,
    /// The other one.
    pub secret: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}
