//! What an operator may say about the queue on disk.

use std::time::Duration;

/// How a [`super::DiskQueue`] is bounded and how it spends its folder.
#[derive(Clone, Copy, Debug)]
pub struct DiskSettings {
    /// Most bytes of files that the queue keeps, dead letters included; beyond them `send` answers
    /// [`crate::QueueError::Full`]. Default 1 GiB.
    pub max_bytes: u64,
    /// What stays free on the file system for the lake, which must be able to write what waits here; below it `send`
    /// answers [`crate::QueueError::Full`]. Default 512 MiB.
    pub reserve_free_bytes: u64,
    /// A segment that reaches this size is closed; it is deleted when all its messages are acknowledged. Never more
    /// than an eighth of `max_bytes`, so that a queue that was full gets room again bit by bit. Default 64 MiB.
    pub segment_bytes: u64,
    /// Largest message, in bytes. Default 1 MiB.
    pub max_message_bytes: usize,
    /// After this many deliveries without acknowledgement a message is a dead letter. Default 10.
    pub max_receives: u32,
    /// How long acknowledgements may wait for their fsync. A power cut inside that time means redelivery, which the
    /// compactor's duplicate check absorbs; a killed process loses none. Default 1 s.
    pub sync_marks_every: Duration,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            reserve_free_bytes: 512 << 20,
            segment_bytes: 64 << 20,
            max_message_bytes: 1 << 20,
            max_receives: 10,
            sync_marks_every: Duration::from_secs(1),
        }
    }
}

impl DiskSettings {
    /// The largest record that is read. Twice the limit: a smaller setting must not make yesterday's messages unreadable.
    pub(super) fn max_record_bytes(&self) -> usize {
        self.max_message_bytes.saturating_mul(2).max(16 << 20)
    }

    /// The size at which a segment is closed.
    pub(super) fn closing_bytes(&self) -> u64 {
        self.segment_bytes.min(self.max_bytes / 8)
    }
}
