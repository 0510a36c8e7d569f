//! What is left of a table's past after an erase: files that earlier versions named, and what the log says of them.
//!
//! Entries of the log keep their names for a while, because a slow writer may still try to commit under one of them, and
//! must find it taken: they lose the statistics of files that are gone, and nothing else. Only old ones are deleted.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake_core::checkpoints::create_checkpoint;
use event_model::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};
use serde_json::Value;

use super::ErasedTable;
use crate::error::LakeError;
use crate::files::{Bounds, DataFile};
use crate::person::{Whose, has_rows};
use crate::tables::Table;

/// How many objects are dealt with at a time.
const AT_A_TIME: usize = 8;
/// A writer that decided so long ago has given up: entries older than this may be deleted. Twice the time for which a
/// process believes its own view of a log.
const SLOWEST_WRITER_MILLIS: i64 = 2 * 3_600_000;

/// Takes away what only versions before `done.version` needed.
///
/// # Errors
/// [`LakeError::Storage`] or [`LakeError::Damaged`]; it is safe to do it again.
pub(super) async fn table(
    table: &Arc<Table>,
    done: &mut ErasedTable,
    whose: &Whose,
    now: Timestamp,
) -> Result<(), LakeError> {
    let failed = |error| LakeError::of_delta(table.path(), error);
    let storage = |error: StoreError| LakeError::storage(table.path(), error);
    let at = table.at(done.version).await?;
    create_checkpoint(&at, None).await.map_err(failed)?;
    let live = paths(&at, table)?;
    let store = table.object_store();
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await.map_err(storage)?;

    // Whatever was committed meanwhile is live too.
    let newest = table.refresh().await?;
    let mut named = live.clone();
    named.extend(paths(&newest, table)?);
    let mut removed = HashSet::new();
    let log_store = table.log_store();
    let state = newest.snapshot().map_err(failed)?;
    let mut tombstones = state.all_tombstones(&log_store);
    while let Some(tombstone) = tombstones.try_next().await.map_err(failed)? {
        removed.insert(tombstone.path().into_owned());
    }
    drop(tombstones);

    let is_data = |path: &str| path.ends_with(".parquet") && !path.starts_with('_');
    let stray = listed.iter().filter(|object| {
        let path = object.location.as_ref();
        is_data(path) && !named.contains(path)
    });
    let mut gone = Vec::new();
    for object in stray {
        // A file that no commit names may be somebody's who is about to commit it, unless it holds what no commit can
        // add any more.
        if removed.contains(object.location.as_ref()) || holds(table, object, whose).await? {
            gone.push(object.location.clone());
        }
    }
    done.files_deleted += gone.len() as u64;
    delete(table, gone).await?;

    let oldest = now.0.div_euclid(1_000) - SLOWEST_WRITER_MILLIS;
    let mut before: Vec<(u64, bool, &ObjectMeta)> = listed.iter().filter_map(log_file).collect();
    before.retain(|(version, ..)| *version < done.version);
    before.sort_by_key(|(version, ..)| *version);
    let is_old = |object: &ObjectMeta| object.last_modified.timestamp_millis() < oldest;
    // From the oldest on, so that what is left has no hole.
    let old = before.iter().take_while(|(_, _, object)| is_old(object)).map(|(.., object)| object.location.clone());
    let mut gone: Vec<Path> = old.collect();
    let rest = before.iter().skip(gone.len());
    gone.extend(
        rest.clone().filter(|(_, is_checkpoint, _)| *is_checkpoint).map(|(.., object)| object.location.clone()),
    );
    for path in &gone {
        delete(table, vec![path.clone()]).await?;
    }
    done.log_files += gone.len() as u64;
    let entries: Vec<Path> =
        rest.filter(|(_, is_checkpoint, _)| !is_checkpoint).map(|(.., object)| object.location.clone()).collect();
    let mut redacted = stream::iter(entries).map(|entry| redact(table, entry, &live)).buffer_unordered(AT_A_TIME);
    while let Some(changed) = redacted.try_next().await? {
        done.log_files += u64::from(changed);
    }
    drop(redacted);
    table.reload().await?;
    Ok(())
}

fn paths(snapshot: &deltalake_core::DeltaTable, table: &Table) -> Result<HashSet<String>, LakeError> {
    let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
    Ok(state.log_data().iter().map(|view| view.object_store_path().to_string()).collect())
}

