//! Which parts are to be made, or made anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use event_model::{KeyMap, PersonKey, Timestamp, columns};
use futures::TryStreamExt;

use super::days::bounds;
use super::origin::Origin;
use super::part::{Bucket, MOST_BUCKETS, Part};
use crate::column;
use crate::error::LakeError;
use crate::files::DataFile;
use crate::maintenance::MaintenanceSettings;
use crate::rows::{Wanted, read};
use crate::tables::Table;

/// One part of a month that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    /// Whose rows.
    pub(crate) bucket: Bucket,
    /// The files that it takes the place of.
    pub(crate) replaces: Vec<Arc<DataFile>>,
    /// The time zone of its days, if it has days.
    pub(crate) timezone: Option<String>,
    /// The commit to `identities` up to which its keys are to be resolved: that of the month's other parts, or the newest.
    pub(crate) ties: i64,
}

/// What was last found of a part: how many keys in its range were touched, and how many persons of the part that was.
/// Most of the keys that are touched belong to persons who came later than the part's month.
pub(crate) type Looked = HashMap<String, (usize, usize)>;

/// Whether a month is over, and late events have had their time.
pub(crate) fn is_closed(month: &str, settings: &MaintenanceSettings, now: Timestamp) -> bool {
    let grace = i64::try_from(settings.derived_after.as_micros()).unwrap_or(i64::MAX);
    bounds(month).is_some_and(|(_, until)| until.0.saturating_add(grace) <= now.0)
}

/// One derived table, and what its parts are compared with.
pub(crate) struct Look<'a> {
    pub(crate) events: &'a Table,
    pub(crate) table: &'a Table,
    /// The files of the table.
    pub(crate) present: &'a [Arc<DataFile>],
    pub(crate) origin: &'a Origin,
    /// The time zone that its days should have, if it has days.
    pub(crate) timezone: Option<&'a str>,
    pub(crate) settings: &'a MaintenanceSettings,
}

/// The parts that are due in one month.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`].
pub(crate) async fn in_month(look: &Look<'_>, month: &str, looked: &mut Looked) -> Result<Vec<Due>, LakeError> {
    let Look { events, table, present, origin, timezone, settings } = *look;
    let files = origin.months.get(month).map(Vec::as_slice).unwrap_or_default();
    let rows: u64 = files.iter().filter_map(|file| file.rows).sum();
    let wanted = rows.div_ceil(settings.bucket_rows.max(1)).clamp(1, MOST_BUCKETS).next_power_of_two();
    let wanted = u32::try_from(wanted).unwrap_or(1);
    let present: Vec<&Arc<DataFile>> = present.iter().filter(|file| file.month.as_deref() == Some(month)).collect();
    let of = present.first().and_then(|file| file.bounds.part.as_deref()).map_or(wanted, |part| part.bucket.of);
    let fits = |file: &&Arc<DataFile>| {
        let part = file.bounds.part.as_deref();
        part.is_some_and(|part| part.bucket.of == of && part.timezone.as_deref() == timezone)
    };
    let has_outgrown = wanted / 4 >= of;
    let due = |bucket: Bucket, ties: i64| {
        let overlaps =
            |file: &&&Arc<DataFile>| file.bounds.part.as_deref().is_none_or(|part| part.bucket.overlaps(bucket));
        let replaces = present.iter().filter(overlaps).map(|file| Arc::clone(file)).collect();
        Due { bucket, replaces, timezone: timezone.map(str::to_owned), ties }
    };
    let whole = || (0..wanted).map(|index| due(Bucket { index, of: wanted }, origin.newest_tie)).collect::<Vec<Due>>();
    let all_ties: HashSet<i64> = present.iter().filter_map(|file| Some(file.bounds.part.as_deref()?.ties)).collect();
    // All parts of a month have one state of ties: whoever is in none of them by the ties of one would not be missed by
    // the others.
    let ties = match all_ties.iter().next() {
        Some(ties) if all_ties.len() == 1 && !has_outgrown && present.iter().all(fits) => *ties,
        _ => return Ok(whole()),
    };
    let parts: BTreeMap<Bucket, (&Arc<DataFile>, &Part)> = present
        .iter()
        .filter_map(|file| file.bounds.part.as_deref().map(|part| (part.bucket, (*file, part))))
        .collect();
    let touched = origin.touched_since(ties);
    if is_touched(table, &parts, &touched, settings.derived_touched_share, looked).await? {
        return Ok(whole());
    }
    let late = late(events, files, &parts, &origin.keys_at(ties)).await?;
    let mut all = Vec::new();
    for bucket in (0..of).map(|index| Bucket { index, of }) {
        let Some((file, _)) = parts.get(&bucket) else {
            all.push(due(bucket, ties));
            continue;
        };
        // Rows of `activity` are fewer than the events that they stand for.
        let about = file.rows.unwrap_or(0).max(rows / u64::from(of));
        if is_worth(late.get(&bucket).copied().unwrap_or(0), about, settings.derived_late_share) {
            all.push(due(bucket, ties));
        }
    }
    Ok(all)
}

