//! Are the entries of a log numbered without holes?

use std::collections::BTreeSet;

use futures::TryStreamExt;
use object_store::path::Path;

use super::{Damage, DamageKind};
use crate::error::LakeError;
use crate::tables::Table;

/// A hole hides everything after it, and the next commit would fill it.
pub(super) async fn hole(table: &Table) -> Result<Option<Damage>, LakeError> {
    let store = table.object_store();
    let mut versions = BTreeSet::new();
    let mut listed = store.list(Some(&Path::from("_delta_log")));
    while let Some(object) = listed.try_next().await.map_err(|error| LakeError::storage(table.path(), error))? {
        let name = object.location.filename().unwrap_or_default();
        let version = name.strip_suffix(".json").filter(|version| version.len() == 20);
        versions.extend(version.and_then(|version| version.parse::<u64>().ok()));
    }
    let (Some(first), Some(last)) = (versions.first(), versions.last()) else { return Ok(None) };
    let Some(missing) = (*first..=*last).find(|version| !versions.contains(version)) else { return Ok(None) };
    let detail = format!("entry {missing} is missing, the last is {last}");
    Ok(Some(Damage::of_table(table.spec().name, DamageKind::Log, detail)))
}
