//! Where batches go: the lake, or a double that a test puts in its place.

use async_trait::async_trait;
use event_model::ProjectId;
use lake::{IngestBatch, IngestReport, Lake, LakeError};

/// Takes one project's batch.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Stores the batch exactly once, however often it or a part of it is handed over. Durable when it returns.
    async fn ingest(&self, project: &ProjectId, batch: IngestBatch) -> Result<IngestReport, LakeError>;
}

#[async_trait]
impl Destination for Lake {
    async fn ingest(&self, project: &ProjectId, batch: IngestBatch) -> Result<IngestReport, LakeError> {
        self.project(project).await?.ingest(batch).await
    }
}
