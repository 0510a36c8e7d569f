//! The request of an erase: a file beside the tables, because it names the person, and has to vanish whole when done.
//!
//! Beside it lie the keys under which derived tables have rows of the person, as far as they were found: once the events
//! are gone nobody can find them again. Each process that finds some writes a file of its own, so that none is lost.

use std::collections::BTreeSet;

use event_model::Timestamp;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::commit::token;
use crate::error::LakeError;
use crate::person::PersonIds;
use crate::project::ProjectLake;

/// The version of the file that this build writes, and the newest it reads.
const VERSION: u64 = 1;
/// How often it is tried to record one: a write that may only add is not tried again by the store's client.
const TRIES: u32 = 4;

/// An erase that was asked for and is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    version: u64,
    name: String,
    /// The ids of the person.
    pub ids: PersonIds,
    /// Whether the person stays out for good.
    pub forbid: bool,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

impl Erasure {
    pub(super) fn new(ids: PersonIds, forbid: bool, requested_at: Timestamp) -> Self {
        Self { version: VERSION, name: token(), ids, forbid, requested_at }
    }

    /// Names the erase, and nobody.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn folder(project: &ProjectLake) -> Path {
    project.folder.clone().join("erasures")
}

fn path(project: &ProjectLake, name: &str) -> Path {
    folder(project).join(format!("{name}.json"))
}

/// Whether a text can name an erase: it becomes a part of a path.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether one of that name is recorded and not finished.
pub(super) async fn is_recorded(project: &ProjectLake, name: &str) -> Result<bool, LakeError> {
    let path = path(project, name);
    match project.store.head(&path).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(LakeError::storage(path.to_string(), error)),
    }
}

/// Records it.
pub(super) async fn put(project: &ProjectLake, erasure: &Erasure) -> Result<(), LakeError> {
    let path = path(project, &erasure.name);
    let bytes = serde_json::to_vec(erasure).map_err(|error| LakeError::storage(path.to_string(), error))?;
    // The name is new, so what is there already is ours, written by a try whose answer was lost. In the cloud whoever
    // records it may only add.
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match project.store.put_opts(&path, bytes.clone().into(), create.clone()).await {
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => return Ok(()),
            Err(error) if tries == 0 => return Err(LakeError::storage(path.to_string(), error)),
            Err(_) => {}
        }
    }
}

/// All that are recorded, the oldest first.
pub(super) async fn list(project: &ProjectLake) -> Result<Vec<Erasure>, LakeError> {
    let folder = folder(project);
    let failed = |error: StoreError| LakeError::storage(folder.to_string(), error);
    let listed: Vec<_> = match project.store.list(Some(&folder)).try_collect().await {
        Ok(listed) => listed,
        Err(StoreError::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(failed(error)),
    };
    let mut erasures: Vec<Erasure> = Vec::new();
    for object in listed.into_iter().filter(|object| object.location.extension() == Some("json")) {
        let bytes = match project.store.get(&object.location).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            // Another process has finished it.
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(failed(error)),
        };
        let place = object.location.to_string();
        let erasure: Erasure = serde_json::from_slice(&bytes)
            .map_err(|error| LakeError::damaged(place.as_str(), format!("not a request to erase: {error}")))?;
        if erasure.version > VERSION {
            return Err(LakeError::Newer { what: place, found: erasure.version, supported: VERSION });
        }
        erasures.push(erasure);
    }
    erasures.sort_by(|one, other| (one.requested_at, &one.name).cmp(&(other.requested_at, &other.name)));
    Ok(erasures)
}

/// Adds keys to those that are known, and writes down what is new.
pub(super) async fn add_keys(
    project: &ProjectLake,
    erasure: &Erasure,
    known: &mut BTreeSet<i64>,
    found: BTreeSet<i64>,
) -> Result<(), LakeError> {
    let new: Vec<i64> = found.into_iter().filter(|key| !known.contains(key)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let path = folder(project).join(format!("{}-{}.keys", erasure.name, token()));
    let failed = |error: StoreError| LakeError::storage(path.to_string(), error);
    let bytes = serde_json::to_vec(&new).map_err(|error| LakeError::storage(path.to_string(), error))?;
    project.store.put(&path, bytes.into()).await.map_err(failed)?;
    known.extend(new);
    Ok(())
}

/// The keys that were written down.
pub(super) async fn keys(project: &ProjectLake, erasure: &Erasure) -> Result<BTreeSet<i64>, LakeError> {
    let mut keys = BTreeSet::new();
    for path in key_files(project, erasure).await? {
        let failed = |error: StoreError| LakeError::storage(path.to_string(), error);
        let bytes = match project.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            // Another process has finished it.
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(failed(error)),
        };
        let found: Vec<i64> = serde_json::from_slice(&bytes)
            .map_err(|error| LakeError::damaged(path.to_string(), format!("not the keys of an erase: {error}")))?;
        keys.extend(found);
    }
    Ok(keys)
}

async fn key_files(project: &ProjectLake, erasure: &Erasure) -> Result<Vec<Path>, LakeError> {
    let folder = folder(project);
    let mut listed = project.store.list(Some(&folder));
    let mut paths = Vec::new();
    let is_of = |path: &Path| {
        let name = path.filename().unwrap_or_default();
        path.extension() == Some("keys") && name.strip_prefix(erasure.name()).is_some_and(|rest| rest.starts_with('-'))
    };
    loop {
        match listed.try_next().await {
            Ok(Some(object)) => paths.extend(is_of(&object.location).then_some(object.location)),
            Ok(None) | Err(StoreError::NotFound { .. }) => return Ok(paths),
            Err(error) => return Err(LakeError::storage(folder.to_string(), error)),
        }
    }
}

/// Forgets it: it is finished.
pub(super) async fn delete(project: &ProjectLake, erasure: &Erasure) -> Result<(), LakeError> {
    let mut paths = key_files(project, erasure).await?;
    paths.push(path(project, &erasure.name));
    for path in paths {
        match project.store.delete(&path).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(LakeError::storage(path.to_string(), error)),
        }
    }
    Ok(())
}
