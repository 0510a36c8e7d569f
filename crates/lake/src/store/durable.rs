//! A local folder as an object store whose acknowledged writes survive a power cut.
//!
//! object_store's own local store never fsyncs. Here a put is staged, fsynced, linked into place, and then the folder
//! is fsynced, so that a reader never meets an object whose bytes are not on disk yet: a commit of the Delta log that
//! is empty after a power cut would close the table for ever. New folders are fsynced up to the base.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use parking_lot::Mutex;

use super::log_listing::{self, LogListing};

/// How bytes and names reach the platter. A test records the calls, or leaves some out.
pub trait Disk: Send + Sync + 'static {
    /// Makes a file's content durable.
    ///
    /// # Errors
    /// Of the operating system; the content may then be lost.
    fn sync_file(&self, path: &FilePath) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Of the operating system; new names may then be lost.
    fn sync_folder(&self, path: &FilePath) -> io::Result<()>;
}

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn sync_file(&self, path: &FilePath) -> io::Result<()> {
        // Data and length are enough: nobody reads the times of an object for correctness.
        File::open(path)?.sync_data()
    }

    fn sync_folder(&self, path: &FilePath) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// The whole file system as an object store (paths are absolute, without the leading slash), durable below `base`.
pub struct DurableStore<D: Disk = RealDisk> {
    inner: LocalFileSystem,
    shared: Arc<Shared<D>>,
}

struct Shared<D> {
    base: PathBuf,
    disk: D,
    /// Folders whose names are durable all the way up to the base.
    durable: Mutex<HashSet<PathBuf>>,
    /// Tells staged files of one process apart.
    staged: AtomicU64,
    /// The logs whose end can be listed by name.
    logs: LogListing,
}

impl DurableStore<RealDisk> {
    /// A store for a folder, which is made if need be. Folders above it are fsynced only if they are new, and its parent.
    ///
    /// # Errors
    /// Where the folder can neither be found nor made.
    pub fn open(base: &FilePath) -> io::Result<Self> {
        Self::with_disk(base, RealDisk)
    }
}

impl<D: Disk> DurableStore<D> {
    /// As [`DurableStore::open`], on a disk of the caller's.
    ///
    /// # Errors
    /// Where the folder can neither be found nor made.
    pub fn with_disk(base: &FilePath, disk: D) -> io::Result<Self> {
        let new = base.ancestors().take_while(|folder| !folder.exists()).count();
        fs::create_dir_all(base)?;
        let base = base.canonicalize()?;
        for parent in base.ancestors().skip(1).take(new.max(1)) {
            disk.sync_folder(parent)?;
        }
        let shared = Shared {
            base,
            disk,
            durable: Mutex::new(HashSet::new()),
            staged: AtomicU64::new(0),
            logs: LogListing::default(),
        };
        Ok(Self { inner: LocalFileSystem::new(), shared: Arc::new(shared) })
    }

    /// The folder.
    #[must_use]
    pub fn base(&self) -> &FilePath {
        &self.shared.base
    }
}

