//! One page of quarantine, newest first, read a month at a time and the originals only of the rows on the page.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use event_model::{EventId, Timestamp, columns};
use futures::TryStreamExt;

use super::{QuarantineEntry, QuarantineFilter, QuarantinePage, REJECT, rows};
use crate::column;
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::ids::{ids, list};
use crate::rows::{Wanted, read};
use crate::schema::{ACTION, ROW_ID};
use crate::tables::Table;

/// The place of a row in the order of pages: later ones first.
type Place = (Timestamp, u128);
/// Files by month; files of a table always have one.
type Months = BTreeMap<Option<String>, Vec<Arc<DataFile>>>;

/// The page that the filter names.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`], or [`LakeError::Shape`] if the cursor is not one of ours.
pub(crate) async fn page(table: &Table, filter: &QuarantineFilter) -> Result<QuarantinePage, LakeError> {
    let before = filter.cursor.as_deref().map(parse).transpose()?;
    let snapshot = table.refresh().await?;
    let mut months = Months::new();
    for file in list(table, &snapshot, &FileList::default())?.files() {
        months.entry(file.month.clone()).or_default().push(Arc::clone(file));
    }
    let mut marked = HashSet::new();
    let mut found: Vec<(Place, Arc<DataFile>)> = Vec::new();
    let mut waiting = months.iter().rev().peekable();
    let mut read_marks = HashSet::new();
    while let Some((month, files)) = waiting.next() {
        // A mark lies in the month of its making: that of its row or later, or by a slow clock the one before.
        let earlier = waiting.peek().map(|(month, files)| (*month, *files));
        for (month, files) in std::iter::once((month, files)).chain(earlier) {
            if read_marks.insert(month) {
                marks(table, files, &mut marked).await?;
            }
        }
        for file in files {
            let places = candidates(table, file, filter, before, &marked).await?;
            found.extend(places.into_iter().map(|place| (place, Arc::clone(file))));
        }
        if found.len() > filter.limit {
            break;
        }
    }
    found.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    let more = found.len() > filter.limit;
    found.truncate(filter.limit);
    let next = found.last().filter(|_| more).map(|(place, _)| write(*place));
    Ok(QuarantinePage { entries: entries(table, found, &marked).await?, next })
}

async fn marks(table: &Table, files: &[Arc<DataFile>], marked: &mut HashSet<u128>) -> Result<(), LakeError> {
    for file in files {
        let wanted = Wanted { columns: Some(&[ROW_ID, ACTION]), ..Wanted::default() };
        let mut batches = read(table.object_store(), file, wanted).await?;
        while let Some(rows) = batches.try_next().await? {
            let actions = column::text(&rows, ACTION)?;
            let all = ids(column::bytes(&rows, ROW_ID)?)?;
            marked
                .extend(all.into_iter().zip(actions).filter(|(_, action)| *action != Some(REJECT)).map(|(row, _)| row));
        }
    }
    Ok(())
}

/// The rows of a file that could be on the page.
async fn candidates(
    table: &Table,
    file: &DataFile,
    filter: &QuarantineFilter,
    before: Option<Place>,
    marked: &HashSet<u128>,
) -> Result<Vec<Place>, LakeError> {
    let wanted = Wanted { columns: Some(&[ROW_ID, ACTION, columns::RECEIVED_AT, "reason"]), ..Wanted::default() };
    let mut batches = read(table.object_store(), file, wanted).await?;
    let mut places = Vec::new();
    while let Some(rows) = batches.try_next().await? {
        let (actions, reasons) = (column::text(&rows, ACTION)?, column::text(&rows, "reason")?);
        let received = column::instant(&rows, columns::RECEIVED_AT)?;
        for (row, id) in ids(column::bytes(&rows, ROW_ID)?)?.into_iter().enumerate() {
            let place = (Timestamp(received.value(row)), id);
            let fits = filter.reason.as_deref().is_none_or(|reason| column::text_at(reasons, row) == Some(reason));
            let is_due = filter.include_replayed || !marked.contains(&id);
            if actions.value(row) == REJECT && fits && is_due && before.is_none_or(|before| place < before) {
                places.push(place);
            }
        }
    }
    // No page needs more than these of one file.
    places.sort_by_key(|place| std::cmp::Reverse(*place));
    places.truncate(filter.limit + 1);
    Ok(places)
}

/// The whole rows, in the order of the page.
async fn entries(
    table: &Table,
    page: Vec<(Place, Arc<DataFile>)>,
    marked: &HashSet<u128>,
) -> Result<Vec<QuarantineEntry>, LakeError> {
    let mut wanted: HashMap<String, (Arc<DataFile>, HashSet<u128>)> = HashMap::new();
    for ((_, id), file) in &page {
        let (_, rows) = wanted.entry(file.path.clone()).or_insert_with(|| (Arc::clone(file), HashSet::new()));
        rows.insert(*id);
    }
    let mut found: HashMap<u128, QuarantineEntry> = HashMap::new();
    for (file, chosen) in wanted.values() {
        // Few rows a batch: each may carry 64 KiB.
        let mut batches = read(table.object_store(), file, Wanted { batch_rows: 256, ..Wanted::default() }).await?;
        while let Some(rows) = batches.try_next().await? {
            let all = ids(column::bytes(&rows, ROW_ID)?)?;
            let rejects = column::text(&rows, ACTION)?;
            let mask: BooleanArray = all
                .iter()
                .zip(rejects)
                .map(|(id, action)| Some(action == Some(REJECT) && chosen.contains(id)))
                .collect();
            let rows = filter_record_batch(&rows, &mask)?;
            let keys = ids(column::bytes(&rows, ROW_ID)?)?;
            for row in 0..rows.num_rows() {
                let id = keys.get(row).copied().unwrap_or_default();

                found.insert(id, rows::entry(&rows, row, marked.contains(&id))?);
            }
        }
    }
    Ok(page.into_iter().filter_map(|((_, id), _)| found.remove(&id)).collect())
}

fn write((received_at, id): Place) -> String {
    format!("{}-{}", received_at.0, EventId(id.to_be_bytes()))
}

fn parse(cursor: &str) -> Result<Place, LakeError> {
    let read = || {
        let (received_at, id) = cursor.split_once('-')?;
        Some((Timestamp(received_at.parse().ok()?), u128::from_be_bytes(EventId::parse_uuid(id)?.0)))
    };
    read().ok_or_else(|| LakeError::Shape("the cursor is not one of ours".to_owned()))
}
