//! Appends a small batch to a table that numbers its appends: decide, encode, commit, and again if another was faster.

use arrow::array::RecordBatch;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::Action;
use serde_json::{Map, Value};

use crate::commit::{self, Commit, Outcome, Request};
use crate::encode;
use crate::error::LakeError;
use crate::settings::LakeSettings;
use crate::tables::Table;

/// What to append, decided on one snapshot.
pub(crate) struct Rows {
    /// The table's columns, `ingest_seq` and `month` left out.
    pub(crate) rows: RecordBatch,
    /// The month of each row.
    pub(crate) months: Vec<String>,
    /// Application transactions beside the table's own number.
    pub(crate) transactions: Vec<(String, i64)>,
    /// What the commit says about itself.
    pub(crate) says: Map<String, Value>,
}

/// Appends what `decide` makes of a snapshot and the number of the append before it; `None`: nothing to append.
/// Returns the commit, or `None` if there was nothing.
///
/// # Errors
/// Those of `decide`; [`LakeError::Storage`]; [`LakeError::Conflict`] if others were faster every time.
pub(crate) async fn append(
    table: &Table,
    settings: &LakeSettings,
    mut decide: impl AsyncFnMut(&DeltaTable, Option<i64>) -> Result<Option<Rows>, LakeError>,
) -> Result<Option<std::sync::Arc<Commit>>, LakeError> {
    let application = table.spec().application;
    for _ in 0..settings.commit_attempts {
        let snapshot = table.refresh().await?;
        let last = table.transaction(&snapshot, application).await?;
        let Some(decided) = decide(&snapshot, last).await? else { return Ok(None) };
        let sequence = last.unwrap_or(0) + 1;
        let parts = encode::by_month(table.spec(), &decided.rows, &decided.months, sequence)?;
        let adds = encode::write(table, parts, settings.zstd_level).await?;
        let mut transactions = decided.transactions;
        transactions.push((application.to_owned(), sequence));
        let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
        let request = Request {
            actions: adds.into_iter().map(Action::Add).collect(),
            transactions,
            operation: commit::append(table.spec().partition_columns()),
            says: decided.says,
        };
        match commit::commit(table, &snapshot, request, settings.guards).await? {
            Outcome::Landed(commit) => return Ok(Some(commit)),
            Outcome::Lost => commit::discard(table, &paths).await,
        }
    }
    Err(LakeError::Conflict { table: table.path().to_owned(), attempts: settings.commit_attempts })
}
