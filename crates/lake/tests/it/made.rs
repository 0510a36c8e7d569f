//! Tables on a temporary folder, and rows written into them without the ingest path.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use delta_kernel::table_properties::DataSkippingNumIndexedCols;
use deltalake_core::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake_core::kernel::{Action, Add};
use event_model::{Action as TieAction, EventId, PersonId, PersonKey, ProjectId, Tie, Timestamp, columns};
use lake::commit::{Outcome, Request, append, commit};
use lake::schema::{self, TableSpec};
use lake::store::DurableStore;
use lake::tables::Table;
use lake::{
    Clock, Guards, IncomingMessage, IngestBatch, IngestReport, Lake, LakeSettings, ProjectLake, QuarantineRow, Reader,
};
use url::Url;

/// One event, the rest of its columns being plain.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: u64,
    pub kind: &'static str,
    pub event: String,
    pub timestamp: Timestamp,
    pub received_at: Timestamp,
    pub position: i32,
    pub user: Option<String>,
    pub anonymous: Option<String>,
    pub browser: Option<String>,
    pub properties: Option<String>,
    pub traits: Option<String>,
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A track event of a user, received when it happened.
pub fn track(id: u64, event: &str, user: &str, timestamp: &str) -> Row {
    Row {
        id,
        kind: "track",
        event: event.to_owned(),
        timestamp: at(timestamp),
        received_at: at(timestamp),
        position: 0,
        user: Some(user.to_owned()),
        anonymous: None,
        browser: None,
        properties: None,
        traits: None,
    }
}

/// An identify call of a user.
pub fn identify(id: u64, user: &str, timestamp: &str, traits: &str) -> Row {
    Row { kind: "identify", traits: Some(traits.to_owned()), ..track(id, "identify", user, timestamp) }
}

/// One project, and handles on its tables as another process would have them.
pub struct Made {
    pub folder: tempfile::TempDir,
    pub project: Arc<ProjectLake>,
    pub events: Arc<Table>,
    pub identities: Arc<Table>,
    pub persons: Arc<Table>,
}

impl Made {
    pub async fn new() -> Self {
        Self::with(LakeSettings::default()).await
    }

    pub async fn with(settings: LakeSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_local(folder.path(), settings).await.unwrap();
        let project = lake.project(&ProjectId::parse("shop").unwrap()).await.unwrap();
        let store = Arc::new(DurableStore::open(folder.path()).unwrap());
        let place = folder.path().canonicalize().unwrap().join("projects/shop");
        let open = async |spec: &'static TableSpec| {
            let url = Url::from_directory_path(place.join(spec.name)).unwrap();
            Arc::new(Table::open(Arc::clone(&store) as _, url, spec).await.unwrap())
        };
        Self {
            events: open(&schema::EVENTS).await,
            identities: open(&schema::IDENTITIES).await,
            persons: open(&schema::PERSONS).await,
            folder,
            project,
        }
    }

    /// The folder of a table.
    pub fn place(&self, table: &Table) -> PathBuf {
        self.folder.path().join("projects/shop").join(table.spec().name)
    }

    /// One drain of one message.
    pub async fn ingest(&self, rows: &[Row], quarantine: Vec<QuarantineRow>) -> IngestReport {
        let all = events_batch(rows, 0);
        let mut columns = Vec::new();
        for field in schema::incoming_events().fields() {
            columns.push(match all.column_by_name(field.name()) {
                Some(column) => Arc::clone(column),
                None => Arc::new(UInt32Array::from(vec![0; rows.len()])) as ArrayRef,
            });
        }
        let message_id = EventId(fastrand::u128(..).to_be_bytes());
        let batch = IngestBatch {
            messages: vec![IncomingMessage { message_id, received_at: self.project_now() }],
            events: RecordBatch::try_new(schema::incoming_events(), columns).unwrap(),
            quarantine,
            ties: Vec::new(),
            replays: Vec::new(),
        };
        self.project.ingest(batch).await.unwrap()
    }

    fn project_now(&self) -> Timestamp {
        Clock::system().now()
    }

    pub fn reader(&self) -> Arc<Reader> {
        self.reader_at(Clock::system())
    }

    pub fn reader_at(&self, clock: Clock) -> Arc<Reader> {
        let (events, identities, persons) =
            (Arc::clone(&self.events), Arc::clone(&self.identities), Arc::clone(&self.persons));
        Arc::new(Reader::new(events, identities, persons, clock, false))
    }

    /// One ingest commit. Returns the version.
    pub async fn add(&self, rows: &[Row]) -> u64 {
        let snapshot = self.events.refresh().await.unwrap();
        let sequence = self.events.transaction(&snapshot, "ingest").await.unwrap().unwrap_or(0) + 1;
        append_rows(&self.events, events_batch(rows, sequence), vec![("ingest".to_owned(), sequence)]).await
    }

    pub async fn add_ties(&self, ties: &[Tie]) -> u64 {
        let snapshot = self.identities.refresh().await.unwrap();
        let sequence = self.identities.transaction(&snapshot, "identities").await.unwrap().unwrap_or(0) + 1;
        append_rows(&self.identities, ties_batch(ties, sequence), vec![("identities".to_owned(), sequence)]).await
    }
}

/// Ties a visitor to a user.
pub fn tie(action: TieAction, user: &str, visitor: &str, received_at: &str) -> Tie {
    let (user, visitor) = (PersonId::User(user.to_owned()), PersonId::Anonymous(visitor.to_owned()));
    Tie::new(action, user, visitor, "identify", EventId([1; 16]), at(received_at)).unwrap()
}

