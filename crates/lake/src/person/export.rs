//! All rows of one person, as lines of JSON, read a batch at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::filter_record_batch;
use event_model::PersonId;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};

use super::{PersonIds, Whose, belongs, line};
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::ids::list;
use crate::project::ProjectLake;
use crate::read::At;
use crate::rows::{Wanted, read};
use crate::schema::{EVENTS, IDENTITIES, PERSONS, is_derived};
use crate::tables::{Table, version_of};

/// Everything that is kept of one person, as of the newest version of each table.
pub struct Export {
    /// The person's ids.
    pub ids: PersonIds,
    /// The version of each table that is read.
    pub versions: BTreeMap<&'static str, u64>,
    /// The rows, table by table.
    pub rows: BoxStream<'static, Result<ExportedRows, LakeError>>,
}

/// Some rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedRows {
    /// The table.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    /// One line of JSON a row: `{"table": ..., "row": {...}}`. Columns without a value are left out.
    pub lines: String,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("versions", &self.versions).finish_non_exhaustive()
    }
}

impl ProjectLake {
    /// The ids of the person that an id belongs to by now; with `exact` only that id.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`].
    pub async fn ids_of(&self, id: &PersonId, exact: bool) -> Result<PersonIds, LakeError> {
        if exact {
            return Ok([id.clone()].into_iter().collect());
        }
        let keys = self.read(At::Latest).await?.keys().await?;
        Ok(PersonIds::tied_to(id, &keys))
    }

    /// All rows of `events`, `persons`, `identities` and `quarantine` that name one of the ids. Rejected messages that
    /// could not be read at all (`message_unreadable`) name nobody.
    ///
    /// # Errors
    /// [`LakeError::Storage`], [`LakeError::Damaged`]; the stream fails likewise.
    pub async fn export(&self, ids: PersonIds) -> Result<Export, LakeError> {
        let mut versions = BTreeMap::new();
        let mut files = Vec::new();
        for spec in belongs::TABLES {
            let table = self.table_of_persons(spec.name);
            let snapshot = table.refresh().await?;
            versions.insert(spec.name, version_of(&snapshot, table.path())?);
            let listed = list(table, &snapshot, &FileList::default())?;
            files.extend(listed.files().iter().map(|file| (Arc::clone(table), Arc::clone(file))));
        }
        let person = Whose::of(&ids);
        let rows = stream::iter(files)
            .then(move |(table, file)| {
                let whose = person.clone();
                async move { of_file(table, file, whose).await }
            })
            .try_flatten();
        Ok(Export { ids, versions, rows: rows.boxed() })
    }

    /// The table of that name, one of [`belongs::TABLES`].
    pub(crate) fn table_of_persons(&self, name: &str) -> &Arc<Table> {
        match name {
            name if name == EVENTS.name => &self.events,
            name if name == PERSONS.name => &self.persons,
            name if name == IDENTITIES.name => &self.identities,
            _ => &self.quarantine,
        }
    }
}

async fn of_file(
    table: Arc<Table>,
    file: Arc<DataFile>,
    whose: Whose,
) -> Result<BoxStream<'static, Result<ExportedRows, LakeError>>, LakeError> {
    if !has_rows(&table, &file, &whose).await? {
        return Ok(stream::empty().boxed());
    }
    let spec = table.spec();
    let batches = read(table.object_store(), &file, Wanted::default()).await?;
    let lines = batches.map(move |batch| {
        let batch = batch?;
        let theirs = filter_record_batch(&batch, &belongs::mask(spec, &batch, &whose)?)?;
        let mut lines = String::new();
        for row in 0..theirs.num_rows() {
            line::write(spec.name, &theirs, row, &mut lines)?;
        }
        Ok(ExportedRows { table: spec.name, rows: theirs.num_rows() as u64, lines })
    });
    Ok(lines.try_filter(|rows| std::future::ready(rows.rows > 0)).boxed())
}

/// Whether a file has rows of the person: reads the columns of ids only.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`].
pub(crate) async fn has_rows(table: &Table, file: &DataFile, whose: &Whose) -> Result<bool, LakeError> {
    let spec = table.spec();
    let is_beside = |(first, last)| !whose.keys.iter().any(|key| (first..=last).contains(key));
    if is_derived(spec) && file.bounds.person_key.is_some_and(is_beside) {
        return Ok(false);
    }
    let wanted = Wanted { columns: Some(belongs::needs(spec)), ..Wanted::default() };
    let mut batches = read(table.object_store(), file, wanted).await?;
    while let Some(batch) = batches.try_next().await? {
        if belongs::mask(spec, &batch, whose)?.true_count() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
