//! Objects that never change, kept in memory: each call of a distant store costs tens of milliseconds.
//!
//! Entries and checkpoints of a log and data files are written once. The reader of a log asks for the same entries several
//! times over, one after the other; the reader of a small file for its footer, for the columns of a filter and for the
//! rest. Here each of them is fetched whole, once, and what follows from a listing of a log is fetched with it, all at
//! the same time. What may change (`_last_checkpoint`, the lake's own file) and what is large goes past all of this.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// The largest object that is fetched whole. To transfer it takes as long as to wait for one or two answers, and whoever
/// reads a file in parts waits for three: footer, columns of the filter, the other columns.
pub const SMALL: u64 = 4 << 20;
/// How many bytes are kept in all.
const KEPT_BYTES: u64 = 64 << 20;
/// How long an object is kept: what was erased must not live on here, in case an earlier version names it.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// How many entries of a log are fetched at the same time. Maintenance leaves fewer since the last checkpoint.
const AT_A_TIME: usize = 128;
/// The most entries that are fetched because a listing names them.
const FETCHED_AHEAD: usize = 512;

/// Any store, with a memory. Clones share it.
#[derive(Clone)]
pub struct KeptStore {
    inner: Arc<dyn ObjectStore>,
    kept_for: Duration,
    kept: Arc<Mutex<Kept>>,
}

/// An object: fetched once, whoever asks first; `None` inside if it is too large.
type Cell = Arc<OnceCell<Option<Object>>>;

#[derive(Clone)]
struct Object {
    meta: ObjectMeta,
    bytes: Bytes,
    fetched: Instant,
}

#[derive(Default)]
struct Kept {
    objects: HashMap<Path, Cell>,
    /// The oldest first, with their sizes.
    order: VecDeque<(Path, u64)>,
    bytes: u64,
}

impl KeptStore {
    /// With nothing in its memory yet.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, kept_for: KEPT_FOR, kept: Arc::default() }
    }

    /// Keeps nothing for longer than that; 10 minutes where it is not said.
    #[must_use]
    pub fn for_at_most(self, kept_for: Duration) -> Self {
        Self { kept_for, ..self }
    }

    /// The whole object, from memory if it is there; `None` if it is too large.
    async fn whole(&self, path: &Path) -> Result<Option<Object>> {
        let is_old = |cell: &Cell| matches!(cell.get(), Some(Some(found)) if found.fetched.elapsed() >= self.kept_for);
        if self.kept.lock().objects.get(path).is_some_and(is_old) {
            self.forget(path);
        }
        let cell = Arc::clone(self.kept.lock().objects.entry(path.clone()).or_default());
        let fetched = cell.get_or_try_init(|| async {
            let found = self.inner.get_opts(path, GetOptions::new()).await?;
            let meta = found.meta.clone();
            if meta.size > SMALL {
                return Ok(None);
            }
            let bytes = found.bytes().await?;
            self.count(path, meta.size);
            Ok(Some(Object { meta, bytes, fetched: Instant::now() }))
        });
        match fetched.await {
            Ok(found) => Ok(found.clone()),
            Err(error) => {
                self.forget(path);
                Err(error)
            }
        }
    }

    /// Remembers of an object that it is too large: somebody reads beyond, such as its footer.
    fn pass_by(&self, path: &Path) {
        let cell = Arc::clone(self.kept.lock().objects.entry(path.clone()).or_default());
        // It may be known already.
        drop(cell.set(None));
    }

    fn count(&self, path: &Path, size: u64) {
        let mut kept = self.kept.lock();
        kept.bytes += size;
        kept.order.push_back((path.clone(), size));
        while kept.bytes > KEPT_BYTES
            && let Some((oldest, size)) = kept.order.pop_front()
        {
            kept.bytes -= size;
            kept.objects.remove(&oldest);
        }
    }

    fn forget(&self, path: &Path) {
        let mut kept = self.kept.lock();
        kept.objects.remove(path);
        if let Some(place) = kept.order.iter().position(|(found, _)| found == path)
            && let Some((_, size)) = kept.order.remove(place)
        {
            kept.bytes -= size;
        }
    }

    /// Lists, and fetches what the reader of a log asks for next: the last checkpoint, and the entries after it.
    fn listed(
        &self,
        prefix: Option<&Path>,
        list: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        if prefix.and_then(Path::filename) != Some("_delta_log") {
            return list;
        }
        let store = self.clone();
        let ahead = async move {
            let found: Vec<ObjectMeta> = list.try_collect().await?;
            store.fetch(read_next(&found)).await;
            Ok::<_, Error>(stream::iter(found.into_iter().map(Ok)))
        };
        stream::once(ahead).try_flatten().boxed()
    }

    /// A failure is that of whoever asks for the object.
    async fn fetch(&self, paths: Vec<Path>) {
        let fetch = |path: Path| {
            let store = self.clone();
            async move { drop(store.whole(&path).await) }
        };
        stream::iter(paths).map(fetch).buffer_unordered(AT_A_TIME).collect::<()>().await;
    }
}

