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
use crate::error::LakeError;
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
    /// What the commit says of itself.
    pub(crate) kind: &'static str,
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
        actions
            .extend(rewrite.add.iter().map(|add| Action::Add(Add { data_change: rewrite.data_change, ..add.clone() })));
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
