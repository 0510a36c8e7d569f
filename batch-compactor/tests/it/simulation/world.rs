//! What outlives processes: the queue and the bytes in storage.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event_queue::Queue as _;
use event_queue::clock::ManualClock;
use event_queue::memory::{MemoryQueue, MemorySettings};
use lake::store::{Disk, DurableStore};
use lake::{Lake, LakeError, LakeSettings};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use test_support::faulty_queue::{FaultyQueue, QueueFaults};
use test_support::power_cut::PowerCut;
use url::Url;

use super::Rules;
use super::plan::{Message, Plan};

/// The queue and the store of a run.
pub(super) struct World {
    /// What the compactors see.
    pub(super) queue: Arc<FaultyQueue>,
    /// What is behind it.
    pub(super) honest: Arc<MemoryQueue>,
    clock: ManualClock,
    storage: Storage,
    pub(super) url: Url,
}

enum Storage {
    Memory(Arc<InMemory>),
    Folder { folder: tempfile::TempDir, power: PowerCut, fsync: bool },
}

impl World {
    pub(super) fn new(plan: &Plan, rules: &Rules) -> Self {
        let clock = ManualClock::default();
        let settings = MemorySettings { max_receives: u32::MAX, ..MemorySettings::default() };
        let honest = Arc::new(MemoryQueue::with_clock(settings, Arc::new(clock.clone())));
        let queue = Arc::new(FaultyQueue::new(honest.clone(), QueueFaults::seeded(plan.seed)));
        let (storage, url) = if plan.folder {
            let folder = tempfile::tempdir().unwrap();
            let power = PowerCut::watch(folder.path()).unwrap();
            let url = Url::from_directory_path(folder.path().canonicalize().unwrap()).unwrap();
            (Storage::Folder { folder, power, fsync: rules.fsync }, url)
        } else {
            (Storage::Memory(Arc::new(InMemory::new())), Url::parse("memory:///").unwrap())
        };
        Self { queue, honest, clock, storage, url }
    }

    /// The store as a process finds it that starts now.
    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        match &self.storage {
            Storage::Memory(store) => store.clone(),
            Storage::Folder { folder, power, fsync } => {
                let disk = Sparing { power: power.clone(), fsync: *fsync };
                Arc::new(DurableStore::with_disk(folder.path(), disk).unwrap())
            }
        }
    }

    /// A lake without memory of what was before.
    pub(super) async fn lake(&self, store: Arc<dyn ObjectStore>, settings: &LakeSettings) -> Result<Lake, LakeError> {
        Lake::with_store(store, self.url.clone(), settings.clone()).await
    }

    /// What was not fsynced is gone. Every process must have stopped.
    pub(super) fn cut_power(&mut self) {
        if let Storage::Folder { power, folder, .. } = &mut self.storage {
            power.cut().unwrap();
            *power = PowerCut::watch(folder.path()).unwrap();
        }
    }

    pub(super) fn send(&self, messages: &[Message]) {
        let all = messages.iter().map(|message| message.outgoing.clone()).collect();
        super::life::block_on(self.honest.send(all)).unwrap();
    }

    /// Lets every visibility timeout end.
    pub(super) fn let_time_pass(&self) {
        self.clock.advance(Duration::from_secs(3_600));
    }
}

/// A disk that remembers what was fsynced, or one whose fsyncs are left out.
struct Sparing {
    power: PowerCut,
    fsync: bool,
}

impl Disk for Sparing {
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        if self.fsync { self.power.sync_file(path) } else { Ok(()) }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.fsync { self.power.sync_folder(path) } else { Ok(()) }
    }
}
