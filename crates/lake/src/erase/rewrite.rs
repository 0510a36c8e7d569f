//! Writes a table's files anew without the rows of a person, and commits them in place of the old ones.
//!
//! Each try looks at the files of the snapshot that it commits against: those that were searched before are not read
//! again, so beside busy writers a try costs what is new. A file with rows of the person that another rewrite has
//! merged away meanwhile is found again in what it was merged into.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::boolean::and_not;
use arrow::compute::{filter_record_batch, not, nullif};
use arrow::datatypes::FieldRef;
use deltalake_core::kernel::{Action, Add};
use deltalake_core::protocol::DeltaOperation;
use event_model::{EventId, Timestamp, columns};
use futures::TryStreamExt;
use serde_json::Value;

use super::{ERASED_ROWS, ErasedTable, Erasure, READABLE_FROM, erased_rows, hidden, is_events, kept_out, request};
use crate::column;
use crate::commit::{self, Outcome, Request, says};
use crate::derived::{EVENTS_READABLE_FROM, Part, seen_erase};
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::ids::{ids, list};
use crate::maintenance::MaintenanceSettings;
use crate::maintenance::output::Output;
use crate::maintenance::rewrite::APPLICATION;
use crate::person::{Whose, belongs};
use crate::project::ProjectLake;
use crate::rows::{Wanted, read};
use crate::schema::{QUARANTINE, is_derived};
use crate::tables::{Table, version_of};

/// An append between look and commit takes milliseconds, and they come at most once a second a writer.
const ATTEMPTS: u32 = 100;

/// What became of a file with rows of the person.
struct Cleaned {
    /// The file that takes its place, if any rows are left.
    add: Vec<Add>,
    /// How many rows were removed or emptied.
    rows: u64,
}

/// What an erase knows of whose rows it looks for, and learns on its way.
pub(super) struct Erasing<'a> {
    pub(super) erasure: &'a Erasure,
    pub(super) whose: Whose,
    /// The version of `events` that the erase made, once it has.
    pub(super) events_version: Option<u64>,
}

/// Erases the person's rows from one table.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Conflict`] or [`LakeError::Damaged`]; it is safe to do it again.
pub(super) async fn table(
    project: &ProjectLake,
    table: &Arc<Table>,
    erasing: &mut Erasing<'_>,
    settings: &MaintenanceSettings,
) -> Result<ErasedTable, LakeError> {
    let mut report = ErasedTable { table: table.spec().name.into(), ..ErasedTable::default() };
    let mut searched: HashMap<String, Option<Cleaned>> = HashMap::new();
    let mut files = FileList::default();
    for _ in 0..ATTEMPTS {
        let snapshot = table.refresh().await?;
        files = list(table, &snapshot, &files)?;
        for file in files.files() {
            if !searched.contains_key(&file.path) {
                report.files_searched += 1;
                report.bytes_scanned += file.bytes;
                let cleaned = clean(project, table, file, erasing, settings).await?;
                searched.insert(file.path.clone(), cleaned);
            }
        }
        let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
        let mut actions = Vec::new();
        (report.rows, report.files_rewritten) = (0, 0);
        for view in state.log_data().iter() {
            let path = view.object_store_path().to_string();
            let Some(Some(cleaned)) = searched.get(&path) else { continue };
            actions.push(Action::Remove(view.remove_action(true)));
            actions.extend(cleaned.add.iter().cloned().map(Action::Add));
            report.rows += cleaned.rows;
            report.files_rewritten += 1;
        }
        let version = version_of(&snapshot, table.path())? + 1;
        let last = table.transaction(&snapshot, APPLICATION).await?.unwrap_or(0);
        let erased = erased_rows(table, &snapshot).await? + report.rows;
        let mut transactions = vec![
            (APPLICATION.to_owned(), last + 1),
            (READABLE_FROM.to_owned(), i64::try_from(version).unwrap_or(i64::MAX)),
            (ERASED_ROWS.to_owned(), i64::try_from(erased).unwrap_or(i64::MAX)),
        ];
        if is_derived(table.spec()) {
            let seen = seen_erase(table, &snapshot).await?.max(erasing.events_version.unwrap_or(0));
            transactions.push((EVENTS_READABLE_FROM.to_owned(), i64::try_from(seen).unwrap_or(i64::MAX)));
        }
        let request = Request {
            actions,
            transactions,
            operation: DeltaOperation::Delete { predicate: None },
            says: says([("kind", Value::from("erase")), ("rows", Value::from(report.rows))]),
        };
        match commit::commit(table, &snapshot, request, project.settings.guards).await? {
            Outcome::Landed(landed) => {
                report.version = landed.version;
                return Ok(report);
            }
            Outcome::Lost => {}
        }
    }
    Err(LakeError::Conflict { table: table.path().to_owned(), attempts: ATTEMPTS })
}

