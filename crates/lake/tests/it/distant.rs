//! A lake in a store each call of which takes long: which calls the first views of a process cost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event_model::Action;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use lake::batch::IngestBatch;
use lake::maintenance::MaintenanceSettings;
use lake::rows::{Wanted, read};
use lake::store::conformance;
use lake::store::kept::{KeptStore, SMALL};
use lake::{At, Lake, LakeSettings, ProjectLake, ReadView};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::drains::{batch, memory, message, project, settings, start, url};
use crate::made::{tie, track};

const NOW: &str = "2026-03-10T12:00:00Z";
const COMMITS: u64 = 12;

/// The path of an object, and what happens before it is read.
type Before = (String, BoxFuture<'static, ()>);

/// Notes what is read.
#[derive(Clone)]
struct Counting {
    inner: Arc<dyn ObjectStore>,
    reads: Arc<Mutex<BTreeMap<String, usize>>>,
    /// What happens before an object is read, once.
    before: Arc<Mutex<Option<Before>>>,
}

impl Counting {
    fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, reads: Arc::default(), before: Arc::default() }
    }

    fn note(&self, what: String) {
        *self.reads.lock().unwrap().entry(what).or_default() += 1;
    }

    /// What was read since the last time, and how often.
    fn reads(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.reads.lock().unwrap())
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.note(location.to_string());
        let happens = self.before.lock().unwrap().take_if(|(path, _)| path == location.as_ref());
        if let Some((_, happens)) = happens {
            happens.await;
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.note(format!("list of {}", prefix.cloned().unwrap_or_default()));
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.note(format!("list of {}", prefix.cloned().unwrap_or_default()));
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.note(format!("list of {}", prefix.cloned().unwrap_or_default()));
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

/// Stores a message with one event of a person of its own.
async fn ingest(shop: &ProjectLake, number: u64) {
    let event = track(number, "Viewed", &format!("user-{number}"), "2026-03-09");
    shop.ingest(batch(&[message(number, NOW, vec![event])])).await.unwrap();
}

async fn open(store: &Counting, settings: &LakeSettings) -> Arc<ProjectLake> {
    let lake = Lake::with_distant_store(Arc::new(store.clone()), url(), settings.clone()).await.unwrap();
    lake.project(&project()).await.unwrap()
}

/// What a question does with a view: who is who, and the rows of all files. How many rows there are.
async fn ask(view: &ReadView) -> usize {
    use futures::TryStreamExt as _;
    view.keys().await.unwrap();
    let files = view.event_files();
    let mut rows = 0;
    for file in files.files.files() {
        let stream = read(Arc::clone(&files.store), file, Wanted::default()).await.unwrap();
        rows += stream.try_fold(0, |sum, batch| async move { Ok(sum + batch.num_rows()) }).await.unwrap();
    }
    rows
}

#[tokio::test]
async fn a_process_asks_for_each_object_once_and_then_only_for_what_is_new() {
    let settings = settings(NOW);
    let store = memory();
    let writer = start(&store, &settings).await.unwrap();
    for number in 0..COMMITS {
        ingest(&writer, number).await;
    }
    let counting = Counting::new(Arc::clone(&store));
    let shop = open(&counting, &settings).await;
    assert_eq!(ask(&shop.read(At::Latest).await.unwrap()).await, 12);
    let first = counting.reads();
    assert_eq!(first.values().max(), Some(&1), "{first:#?}");
    // The lake's own file; of six tables the last checkpoint, a list and the first entry; of events the other entries and
    // the files; of three tables a look for the next entry.
    assert_eq!(first.len() as u64, 1 + 3 * 6 + 2 * COMMITS + 3, "{first:#?}");

    assert_eq!(ask(&shop.read(At::Latest).await.unwrap()).await, 12);
    let second: Vec<String> = counting.reads().into_keys().collect();
    let log = |table: &str, version: u64| format!("projects/shop/{table}/_delta_log/{version:020}.json");
    assert_eq!(second, [log("events", 13), log("identities", 1), log("persons", 1)]);

    ingest(&writer, 12).await;
    assert_eq!(ask(&shop.read(At::Latest).await.unwrap()).await, 13);
    let third = counting.reads();
    assert!(third.len() <= 8, "{third:#?}");
}

#[tokio::test]
async fn what_maintenance_has_changed_is_seen_and_a_checkpoint_spares_the_entries_before_it() {
    let settings = settings(NOW);
    let store = memory();
    let writer = start(&store, &settings).await.unwrap();
    for number in 0..COMMITS {
        ingest(&writer, number).await;
    }
    let counting = Counting::new(Arc::clone(&store));
    let shop = open(&counting, &settings).await;
    assert_eq!(ask(&shop.read(At::Latest).await.unwrap()).await, 12);
    let often = MaintenanceSettings { checkpoint_commits: 4, small_files: 4, ..MaintenanceSettings::default() };
    writer.maintain(&often).await.unwrap();
    ingest(&writer, 12).await;
    let view = shop.read(At::Latest).await.unwrap();
    assert_eq!((ask(&view).await, view.file_count), (13, 2));

    let counting = Counting::new(store);
    let view = open(&counting, &settings).await.read(At::Latest).await.unwrap();
    assert_eq!((ask(&view).await, view.file_count), (13, 2));
    let reads = counting.reads();
    assert!(reads.keys().any(|what| what.ends_with("checkpoint.parquet")), "{reads:#?}");
    assert!(!reads.contains_key(&format!("projects/shop/events/_delta_log/{:020}.json", 3)), "{reads:#?}");
    assert!(reads.values().all(|times| *times == 1), "{reads:#?}");
}

#[tokio::test]
async fn a_view_has_the_ties_of_the_events_it_shows_although_all_tables_are_looked_at_side_by_side() {
    let settings = settings(NOW);
    let store = memory();
    let writer = start(&store, &settings).await.unwrap();
    let counting = Counting::new(store);
    let shop = open(&counting, &settings).await;
    shop.read(At::Latest).await.unwrap();
    // Between the look at the identities and that at the events.
    let drain = async move {
        let event = track(1, "Viewed", "ada", "2026-03-09");
        let ties = vec![tie(Action::Tie, "ada", "browser-7", NOW)];
        writer.ingest(IngestBatch { ties, ..batch(&[message(1, NOW, vec![event])]) }).await.unwrap();
    };
    let next = format!("projects/shop/events/_delta_log/{:020}.json", 1);
    *counting.before.lock().unwrap() = Some((next, Box::pin(drain)));
    let view = shop.read(At::Latest).await.unwrap();
    assert_eq!((view.versions.events, view.versions.identities), (1, 1));
}

#[tokio::test]
async fn a_store_with_a_memory_keeps_the_promises_of_a_store() {
    assert_eq!(conformance::run(Arc::new(KeptStore::new(memory())), &Path::from("any")).await, Ok(()));
}

#[tokio::test]
async fn what_may_change_or_is_large_or_was_deleted_is_asked_for_each_time() {
    let counting = Counting::new(memory());
    let store = KeptStore::new(Arc::new(counting.clone()));
    let (small, large) = (Path::from("t/small.parquet"), Path::from("t/large.parquet"));
    let (pointer, missing) =
        (Path::from("t/_delta_log/_last_checkpoint"), Path::from("t/_delta_log/00000000000000000009.json"));
    let bytes: Vec<u8> = (0..=255).collect();
    for path in [&small, &pointer] {
        store.put(path, bytes.clone().into()).await.unwrap();
    }
    store.put(&large, vec![7; usize::try_from(SMALL).unwrap() + 9].into()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store.get_range(&small, 3..6).await.unwrap().as_ref(), [3, 4, 5]);
        assert_eq!(store.get_ranges(&small, &[0..2, 250..256]).await.unwrap()[1].len(), 6);
        assert_eq!(store.get(&small).await.unwrap().bytes().await.unwrap(), bytes);
        assert_eq!(store.get_range(&large, SMALL..SMALL + 9).await.unwrap().as_ref(), [7; 9]);
        assert_eq!(store.get_range(&large, 0..2).await.unwrap().as_ref(), [7, 7]);
        assert_eq!(store.get(&pointer).await.unwrap().bytes().await.unwrap(), bytes);
        assert!(matches!(store.get(&missing).await, Err(Error::NotFound { .. })));
    }
    let times = |path: &Path, reads: &BTreeMap<String, usize>| reads.get(path.as_ref()).copied();
    let reads = counting.reads();
    assert_eq!(
        [&small, &large, &pointer, &missing].map(|path| times(path, &reads)),
        [Some(1), Some(6), Some(3), Some(3)]
    );
    // Beyond the end the store itself answers.
    assert!(store.get_range(&small, 300..310).await.is_err());
    store.delete(&small).await.unwrap();
    assert!(matches!(store.get(&small).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn memory_ends_and_what_was_kept_longest_goes() {
    let counting = Counting::new(memory());
    let store = KeptStore::new(Arc::new(counting.clone()));
    let path = |number: u64| Path::from(format!("t/{number}.parquet"));
    for number in 0..20 {
        store.put(&path(number), vec![1; usize::try_from(SMALL).unwrap()].into()).await.unwrap();
        store.get_range(&path(number), 0..1).await.unwrap();
    }
    counting.reads();
    store.get_range(&path(19), 0..1).await.unwrap();
    assert!(counting.reads().is_empty());
    // What was erased meanwhile must not be answered from here for ever.
    store.clone().for_at_most(Duration::ZERO).get_range(&path(19), 0..1).await.unwrap();
    assert_eq!(counting.reads().len(), 1);
    store.get_range(&path(0), 0..1).await.unwrap();
    assert_eq!(counting.reads().len(), 1);
}