impl<D: Disk> Shared<D> {
    /// Makes the folder of `path` and all that lead to it, durably.
    fn make_folder(&self, path: &FilePath) -> io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        if self.durable.lock().contains(folder) && folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let mut done = vec![folder.to_owned()];
        for parent in folder.ancestors().skip(1) {
            if !parent.starts_with(&self.base) {
                break;
            }
            self.disk.sync_folder(parent)?;
            if self.durable.lock().contains(parent) {
                break;
            }
            done.push(parent.to_owned());
        }
        self.durable.lock().extend(done);
        Ok(())
    }

    /// Makes a file that another call wrote durable, with its name.
    fn settle(&self, path: &FilePath) -> io::Result<()> {
        self.disk.sync_file(path)?;
        self.settle_name(path)
    }

    fn settle_name(&self, path: &FilePath) -> io::Result<()> {
        match path.parent() {
            Some(folder) => self.disk.sync_folder(folder),
            None => Ok(()),
        }
    }

    fn put(&self, path: &FilePath, payload: &PutPayload, create: bool) -> Result<()> {
        let failed = |error: io::Error| failure(path, error);
        self.make_folder(path).map_err(failed)?;
        let staged = self.stage(path, payload).map_err(failed)?;
        let placed = if create { fs::hard_link(&staged, path) } else { fs::rename(&staged, path) };
        if create || placed.is_err() {
            // Best effort: listings never show a staged file.
            let _ = fs::remove_file(&staged);
        }
        match placed {
            // Whoever wrote it may not have fsynced its name yet, and "there is another" must be as durable as "done".
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.settle_name(path).map_err(failed)?;
                Err(Error::AlreadyExists { path: path.display().to_string(), source: Box::new(error) })
            }
            Err(error) => Err(failed(error)),
            Ok(()) => self.settle_name(path).map_err(failed),
        }
    }

    /// Writes the payload beside its place, under a name that object_store hides (`#` and digits), and fsyncs it.
    fn stage(&self, path: &FilePath, payload: &PutPayload) -> io::Result<PathBuf> {
        let (staged, mut file) = loop {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            let number = self.staged.fetch_add(1, Ordering::Relaxed);
            name.push(format!("#{}{number}", std::process::id()));
            let staged = path.with_file_name(name);
            match OpenOptions::new().write(true).create_new(true).open(&staged) {
                Ok(file) => break (staged, file),
                // Left by an earlier process of the same number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let written =
            payload.iter().try_for_each(|part| file.write_all(part)).and_then(|()| self.disk.sync_file(&staged));
        if let Err(error) = written {
            let _ = fs::remove_file(&staged);
            return Err(error);
        }
        Ok(staged)
    }
}

fn failure(path: &FilePath, error: io::Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Error::NotFound { path: path.display().to_string(), source: Box::new(error) };
    }
    let text = format!("{}: {error}", path.display());
    Error::Generic { store: "durable", source: io::Error::new(error.kind(), text).into() }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if tokio::runtime::Handle::try_current().is_err() {
        return work();
    }
    tokio::task::spawn_blocking(work).await?
}

#[async_trait]
impl<D: Disk> ObjectStore for DurableStore<D> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "put with mode update".to_owned(),
                    implementer: self.to_string(),
                });
            }
        };
        let path = self.inner.path_to_filesystem(location)?;
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.put(&path, &payload, create)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let shared = Arc::clone(&self.shared);
        let folder = path.clone();
        blocking(move || shared.make_folder(&folder).map_err(|error| failure(&folder, error))).await?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload { inner, path, shared: Arc::clone(&self.shared) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // A deletion that a power cut takes back leaves a file that no commit names: vacuum finds it again.
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let whole = self.inner.list_with_offset(prefix, offset);
        let (Some(version), Some(log)) = (self.shared.logs.starts_at(prefix, offset), prefix.cloned()) else {
            return whole;
        };
        let folder = match self.inner.path_to_filesystem(&log) {
            Ok(folder) => folder,
            Err(_) => return whole,
        };
        let entries = blocking(move || log_listing::entries(&folder, &log, version));
        let listed = entries.map_ok(|entries| match entries {
            Some(entries) => stream::iter(entries.into_iter().map(Ok)).boxed(),
            None => whole,
        });
        listed.try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let path = self.prepare(to).await?;
        self.inner.copy_opts(from, to, options).await?;
        self.settle(path).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let path = self.prepare(to).await?;
        let left = self.inner.path_to_filesystem(from)?;
        self.inner.rename_opts(from, to, options).await?;
        self.settle(path).await?;
        // The old name must be gone for good too, or the object would be there twice.
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.settle_name(&left).map_err(|error| failure(&left, error))).await
    }
}

impl<D: Disk> DurableStore<D> {
    async fn prepare(&self, to: &Path) -> Result<PathBuf> {
        let path = self.inner.path_to_filesystem(to)?;
        let shared = Arc::clone(&self.shared);
        let folder = path.clone();
        blocking(move || shared.make_folder(&folder).map_err(|error| failure(&folder, error))).await?;
        Ok(path)
    }

    async fn settle(&self, path: PathBuf) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.settle(&path).map_err(|error| failure(&path, error))).await
    }
}

struct DurableUpload<D: Disk> {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
    shared: Arc<Shared<D>>,
}

#[async_trait]
impl<D: Disk> MultipartUpload for DurableUpload<D> {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let (shared, path) = (Arc::clone(&self.shared), self.path.clone());
        blocking(move || shared.settle(&path).map_err(|error| failure(&path, error))).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

impl<D: Disk> fmt::Debug for DurableUpload<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableUpload({})", self.path.display())
    }
}

impl<D: Disk> fmt::Display for DurableStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableStore({})", self.shared.base.display())
    }
}

impl<D: Disk> fmt::Debug for DurableStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