/// Writes a file anew, if it has rows of the person.
async fn clean(
    project: &ProjectLake,
    table: &Arc<Table>,
    file: &Arc<DataFile>,
    erasing: &mut Erasing<'_>,
    settings: &MaintenanceSettings,
) -> Result<Option<Cleaned>, LakeError> {
    // Where others have rows under one of the keys, a part that says that it has everybody of its range may be wrong, also
    // one without any of these rows: with the ties goes what told whose they are.
    let is_theirs = |part: &Part| erasing.whose.keys.iter().any(|key| part.bucket.holds(*key));
    let is_gone = !erasing.whose.is_alone() && file.bounds.part.as_deref().is_some_and(is_theirs);
    if !is_gone && !crate::person::has_rows(table, file, &erasing.whose).await? {
        return Ok(None);
    }
    // One file in place of one: its rows keep their order.
    let settings = MaintenanceSettings { target_bytes: u64::MAX, ..settings.clone() };
    let (work_table, file, whose) = (Arc::clone(table), Arc::clone(file), erasing.whose.clone());
    let runtime = tokio::runtime::Handle::current();
    // Encoding is work for a processor: it must not hold up a thread that answers requests.
    let work = tokio::task::spawn_blocking(move || {
        runtime.block_on(async move { write(&work_table, &file, &whose, &settings).await })
    });
    let written = work.await.map_err(|error| LakeError::storage(table.path(), error))?;
    let (cleaned, events, keys) = written?;
    // Before the commit that removes the rows: a crash in between must not lose what makes a retry a duplicate, nor under
    // whose key derived tables have them.
    kept_out::add_events(project, &events).await?;
    request::add_keys(project, erasing.erasure, &mut erasing.whose.keys, keys).await?;
    Ok(Some(cleaned))
}

/// An erased event: its id, and when it was received.
type ErasedEvent = (u128, Timestamp);

async fn write(
    table: &Arc<Table>,
    file: &DataFile,
    whose: &Whose,
    settings: &MaintenanceSettings,
) -> Result<(Cleaned, Vec<ErasedEvent>, BTreeSet<i64>), LakeError> {
    let spec = table.spec();
    // Where under one of the keys there may be rows of others too, the part is not whole without them: it is made anew.
    let is_kept = !is_derived(spec) || whose.is_alone();
    let mut keys = BTreeSet::new();
    let mut output = Output::new(Arc::clone(table), file.month.clone(), false, settings);
    let (mut rows, mut events) = (0, Vec::new());
    let mut batches = read(table.object_store(), file, Wanted::default()).await?;
    while let Some(batch) = batches.try_next().await? {
        let theirs = belongs::mask(spec, &batch, whose)?;
        rows += theirs.true_count() as u64;
        if spec.name == QUARANTINE.name {
            output.write(&emptied(&batch, &theirs)?).await?;
            continue;
        }
        if is_events(table) {
            let gone = filter_record_batch(&batch, &theirs)?;
            let received = column::instant(&gone, columns::RECEIVED_AT)?.values();
            let ids = ids(column::bytes(&gone, columns::EVENT_ID)?)?;
            events.extend(ids.into_iter().zip(received.iter().map(|received| Timestamp(*received))));
            keys.extend(column::long(&gone, columns::PERSON_KEY)?.values());
        }
        if !is_kept {
            continue;
        }
        output.write(&filter_record_batch(&batch, &not(&theirs)?)?).await?;
    }
    Ok((Cleaned { add: output.close().await?, rows }, events, keys))
}

/// Rows of quarantine without what the client sent, and without the event's id. The rest stays: the ledger counts it,
/// and a redelivered message finds its rows there.
fn emptied(rows: &RecordBatch, theirs: &BooleanArray) -> Result<RecordBatch, LakeError> {
    let schema = rows.schema();
    let emptied = |(field, column): (&FieldRef, &ArrayRef)| -> Result<ArrayRef, LakeError> {
        match field.name().as_str() {
            "original" | "detail" | "sha256" | "full_length" => Ok(nullif(column, theirs)?),
            "replayable" => {
                let flags = column.as_any().downcast_ref::<BooleanArray>();
                let flags = flags.ok_or_else(|| LakeError::Shape("replayable is no flag".to_owned()))?;
                Ok(Arc::new(and_not(flags, theirs)?))
            }
            columns::EVENT_ID => {
                let ids = column::bytes(rows, columns::EVENT_ID)?;
                let hide = |id: &[u8]| <[u8; 16]>::try_from(id).map(|id| hidden(EventId(id)).0.to_vec()).ok();
                let other = ids.iter().zip(theirs).map(|(id, is_theirs)| match is_theirs {
                    Some(true) => hide(id?),
                    _ => Some(id?.to_vec()),
                });
                Ok(Arc::new(other.collect::<BinaryArray>()))
            }
            _ => Ok(Arc::clone(column)),
        }
    };
    let columns = schema.fields().iter().zip(rows.columns()).map(emptied).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
}

/// How many rows of quarantine are whole messages that could not be read.
///
/// # Errors
/// [`LakeError::Storage`] or [`LakeError::Damaged`].
pub(super) async fn unreadable_messages(quarantine: &Table) -> Result<u64, LakeError> {
    let snapshot = quarantine.refresh().await?;
    let files = list(quarantine, &snapshot, &FileList::default())?.files().to_vec();
    let mut batches = crate::ids::scan(quarantine, files, &["reason"]);
    let unreadable = event_model::Reason::MessageUnreadable.as_str();
    let mut count = 0;
    while let Some(rows) = batches.try_next().await? {
        count += column::text(&rows, "reason")?.iter().filter(|reason| *reason == Some(unreadable)).count() as u64;
    }
    Ok(count)
}
