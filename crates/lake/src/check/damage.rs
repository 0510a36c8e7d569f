//! What can be wrong with a table, and what to do about it.

use std::fmt;

use crate::error::LakeError;

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DamageKind {
    /// The log cannot be read.
    Log,
    /// A file that the log names is not there.
    FileMissing,
    /// A file has another size than the log says.
    FileSize,
    /// A file cannot be decoded.
    FileUnreadable,
    /// A file has other rows than the log says.
    RowCount,
    /// A row says something impossible.
    Row,
    /// A row lies in the wrong month or date.
    Month,
    /// A row carries the number of a commit that there was not.
    Sequence,
    /// Rows of a file are not in the order that readers rely on.
    Order,
    /// The same event is stored twice.
    DuplicateEvent,
    /// The tables and the ledger do not agree.
    Ledger,
}

impl DamageKind {
    /// The stable text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log_unreadable",
            Self::FileMissing => "file_missing",
            Self::FileSize => "file_size",
            Self::FileUnreadable => "file_unreadable",
            Self::RowCount => "row_count",
            Self::Row => "row_invalid",
            Self::Month => "month_wrong",
            Self::Sequence => "sequence_wrong",
            Self::Order => "order_wrong",
            Self::DuplicateEvent => "event_twice",
            Self::Ledger => "ledger_wrong",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn what_to_do(self) -> &'static str {
        match self {
            Self::Log => "restore the table's folder _delta_log from a backup, or from the bucket's object versions",
            Self::FileMissing | Self::FileSize | Self::FileUnreadable => {
                "restore the file from a backup, or from the bucket's object versions; without one, its rows are lost"
            }
            Self::RowCount | Self::Row | Self::Month | Self::Sequence | Self::Order => {
                "another program wrote this file, or a bug did: keep a copy and report it"
            }
            Self::DuplicateEvent => {
                "another program appended to the table: read its history and restore the version before that"
            }
            Self::Ledger => {
                "rows were added or removed without an ingest commit: compare the table's history with the ledger"
            }
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The table.
    pub table: &'static str,
    /// The file, where it is one file's.
    pub file: Option<String>,
    /// What kind it is.
    pub kind: DamageKind,
    /// What was found, without values of rows.
    pub detail: String,
}

impl Damage {
    pub(super) fn of_file(table: &'static str, file: &str, kind: DamageKind, detail: impl Into<String>) -> Self {
        Self { table, file: Some(file.to_owned()), kind, detail: detail.into() }
    }

    pub(super) fn of_table(table: &'static str, kind: DamageKind, detail: impl Into<String>) -> Self {
        Self { table, file: None, kind, detail: detail.into() }
    }

    /// What an error says, if it speaks of damage.
    ///
    /// # Errors
    /// The error itself, if it says nothing about the table: storage failed.
    pub(super) fn of_error(table: &'static str, kind: DamageKind, error: LakeError) -> Result<Self, LakeError> {
        match error {
            LakeError::Damaged { path, detail } => Ok(Self { table, file: Some(path), kind, detail }),
            LakeError::Shape(detail) => Ok(Self { table, file: None, kind, detail }),
            LakeError::VersionGone { .. } => Ok(Self::of_table(table, kind, error.to_string())),
            other => Err(other),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.table)?;
        if let Some(file) = &self.file {
            write!(f, "/{file}")?;
        }
        write!(f, ": {}; {}", self.detail, self.kind.what_to_do())
    }
}
