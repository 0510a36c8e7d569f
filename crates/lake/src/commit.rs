//! The one way in which anything is committed, and what a commit says about itself.
//!
//! A commit is made against exactly the snapshot that its maker decided on: delta-rs is never allowed to move it onto
//! a newer one. So it can land at one version only, and after a lost answer that version's entry tells whether it did:
//! a random token in its `commitInfo` is ours or another's.

use std::sync::Arc;
use std::time::Instant;

use deltalake_core::DeltaTable;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::protocol::DeltaOperation;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::LakeError;
use crate::settings::Guards;
use crate::tables::{Table, version_of};

/// The key of `commitInfo` under which the commit speaks of itself.
const OURS: &str = "headwater";

/// What is to be committed.
#[derive(Debug)]
pub struct Request {
    /// Files added and removed, metadata.
    pub actions: Vec<Action>,
    /// Application ids with their new versions.
    pub transactions: Vec<(String, i64)>,
    /// How Delta names it.
    pub operation: DeltaOperation,
    /// What the commit says about itself: the members of `commitInfo.headwater`.
    pub says: serde_json::Map<String, Value>,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// It is the newest version.
    Landed(Arc<Commit>),
    /// Another writer was faster: load again, decide again. Nothing of it is visible, and nothing of it ever will be.
    Lost,
}

/// One entry of a table's log, as far as we look into it.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The version that it made.
    pub version: u64,
    /// When, in milliseconds since 1970.
    pub timestamp_millis: Option<i64>,
    /// Application ids with their versions.
    pub transactions: Vec<(String, i64)>,
    /// What it says about itself, without the token.
    pub says: serde_json::Map<String, Value>,
    /// The random token of its maker.
    pub token: Option<String>,
}

/// Commits against `snapshot`, once.
///
/// # Errors
/// [`LakeError::Storage`] if it is not known to have landed: load again, decide again. It may still land, but only as
/// the successor of `snapshot`, so whoever commits next either sees it or makes it impossible.
pub async fn commit(
    table: &Table,
    snapshot: &DeltaTable,
    request: Request,
    guards: Guards,
) -> Result<Outcome, LakeError> {
    let started = Instant::now();
    let base = version_of(snapshot, table.path())?;
    let token = token();
    let mut says = request.says.clone();
    says.insert("token".to_owned(), Value::String(token.clone()));
    let properties = CommitProperties::default()
        .with_metadata([(OURS.to_owned(), Value::Object(says))])
        .with_application_transactions(
            request.transactions.iter().map(|(application, version)| Transaction::new(application, *version)).collect(),
        )
        .with_max_retries(if guards.transaction { 0 } else { 100 })
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false));
    let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
    let prepared = CommitBuilder::from(properties)
        .with_actions(request.actions)
        .build(Some(state as &dyn TableReference), table.log_store(), request.operation)
        .into_prepared_commit_future()
        .await
        .map_err(|error| LakeError::of_delta(table.path(), error))?;
    // Awaiting the prepared commit writes the log entry; the hooks after it (checkpoint, clean-up) are maintenance's.
    let written = prepared.await;
    let says = request.says;
    let landed = |version| Commit {
        version,
        timestamp_millis: None,
        transactions: request.transactions,
        says,
        token: Some(token.clone()),
    };
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match written {
        Ok(done) => {
            tracing::debug!(table = table.path(), version = done.version, elapsed_ms, "committed");
            Ok(Outcome::Landed(table.remember(landed(done.version))))
        }
        Err(error) => match table.commit(base + 1).await? {
            Some(found) if guards.commit_token && found.token.as_deref() == Some(token.as_str()) => {
                tracing::info!(table = table.path(), version = base + 1, %error, "committed, though the answer was lost");
                Ok(Outcome::Landed(found))
            }
            Some(_) => Ok(Outcome::Lost),
            None => Err(LakeError::of_delta(table.path(), error)),
        },
    }
}

impl Commit {
    /// Reads a log entry: one JSON object a line.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(version: u64, bytes: &[u8]) -> Result<Self, String> {
        let mut commit = Self { version, ..Self::default() };
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
            if let Some(transaction) = line.txn {
                commit.transactions.push((transaction.app_id, transaction.version));
            }
            if let Some(info) = line.commit_info {
                commit.timestamp_millis = info.timestamp;
                if let Some(ours) = info.headwater {
                    commit.says = serde_json::from_str(ours.get()).map_err(|error| error.to_string())?;
                    commit.token = match commit.says.remove("token") {
                        Some(Value::String(token)) => Some(token),
                        _ => None,
                    };
                }
            }
        }
        if bytes.is_empty() {
            return Err("the entry is empty".to_owned());
        }
        Ok(commit)
    }

    /// The version of an application id that it carries.
    #[must_use]
    pub fn transaction(&self, application: &str) -> Option<i64> {
        self.transactions.iter().find(|(name, _)| name == application).map(|(_, version)| *version)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    txn: Option<Txn>,
    #[serde(borrow)]
    commit_info: Option<Info<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: i64,
}

#[derive(Deserialize)]
struct Info<'a> {
    timestamp: Option<i64>,
    #[serde(borrow)]
    headwater: Option<&'a RawValue>,
}

/// 128 random bits in hexadecimal.
pub(crate) fn token() -> String {
    // The standard library seeds each of these from the operating system's randomness and a counter.
    use std::hash::{BuildHasher, RandomState};
    let now = std::time::SystemTime::now();
    format!("{:016x}{:016x}", RandomState::new().hash_one(now), RandomState::new().hash_one(Instant::now()))
}

/// An append, as Delta names it.
#[must_use]
pub fn append(partition_by: Vec<String>) -> DeltaOperation {
    DeltaOperation::Write {
        mode: deltalake_core::protocol::SaveMode::Append,
        partition_by: (!partition_by.is_empty()).then_some(partition_by),
        predicate: None,
    }
}

/// The members of `commitInfo.headwater` from pairs.
pub fn says<const N: usize>(pairs: [(&str, Value); N]) -> serde_json::Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Takes away the files of a commit that lost. They are nobody's: best effort, vacuum finds what is left.
pub async fn discard(table: &Table, paths: &[String]) {
    use object_store::ObjectStoreExt as _;
    let store = table.object_store();
    for path in paths {
        let gone = match object_store::path::Path::parse(path) {
            Ok(path) => store.delete(&path).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = gone {
            tracing::debug!(table = table.path(), path, error, "a file of a lost commit is left to vacuum");
        }
    }
}
