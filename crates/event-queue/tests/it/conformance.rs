//! Memory and disk keep the queue's promises.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_queue::Queue;
use event_queue::clock::ManualClock;
use event_queue::conformance::{Capabilities, Harness, run};
use event_queue::disk::files::Folder;
use event_queue::disk::{DiskQueue, DiskSettings};
use event_queue::memory::{MemoryQueue, MemorySettings};

struct Local {
    queue: Arc<dyn Queue>,
    clock: ManualClock,
    capabilities: Capabilities,
    /// Removed when the queue is done with it.
    _folder: Option<tempfile::TempDir>,
}

#[async_trait]
impl Harness for Local {
    fn queue(&self) -> Arc<dyn Queue> {
        self.queue.clone()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

#[tokio::test]
async fn the_queue_in_memory_conforms() {
    run(async || {
        let clock = ManualClock::default();
        let settings = MemorySettings { max_receives: 4, ..MemorySettings::default() };
        let capabilities = Capabilities {
            ordered: true,
            receipts_expire: true,
            exact_stats: true,
            uncounted_release: true,
            max_receives: settings.max_receives,
            max_message_bytes: settings.max_message_bytes,
        };
        let queue = Arc::new(MemoryQueue::with_clock(settings, Arc::new(clock.clone())));
        Local { queue, clock, capabilities, _folder: None }
    })
    .await;
}

#[tokio::test]
async fn the_queue_on_disk_conforms() {
    run(async || {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        let settings = DiskSettings { max_receives: 4, reserve_free_bytes: 0, ..DiskSettings::default() };
        let capabilities = Capabilities {
            ordered: true,
            receipts_expire: true,
            exact_stats: true,
            uncounted_release: true,
            max_receives: settings.max_receives,
            max_message_bytes: settings.max_message_bytes,
        };
        let files = Arc::new(Folder::open(folder.path()).unwrap());
        let queue = Arc::new(DiskQueue::open_with(files, settings, Arc::new(clock.clone())).unwrap());
        Local { queue, clock, capabilities, _folder: Some(folder) }
    })
    .await;
}
