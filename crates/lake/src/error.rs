//! Why the lake did not do what it was asked, and what the caller should do about it.

use std::error::Error;

use deltalake_core::DeltaTableError;
use thiserror::Error;

/// One kind for each thing a caller can do.
#[derive(Debug, Error)]
pub enum LakeError {
    /// Storage failed, or gave no answer. Try again later; whatever was asked is safe to ask again.
    #[error("storage failed at {path}: {source}")]
    Storage {
        /// Where.
        path: String,
        /// The private cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Other writers were faster every time. Nothing was written; try again later.
    #[error("other writers to {table} were faster {attempts} times in a row")]
    Conflict {
        /// The table.
        table: String,
        /// How many times it was tried.
        attempts: u32,
    },
    /// Written by a newer version of the product: upgrade. Nothing was changed.
    #[error("{what} has version {found}; this build reads up to {supported}")]
    Newer {
        /// The table or folder.
        what: String,
        /// The version found.
        found: u64,
        /// The newest version that this build reads.
        supported: u64,
    },
    /// Something that a commit names is missing or cannot be read: run `headwater lake check`.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// The table or file.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// The version asked for is older than what is kept.
    #[error("version {requested} of {table} is gone; the oldest is {oldest}")]
    VersionGone {
        /// The table.
        table: String,
        /// The version asked for.
        requested: u64,
        /// The oldest that can be read.
        oldest: u64,
    },
    /// The version asked for is not there yet.
    #[error("version {requested} of {table} does not exist; the newest is {newest}")]
    VersionUnknown {
        /// The table.
        table: String,
        /// The version asked for.
        requested: u64,
        /// The newest that there is.
        newest: u64,
    },
    /// The caller handed over something that does not have the agreed shape: a bug in the caller.
    #[error("not a batch of the lake: {0}")]
    Shape(String),
}

impl LakeError {
    /// A failure of storage below `path`.
    pub fn storage(path: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Storage { path: path.into(), source: source.into() }
    }

    /// A damage found at `path`.
    pub fn damaged(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), detail: detail.into() }
    }

    /// Whether trying the same again later can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::Conflict { .. })
    }

    /// Sorts an error of delta-rs at `path`: what the log says wrongly is damage, the rest is storage.
    pub fn of_delta(path: impl Into<String>, error: DeltaTableError) -> Self {
        match error {
            DeltaTableError::InvalidJsonLog { .. }
            | DeltaTableError::InvalidStatsJson { .. }
            | DeltaTableError::NoSchema
            | DeltaTableError::MetadataError(_) => Self::damaged(path, error.to_string()),
            DeltaTableError::KernelError(ref inner) if is_undecodable(inner) => Self::damaged(path, error.to_string()),
            other => Self::storage(path, other),
        }
    }
}

impl From<arrow::error::ArrowError> for LakeError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Shape(error.to_string())
    }
}

/// Whether the kernel has read something and cannot make sense of it.
fn is_undecodable(error: &delta_kernel::Error) -> bool {
    use delta_kernel::Error;
    use parquet::errors::ParquetError;
    match error {
        Error::Parquet(ParquetError::External(_)) => false,
        Error::Arrow(_)
        | Error::Parquet(_)
        | Error::MalformedJson(_)
        | Error::MissingData(_)
        | Error::MissingMetadata
        | Error::MissingProtocol
        | Error::MissingMetadataAndProtocol
        | Error::InvalidProtocol(_)
        | Error::UnexpectedColumnType(_) => true,
        Error::Backtraced { source, .. } => is_undecodable(source),
        _ => false,
    }
}
