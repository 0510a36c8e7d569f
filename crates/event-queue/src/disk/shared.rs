//! What callers and the writing thread share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::RETRY_AFTER;
use super::files::{Files, SegmentFile};
use super::settings::DiskSettings;
use super::state::{Place, State};
use super::writer::Command;
use crate::backlog::Entry;
use crate::clock::Clock;
use crate::queue::QueueError;

/// How old a figure of free space may be.
const FREE_SPACE_AGE: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    pub(super) files: Arc<dyn Files>,
    pub(super) settings: DiskSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: Mutex<State>,
    /// Messages may have become visible.
    pub(super) changed: Notify,
    /// The thread has been asked to tidy and has not begun.
    pub(super) tidy_wanted: AtomicBool,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) free_space: Mutex<Option<FreeSpace>>,
}

/// Free bytes of the file system, as last seen.
#[derive(Clone, Copy)]
pub(super) struct FreeSpace {
    bytes: u64,
    seen_at: Duration,
}

impl Shared {
    /// Sets bytes aside for a send, or says that there is no room.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), QueueError> {
        let full = || QueueError::Full { retry_after: RETRY_AFTER };
        {
            let mut free_space = self.free_space.lock();
            let now = self.clock.monotonic();
            let fresh = free_space.filter(|seen| now.saturating_sub(seen.seen_at) < FREE_SPACE_AGE);
            let mut seen = match fresh {
                Some(seen) => seen,
                None => {
                    FreeSpace { bytes: self.files.free_bytes().map_err(super::recovery::unavailable)?, seen_at: now }
                }
            };
            let left = seen.bytes.checked_sub(bytes).filter(|left| *left >= self.settings.reserve_free_bytes);
            if let Some(left) = left {
                seen.bytes = left;
            }
            *free_space = Some(seen);
            left.ok_or_else(full)?;
        }
        let mut state = self.state.lock();
        if state.used_bytes().saturating_add(bytes) > self.settings.max_bytes {
            return Err(full());
        }
        state.reserved_bytes += bytes;
        state.senders += 1;
        Ok(())
    }

    /// Wakes the writing thread if it is not awake already.
    pub(super) fn ask_to_tidy(&self) {
        if !self.tidy_wanted.swap(true, Ordering::AcqRel) {
            // A thread that has stopped has tidied.
            drop(self.commands.send(Command::Tidy));
        }
    }

    /// A dead letter and the file it lies in.
    pub(super) fn dead_letter(&self, sequence: u64) -> Option<(Arc<dyn SegmentFile>, Entry<Place>)> {
        let state = self.state.lock();
        let entry = state.backlog.dead().get(&sequence)?.clone();
        Some((state.file(sequence, entry.body)?, entry))
    }
}
