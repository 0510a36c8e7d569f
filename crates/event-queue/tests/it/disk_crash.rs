//! Seeds of sends, receives, acknowledgements and crashes against a model: what was answered is kept, and the count of
//! events ever sent is exact.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use event_queue::clock::ManualClock;
use event_queue::conformance::{message, project};
use event_queue::disk::simulated::{Crash, Operation, SimulatedFiles};
use event_queue::disk::{DiskQueue, DiskSettings};
use event_queue::{Delivery, ProjectStats, Queue, Receipt};

use crate::disk::small;

const HIDDEN: Duration = Duration::from_secs(60);

/// What the outside world knows.
#[derive(Clone, Default)]
pub(crate) struct Model {
    next: u32,
    /// Sends that were answered with yes, and messages that were seen although theirs was not.
    sent: BTreeSet<u32>,
    /// Somebody tried to acknowledge them.
    acknowledged: BTreeSet<u32>,
    /// The queue said that it worked, and no power cut has come since.
    surely_acknowledged: BTreeSet<u32>,
}

/// A run of the queue on a simulated folder.
pub(crate) struct Run {
    pub(crate) files: SimulatedFiles,
    pub(crate) clock: ManualClock,
    pub(crate) model: Model,
    settings: DiskSettings,
}

fn number(delivery: &Delivery) -> u32 {
    u32::from_be_bytes(delivery.message_id.0[..4].try_into().unwrap())
}

fn events<'a>(numbers: impl IntoIterator<Item = &'a u32>) -> u64 {
    numbers.into_iter().map(|number| u64::from(message(*number).events)).sum()
}

impl Run {
    pub(crate) fn new(settings: DiskSettings) -> Self {
        let (files, clock) = (SimulatedFiles::default(), ManualClock::default());
        Self { files, clock, model: Model::default(), settings }
    }

    pub(crate) fn open(&self) -> DiskQueue {
        DiskQueue::open_with(Arc::new(self.files.clone()), self.settings, Arc::new(self.clock.clone())).unwrap()
    }

    /// Up to five callers send at once, one to three messages each.
    pub(crate) async fn send(&mut self, queue: &Arc<DiskQueue>, random: &mut fastrand::Rng) {
        let mut calls = Vec::new();
        for _ in 0..random.u32(1..=5) {
            let numbers: Vec<u32> = (self.model.next..self.model.next + random.u32(1..=3)).collect();
            self.model.next += u32::try_from(numbers.len()).unwrap();
            let (queue, messages) = (queue.clone(), numbers.iter().copied().map(message).collect());
            calls.push((numbers, tokio::spawn(async move { queue.send(messages).await })));
        }
        for (numbers, call) in calls {
            if call.await.unwrap().is_ok() {
                self.model.sent.extend(numbers);
            }
        }
    }

    pub(crate) async fn consume(&mut self, queue: &Arc<DiskQueue>, random: &mut fastrand::Rng) {
        let taken = queue.receive(random.usize(1..=20), HIDDEN, Duration::ZERO).await.unwrap();
        let (mut done, mut freed) = (Vec::new(), Vec::new());
        for delivery in &taken {
            match random.u8(..10) {
                0..6 => done.push(delivery),
                6..8 => freed.push(delivery.receipt.clone()),
                _ => {}
            }
        }
        self.model.acknowledged.extend(done.iter().map(|delivery| number(delivery)));
        let receipts: Vec<Receipt> = done.iter().map(|delivery| delivery.receipt.clone()).collect();
        if queue.ack(&receipts).await.is_ok() {
            self.model.surely_acknowledged.extend(done.iter().map(|delivery| number(delivery)));
        }
        queue.extend(&freed, Duration::ZERO).await.unwrap();
        if random.bool() {
            self.clock.advance(Duration::from_secs(random.u64(1..=90)));
        }
    }

    pub(crate) fn crash(&mut self, crash: Crash) {
        self.files = self.files.crash(crash);
        if crash != Crash::Kill {
            self.model.surely_acknowledged.clear();
        }
    }

