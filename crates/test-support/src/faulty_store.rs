//! An object store that fails before, during and after what it is asked, by a script or by a seed.
//!
//! It numbers the operations that change something, so that a test can first let a run pass, see how many there were,
//! and then repeat the run once for each of them with a fault or a crash at that place.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use parking_lot::Mutex;

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has done nothing.
    Before,
    /// It is done, and reported as failed: the answer was lost.
    After,
    /// It takes this long, then works.
    Delay(Duration),
    /// It does nothing, and neither does anything after it: the process has died before it.
    CrashBefore,
    /// It is done, but its answer never comes, and nothing works after it: the process has died behind it.
    CrashAfter,
}

/// What was asked of the store and changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A whole object.
    Put,
    /// A part of a large one.
    Part,
    /// A large one, which appears now.
    Complete,
    /// A copy.
    Copy,
    /// Another name.
    Rename,
    /// A deletion.
    Delete,
}

/// An operation as it was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What it was.
    pub change: Change,
    /// The object; the target where there are two.
    pub path: Path,
}

/// Any store, made worse. Clones are one store.
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    counted: Vec<Counted>,
    script: BTreeMap<usize, Fault>,
    seeded: Option<(fastrand::Rng, u32)>,
    restless: Option<(fastrand::Rng, u32)>,
    dead: bool,
    faults: usize,
}

impl FaultyStore {
    /// A store without faults yet.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, state: Arc::new(Mutex::new(State::default())) }
    }

    /// The operation with this number (from 0, in the order in which they are begun) goes wrong so.
    #[must_use]
    pub fn with_fault(self, operation: usize, fault: Fault) -> Self {
        self.state.lock().script.insert(operation, fault);
        self
    }

    /// So many operations of a hundred fail, reads among them; half of the changes are done all the same.
    #[must_use]
    pub fn with_seed(self, seed: u64, percent: u32) -> Self {
        self.state.lock().seeded = Some((fastrand::Rng::with_seed(seed), percent));
        self
    }

    /// Before each operation, other tasks run up to `turns` times: stores in memory answer at once, and then nobody ever
    /// gets in between.
    #[must_use]
    pub fn with_turns(self, seed: u64, turns: u32) -> Self {
        self.state.lock().restless = Some((fastrand::Rng::with_seed(seed), turns));
        self
    }

    /// No more faults from now on (a crash stays a crash).
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.script.clear();
        state.seeded = None;
    }

    /// The operations so far.
    #[must_use]
    pub fn counted(&self) -> Vec<Counted> {
        self.state.lock().counted.clone()
    }

    /// How many faults have been injected: a fault test that had none has shown nothing.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.state.lock().faults
    }

    /// What the next process finds.
    #[must_use]
    pub fn survivor(&self) -> Arc<dyn ObjectStore> {
        self.inner.clone()
    }

    async fn let_others_run(&self) {
        let turns = self.state.lock().restless.as_mut().map_or(0, |(random, turns)| random.u32(..=*turns));
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    async fn change<T>(&self, change: Change, path: &Path, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.let_others_run().await;
        let fault = self.state.lock().count(change, path)?;
        match fault {
            None => work.await,
            Some(Fault::Before | Fault::CrashBefore) => Err(injected()),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                work.await
            }
            Some(Fault::After | Fault::CrashAfter) => {
                work.await?;
                Err(injected())
            }
        }
    }

    fn read(&self) -> Result<()> {
        self.state.lock().read()
    }
}

impl State {
    fn count(&mut self, change: Change, path: &Path) -> Result<Option<Fault>> {
        if self.dead {
            return Err(injected());
        }
        let number = self.counted.len();
        self.counted.push(Counted { change, path: path.clone() });
        let fault = self.script.remove(&number).or_else(|| self.random_fault());
        self.faults += usize::from(fault.is_some());
        self.dead = matches!(fault, Some(Fault::CrashBefore | Fault::CrashAfter));
        Ok(fault)
    }

    fn random_fault(&mut self) -> Option<Fault> {
        let (random, percent) = self.seeded.as_mut()?;
        (random.u32(..100) < *percent).then(|| if random.bool() { Fault::Before } else { Fault::After })
    }