/// Writes a batch as files of its table and commits them, conflicts being a failed test.
pub async fn append_rows(table: &Table, rows: RecordBatch, transactions: Vec<(String, i64)>) -> u64 {
    let adds = write_files(table, rows).await;
    let snapshot = table.refresh().await.unwrap();
    let request = Request {
        actions: adds.into_iter().map(Action::Add).collect(),
        transactions,
        operation: append(table.spec().partition_columns()),
        says: serde_json::Map::new(),
    };
    match commit(table, &snapshot, request, Guards::default()).await.unwrap() {
        Outcome::Landed(commit) => commit.version,
        Outcome::Lost => panic!("another writer was faster"),
    }
}

pub async fn write_files(table: &Table, rows: RecordBatch) -> Vec<Add> {
    let spec = table.spec();
    let statistics = spec.statistics.iter().map(|name| (*name).to_owned()).collect();
    let config = WriterConfig::new(
        rows.schema(),
        spec.partition_columns(),
        None,
        None,
        None,
        DataSkippingNumIndexedCols::NumColumns(0),
        Some(statistics),
    );
    let mut writer = DeltaWriter::new(table.object_store(), config);
    writer.write(&rows).await.unwrap();
    writer.close().await.unwrap()
}

pub fn id_bytes(id: u64) -> [u8; 16] {
    u128::from(id).to_be_bytes()
}

/// Rows as the table `events` has them, in the order of files.
pub fn events_batch(rows: &[Row], sequence: i64) -> RecordBatch {
    let instants = |pick: fn(&Row) -> Timestamp| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| pick(row).0)).with_timezone("UTC"))
    };
    let texts = |pick: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(pick).collect::<StringArray>())
    };
    let key = |row: &Row| PersonKey::of_event(row.user.as_deref(), row.anonymous.as_deref()).unwrap().0;
    let ids: Vec<[u8; 16]> = rows.iter().map(|row| id_bytes(row.id)).collect();
    let mut given: BTreeMap<&str, ArrayRef> = BTreeMap::from([
        (columns::EVENT_ID, Arc::new(BinaryArray::from_iter_values(ids.iter())) as ArrayRef),
        (columns::TYPE, texts(&|row| Some(row.kind.to_owned()))),
        (columns::EVENT, texts(&|row| Some(row.event.clone()))),
        (columns::NAMESPACE, texts(&|_| Some("product".to_owned()))),
        (columns::TIMESTAMP, instants(|row| row.timestamp)),
        (columns::DATE, Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.timestamp.days())))),
        (columns::RECEIVED_AT, instants(|row| row.received_at)),
        (columns::INGEST_SEQ, Arc::new(Int64Array::from_value(sequence, rows.len()))),
        (columns::POSITION, Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.position)))),
        (columns::USER_ID, texts(&|row| row.user.clone())),
        (columns::ANONYMOUS_ID, texts(&|row| row.anonymous.clone())),
        (columns::PERSON_KEY, Arc::new(Int64Array::from_iter_values(rows.iter().map(key)))),
        (columns::SOURCE, texts(&|_| Some("api".to_owned()))),
        (columns::BROWSER, texts(&|row| row.browser.clone())),
        (columns::IS_BOT, Arc::new(BooleanArray::from(vec![false; rows.len()]))),
        (columns::PROPERTIES, texts(&|row| row.properties.clone())),
        (columns::TRAITS, texts(&|row| row.traits.clone())),
        (columns::PROTOCOL, texts(&|_| Some("native".to_owned()))),
        (columns::MONTH, texts(&|row| Some(row.timestamp.month()))),
    ]);
    let schema = schema::events();
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            given.remove(field.name().as_str()).unwrap_or_else(|| new_null_array(field.data_type(), rows.len()))
        })
        .collect();
    let batch = RecordBatch::try_new(schema, columns).unwrap();
    let order: Vec<SortColumn> = [columns::EVENT, columns::PERSON_KEY, columns::TIMESTAMP]
        .iter()
        .map(|name| SortColumn { values: Arc::clone(batch.column_by_name(name).unwrap()), options: None })
        .collect();
    let order = lexsort_to_indices(&order, None).unwrap();
    take_record_batch(&batch, &order).unwrap()
}

fn ties_batch(ties: &[Tie], sequence: i64) -> RecordBatch {
    let texts =
        |pick: &dyn Fn(&Tie) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(ties.iter().map(pick))) };
    let schema = schema::IDENTITIES.arrow();
    let received = ties.iter().map(|tie| tie.received_at.0);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BinaryArray::from_iter_values(ties.iter().map(|tie| tie.edge_id.0))),
        texts(&|tie| if tie.action == TieAction::Tie { "tie".to_owned() } else { "undo".to_owned() }),
        texts(&|tie| tie.left.kind().to_owned()),
        texts(&|tie| tie.left.text().to_owned()),
        texts(&|tie| tie.right.kind().to_owned()),
        texts(&|tie| tie.right.text().to_owned()),
        texts(&|tie| tie.cause.clone()),
        Arc::new(BinaryArray::from_iter_values(ties.iter().map(|tie| tie.event_id.0))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(received).with_timezone("UTC")),
        Arc::new(Int64Array::from_value(sequence, ties.len())),
        texts(&|tie| tie.received_at.month()),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}
