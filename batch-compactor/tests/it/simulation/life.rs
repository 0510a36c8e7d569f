//! Processes: they start, drain beside each other, fail, die at any moment, and in the end recover.

use std::collections::HashSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use batch_compactor::{Compactor, Destination};
use event_model::ProjectId;
use event_queue::{MessageId, Queue as _};
use futures::future::join_all;
use lake::{IngestBatch, IngestReport, Lake, LakeError, MaintenanceSettings};
use test_support::faulty_store::{Fault, FaultyStore};

use super::Rules;
use super::plan::{Fate, Plan};
use super::world::World;

/// Drains of one process in one life.
const DRAINS: usize = 6;
/// After this many rounds without progress the recovery is given up.
const PATIENCE: usize = 40;

/// One life: some processes at the same time, until they have drained for a while or are killed.
pub(super) fn live(world: &World, plan: &Plan, rules: &Rules, number: u64) {
    let mut random = fastrand::Rng::with_seed(plan.seed ^ (number + 1) << 32);
    let deadly = random.bool();
    let processes: Vec<FaultyStore> =
        (0..plan.processes).map(|_| unlucky_store(world, plan, &mut random, deadly)).collect();
    let killed_after = if random.bool() { random.usize(20..2_000) } else { usize::MAX };
    let poison = plan.poison();
    let together = join_all(processes.into_iter().map(|store| process(world, rules, store, &poison, random.u64(..))));
    block_on(Killed { inner: Box::pin(together), polls: killed_after });
    world.let_time_pass();
}

/// A store that fails now and then, and may take its process with it.
fn unlucky_store(world: &World, plan: &Plan, random: &mut fastrand::Rng, deadly: bool) -> FaultyStore {
    let seed = random.u64(..);
    let store = FaultyStore::new(world.store()).with_turns(seed, 3);
    let store = if plan.failing_percent > 0 { store.with_seed(seed, plan.failing_percent) } else { store };
    if deadly {
        let fault = if random.bool() { Fault::CrashBefore } else { Fault::CrashAfter };
        return store.with_fault(random.usize(..60), fault);
    }
    store
}

async fn process(world: &World, rules: &Rules, store: FaultyStore, poison: &[MessageId], seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let Some((compactor, lake)) = start(world, rules, store, poison).await else { return };
    for _ in 0..DRAINS {
        if compactor.drain().await.unwrap().messages == 0 {
            world.let_time_pass();
        }
        if random.u32(..4) == 0 {
            maintain(&lake).await;
        }
    }
}

/// Merges, rolls up the ledger and writes checkpoints while others ingest. It may fail like everything else.
async fn maintain(lake: &Poisoned) {
    let eager = MaintenanceSettings { small_files: 2, checkpoint_commits: 3, ..MaintenanceSettings::default() };
    for project in Plan::projects() {
        if let Ok(project) = lake.lake.project(&project).await {
            let _ = project.maintain(&eager).await;
        }
    }
}

async fn start(
    world: &World,
    rules: &Rules,
    store: FaultyStore,
    poison: &[MessageId],
) -> Option<(Compactor, Arc<Poisoned>)> {
    for _ in 0..5 {
        if let Ok(lake) = world.lake(Arc::new(store.clone()), &rules.lake).await {
            let lake = Arc::new(Poisoned { lake, poison: poison.iter().copied().collect() });
            let settings = rules.compactor.clone();
            return Some((Compactor::with_destination(world.queue.clone(), lake.clone(), settings), lake));
        }
    }
    None
}

/// A last process without any fault of storage: it gets what was left behind, and all copies that are still to come.
pub(super) fn recover(world: &World, plan: &Plan, rules: &Rules) -> Result<(), String> {
    block_on(async {
        let poison = plan.poison();
        let store = FaultyStore::new(world.store());
        let (compactor, _) = start(world, rules, store, &poison).await.ok_or("the lake cannot be opened again")?;
        let newer = plan.with_fate(Fate::Newer).count() as u64;
        let (mut left, mut idle) = (u64::MAX, 0);
        while idle < PATIENCE {
            let report = compactor.drain().await.map_err(|error| error.to_string())?;
            if let Some(failure) = report.failures.iter().find(|failure| failure.storage) {
                return Err(format!("healthy storage fails: {}", failure.detail));
            }
            let stats = world.honest.stats().await.map_err(|error| error.to_string())?;
            let copies = world.queue.copies_left() as u64;
            let now = stats.visible + stats.in_flight + copies;
            if now <= newer && copies == 0 {
                return Ok(());
            }
            idle = if now < left { 0 } else { idle + 1 };
            left = left.min(now);
            world.let_time_pass();
        }
        Err(format!("the queue is never drained: {left} messages are left"))
    })
}

/// A lake that cannot take certain messages.
struct Poisoned {
    lake: Lake,
    poison: HashSet<MessageId>,
}

#[async_trait]
impl Destination for Poisoned {
    async fn ingest(&self, project: &ProjectId, batch: IngestBatch) -> Result<IngestReport, LakeError> {
        let whole = batch.quarantine.iter().any(|row| row.rejected.reason == event_model::Reason::MessageUnreadable);
        if !whole && batch.messages.iter().any(|message| self.poison.contains(&message.message_id)) {
            return Err(LakeError::Shape("no column fits".to_owned()));
        }
        self.lake.ingest(project, batch).await
    }
}

/// A future that is dropped after so many polls: the process is killed at some await or other.
struct Killed<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Killed<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.polls == 0 {
            return Poll::Ready(());
        }
        self.polls -= 1;
        self.inner.as_mut().poll(context).map(|_| ())
    }
}

/// Runs a future on a runtime of its own, and waits until nothing of it is left: no thread writes any more.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(pin!(future))
}