/// What the reader of a log asks for after it has listed it: the last checkpoint, and the entries after it.
fn read_next(log: &[ObjectMeta]) -> Vec<Path> {
    let checkpoint = log.iter().map(|object| &object.location).filter(|path| is_checkpoint(path)).max();
    let since = checkpoint.and_then(version);
    let is_wanted = |object: &&ObjectMeta| {
        let path = &object.location;
        let is_later = !is_checkpoint(path) && version(path) > since;
        is_lasting(path) && object.size <= SMALL && (is_later || Some(path) == checkpoint)
    };
    log.iter().filter(is_wanted).take(FETCHED_AHEAD).map(|object| object.location.clone()).collect()
}

fn is_checkpoint(path: &Path) -> bool {
    path.as_ref().ends_with(".checkpoint.parquet")
}

fn version(path: &Path) -> Option<u64> {
    path.filename()?.get(..20)?.parse().ok()
}

/// Whether an object of this name is written once and never again.
fn is_lasting(path: &Path) -> bool {
    let Some(name) = path.filename() else { return false };
    name.ends_with(".parquet") || (name.ends_with(".json") && name.len() == 25 && name.starts_with('0'))
}

/// Whether a request is for bytes and nothing else.
fn is_plain(options: &GetOptions) -> bool {
    let conditions = [&options.if_match, &options.if_none_match, &options.version];
    let times = [options.if_modified_since, options.if_unmodified_since];
    !options.head && conditions.iter().all(|one| one.is_none()) && times.iter().all(Option::is_none)
}

/// The part of an object, as the store itself would answer.
fn part(meta: ObjectMeta, bytes: &Bytes, range: Option<&GetRange>) -> Option<GetResult> {
    let range = match range {
        Some(range) => range.as_range(meta.size).ok()?,
        None => 0..meta.size,
    };
    let slice = bytes.slice(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?);
    let payload = GetResultPayload::Stream(stream::once(async move { Ok(slice) }).boxed());
    Some(GetResult { payload, meta, range, attributes: Attributes::default() })
}

#[async_trait]
impl ObjectStore for KeptStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let large = matches!(&options.range, Some(GetRange::Bounded(range)) if range.end > SMALL);
        if large {
            self.pass_by(location);
        }
        if is_lasting(location)
            && is_plain(&options)
            && !large
            && let Some(Object { meta, bytes, .. }) = self.whole(location).await?
            && let Some(result) = part(meta, &bytes, options.range.as_ref())
        {
            return Ok(result);
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let small = ranges.iter().all(|range| range.end <= SMALL);
        if !small {
            self.pass_by(location);
        }
        if is_lasting(location)
            && small
            && let Some(Object { meta, bytes, .. }) = self.whole(location).await?
            && ranges.iter().all(|range| range.end <= meta.size)
        {
            let slice = |range: &Range<u64>| {
                Some(bytes.slice(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?))
            };
            return Ok(ranges.iter().filter_map(slice).collect());
        }
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let forgotten = locations.inspect_ok(move |path| store.forget(path));
        self.inner.delete_stream(forgotten.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

impl fmt::Debug for KeptStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptStore({})", self.inner)
    }
}

impl fmt::Display for KeptStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptStore({})", self.inner)
    }
}
