//! What an operator may say about the compactor.

use std::time::Duration;

/// How much one drain takes, and how patient it is.
#[derive(Clone, Debug)]
pub struct CompactorSettings {
    /// Most messages that one drain takes. Default 20,000.
    pub max_messages: usize,
    /// Most bytes of message bodies that one drain takes, and what bounds its memory where bodies are not packed: about
    /// three times as much at the peak, beside the ids of the look-back. Default 64 MiB.
    pub max_bytes: u64,
    /// Most bytes of JSON that one commit is made of: bodies may be packed, so this and not `max_bytes` bounds the
    /// memory. Default 256 MiB.
    pub max_json_bytes: u64,
    /// Longest time that one drain spends on receiving, beyond the wait for the first message. Default 500 ms.
    pub max_receive_time: Duration,
    /// Most messages asked for in one receive. Default 512 (SQS gives ten a call; its queue
    /// makes as many calls at a time as it takes).
    pub receive_messages: usize,
    /// How long a received message stays hidden from others. Prolonged while it is worked on. Default 60 s.
    pub visibility: Duration,
    /// How long `run` waits in one receive for the first message. Default 1 s.
    pub poll: Duration,
    /// Shortest time from one drain of `run` to the next. Default 1 s.
    pub min_interval: Duration,
    /// Shortest time from one drain to the next in lengths of the last commit: slow storage gets fewer and larger
    /// commits. Default 10.
    pub interval_per_commit: u32,
    /// How many projects are committed at the same time. Default 4.
    pub parallel_projects: usize,
    /// How long a drain goes on trying while a project's storage fails; then its messages wait in the queue.
    /// Default 5 s.
    pub storage_patience: Duration,
    /// First wait after storage failed; it doubles each time, up to `visibility`. Default 200 ms.
    pub first_backoff: Duration,
    /// From this receive on a message is processed alone, and quarantined if it then fails for its own sake.
    /// Default 3.
    pub alone_from_receive: u32,
    /// How long a message of a newer version rests before it is looked at again. Default 15 min.
    pub newer_rest: Duration,
    /// What tests remove to see that they find it missing.
    #[doc(hidden)]
    pub guards: Guards,
}

impl Default for CompactorSettings {
    fn default() -> Self {
        Self {
            max_messages: 20_000,
            max_bytes: 64 << 20,
            max_json_bytes: 256 << 20,
            max_receive_time: Duration::from_millis(500),
            receive_messages: 512,
            visibility: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            min_interval: Duration::from_secs(1),
            interval_per_commit: 10,
            parallel_projects: 4,
            storage_patience: Duration::from_secs(5),
            first_backoff: Duration::from_millis(200),
            alone_from_receive: 3,
            newer_rest: Duration::from_secs(15 * 60),
            guards: Guards::default(),
        }
    }
}

/// The rules that keep events from being lost or doubled. All on, except in a test that proves that one is needed.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    /// A message is acknowledged only after the commit that names it returned.
    pub ack_after_commit: bool,
    /// A message that failed twice is processed alone.
    pub alone: bool,
    /// Trouble with storage is never held against a message.
    pub storage_is_not_the_messages_fault: bool,
    /// A message of a newer version stays in the queue.
    pub leave_newer: bool,
    /// An unreadable message counts for as many events as it carried.
    pub weigh_unreadable: bool,
    /// Messages are kept hidden for as long as they are worked on.
    pub heartbeat: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            ack_after_commit: true,
            alone: true,
            storage_is_not_the_messages_fault: true,
            leave_newer: true,
            weigh_unreadable: true,
            heartbeat: true,
        }
    }
}
