//! What these tests share: envelopes, a queue to put them in, and a destination that does as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray as _, RecordBatch};
use async_trait::async_trait;
use batch_compactor::{Compactor, CompactorSettings, Destination};
use event_model::{Event, EventId, ProjectId, Timestamp};
use event_queue::memory::{MemoryQueue, MemorySettings};
use event_queue::{Compression, Envelope, Geo, Outgoing, Queue as _};
use futures::TryStreamExt as _;
use lake::files::FileList;
use lake::rows::{Wanted, read};
use lake::schema::TableSpec;
use lake::tables::Table;
use lake::{IngestBatch, IngestReport, LakeError, MessageCounts};
use object_store::ObjectStore;
use parking_lot::Mutex;
use url::Url;

/// 2026-11-20T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_795_176_000_000_000);

pub(crate) fn project(name: &str) -> ProjectId {
    ProjectId::parse(name).unwrap()
}

pub(crate) fn id(number: u64) -> EventId {
    EventId((u128::from(number) | 1 << 100).to_be_bytes())
}

/// A small event.
pub(crate) fn event(number: u64) -> Event {
    Event {
        event_id: id(number),
        event: "purchase".to_owned(),
        timestamp: NOW,
        user_id: Some(format!("user-{number}")),
        ..Event::default()
    }
}

/// A message with the events `first..first + count`.
pub(crate) fn envelope(name: &str, number: u64, events: impl IntoIterator<Item = Event>) -> Envelope {
    let mut events: Vec<Event> = events.into_iter().collect();
    for (position, event) in events.iter_mut().enumerate() {
        event.position = u32::try_from(position).unwrap();
    }
    Envelope {
        message_id: id(1_000_000 + number),
        project: project(name),
        write_key_id: "key".to_owned(),
        protocol: "native".to_owned(),
        received_at: NOW,
        user_agent: None,
        geo: Geo::default(),
        events,
        rejected: Vec::new(),
        replays: Vec::new(),
    }
}

pub(crate) fn outgoing(envelope: &Envelope) -> Outgoing {
    Outgoing {
        message_id: envelope.message_id,
        project: envelope.project.clone(),
        events: envelope.event_count(),
        body: envelope.encode(Compression::Deflate).unwrap().into(),
    }
}

/// A queue that never gives a message up.
pub(crate) fn queue() -> Arc<MemoryQueue> {
    Arc::new(MemoryQueue::new(MemorySettings { max_receives: u32::MAX, ..MemorySettings::default() }))
}

pub(crate) async fn send(queue: &MemoryQueue, envelopes: &[Envelope]) {
    queue.send(envelopes.iter().map(outgoing).collect()).await.unwrap();
}

/// Settings that make a test quick.
pub(crate) fn quick() -> CompactorSettings {
    CompactorSettings {
        visibility: Duration::from_secs(5),
        poll: Duration::from_millis(20),
        min_interval: Duration::from_millis(5),
        interval_per_commit: 1,
        storage_patience: Duration::ZERO,
        first_backoff: Duration::from_millis(1),
        ..CompactorSettings::default()
    }
}

type Verdict = dyn Fn(&ProjectId, &IngestBatch) -> Result<(), LakeError> + Send + Sync;

/// Takes batches and keeps them, or refuses them.
pub(crate) struct Recorder {
    verdict: Box<Verdict>,
    delay: Duration,
    stored: Mutex<Vec<(ProjectId, IngestBatch)>>,
}

impl Recorder {
    pub(crate) fn new(
        verdict: impl Fn(&ProjectId, &IngestBatch) -> Result<(), LakeError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { verdict: Box::new(verdict), delay: Duration::ZERO, stored: Mutex::default() })
    }

    pub(crate) fn slow(delay: Duration) -> Arc<Self> {
        Arc::new(Self { verdict: Box::new(|_, _| Ok(())), delay, stored: Mutex::default() })
    }

    pub(crate) fn willing() -> Arc<Self> {
        Self::new(|_, _| Ok(()))
    }

    /// All batches that were taken.
    pub(crate) fn stored(&self) -> Vec<(ProjectId, IngestBatch)> {
        self.stored.lock().clone()
    }

    /// The messages in each batch that was taken, by the number they were made with.
    pub(crate) fn messages(&self) -> Vec<Vec<u64>> {
        let numbers = |batch: &IngestBatch| batch.messages.iter().map(|message| number(message.message_id)).collect();
        self.stored().iter().map(|(_, batch)| numbers(batch)).collect()
    }
}

/// The number that a message was made with.
pub(crate) fn number(message: EventId) -> u64 {
    u64::try_from(u128::from_be_bytes(message.0) & u128::from(u64::MAX)).unwrap() - 1_000_000
}

#[async_trait]
impl Destination for Recorder {
    async fn ingest(&self, project: &ProjectId, batch: IngestBatch) -> Result<IngestReport, LakeError> {
        tokio::time::sleep(self.delay).await;
        (self.verdict)(project, &batch)?;
        let mut counts = vec![MessageCounts::default(); batch.messages.len()];
        let messages = batch.events.column_by_name(lake::batch::MESSAGE).unwrap();
        let messages = messages.as_any().downcast_ref::<arrow::array::UInt32Array>().unwrap();
        for message in messages.values() {
            counts[*message as usize].stored += 1;
        }
        for row in &batch.quarantine {
            counts[row.message as usize].quarantined += row.events;
        }
        self.stored.lock().push((project.clone(), batch));
        let messages = counts.into_iter().map(Some).collect();
        Ok(IngestReport { version: Some(1), ingest_seq: Some(1), messages, conflicts: 0 })
    }
}

pub(crate) fn compactor(
    queue: &Arc<MemoryQueue>,
    destination: &Arc<Recorder>,
    settings: CompactorSettings,
) -> Compactor {
    Compactor::with_destination(queue.clone(), destination.clone(), settings)
}

pub(crate) fn storage_down() -> LakeError {
    LakeError::storage("test", "the disk is on fire")
}

/// All rows of a table, read from its newest version by a reader without memory.
pub(crate) async fn rows_of(
    store: Arc<dyn ObjectStore>,
    lake: &Url,
    project: &ProjectId,
    spec: &'static TableSpec,
) -> Vec<RecordBatch> {
    let url = lake.join(&format!("projects/{project}/{}/", spec.name)).unwrap();
    let table = Table::open(store, url, spec).await.unwrap();
    let snapshot = table.refresh().await.unwrap();
    let files = FileList::new(snapshot.snapshot().unwrap().log_data().iter(), &FileList::default());
    let mut rows = Vec::new();
    for file in files.files() {
        let batches = read(table.object_store(), file, Wanted::default()).await.unwrap();
        rows.extend(batches.try_collect::<Vec<_>>().await.unwrap());
    }
    rows
}

/// How often each id is in a column.
pub(crate) fn counts(rows: &[RecordBatch], column: &str) -> BTreeMap<EventId, usize> {
    let mut counts = BTreeMap::new();
    for batch in rows {
        for id in batch.column_by_name(column).unwrap().as_binary::<i32>().iter().flatten() {
            *counts.entry(EventId(id.try_into().unwrap())).or_default() += 1;
        }
    }
    counts
}
