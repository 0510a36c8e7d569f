//! One Delta table: opened or made through the given store, its newest snapshot kept and refreshed by what is new.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::ObjectStore;
use parking_lot::Mutex;
use url::Url;

use crate::commit::Commit;
use crate::erase::READABLE_FROM;
use crate::error::LakeError;
use crate::schema::{LAYOUT, LAYOUT_PROPERTY, TableSpec};

/// How many entries of the log are read at a time.
const COMMITS_AT_A_TIME: usize = 16;
/// After this long without a look at the whole log, "there is no next commit" is not believed: log clean-up by another
/// process may have taken it away.
const BELIEVED: Duration = Duration::from_secs(3_600);
/// How many parsed commits are kept: what another part of the process is about to ask for again.
const COMMITS_KEPT: usize = 16;

/// A version, and what the commit that made it says.
pub type Entry = (u64, Option<Arc<Commit>>);

/// One Delta table of one project.
#[derive(Debug)]
pub struct Table {
    spec: &'static TableSpec,
    path: String,
    log_store: LogStoreRef,
    newest: tokio::sync::Mutex<Newest>,
    commits: Mutex<BTreeMap<u64, Arc<Commit>>>,
    transactions: tokio::sync::Mutex<Transactions>,
}

/// The newest snapshot that this process has seen.
#[derive(Debug)]
struct Newest {
    snapshot: DeltaTable,
    /// When the log was last listed.
    looked: Instant,
}

impl Newest {
    fn new(snapshot: DeltaTable) -> Self {
        Self { snapshot, looked: Instant::now() }
    }
}

/// The last version of each application id that was asked for, as of one version of the table.
#[derive(Debug, Default)]
struct Transactions {
    version: u64,
    known: HashMap<String, Option<i64>>,
}

impl Table {
    /// Opens the table at `url`, which lies in `store` (whose root is the root of the URL's path), and makes it if it
    /// is not there. Two processes may do so at the same time.
    ///
    /// # Errors
    /// [`LakeError::Newer`] if a newer version made it, before anything is written; [`LakeError::Damaged`] if its log
    /// cannot be read, or is gone while its files are not; [`LakeError::Storage`].
    pub async fn open(store: Arc<dyn ObjectStore>, url: Url, spec: &'static TableSpec) -> Result<Self, LakeError> {
        let made = Self::find_or(store, url, spec, true).await?;
        made.ok_or_else(|| LakeError::damaged(spec.name, "the table was not made"))
    }

