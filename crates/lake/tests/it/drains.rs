//! Drains of a project as the compactor hands them over, and a look at what the tables hold afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::Int64Type;
use event_model::{EventId, ProjectId, Reason, Rejected, Tie, Timestamp, columns};
use futures::TryStreamExt;
use lake::batch::IngestBatch;
use lake::files::FileList;
use lake::rows::{Wanted, read};
use lake::schema::{self, TableSpec};
use lake::tables::Table;
use lake::{Clock, Guards, IncomingMessage, IngestReport, Lake, LakeError, LakeSettings, ProjectLake, QuarantineRow};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use url::Url;

use crate::made::{Row, at, events_batch};

/// One message: its number, when it was received, its events, and how many more were rejected.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: u64,
    pub received_at: Timestamp,
    pub events: Vec<Row>,
    pub rejected: u32,
}

pub fn message(id: u64, received_at: &str, events: Vec<Row>) -> Message {
    let received_at = at(received_at);
    let events = events.into_iter().map(|row| Row { received_at, ..row }).collect();
    Message { id, received_at, events, rejected: 0 }
}

pub fn message_id(id: u64) -> EventId {
    EventId((u128::from(id) | 7 << 100).to_be_bytes())
}

/// The batch of a drain.
pub fn batch(messages: &[Message]) -> IngestBatch {
    let mut events = Vec::new();
    let mut places = Vec::new();
    let mut quarantine = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let place = u32::try_from(place).unwrap();
        events.extend(message.events.clone());
        places.extend(message.events.iter().map(|_| place));
        quarantine.extend((0..message.rejected).map(|position| QuarantineRow {
            message: place,
            protocol: "native".to_owned(),
            write_key_id: "key".to_owned(),
            received_at: message.received_at,
            events: 1,
            rejected: rejected(message.id, position),
        }));
    }
    let named = messages
        .iter()
        .map(|message| IncomingMessage { message_id: message_id(message.id), received_at: message.received_at });
    IngestBatch {
        messages: named.collect(),
        events: incoming(&events, places),
        quarantine,
        ties: Vec::new(),
        replays: Vec::new(),
    }
}

