//! Deletes files that no kept version of a table names.
//!
//! delta-rs's vacuum commits twice a run and counts on its own clock; this one deletes what three facts allow, all of
//! them about files older than the retention: it was written before (so it is nobody's who is still about to commit
//! it), the newest version does not name it, and it was not removed since (so no version that was the newest since
//! names it).

use std::collections::HashSet;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use object_store::{Error as StoreError, ObjectStore as _, ObjectStoreExt as _};

use super::{Done, Step};
use crate::error::LakeError;
use crate::tables::Table;

/// How many files are deleted at a time.
const AT_A_TIME: usize = 8;

/// Deletes what may go; `since` is the start of the retention, in milliseconds since 1970.
pub(super) async fn run(table: &Table, since: i64) -> Result<Option<Done>, LakeError> {
    let started = Instant::now();
    let failed = |error| LakeError::of_delta(table.path(), error);
    let storage = |error: StoreError| LakeError::storage(table.path(), error);
    let snapshot = table.refresh().await?;
    let state = snapshot.snapshot().map_err(failed)?;
    let mut named: HashSet<String> = state.log_data().iter().map(|view| view.object_store_path().to_string()).collect();
    let log_store = table.log_store();
    let mut tombstones = state.all_tombstones(&log_store);
    while let Some(tombstone) = tombstones.try_next().await.map_err(failed)? {
        if tombstone.deletion_timestamp().is_none_or(|removed| removed >= since) {
            named.insert(tombstone.path().into_owned());
        }
    }
    drop(tombstones);

    let store = table.object_store();
    let mut done = Done::new(Step::Vacuum, table.spec().name);
    let mut listed = store.list(None);
    let mut expired = Vec::new();
    while let Some(object) = listed.try_next().await.map_err(storage)? {
        let path = object.location.as_ref();
        let is_data = path.ends_with(".parquet") && !path.starts_with('_');
        if is_data && object.last_modified.timestamp_millis() < since && !named.contains(path) {
            done.files_removed += 1;
            done.bytes_removed += object.size;
            expired.push(object.location);
        }
    }
    let mut deleted = futures::stream::iter(expired)
        .map(|path| {
            let store = &store;
            async move {
                match store.delete(&path).await {
                    // Another process did it.
                    Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        })
        .buffer_unordered(AT_A_TIME);
    while deleted.try_next().await.map_err(storage)?.is_some() {}
    Ok((done.files_removed > 0).then(|| done.since(started)))
}