    /// Opens the table at `url` as [`Self::open`] does; `None` if nobody has made it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn find(
        store: Arc<dyn ObjectStore>,
        url: Url,
        spec: &'static TableSpec,
    ) -> Result<Option<Self>, LakeError> {
        Self::find_or(store, url, spec, false).await
    }

    async fn find_or(
        store: Arc<dyn ObjectStore>,
        url: Url,
        spec: &'static TableSpec,
        make: bool,
    ) -> Result<Option<Self>, LakeError> {
        let path = url.path().trim_matches('/').to_owned();
        let failed = |error| LakeError::of_delta(path.as_str(), error);
        let builder = DeltaTableBuilder::from_url(url.clone()).map_err(failed)?;
        let mut delta = builder.with_storage_backend(store, url).build().map_err(failed)?;
        if let Err(error) = delta.load().await {
            if !is_absent(&error) {
                return Err(failed(error));
            }
            if let Some(file) = stray_file(&delta).await.map_err(failed)?
                && delta.load().await.is_err()
            {
                let detail = format!("there is no log, but there are files ({file}): a new table would hide them");
                return Err(LakeError::damaged(path, detail));
            }
            if !make {
                return Ok(None);
            }
            let made = create(&delta, spec).await;
            // Whatever became of it: another process may have been faster, or the answer may have been lost.
            if let Err(error) = delta.load().await {
                return Err(failed(made.err().unwrap_or(error)));
            }
        }
        check_layout(&delta, &path)?;
        Ok(Some(Self {
            spec,
            path,
            log_store: delta.log_store(),
            newest: tokio::sync::Mutex::new(Newest::new(delta)),
            commits: Mutex::new(BTreeMap::new()),
            transactions: tokio::sync::Mutex::new(Transactions::default()),
        }))
    }

    /// What kind of table it is.
    #[must_use]
    pub fn spec(&self) -> &'static TableSpec {
        self.spec
    }

    /// Its place, for messages.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The log.
    #[must_use]
    pub fn log_store(&self) -> LogStoreRef {
        Arc::clone(&self.log_store)
    }

    /// The store, with its root at the table's folder.
    #[must_use]
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        self.log_store.object_store(None)
    }

    /// The newest snapshot, as storage has it now. Cheap to clone and to keep. Where nothing is new it costs one look for
    /// the next entry of the log, which has no holes.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`], or [`LakeError::Newer`] if a newer version took the table over.
    pub async fn refresh(&self) -> Result<DeltaTable, LakeError> {
        let mut newest = self.newest.lock().await;
        if newest.looked.elapsed() > BELIEVED {
            drop(newest);
            return self.reload().await;
        }
        let next = version_of(&newest.snapshot, &self.path)? + 1;
        if self.commit(next).await?.is_none() {
            return Ok(newest.snapshot.clone());
        }
        let mut fresh = newest.snapshot.clone();
        fresh.update_state().await.map_err(|error| LakeError::of_delta(self.path.as_str(), error))?;
        check_layout(&fresh, &self.path)?;
        *newest = Newest::new(fresh.clone());
        Ok(fresh)
    }

    /// The newest snapshot that this process has seen, without asking storage.
    pub async fn cached(&self) -> DeltaTable {
        self.newest.lock().await.snapshot.clone()
    }

    /// Gives up what is kept in memory and reads the log anew. After a log clean-up the kept snapshot may name commits
    /// that are gone.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub async fn reload(&self) -> Result<DeltaTable, LakeError> {
        let mut newest = self.newest.lock().await;
        let mut fresh = DeltaTable::new(self.log_store());
        fresh.load().await.map_err(|error| LakeError::of_delta(self.path.as_str(), error))?;
        check_layout(&fresh, &self.path)?;
        *newest = Newest::new(fresh.clone());
        self.commits.lock().clear();
        *self.transactions.lock().await = Transactions::default();
        Ok(fresh)
    }

    /// The snapshot of an earlier version.
    ///
    /// # Errors
    /// [`LakeError::VersionGone`] if its log is no longer kept (`oldest` is then unknown and given as 0 for the caller to
    /// fill in), [`LakeError::Storage`].
    pub async fn at(&self, version: u64) -> Result<DeltaTable, LakeError> {
        let newest = self.cached().await;
        if newest.version() == Some(version) {
            return Ok(newest);
        }
        let mut table = DeltaTable::new(self.log_store());
        match table.load_version(version).await {
            Ok(()) => Ok(table),
            Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidVersion(_)) => {
                Err(LakeError::VersionGone { table: self.path.clone(), requested: version, oldest: 0 })
            }
            Err(error) => Err(LakeError::of_delta(self.path.as_str(), error)),
        }
    }

    /// What the commit that made a version says; `None` if its entry is not there (any more).
    ///
    /// # Errors
    /// [`LakeError::Storage`] or [`LakeError::Damaged`].
    pub async fn commit(&self, version: u64) -> Result<Option<Arc<Commit>>, LakeError> {
        if let Some(commit) = self.commits.lock().get(&version) {
            return Ok(Some(Arc::clone(commit)));
        }
        let entry = self.log_store.read_commit_entry(version).await;
        let Some(bytes) = entry.map_err(|error| LakeError::of_delta(self.path.as_str(), error))? else {
            return Ok(None);
        };
        let commit = Commit::parse(version, &bytes)
            .map_err(|error| LakeError::damaged(format!("{}/_delta_log/{version:020}.json", self.path), error))?;
        Ok(Some(self.remember(commit)))
    }

    /// What the commits from one version to another say, in order, several read at a time; `None` where an entry is
    /// not there (any more).
    pub fn commits(&self, from: u64, until: u64) -> BoxStream<'_, Result<Entry, LakeError>> {
        stream::iter(from..=until)
            .map(move |version| async move { Ok((version, self.commit(version).await?)) })
            .buffered(COMMITS_AT_A_TIME)
            .boxed()
    }

    pub(crate) fn remember(&self, commit: Commit) -> Arc<Commit> {
        let commit = Arc::new(commit);
        let mut commits = self.commits.lock();
        commits.insert(commit.version, Arc::clone(&commit));
        while commits.len() > COMMITS_KEPT {
            commits.pop_first();
        }
        commit
    }

    /// The last version that an application id carried, as of a snapshot. The log is read once; after that only what
    /// is new in it.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn transaction(&self, snapshot: &DeltaTable, application: &str) -> Result<Option<i64>, LakeError> {
        let version = version_of(snapshot, &self.path)?;
        let mut transactions = self.transactions.lock().await;
        if version < transactions.version {
            return self.read_transaction(snapshot, application).await;
        }
        while transactions.version < version && !transactions.known.is_empty() {
            let next = transactions.version + 1;
            let Some(commit) = self.commit(next).await? else {
                transactions.known.clear();
                break;
            };
            for (application, number) in &commit.transactions {
                if let Some(known) = transactions.known.get_mut(application) {
                    *known = Some(*number);
                }
            }
            transactions.version = next;
        }
        transactions.version = version;
        if let Some(known) = transactions.known.get(application) {
            return Ok(*known);
        }
        // Whoever reads a table wants to know from where it may be read too, and each is a look at the whole log: both at
        // a time, so that a cold start does not wait twice.
        let beside = async {
            let is_wanted = application != READABLE_FROM && !transactions.known.contains_key(READABLE_FROM);
            if is_wanted { self.read_transaction(snapshot, READABLE_FROM).await.map(Some) } else { Ok(None) }
        };
        let (found, beside) = futures::try_join!(self.read_transaction(snapshot, application), beside)?;
        transactions.known.insert(application.to_owned(), found);
        if let Some(readable_from) = beside {
            transactions.known.insert(READABLE_FROM.to_owned(), readable_from);
        }
        Ok(found)
    }

    async fn read_transaction(&self, snapshot: &DeltaTable, application: &str) -> Result<Option<i64>, LakeError> {
        let failed = |error| LakeError::of_delta(self.path.as_str(), error);
        let state = snapshot.snapshot().map_err(failed)?;
        state.transaction_version(&self.log_store, application).await.map_err(failed)
    }
}