pub fn rejected(message: u64, position: u32) -> Rejected {
    let id = EventId((u128::from(message) << 32 | u128::from(position) | 9 << 100).to_be_bytes());
    Rejected::new(position, id, Reason::TimestampInvalid, "the timestamp cannot be read", br#"{"timestamp":"soon"}"#)
}

/// Rows as the compactor makes them, in the order given.
fn incoming(rows: &[Row], messages: Vec<u32>) -> RecordBatch {
    // One at a time, because `events_batch` sorts.
    let batches: Vec<RecordBatch> = rows.iter().map(|row| events_batch(std::slice::from_ref(row), 0)).collect();
    let all = arrow::compute::concat_batches(&schema::events(), &batches).unwrap();
    let schema = schema::incoming_events();
    let columns = schema
        .fields()
        .iter()
        .map(|field| match all.column_by_name(field.name()) {
            Some(column) => Arc::clone(column),
            None => Arc::new(UInt32Array::from(messages.clone())) as ArrayRef,
        })
        .collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

pub fn project() -> ProjectId {
    ProjectId::parse("shop").unwrap()
}

pub fn url() -> Url {
    Url::parse("memory:///").unwrap()
}

pub fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

/// Settings whose clock stands still.
pub fn settings(now: &str) -> LakeSettings {
    let now = at(now);
    LakeSettings { clock: Clock::new(move || now), ..LakeSettings::default() }
}

pub fn without(settings: &LakeSettings, remove: impl FnOnce(&mut Guards)) -> LakeSettings {
    let mut settings = settings.clone();
    remove(&mut settings.guards);
    settings
}

/// A process of its own: nothing is known from before.
pub async fn start(store: &Arc<dyn ObjectStore>, settings: &LakeSettings) -> Result<Arc<ProjectLake>, LakeError> {
    let lake = Lake::with_store(Arc::clone(store), url(), settings.clone()).await?;
    lake.project(&project()).await
}

/// Tries until it is done, as the compactor does by redelivery.
pub async fn insist(project: &ProjectLake, batch: &IngestBatch) -> IngestReport {
    for _ in 0..50 {
        match project.ingest(batch.clone()).await {
            Ok(report) => return report,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    panic!("never done");
}

/// All rows of a table.
pub async fn rows_of(store: &Arc<dyn ObjectStore>, spec: &'static TableSpec) -> Vec<RecordBatch> {
    let url = url().join(&format!("projects/shop/{}/", spec.name)).unwrap();
    let table = Table::open(Arc::clone(store), url, spec).await.unwrap();
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
pub async fn counted(store: &Arc<dyn ObjectStore>, spec: &'static TableSpec, column: &str) -> BTreeMap<u128, usize> {
    let mut counts = BTreeMap::new();
    for batch in rows_of(store, spec).await {
        let ids = batch.column_by_name(column).unwrap().as_binary::<i32>();
        for row in (0..ids.len()).filter(|row| ids.is_valid(*row)) {
            *counts.entry(u128::from_be_bytes(ids.value(row).try_into().unwrap())).or_default() += 1;
        }
    }
    counts
}

pub async fn event_counts(store: &Arc<dyn ObjectStore>) -> BTreeMap<u128, usize> {
    counted(store, &schema::EVENTS, columns::EVENT_ID).await
}

/// The invariant: each accepted event is stored once, each rejected one is in quarantine once, and the ledger's
/// equation holds. Says what is wrong.
pub async fn broken(store: &Arc<dyn ObjectStore>, settings: &LakeSettings, messages: &[Message]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut distinct: BTreeMap<u64, &Message> = BTreeMap::new();
    messages.iter().for_each(|message| {
        distinct.insert(message.id, message);
    });
    let accepted: u64 =
        distinct.values().map(|message| message.events.len() as u64 + u64::from(message.rejected)).sum();
    let expected: std::collections::BTreeSet<u128> =
        distinct.values().flat_map(|message| &message.events).map(|row| u128::from(row.id)).collect();
    let stored = event_counts(store).await;
    if stored.keys().copied().collect::<std::collections::BTreeSet<_>>() != expected {
        wrong.push(format!("events lost or invented: {} stored, {} expected", stored.len(), expected.len()));
    }
    wrong.extend(
        stored.iter().filter(|(_, times)| **times > 1).map(|(id, times)| format!("event {id} is stored {times} times")),
    );
    let quarantine = counted(store, &schema::QUARANTINE, schema::ROW_ID).await;
    let rejects: usize = distinct.values().map(|message| message.rejected as usize).sum();
    if quarantine.len() != rejects {
        wrong.push(format!("{} rows of quarantine, {rejects} expected", quarantine.len()));
    }
    wrong.extend(
        quarantine
            .iter()
            .filter(|(_, times)| **times > 1)
            .map(|(id, times)| format!("row {id:x} is there {times} times")),
    );
    let totals = start(store, settings).await.unwrap().ledger().await.unwrap();
    let counted = totals.stored + totals.quarantined + totals.duplicates;
    if counted != accepted || totals.messages != distinct.len() as u64 {
        wrong.push(format!("the ledger counts {counted} of {accepted} events, {totals:?}"));
    }
    if totals.stored != stored.values().map(|times| *times as u64).sum::<u64>() {
        wrong.push(format!("the ledger says {} are stored", totals.stored));
    }
    wrong
}

/// The numbers of the commits that stored the rows.
pub async fn sequences(store: &Arc<dyn ObjectStore>) -> Vec<i64> {
    let mut all: Vec<i64> = Vec::new();
    for batch in rows_of(store, &schema::EVENTS).await {
        all.extend(batch.column_by_name(columns::INGEST_SEQ).unwrap().as_primitive::<Int64Type>().values());
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A batch of ties alone, carried by an otherwise empty message.
pub fn ties(id: u64, received_at: &str, ties: Vec<Tie>) -> IngestBatch {
    IngestBatch { ties, ..batch(&[message(id, received_at, Vec::new())]) }
}