/// The version that a file of the log belongs to, and whether it is a checkpoint.
fn log_file(object: &ObjectMeta) -> Option<(u64, bool, &ObjectMeta)> {
    if !object.location.as_ref().starts_with("_delta_log/") {
        return None;
    }
    let (version, kind) = object.location.filename()?.split_once('.')?;
    let version = (version.len() == 20).then(|| version.parse::<u64>().ok()).flatten()?;
    Some((version, kind != "json", object))
}

/// Whether a file that no commit names has rows of the person; one that is not whole says nothing.
async fn holds(table: &Table, object: &ObjectMeta, whose: &Whose) -> Result<bool, LakeError> {
    let file = DataFile {
        path: object.location.to_string(),
        bytes: object.size,
        rows: None,
        modified_millis: 0,
        month: None,
        bounds: Bounds::default(),
    };
    match has_rows(table, &file, whose).await {
        Err(LakeError::Damaged { .. } | LakeError::Shape(_)) => Ok(false),
        other => other,
    }
}

async fn delete(table: &Table, paths: Vec<Path>) -> Result<(), LakeError> {
    let store = table.object_store();
    let mut deleted = stream::iter(paths)
        .map(|path| {
            let store = &store;
            async move {
                match store.delete(&path).await {
                    // Another process did it.
                    Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
                    Err(error) => Err(LakeError::storage(path.to_string(), error)),
                }
            }
        })
        .buffer_unordered(AT_A_TIME);
    while deleted.try_next().await?.is_some() {}
    Ok(())
}

/// Writes an entry of the log anew without the statistics of files that are not live; false if it had none.
async fn redact(table: &Table, path: Path, live: &HashSet<String>) -> Result<bool, LakeError> {
    let failed = |error: StoreError| LakeError::storage(path.to_string(), error);
    let store = table.object_store();
    let bytes = match store.get(&path).await {
        Ok(found) => found.bytes().await.map_err(failed)?,
        Err(StoreError::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    let Some(redacted) = without_statistics(&bytes, live)
        .map_err(|error| LakeError::damaged(path.to_string(), format!("not an entry of a log: {error}")))?
    else {
        return Ok(false);
    };
    store.put(&path, redacted.into()).await.map_err(failed)?;
    Ok(true)
}

/// The entry without the statistics of files that are not live; `None` if it has none.
fn without_statistics(entry: &[u8], live: &HashSet<String>) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let mut changed = false;
    let mut lines = Vec::new();
    for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let mut action: Value = serde_json::from_slice(line)?;
        if let Some(add) = action.get_mut("add").and_then(Value::as_object_mut)
            && add.get("path").and_then(Value::as_str).is_none_or(|path| !live.contains(&decoded(path)))
            && add.get("stats").is_some_and(|statistics| !statistics.is_null())
        {
            add.insert("stats".to_owned(), Value::Null);
            changed = true;
        }
        lines.push(serde_json::to_vec(&action)?);
    }
    Ok(changed.then(|| lines.join(&b'\n')))
}

/// Paths in the log are escaped as in URLs; ours have nothing to escape but what another writer may have.
fn decoded(path: &str) -> String {
    Path::from_url_path(path).map_or_else(|_| path.to_owned(), |path| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_loses_the_statistics_of_files_that_are_gone_and_nothing_else() {
        let entry = concat!(
            r#"{"commitInfo":{"timestamp":1,"headwater":{"token":"t","messages":"a"}}}"#,
            "\n",
            r#"{"add":{"path":"month=2026-01/gone.parquet","size":1,"stats":"{\"maxValues\":{\"event\":\"ada\"}}"}}"#,
            "\n",
            r#"{"add":{"path":"month=2026-01/live.parquet","size":1,"stats":"{\"numRecords\":2}"}}"#,
        );
        let live: HashSet<String> = ["month=2026-01/live.parquet".to_owned()].into_iter().collect();
        let redacted = without_statistics(entry.as_bytes(), &live).unwrap().unwrap();
        let text = String::from_utf8(redacted.clone()).unwrap();
        assert!(!text.contains("ada") && text.contains("numRecords") && text.contains("\"messages\":\"a\""), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert_eq!(without_statistics(&redacted, &live).unwrap(), None);
    }
}