/// The version of a loaded snapshot.
///
/// # Errors
/// [`LakeError::Damaged`] if it is not loaded.
pub fn version_of(snapshot: &DeltaTable, path: &str) -> Result<u64, LakeError> {
    snapshot.version().ok_or_else(|| LakeError::damaged(path, "the table is not loaded"))
}

/// Whether there is no table. On a local folder that is not there either the kernel says so in its own way.
fn is_absent(error: &DeltaTableError) -> bool {
    use delta_kernel::Error as KernelError;
    matches!(error, DeltaTableError::NotATable(_) | DeltaTableError::KernelError(KernelError::InvalidTableLocation(_)))
}

/// A file of rows in a folder whose log is not there. Another process may be making the table at this moment.
async fn stray_file(table: &DeltaTable) -> Result<Option<String>, DeltaTableError> {
    let store = table.object_store();
    let mut listed = store.list(None);
    while let Some(object) = listed.next().await {
        let object = object?;
        if object.location.extension() == Some("parquet") {
            return Ok(Some(object.location.to_string()));
        }
    }
    Ok(None)
}

async fn create(table: &DeltaTable, spec: &TableSpec) -> Result<(), DeltaTableError> {
    // No retry: if another process made the table meanwhile, its version 0 is as good as ours.
    let properties = CommitProperties::default().with_max_retries(0).with_create_checkpoint(false);
    CreateBuilder::new()
        .with_log_store(table.log_store())
        .with_table_name(spec.name)
        .with_comment(spec.meaning)
        .with_columns(spec.delta())
        .with_partition_columns(spec.partition_columns())
        .with_configuration(spec.properties())
        .with_raise_if_key_not_exists(false)
        .with_commit_properties(properties)
        .await?;
    Ok(())
}

fn check_layout(table: &DeltaTable, path: &str) -> Result<(), LakeError> {
    let state = table.snapshot().map_err(|error| LakeError::of_delta(path, error))?;
    let Some(layout) = state.metadata().configuration().get(LAYOUT_PROPERTY) else {
        return Err(LakeError::damaged(path, "the table has no property headwater.layout: it is not one of ours"));
    };
    let found = layout
        .parse()
        .map_err(|_| LakeError::damaged(path, format!("headwater.layout is {layout:?}, not a number")))?;
    if found > LAYOUT {
        return Err(LakeError::Newer { what: format!("table {path}"), found, supported: LAYOUT });
    }
    Ok(())
}
