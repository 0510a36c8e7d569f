//! Deletes entries of a log that no kept version needs.
//!
//! A version is kept until its successor is older than the retention. Of the kept versions the oldest is read from the
//! newest checkpoint at or before it, so everything before that checkpoint may go, and nothing else.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::{Done, Step};
use crate::error::LakeError;
use crate::tables::Table;

/// What stands in a log.
#[derive(Debug, Default)]
struct Listed {
    /// When each version was committed, in milliseconds since 1970, where its entry is still there.
    commits: BTreeMap<u64, i64>,
    /// The versions that have a checkpoint in one file.
    checkpoints: Vec<u64>,
    /// All that belongs to a version.
    files: Vec<(u64, ObjectMeta)>,
}

/// Deletes what may go; `since` is the start of the retention, in milliseconds since 1970.
pub(super) async fn run(table: &Table, since: i64) -> Result<Option<Done>, LakeError> {
    let started = Instant::now();
    let storage = |error: StoreError| LakeError::storage(table.path(), error);
    let store = table.object_store();
    let mut listed = Listed::default();
    let mut objects = store.list(Some(&Path::from("_delta_log")));
    while let Some(object) = objects.try_next().await.map_err(storage)? {
        listed.take(object);
    }
    let Some(first) = listed.first_needed(since) else { return Ok(None) };
    let mut done = Done::new(Step::CleanLog, table.spec().name);
    // In the order of versions, so that what is left after a crash has no hole.
    listed.files.sort_by_key(|(version, _)| *version);
    for (_, object) in listed.files.iter().take_while(|(version, _)| *version < first) {
        match store.delete(&object.location).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(storage(error)),
        }
        done.files_removed += 1;
        done.bytes_removed += object.size;
    }
    if done.files_removed == 0 {
        return Ok(None);
    }
    table.reload().await?;
    Ok(Some(done.since(started)))
}

impl Listed {
    fn take(&mut self, object: ObjectMeta) {
        let Some(name) = object.location.filename() else { return };
        let Some((version, kind)) = name.split_once('.') else { return };
        let Some(version) = (version.len() == 20).then(|| version.parse::<u64>().ok()).flatten() else { return };
        match kind {
            "json" => {
                self.commits.insert(version, object.last_modified.timestamp_millis());
            }
            "checkpoint.parquet" => self.checkpoints.push(version),
            _ => {}
        }
        self.files.push((version, object));
    }

    /// The checkpoint from which the oldest kept version is read.
    fn first_needed(&self, since: i64) -> Option<u64> {
        let newest = *self.commits.keys().next_back()?;
        // The first commit inside the retention replaced the version before it, which is therefore kept.
        let inside = self.commits.iter().find(|(_, committed)| **committed >= since).map(|(version, _)| *version);
        let oldest = inside.map_or(newest, |version| version.saturating_sub(1));
        self.checkpoints.iter().copied().filter(|checkpoint| *checkpoint <= oldest).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(commits: &[(u64, i64)], checkpoints: &[u64], since: i64) -> Option<u64> {
        let commits = commits.iter().copied().collect();
        Listed { commits, checkpoints: checkpoints.to_vec(), files: Vec::new() }.first_needed(since)
    }

    #[test]
    fn everything_before_the_checkpoint_of_the_oldest_kept_version_may_go() {
        let commits = [(0, 10), (1, 20), (2, 30), (3, 40), (4, 50)];
        assert_eq!(needed(&commits, &[1, 3], 35), Some(1), "version 2 was the newest until 40");
        assert_eq!(needed(&commits, &[2, 3], 35), Some(2));
        assert_eq!(needed(&commits, &[3], 35), None, "version 2 cannot be read from the checkpoint of 3");
        assert_eq!(needed(&commits, &[4], 99), Some(4), "all is old: only the newest is kept");
        assert_eq!(needed(&commits, &[], 99), None, "without a checkpoint nothing goes");
        assert_eq!(needed(&commits, &[2], 0), None);
    }
}