    /// Opens the queue and compares all that it holds with the model. Returns what is wrong.
    pub(crate) async fn check(&mut self) -> Result<(), String> {
        let opened = DiskQueue::open_with(Arc::new(self.files.clone()), self.settings, Arc::new(self.clock.clone()));
        let queue = opened.map_err(|error| format!("it does not open: {error}"))?;
        let mut held = BTreeMap::new();
        let letters = queue.dead_letters(usize::MAX).await.map_err(|error| error.to_string())?;
        let waiting = queue.receive(usize::MAX, Duration::ZERO, Duration::ZERO).await.unwrap();
        let letters = letters.iter().map(|letter| (letter.message_id, &letter.body));
        for (id, body) in letters.chain(waiting.iter().map(|delivery| (delivery.message_id, &delivery.body))) {
            let number = u32::from_be_bytes(id.0[..4].try_into().unwrap());
            if *body != message(number).body || number >= self.model.next {
                return Err(format!("message {number} is not what was sent"));
            }
            if held.insert(number, ()).is_some() {
                return Err(format!("message {number} is there twice"));
            }
        }
        self.model.sent.extend(held.keys());
        for number in self.model.sent.difference(&self.model.acknowledged) {
            if !held.contains_key(number) {
                return Err(format!("message {number} was sent, not acknowledged, and is lost"));
            }
        }
        for number in &self.model.surely_acknowledged {
            if held.contains_key(number) {
                return Err(format!("message {number} was acknowledged and is back"));
            }
        }
        let stats = queue.stats().await.unwrap();
        let (counted, expected) = (stats.events_sent.unwrap(), events(&self.model.sent));
        if counted != expected {
            return Err(format!("{counted} events are counted as sent, {expected} were"));
        }
        for place in 0..3 {
            let of_project = |number: &&u32| **number % 3 == place;
            let expected =
                (Some(events(self.model.sent.iter().filter(of_project))), events(held.keys().filter(of_project)));
            let ProjectStats { sent, waiting, dead } = queue.project_stats(&project(place)).await.unwrap().unwrap();
            // Together: the look at what waits has made dead letters of some.
            let counted = (sent, waiting + dead);
            if counted != expected {
                return Err(format!("project {place}: {counted:?} is counted as sent and kept, {expected:?} are"));
            }
        }
        let (counted, expected) = (stats.events.unwrap(), events(held.keys()));
        if counted != expected {
            return Err(format!("{counted} events are counted as waiting, {expected} are"));
        }
        Ok(())
    }

    /// A life of the queue: some work, with faults, until it stops or dies.
    pub(crate) async fn live(&mut self, random: &mut fastrand::Rng) {
        let queue = Arc::new(self.open());
        match random.u8(..4) {
            0 => self.files.die_after(random.u64(1..60)),
            1 => self.files.fail_next(Operation::Sync, ".segment", ErrorKind::Other),
            2 => {
                let operation = random.choice([Operation::Write, Operation::Create, Operation::SyncDirectory]).unwrap();
                let kind = random.choice([ErrorKind::StorageFull, ErrorKind::Other]).unwrap();
                self.files.fail_next(operation, "", kind);
            }
            _ => {}
        }
        for _ in 0..random.u32(5..30) {
            if random.u8(..5) < 3 {
                self.send(&queue, random).await
            } else {
                self.consume(&queue, random).await
            }
            if random.u8(..20) == 0 {
                let letters = queue.dead_letters(3).await.unwrap_or_default();
                let sequences: Vec<u64> = letters.iter().map(|letter| letter.sequence).collect();
                drop(queue.redrive(&sequences).await);
            }
        }
    }
}

async fn run_seed(seed: u64, max_receives: u32) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut run = Run::new(DiskSettings { max_receives, ..small() });
    for _ in 0..4 {
        run.live(&mut random).await;
        match random.u8(..3) {
            // A clean stop.
            0 => run.files = run.files.crash(Crash::Kill),
            1 => run.crash(Crash::Kill),
            _ => run.crash(Crash::PowerCut(random.u64(..))),
        }
        run.check().await?;
    }
    Ok(())
}

#[tokio::test]
async fn two_hundred_seeds_of_crashes_lose_nothing_and_count_every_event() {
    for seed in 0..200 {
        // Checking is a delivery too: with few of them left, messages die on the way.
        let max_receives = if seed % 2 == 0 { 4 } else { u32::MAX };
        if let Err(wrong) = run_seed(seed, max_receives).await {
            panic!("seed {seed}: {wrong}");
        }
    }
}

#[tokio::test]
async fn a_crash_at_each_single_operation_loses_nothing() {
    for power in [false, true] {
        for place in 0..150 {
            let mut random = fastrand::Rng::with_seed(place);
            let mut run = Run::new(DiskSettings { max_receives: 2, segment_bytes: 300, ..small() });
            let queue = Arc::new(run.open());
            run.files.die_after(place);
            for _ in 0..12 {
                run.send(&queue, &mut random).await;
                run.consume(&queue, &mut random).await;
            }
            run.crash(if power { Crash::PowerCut(place) } else { Crash::Kill });
            drop(queue);
            // Twice: what the first start repaired must be durable.
            for _ in 0..2 {
                if let Err(wrong) = run.check().await {
                    panic!("crash at operation {place}, power cut {power}: {wrong}");
                }
                run.crash(if power { Crash::PowerCut(place + 1) } else { Crash::Kill });
            }
        }
    }
}
