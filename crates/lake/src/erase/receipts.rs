//! The receipts of erasures that are finished: files beside the tables. They name nobody, so they stay.

use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutMode, PutOptions};

use super::Receipt;
use crate::error::LakeError;
use crate::project::ProjectLake;

fn path(project: &ProjectLake, name: &str) -> Path {
    project.folder.clone().join("receipts").join(format!("{name}.json"))
}

/// Keeps a receipt. Of two that end the same erase the first stays: it is the one that removed something.
pub(super) async fn put(project: &ProjectLake, receipt: &Receipt) -> Result<(), LakeError> {
    let path = path(project, &receipt.erasure);
    let bytes = serde_json::to_vec(receipt).map_err(|error| LakeError::storage(path.to_string(), error))?;
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match project.store.put_opts(&path, bytes.into(), create).await {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(LakeError::storage(path.to_string(), error)),
    }
}

/// The receipt of an erase; `None` if none of that name was finished here.
pub(super) async fn get(project: &ProjectLake, name: &str) -> Result<Option<Receipt>, LakeError> {
    let path = path(project, name);
    let bytes = match project.store.get(&path).await {
        Ok(found) => found.bytes().await.map_err(|error| LakeError::storage(path.to_string(), error))?,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(LakeError::storage(path.to_string(), error)),
    };
    let receipt = serde_json::from_slice(&bytes);
    receipt.map(Some).map_err(|error| LakeError::damaged(path.to_string(), format!("not a receipt: {error}")))
}
