//! When versions were committed, and which are still kept.

use event_model::Timestamp;

use super::TableView;
use crate::commit::Commit;
use crate::error::LakeError;
use crate::schema::RETENTION_DAYS;
use crate::tables::Table;

/// When a version was committed, in milliseconds since 1970; `None` if its entry is not there.
pub(crate) async fn committed_millis(table: &Table, version: u64) -> Result<Option<i64>, LakeError> {
    // Not by way of the kept commits: a commit that this process made is kept before its time is known.
    let entry = table.log_store().read_commit_entry(version).await;
    let Some(bytes) = entry.map_err(|error| LakeError::of_delta(table.path(), error))? else { return Ok(None) };
    let commit = Commit::parse(version, &bytes)
        .map_err(|error| LakeError::damaged(format!("{}/_delta_log/{version:020}.json", table.path()), error))?;
    Ok(Some(commit.timestamp_millis.unwrap_or(0)))
}

/// Whether a version may be read: it is the newest, or was so until less than the retention ago, and no person was erased
/// since.
///
/// # Errors
/// [`LakeError::VersionUnknown`] if it is newer than the newest, [`LakeError::VersionGone`] with the oldest that may be
/// read if it is too old.
pub(super) async fn check_kept(table: &Table, version: u64, view: &TableView, now: Timestamp) -> Result<(), LakeError> {
    let newest = view.version;
    if version > newest {
        return Err(LakeError::VersionUnknown { table: table.path().to_owned(), requested: version, newest });
    }
    let since = now.0.div_euclid(1_000) - i64::from(RETENTION_DAYS) * 86_400_000;
    let is_erased = version < view.readable_from;
    if !is_erased && is_kept(table, version, newest, since).await? {
        return Ok(());
    }
    // Before the last erase nothing may be read, and the version that it made is kept if its successor is.
    let first = view.readable_from;
    if is_erased && is_kept(table, first, newest, since).await? {
        return Err(LakeError::VersionGone { table: table.path().to_owned(), requested: version, oldest: first });
    }
    let (mut gone, mut kept) = (version.max(first), newest);
    while kept - gone > 1 {
        let middle = gone + (kept - gone) / 2;
        if is_kept(table, middle, newest, since).await? { kept = middle } else { gone = middle }
    }
    Err(LakeError::VersionGone { table: table.path().to_owned(), requested: version, oldest: kept })
}

/// A version is what was read until its successor came.
async fn is_kept(table: &Table, version: u64, newest: u64, since: i64) -> Result<bool, LakeError> {
    Ok(version == newest || committed_millis(table, version + 1).await?.is_some_and(|millis| millis >= since))
}

/// The newest version that was committed at or before a moment; the first that is kept if all are later.
pub(super) async fn version_at(table: &Table, newest: u64, moment: i64) -> Result<u64, LakeError> {
    // Entries that are gone are older than any moment that may be asked for.
    let is_later =
        async |version| Ok::<_, LakeError>(committed_millis(table, version).await?.is_some_and(|at| at > moment));
    if !is_later(newest).await? {
        return Ok(newest);
    }
    let (mut early, mut late) = (0, newest);
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        if is_later(middle).await? { late = middle } else { early = middle }
    }
    Ok(early)
}
