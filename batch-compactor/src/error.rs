//! Why the compactor did not do what it was asked.

use event_model::ProjectId;
use event_queue::QueueError;
use lake::LakeError;
use thiserror::Error;

/// What the caller can do: wait and try again, or upgrade.
#[derive(Debug, Error)]
pub enum CompactorError {
    /// The queue gave nothing. Nothing was lost; try again later.
    #[error("the queue could not be read: {0}")]
    Queue(#[from] QueueError),
    /// Not everything that was accepted is in the lake yet: what is missing waits in the queue. Only a flush says so,
    /// a drain reports it.
    #[error("events of project {project} could not be stored yet: {detail}")]
    NotStored {
        /// Whose.
        project: ProjectId,
        /// Why.
        detail: String,
    },
    /// Messages of a newer version wait in the queue: upgrade, and they will be read.
    #[error("{messages} queue messages were written by a newer version; they stay in the queue")]
    Newer {
        /// How many were met.
        messages: usize,
    },
}

/// Why one project's batch was not stored.
#[derive(Debug, Error)]
pub(crate) enum IngestFailure {
    /// Not the fault of what was to be stored.
    #[error(transparent)]
    Storage(LakeError),
    /// The batch itself: one of its messages must be the cause.
    #[error("the batch cannot be stored: {0}")]
    Batch(String),
}

impl From<LakeError> for IngestFailure {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::Shape(what) => Self::Batch(what),
            // A damaged table or one of a newer version is nothing that a message did, either.
            other => Self::Storage(other),
        }
    }
}
