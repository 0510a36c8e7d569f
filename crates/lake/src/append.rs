//! Appends a small batch to a table that numbers its appends: decide, encode, commit, and again if another was faster.

use arrow::array::RecordBatch;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::Action;
use serde_json::{Map, Value};

use crate::commit::{self, Outcome, Request};
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

/// The tries of one append. Each begins with a snapshot, on which the caller decides what to append.
pub(crate) struct Tries<'a> {
    table: &'a Table,
    settings: &'a LakeSettings,
    left: u32,
}

/// One try.
pub(crate) struct Try {
    /// What to decide on.
    pub(crate) snapshot: DeltaTable,
    /// The number of the append before.
    pub(crate) last: Option<i64>,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(table: &'a Table, settings: &'a LakeSettings) -> Self {
        Self { table, settings, left: settings.commit_attempts }
    }

    /// The next try.
    ///
    /// # Errors
    /// [`LakeError::Storage`]; [`LakeError::Conflict`] if others were faster every time.
    pub(crate) async fn begin(&mut self) -> Result<Try, LakeError> {
        if self.left == 0 {
            let attempts = self.settings.commit_attempts;
            return Err(LakeError::Conflict { table: self.table.path().to_owned(), attempts });
        }
        self.left -= 1;
        let snapshot = self.table.refresh().await?;
        let last = self.table.transaction(&snapshot, self.table.spec().application).await?;
        Ok(Try { snapshot, last })
    }

    /// Appends what was decided. Returns the number of the append, or `None` if another was faster: begin again.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub(crate) async fn append(&self, this: &Try, decided: Rows) -> Result<Option<i64>, LakeError> {
        let (table, settings) = (self.table, self.settings);
        let sequence = this.last.unwrap_or(0) + 1;
        let parts = encode::by_month(&decided.rows, &decided.months, sequence);
        let adds = encode::write(table, parts, settings.zstd_level).await?;
        let mut transactions = decided.transactions;
        transactions.push((table.spec().application.to_owned(), sequence));
        let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
        let request = Request {
            actions: adds.into_iter().map(Action::Add).collect(),
            transactions,
            operation: commit::append(table.spec().partition_columns()),
            says: decided.says,
        };
        match commit::commit(table, &this.snapshot, request, settings.guards).await? {
            Outcome::Landed(_) => Ok(Some(sequence)),
            Outcome::Lost => {
                commit::discard(table, &paths).await;
                Ok(None)
            }
        }
    }
}
