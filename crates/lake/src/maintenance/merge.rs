//! Rewrites many small files of a month as few, in the same order, with the same rows.

use std::sync::Arc;
use std::time::Instant;

use deltalake_core::kernel::Add;

use super::choose::{Group, groups};
use super::output::Output;
use super::rewrite::{self, Rewrite, Rewritten};
use super::{Done, MaintenanceSettings, Step, k_way, sizes, unless_damaged};
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::rows::{Wanted, read};
use crate::settings::Guards;
use crate::tables::Table;

/// Rows that are in memory at a time, over all files together.
const ROWS_HELD: usize = 128 * 1024;
/// Rows that go to the writer at a time.
const BATCH_ROWS: usize = 8_192;

/// Does the merges that are due.
pub(super) async fn run(table: &Arc<Table>, settings: &MaintenanceSettings) -> Result<Vec<Done>, LakeError> {
    let snapshot = table.refresh().await?;
    let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
    let files = FileList::new(state.log_data().iter(), &FileList::default());
    let mut done = Vec::new();
    for group in groups(files.files(), settings) {
        done.push(unless_damaged(merge(table, group, settings).await, Step::Merge, table.spec().name)?);
    }
    Ok(done)
}

async fn merge(table: &Arc<Table>, group: Group, settings: &MaintenanceSettings) -> Result<Done, LakeError> {
    let started = Instant::now();
    let mut done = Done::new(Step::Merge, table.spec().name);
    let (rows, add) = write(table, &group, settings).await?;
    let expect: Option<u64> = group.files.iter().map(|file| file.rows).sum();
    if expect.is_some_and(|expect| expect != rows) {
        let detail = format!("files of {} hold {rows} rows, the log says {expect:?}", group.month.unwrap_or_default());
        return Err(LakeError::damaged(table.path(), detail));
    }
    let remove = group.files.iter().map(|file| file.path.clone()).collect();
    let (bytes_added, files_added) = (sizes(&add), add.len() as u64);
    let rewrite =
        Rewrite { remove, add, data_change: false, number: None, readable_from: None, alone: None, kind: "merge" };
    match rewrite::commit(table, rewrite, Guards::default()).await? {
        Rewritten::Landed(_) => {
            done.files_removed = group.files.len() as u64;
            done.bytes_removed = group.files.iter().map(|file| file.bytes).sum();
            (done.files_added, done.bytes_added, done.rows) = (files_added, bytes_added, rows);
        }
        Rewritten::Refused(why) => done.gave_up = Some(why),
    }
    Ok(done.since(started))
}

/// Writes the merged files. Encoding is work for a processor: it must not hold up a thread that answers requests.
async fn write(
    table: &Arc<Table>,
    group: &Group,
    settings: &MaintenanceSettings,
) -> Result<(u64, Vec<Add>), LakeError> {
    let (table, group, settings) = (Arc::clone(table), group.clone(), settings.clone());
    let path = table.path().to_owned();
    let runtime = tokio::runtime::Handle::current();
    let work = tokio::task::spawn_blocking(move || runtime.block_on(write_here(table, group, &settings)));
    work.await.map_err(|error| LakeError::storage(path, error))?
}

async fn write_here(
    table: Arc<Table>,
    group: Group,
    settings: &MaintenanceSettings,
) -> Result<(u64, Vec<Add>), LakeError> {
    let keys = table.spec().order;
    let batch_rows = (ROWS_HELD / group.files.len().max(1)).clamp(64, BATCH_ROWS);
    let mut streams = Vec::with_capacity(group.files.len());
    for file in in_order(&group.files) {
        let wanted = Wanted { batch_rows, ..Wanted::default() };
        streams.push(read(table.object_store(), file, wanted).await?);
    }
    let mut output = Output::new(table, group.month, group.by_date, settings);
    let rows = k_way::merge(streams, keys, BATCH_ROWS, async |batch| output.write(&batch).await).await?;
    Ok((rows, output.close().await?))
}

/// In the order in which they were appended, as far as the log knows it: the result does not depend on chance.
fn in_order(files: &[Arc<DataFile>]) -> Vec<&DataFile> {
    let mut files: Vec<&DataFile> = files.iter().map(Arc::as_ref).collect();
    files.sort_by(|one, other| (one.bounds.ingest_seq, &one.path).cmp(&(other.bounds.ingest_seq, &other.path)));
    files
}