#[allow(clippy::cast_precision_loss, reason = "a share need not be exact")]
fn is_worth(some: u64, all: u64, share: f64) -> bool {
    some > 0 && some as f64 > share * all as f64
}

/// How many rows of each part's persons it does not cover.
async fn late(
    events: &Table,
    files: &[Arc<DataFile>],
    parts: &BTreeMap<Bucket, (&Arc<DataFile>, &Part)>,
    keys: &KeyMap,
) -> Result<HashMap<Bucket, u64>, LakeError> {
    let mut late = HashMap::new();
    let Some(covered) = parts.values().map(|(_, part)| part.covers).min() else { return Ok(late) };
    let of = parts.keys().next().map_or(1, |bucket| bucket.of);
    for file in files.iter().filter(|file| file.bounds.ingest_seq.is_none_or(|(_, last)| last > covered)) {
        let wanted = Wanted { columns: Some(&[columns::PERSON_KEY, columns::INGEST_SEQ]), ..Wanted::default() };
        let mut batches = read(events.object_store(), file, wanted).await?;
        while let Some(batch) = batches.try_next().await? {
            let own = column::long(&batch, columns::PERSON_KEY)?.values();
            let numbers = column::long(&batch, columns::INGEST_SEQ)?.values();
            for (own, number) in own.iter().zip(numbers).filter(|(_, number)| **number > covered) {
                let bucket = Bucket::of_key(keys.resolve(PersonKey(*own)).0, of);
                if parts.get(&bucket).is_some_and(|(_, part)| *number > part.covers) {
                    *late.entry(bucket).or_default() += 1;
                }
            }
        }
    }
    Ok(late)
}

/// Whether more of a month's persons are touched than that share.
async fn is_touched(
    table: &Table,
    parts: &BTreeMap<Bucket, (&Arc<DataFile>, &Part)>,
    touched: &HashSet<i64>,
    share: f64,
    looked: &mut Looked,
) -> Result<bool, LakeError> {
    let persons = parts.values().map(|(_, part)| part.persons).sum();
    let candidates = |part: &Part| touched.iter().filter(|key| part.bucket.holds(**key)).count();
    let at_most: usize = parts
        .values()
        .map(|(file, part)| {
            let (known, found) = looked.get(&file.path).copied().unwrap_or_default();
            // No more than these can have come to it.
            found + candidates(part).saturating_sub(known)
        })
        .sum();
    if !is_worth(at_most as u64, persons, share) {
        return Ok(false);
    }
    let mut all = 0;
    for (file, part) in parts.values() {
        let candidates = candidates(part);
        let found = match looked.get(&file.path) {
            Some((known, found)) if *known == candidates => *found,
            _ => touched_in(table, file, touched).await?,
        };
        looked.insert(file.path.clone(), (candidates, found));
        all += found as u64;
    }
    Ok(is_worth(all, persons, share))
}

/// How many persons of a part are touched.
async fn touched_in(table: &Table, file: &DataFile, touched: &HashSet<i64>) -> Result<usize, LakeError> {
    let (mut found, mut last) = (0, None);
    let wanted = Wanted { columns: Some(&[columns::PERSON_KEY]), ..Wanted::default() };
    let mut batches = read(table.object_store(), file, wanted).await?;
    while let Some(batch) = batches.try_next().await? {
        for key in column::long(&batch, columns::PERSON_KEY)?.values() {
            if last != Some(*key) {
                found += usize::from(touched.contains(key));
                last = Some(*key);
            }
        }
    }
    Ok(found)
}