    fn read(&mut self) -> Result<()> {
        if self.dead || self.random_fault().is_some() {
            self.faults += 1;
            return Err(injected());
        }
        Ok(())
    }
}

fn injected() -> Error {
    Error::Generic { store: "FaultyStore", source: "injected".into() }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.change(Change::Put, location, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.read()?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(FaultyUpload { inner, store: self.clone(), path: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.let_others_run().await;
        self.read()?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read()?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                store.change(Change::Delete, &location, store.inner.delete(&location)).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.read() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.read() {
            Ok(()) => self.inner.list_with_offset(prefix, offset),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.let_others_run().await;
        self.read()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.change(Change::Copy, to, self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.change(Change::Rename, to, self.inner.rename_opts(from, to, options)).await
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    store: FaultyStore,
    path: Path,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, store, path) = (self.inner.put_part(data), self.store.clone(), self.path.clone());
        Box::pin(async move { store.change(Change::Part, &path, part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (store, path) = (self.store.clone(), self.path.clone());
        store.change(Change::Complete, &path, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.read()?;
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn store() -> FaultyStore {
        FaultyStore::new(Arc::new(InMemory::new()))
    }

    async fn put(store: &FaultyStore, name: &str) -> bool {
        store.put(&Path::from(name), PutPayload::from_static(b"x")).await.is_ok()
    }

    async fn names(store: &Arc<dyn ObjectStore>) -> Vec<String> {
        let mut names: Vec<String> = store.list(None).map(|meta| meta.unwrap().location.to_string()).collect().await;
        names.sort();
        names
    }

    /// Puts a, b and c with one fault on b: which puts worked, and what is there afterwards.
    async fn check(fault: Fault, worked: [bool; 3], there: &[&str]) {
        let store = store().with_fault(1, fault);
        let found = [put(&store, "a").await, put(&store, "b").await, put(&store, "c").await];
        assert_eq!(found, worked, "{fault:?}");
        assert_eq!(names(&store.survivor()).await, there, "{fault:?}");
        assert_eq!(store.faults(), 1);
    }

    #[tokio::test]
    async fn a_scripted_fault_hits_the_operation_it_names() {
        check(Fault::Before, [true, false, true], &["a", "c"]).await;
        check(Fault::After, [true, false, true], &["a", "b", "c"]).await;
        check(Fault::CrashBefore, [true, false, false], &["a"]).await;
        check(Fault::CrashAfter, [true, false, false], &["a", "b"]).await;
        check(Fault::Delay(Duration::from_millis(1)), [true, true, true], &["a", "b", "c"]).await;
    }

    #[tokio::test]
    async fn after_a_crash_nothing_can_be_read_either() {
        let store = store().with_fault(0, Fault::CrashAfter);
        put(&store, "a").await;
        assert!(store.get(&Path::from("a")).await.is_err());
        assert!(store.list(None).next().await.unwrap().is_err());
        assert!(store.delete(&Path::from("a")).await.is_err());
        assert_eq!(store.counted(), [Counted { change: Change::Put, path: Path::from("a") }]);
    }

    #[tokio::test]
    async fn the_parts_and_the_end_of_a_large_object_are_operations() {
        for (operation, fault) in [(0, Fault::Before), (1, Fault::Before), (1, Fault::After)] {
            let store = store().with_fault(operation, fault);
            let mut upload = store.put_multipart(&Path::from("large")).await.unwrap();
            let part = upload.put_part(PutPayload::from_static(b"x")).await;
            assert_eq!(part.is_err(), operation == 0);
            if operation == 1 {
                assert!(upload.complete().await.is_err());
                assert_eq!(names(&store.survivor()).await.len(), usize::from(fault == Fault::After));
            }
        }
    }

    #[tokio::test]
    async fn the_seed_decides() {
        let mut runs = Vec::new();
        for seed in [1, 1, 2] {
            let store = store().with_seed(seed, 30);
            let mut worked = Vec::new();
            for number in 0..50 {
                worked.push(put(&store, &number.to_string()).await);
            }
            assert!(store.faults() > 5);
            store.heal();
            assert!(put(&store, "healed").await);
            runs.push((worked, names(&store.survivor()).await));
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
    }
}
