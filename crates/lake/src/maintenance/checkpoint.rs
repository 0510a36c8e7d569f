//! Writes down the whole state of a log, so that a reader starts there and not at the first commit.

use std::time::Instant;

use deltalake_core::checkpoints::create_checkpoint;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt as _};
use serde::Deserialize;

use super::{Done, MaintenanceSettings, Step};
use crate::error::LakeError;
use crate::tables::{Table, version_of};

#[derive(Deserialize)]
struct LastCheckpoint {
    version: u64,
}

/// Writes a checkpoint if enough was committed since the last one.
pub(super) async fn run(table: &Table, settings: &MaintenanceSettings) -> Result<Option<Done>, LakeError> {
    let started = Instant::now();
    let snapshot = table.refresh().await?;
    let version = version_of(&snapshot, table.path())?;
    let last = last(table).await?;
    if version < last.map_or(settings.checkpoint_commits, |last| last.saturating_add(settings.checkpoint_commits)) {
        return Ok(None);
    }
    create_checkpoint(&snapshot, None).await.map_err(|error| LakeError::of_delta(table.path(), error))?;
    let done = Done { files_added: 1, ..Done::new(Step::Checkpoint, table.spec().name) };
    Ok(Some(done.since(started)))
}

/// The version of the newest checkpoint, as the log's pointer says. Another process may have written a newer one since.
async fn last(table: &Table) -> Result<Option<u64>, LakeError> {
    let path = Path::from_iter(["_delta_log", "_last_checkpoint"]);
    let bytes = match table.object_store().get(&path).await {
        Ok(found) => found.bytes().await.map_err(|error| LakeError::storage(table.path(), error))?,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(LakeError::storage(table.path(), error)),
    };
    // A pointer that cannot be read is as good as none: the next checkpoint writes it anew.
    Ok(serde_json::from_slice::<LastCheckpoint>(&bytes).ok().map(|last| last.version))
}
