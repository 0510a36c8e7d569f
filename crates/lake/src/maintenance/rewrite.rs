//! Commits files in place of others, if all of those are still there.
//!
//! Each try checks, against the very snapshot that it commits against, that every file it removes is live; a commit
//! against another snapshot is impossible. So two rewrites of one file cannot both land, and neither can a rewrite
//! beside the removal of one of its files. Appends in between only cost another try.

use std::collections::HashMap;

use deltalake_core::kernel::{Action, Add};
use deltalake_core::protocol::DeltaOperation;
use serde_json::Value;

use crate::commit::{self, Outcome, Request, says};
use crate::derived::{Bucket, Part};
use crate::erase;
use crate::error::LakeError;
use crate::files::DataFile;
use crate::settings::Guards;
use crate::tables::Table;

/// The application id of rewrites: any two of one table conflict, for other writers too.
pub(crate) const APPLICATION: &str = "rewrite";
/// An append between look and commit takes milliseconds, and they come at most once a second a writer.
const ATTEMPTS: u32 = 50;

/// One file list in place of another.
#[derive(Debug)]
pub(crate) struct Rewrite {
    /// The places of the files to remove.
    pub(crate) remove: Vec<String>,
    /// The files to add.
    pub(crate) add: Vec<Add>,
    /// Whether the rows differ. If not, appends and readers of changes do not mind.
    pub(crate) data_change: bool,
    /// Another number to carry, for instance how far a derived table has come; it must not go back.
    pub(crate) number: Option<(String, i64)>,
    /// The last erase of the table when the rows were read, where they came from elsewhere: a later one refuses them.
    pub(crate) readable_from: Option<u64>,
    /// Which parts of a derived table are added: if a live file that is not removed has rows of theirs, another run has
    /// built them meanwhile, and both would count twice.
    pub(crate) alone: Option<Alone>,
    /// What the commit says of itself.
    pub(crate) kind: &'static str,
}

/// Parts of one month of a derived table.
#[derive(Debug)]
pub(crate) struct Alone {
    /// The month.
    pub(crate) month: String,
    /// The parts.
    pub(crate) buckets: Vec<Bucket>,
}

impl Alone {
    /// Whether a file has rows of one of the parts.
    fn is_taken_by(&self, file: &DataFile) -> bool {
        let overlaps = |part: &Part| self.buckets.iter().any(|bucket| bucket.overlaps(part.bucket));
        file.month.as_ref() == Some(&self.month) && file.bounds.part.as_deref().is_none_or(overlaps)
    }
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// It is that version.
    Landed(u64),
    /// Another writer was faster. Nothing was changed; the new files are gone.
    Refused(String),
}

/// Commits a rewrite.
pub(crate) async fn commit(table: &Table, rewrite: Rewrite, guards: Guards) -> Result<Rewritten, LakeError> {
    let paths: Vec<String> = rewrite.add.iter().map(|add| add.path.clone()).collect();
    let done = try_commit(table, rewrite, guards).await;
    // After a failure of storage it is not known what landed; vacuum finds what did not.
    if matches!(done, Ok(Rewritten::Refused(_))) {
        commit::discard(table, &paths).await;
    }
    done
}

