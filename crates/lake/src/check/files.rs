//! Are the files that the log names there, of the right size, readable, and of as many rows as it says?

use std::sync::Arc;

use event_model::{Timestamp, columns};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt as _};

use super::{Checked, Damage, DamageKind};
use crate::error::LakeError;
use crate::files::DataFile;
use crate::rows;

/// How many files are looked at at a time.
const AT_A_TIME: usize = 8;

/// Notes the damage; returns the files that can be read further.
pub(super) async fn check(checked: &Checked, damage: &mut Vec<Damage>) -> Result<Vec<Arc<DataFile>>, LakeError> {
    let mut whole = Vec::new();
    let mut looked = stream::iter(checked.files.files())
        .map(async |file| Ok::<_, LakeError>((Arc::clone(file), look(checked, file).await?)))
        .buffered(AT_A_TIME);
    while let Some((file, found)) = looked.try_next().await? {
        match found {
            Some(found) => damage.push(found),
            None => {
                damage.extend(bounds(checked, &file));
                whole.push(file);
            }
        }
    }
    Ok(whole)
}

async fn look(checked: &Checked, file: &DataFile) -> Result<Option<Damage>, LakeError> {
    let table = checked.table.spec().name;
    let of_file = |kind, detail: String| Ok(Some(Damage::of_file(table, &file.path, kind, detail)));
    let store = checked.table.object_store();
    let Ok(location) = Path::parse(&file.path) else {
        return of_file(DamageKind::Log, "the log names an impossible path".to_owned());
    };
    match store.head(&location).await {
        Ok(found) if found.size != file.bytes => {
            let detail = format!("it has {} bytes, the log says {}", found.size, file.bytes);
            return of_file(DamageKind::FileSize, detail);
        }
        Ok(_) => {}
        Err(StoreError::NotFound { .. }) => return of_file(DamageKind::FileMissing, "it is not there".to_owned()),
        Err(error) => return Err(LakeError::storage(file.path.as_str(), error)),
    }
    match rows::footer(store, file).await {
        Ok((_, rows)) if file.rows.is_some_and(|expect| expect != rows) => {
            let detail = format!("it has {rows} rows, the log says {}", file.rows.unwrap_or(0));
            of_file(DamageKind::RowCount, detail)
        }
        Ok(_) => Ok(None),
        Err(LakeError::Damaged { detail, .. }) => of_file(DamageKind::FileUnreadable, detail),
        Err(error) => Err(error),
    }
}

/// What the statistics alone prove wrong.
fn bounds(checked: &Checked, file: &DataFile) -> Vec<Damage> {
    let spec = checked.table.spec();
    let mut damage = Vec::new();
    if let Some((first, last)) = file.bounds.ingest_seq
        && (first < 1 || last > checked.sequence)
    {
        let detail = format!("commits {first} to {last}, but the last was {}", checked.sequence);
        damage.push(Damage::of_file(spec.name, &file.path, DamageKind::Sequence, detail));
    }
    if let Some(month) = &file.month {
        let instants = if spec.columns.iter().any(|column| column.name == columns::TIMESTAMP) {
            file.bounds.timestamp
        } else {
            file.bounds.received_at
        };
        let is_in = |instant| Timestamp(instant).month() == *month;
        if instants.is_some_and(|(first, last)| !is_in(first) || !is_in(last)) {
            let detail = format!("rows of other months lie in {month}");
            damage.push(Damage::of_file(spec.name, &file.path, DamageKind::Month, detail));
        }
    }
    damage
}
