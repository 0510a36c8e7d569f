//! Is every event stored once? Exact, in bounded memory: where there are more ids than fit, each pass looks at a part.

use std::sync::Arc;

use arrow::array::RecordBatch;
use event_model::columns;
use futures::TryStreamExt;
use xxhash_rust::xxh3::xxh3_64;

use super::{Checked, Damage, DamageKind};
use crate::column;
use crate::error::LakeError;
use crate::files::DataFile;
use crate::rows::{Wanted, read};

/// Ids in memory at a time: 400 MB at 20 bytes each.
const IDS_HELD: u64 = 20_000_000;
/// Of so many events that are there twice the files are named.
const NAMED: usize = 10;

pub(super) async fn check(
    checked: &Checked,
    files: &[Arc<DataFile>],
    damage: &mut Vec<Damage>,
) -> Result<(), LakeError> {
    let rows: u64 = files.iter().filter_map(|file| file.rows).sum();
    let passes = rows.div_ceil(IDS_HELD).max(1);
    let mut found = Vec::new();
    for pass in 0..passes {
        found.extend(duplicates(checked, files, passes, pass).await?);
    }
    let table = checked.table.spec().name;
    let name = |file: u32| files.get(file as usize).map_or("", |file| file.path.as_str());
    for (id, one, other) in found.iter().take(NAMED) {
        let detail =
            format!("event {} is there, and again in {}", event_model::EventId(id.to_be_bytes()), name(*other));
        damage.push(Damage::of_file(table, name(*one), DamageKind::DuplicateEvent, detail));
    }
    if found.len() > NAMED {
        let detail = format!("{} events are there twice", found.len());
        damage.push(Damage::of_table(table, DamageKind::DuplicateEvent, detail));
    }
    Ok(())
}

/// The ids of one part that are there twice, with the places of two of their files.
async fn duplicates(
    checked: &Checked,
    files: &[Arc<DataFile>],
    passes: u64,
    pass: u64,
) -> Result<Vec<(u128, u32, u32)>, LakeError> {
    let mut ids: Vec<(u128, u32)> = Vec::new();
    for (place, file) in files.iter().enumerate() {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let wanted = Wanted { columns: Some(&[columns::EVENT_ID]), ..Wanted::default() };
        // A file that cannot be decoded was noted before.
        let Ok(mut stream) = read(checked.table.object_store(), file, wanted).await else { continue };
        while let Ok(Some(batch)) = stream.try_next().await {
            take(&batch, passes, pass, place, &mut ids)?;
        }
    }
    ids.sort_unstable();
    let twice = ids.windows(2).filter_map(|pair| match pair {
        [(one, file), (other, again)] if one == other => Some((*one, *file, *again)),
        _ => None,
    });
    Ok(twice.collect())
}

fn take(batch: &RecordBatch, passes: u64, pass: u64, file: u32, ids: &mut Vec<(u128, u32)>) -> Result<(), LakeError> {
    for id in column::bytes(batch, columns::EVENT_ID)?.iter().flatten() {
        // Ids that are made from the time share their first bytes, so parts are cut by a hash.
        let is_mine = passes == 1 || xxh3_64(id) % passes == pass;
        if let (true, Ok(id)) = (is_mine, id.try_into()) {
            ids.push((u128::from_be_bytes(id), file));
        }
    }
    Ok(())
}