async fn try_commit(table: &Table, rewrite: Rewrite, guards: Guards) -> Result<Rewritten, LakeError> {
    for _ in 0..ATTEMPTS {
        let snapshot = table.refresh().await?;
        let state = snapshot.snapshot().map_err(|error| LakeError::of_delta(table.path(), error))?;
        let mut live: HashMap<String, _> =
            state.log_data().iter().map(|view| (view.object_store_path().to_string(), view)).collect();
        let mut actions = Vec::with_capacity(rewrite.remove.len() + rewrite.add.len());
        for path in &rewrite.remove {
            let Some(view) = live.remove(path) else {
                return Ok(Rewritten::Refused(format!("{path} was removed meanwhile")));
            };
            actions.push(Action::Remove(view.remove_action(rewrite.data_change)));
        }
        if let Some(alone) = rewrite.alone.as_ref().filter(|_| guards.derived_alone)
            && live.values().any(|view| alone.is_taken_by(&DataFile::parse(view)))
        {
            return Ok(Rewritten::Refused(format!("another run has built {} meanwhile", alone.month)));
        }
        actions
            .extend(rewrite.add.iter().map(|add| Action::Add(Add { data_change: rewrite.data_change, ..add.clone() })));
        let erased = erase::readable_from(table, &snapshot).await?;
        if rewrite.readable_from.is_some_and(|known| known != erased) {
            return Ok(Rewritten::Refused("a person was erased meanwhile".to_owned()));
        }
        let last = table.transaction(&snapshot, APPLICATION).await?;
        let mut transactions = vec![(APPLICATION.to_owned(), last.unwrap_or(0) + 1)];
        if let Some((application, number)) = &rewrite.number {
            let found = table.transaction(&snapshot, application).await?;
            if found.is_some_and(|found| found >= *number) {
                return Ok(Rewritten::Refused(format!("{application} is at {} already", found.unwrap_or(0))));
            }
            transactions.push((application.clone(), *number));
        }
        let request = Request {
            actions,
            transactions,
            operation: DeltaOperation::Optimize { predicate: None, target_size: 0 },
            says: says([("kind", Value::from(rewrite.kind))]),
        };
        match commit::commit(table, &snapshot, request, guards).await? {
            Outcome::Landed(commit) => return Ok(Rewritten::Landed(commit.version)),
            Outcome::Lost => {}
        }
    }
    Ok(Rewritten::Refused(format!("other writers were faster {ATTEMPTS} times in a row")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::DataType;
    use futures::TryStreamExt;
    use object_store::ObjectStore as _;
    use object_store::memory::InMemory;
    use url::Url;

    use super::*;
    use crate::encode::file_schema;
    use crate::maintenance::MaintenanceSettings;
    use crate::maintenance::output::Output;
    use crate::schema::PERSONS;

    async fn table() -> Arc<Table> {
        let url = Url::parse("memory:///persons/").unwrap();
        Arc::new(Table::open(Arc::new(InMemory::new()), url, &PERSONS).await.unwrap())
    }

    async fn file(table: &Arc<Table>) -> Vec<Add> {
        let schema = file_schema(&PERSONS);
        let one = |kind: &DataType| -> ArrayRef {
            match kind {
                DataType::Int64 => Arc::new(Int64Array::from(vec![1])),
                DataType::Utf8 => Arc::new(StringArray::from(vec!["x"])),
                _ => Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC")),
            }
        };
        let columns = schema.fields().iter().map(|field| one(field.data_type())).collect();
        let mut output = Output::new(Arc::clone(table), None, false, &MaintenanceSettings::default());
        output.write(&RecordBatch::try_new(schema, columns).unwrap()).await.unwrap();
        output.close().await.unwrap()
    }

    async fn replace(table: &Arc<Table>, remove: &[Add], number: i64) -> (Rewritten, Vec<Add>) {
        let add = file(table).await;
        let rewrite = Rewrite {
            remove: remove.iter().map(|add| add.path.clone()).collect(),
            add: add.clone(),
            data_change: true,
            number: Some((PERSONS.application.to_owned(), number)),
            readable_from: None,
            alone: None,
            kind: "test",
        };
        (commit(table, rewrite, Guards::default()).await.unwrap(), add)
    }

    async fn data_files(table: &Table) -> usize {
        let listed: Vec<_> = table.object_store().list(None).try_collect().await.unwrap();
        listed.iter().filter(|object| object.location.as_ref().ends_with(".parquet")).count()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_rewrite_of_a_file_that_is_gone_is_refused_and_leaves_nothing() {
        let table = table().await;
        let (landed, first) = replace(&table, &[], 1).await;
        assert_eq!(landed, Rewritten::Landed(1));
        let (landed, second) = replace(&table, &first, 2).await;
        assert_eq!(landed, Rewritten::Landed(2));
        let (refused, _) = replace(&table, &first, 3).await;
        assert!(matches!(refused, Rewritten::Refused(_)), "{refused:?}");
        assert_eq!(data_files(&table).await, 2, "the removed file, and the live one");
        let (landed, _) = replace(&table, &second, 3).await;
        assert_eq!(landed, Rewritten::Landed(3));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_derived_table_never_goes_back() {
        let table = table().await;
        let (_, first) = replace(&table, &[], 7).await;
        let (refused, _) = replace(&table, &first, 7).await;
        assert!(matches!(refused, Rewritten::Refused(_)), "{refused:?}");
    }
}
