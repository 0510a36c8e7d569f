//! Makes the parts that are due: reads the events of as many as memory allows at a time, and commits each table's parts
//! of a month at once.
//!
//! The order of looks makes it right beside everything else: first at the derived tables (a later erase then refuses the
//! commit), then at `events`, then at `identities` (a drain commits its ties first, so the ties of every event are there).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use deltalake_core::DeltaTable;
use deltalake_core::kernel::Add;
use event_model::KeyMap;
use serde_json::Value;

use super::days::Days;
use super::due::{self, Due, Look, Origin};
use super::gather::{Gathered, gather};
use super::part::{Bucket, Part};
use super::rows::Sorted;
use super::tables::{EVENTS_READABLE_FROM, seen_erase};
use crate::encode::{self, Part as FilePart};
use crate::erase;
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::ids::list;
use crate::maintenance::rewrite::{self, Alone, Rewrite, Rewritten};
use crate::maintenance::{Done, MaintenanceSettings, Step, sizes, unless_damaged};
use crate::project::ProjectLake;
use crate::read::ties;
use crate::schema::{ACTIVITY, EVENTS, IDENTITIES, SEQUENCES};
use crate::tables::Table;

/// One derived table as it was found.
struct Target {
    table: Arc<Table>,
    files: Vec<Arc<DataFile>>,
    /// Its last erase, as of before the events were looked at.
    readable_from: u64,
    /// The last erase of `events` that it has been through.
    seen_erase: u64,
    /// Files that this run has taken away.
    gone: HashSet<String>,
}

impl Target {
    async fn look(table: Arc<Table>) -> Result<Self, LakeError> {
        let snapshot = table.refresh().await?;
        Ok(Self {
            files: list(&table, &snapshot, &FileList::default())?.files().to_vec(),
            readable_from: erase::readable_from(&table, &snapshot).await?,
            seen_erase: seen_erase(&table, &snapshot).await?,
            gone: HashSet::new(),
            table,
        })
    }

    /// The time zone that its days should have, if it has days.
    fn timezone<'a>(&'a self, settings: &'a MaintenanceSettings) -> Option<&'a str> {
        if self.table.spec().name != ACTIVITY.name {
            return None;
        }
        let present = || self.files.iter().find_map(|file| file.bounds.part.as_deref()?.timezone.as_deref());
        settings.timezone.as_deref().or_else(present).or(Some("UTC"))
    }
}

/// Makes what is due.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`].
pub(crate) async fn run(project: &ProjectLake, settings: &MaintenanceSettings) -> Result<Vec<Done>, LakeError> {
    let now = project.settings.clock.now();
    let known = list(&project.events, &project.events.cached().await, &FileList::default())?;
    let months: HashSet<&str> = known.files().iter().filter_map(|file| file.month.as_deref()).collect();
    if !months.iter().any(|month| due::is_closed(month, settings, now)) {
        return Ok(Vec::new());
    }
    let mut targets = Vec::new();
    for spec in [&SEQUENCES, &ACTIVITY] {
        targets.push(Target::look(project.derived.open(spec).await?).await?);
    }
    let events = project.events.refresh().await?;
    let events_readable_from = erase::readable_from(&project.events, &events).await?;
    let mut done = Vec::new();
    let mut current = Vec::new();
    for target in targets {
        if target.seen_erase == events_readable_from || target.files.is_empty() {
            current.push(target);
        } else if project.erasures().await?.is_empty() {
            // A build that does not know these tables has erased somebody: nobody can say whose rows they have.
            done.push(discard(project, &target, events_readable_from).await?);
        }
    }
    if current.is_empty() {
        return Ok(done);
    }
    let origin = origin(project, &events, events_readable_from).await?;
    let mut all: BTreeMap<(String, Bucket), Vec<(usize, Due)>> = BTreeMap::new();
    for month in origin.months.keys().filter(|month| due::is_closed(month, settings, now)) {
        for (place, target) in current.iter().enumerate() {
            let timezone = target.timezone(settings);
            if timezone.is_some_and(|timezone| Days::of(month, timezone).is_none()) {
                tracing::warn!(project = %project.id, month, "the project's time zone has no days for this month");
                continue;
            }
            let look = Look {
                events: &project.events,
                table: &target.table,
                present: &target.files,
                origin: &origin,
                timezone,
                settings,
            };
            for due in due::in_month(&look, month, &mut *project.derived_looked.lock().await).await? {
                all.entry((month.clone(), due.bucket)).or_default().push((place, due));
            }
        }
    }
    for pass in passes(all, &origin, settings) {
        done.extend(make(project, &mut current, &origin, pass, settings).await?);
    }
    Ok(done)
}

/// Takes away all parts of a table.
async fn discard(project: &ProjectLake, target: &Target, events_readable_from: u64) -> Result<Done, LakeError> {
    let started = Instant::now();
    let mut done = Done::new(Step::Derive, target.table.spec().name);
    let rewrite = Rewrite {
        remove: target.files.iter().map(|file| file.path.clone()).collect(),
        add: Vec::new(),
        data_change: true,
        number: Some(number(events_readable_from)),
        readable_from: Some(target.readable_from),
        alone: None,
        kind: "discard",
    };
    match rewrite::commit(&target.table, rewrite, project.settings.guards).await? {
        Rewritten::Landed(_) => {
            done.files_removed = target.files.len() as u64;
            done.bytes_removed = target.files.iter().map(|file| file.bytes).sum();
        }
        Rewritten::Refused(why) => done.gave_up = Some(why),
    }
    Ok(done.since(started))
}

fn number(events_readable_from: u64) -> (String, i64) {
    (EVENTS_READABLE_FROM.to_owned(), i64::try_from(events_readable_from).unwrap_or(i64::MAX))
}

async fn origin(project: &ProjectLake, events: &DeltaTable, events_readable_from: u64) -> Result<Origin, LakeError> {
    let covers = project.events.transaction(events, EVENTS.application).await?.unwrap_or(0);
    let mut months: BTreeMap<String, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in list(&project.events, events, &FileList::default())?.files() {
        months.entry(file.month.clone().unwrap_or_default()).or_default().push(Arc::clone(file));
    }
    let identities = project.identities.refresh().await?;
    let newest_tie = project.identities.transaction(&identities, IDENTITIES.application).await?.unwrap_or(0);
    let files = list(&project.identities, &identities, &FileList::default())?;
    let ties = ties(&project.identities.object_store(), &files).await?;
    let keys = Arc::new(KeyMap::from_ties(ties.iter().map(|(tie, _)| tie)));
    Ok(Origin { months, covers, events_readable_from, ties, newest_tie, keys })
}

/// Parts of one month whose events are read at once; with each table's place what is due in it.
struct Pass {
    month: String,
    buckets: Vec<Bucket>,
    due: Vec<(usize, Due)>,
}

/// As many parts at a time as memory allows.
fn passes(
    all: BTreeMap<(String, Bucket), Vec<(usize, Due)>>,
    origin: &Origin,
    settings: &MaintenanceSettings,
) -> Vec<Pass> {
    let mut passes: Vec<Pass> = Vec::new();
    for ((month, bucket), due) in all {
        let files = origin.months.get(&month).map(Vec::as_slice).unwrap_or_default();
        let rows: u64 = files.iter().filter_map(|file| file.rows).sum();
        let a_bucket = (rows / u64::from(bucket.of)).max(1);
        let at_once = usize::try_from(settings.derived_rows / a_bucket).unwrap_or(usize::MAX).max(1);
        let goes_on = |pass: &&mut Pass| {
            let of = pass.buckets.first().map(|bucket| bucket.of);
            pass.month == month && of == Some(bucket.of) && pass.buckets.len() < at_once
        };
        match passes.last_mut().filter(goes_on) {
            Some(pass) => {
                pass.buckets.push(bucket);
                pass.due.extend(due);
            }
            None => passes.push(Pass { month, buckets: vec![bucket], due }),
        }
    }
    passes
}

/// Reads the events of a pass once and writes what is due of each table.
async fn make(
    project: &ProjectLake,
    targets: &mut [Target],
    origin: &Origin,
    pass: Pass,
    settings: &MaintenanceSettings,
) -> Result<Vec<Done>, LakeError> {
    let started = Instant::now();
    let files = origin.months.get(&pass.month).map(Vec::as_slice).unwrap_or_default().to_vec();
    let (events, keys, buckets) = (Arc::clone(&project.events), Arc::clone(&origin.keys), pass.buckets.clone());
    let runtime = tokio::runtime::Handle::current();
    // Decoding is work for a processor: it must not hold up a thread that answers requests.
    let work = tokio::task::spawn_blocking(move || runtime.block_on(gather(&events, &files, &keys, &buckets)));
    let gathered = match work.await.map_err(|error| LakeError::storage(project.events.path(), error))? {
        Ok(gathered) => Arc::new(gathered),
        Err(error) => return Ok(vec![unless_damaged(Err(error), Step::Derive, EVENTS.name)?]),
    };
    let mut done = Vec::new();
    for (place, target) in targets.iter_mut().enumerate() {
        let due: Vec<Due> = pass.due.iter().filter(|(of, _)| *of == place).map(|(_, due)| due.clone()).collect();
        if due.is_empty() {
            continue;
        }
        let buckets: Vec<Bucket> = due.iter().map(|due| due.bucket).collect();
        let timezone = due.first().and_then(|due| due.timezone.clone());
        let days = match &timezone {
            Some(timezone) => Days::of(&pass.month, timezone),
            None => None,
        };
        let parts = Parts { origin, gathered: Arc::clone(&gathered), timezone, days };
        let (add, rows) = parts.write(&target.table, &pass.month, &buckets, settings).await?;
        let mut remove: Vec<Arc<DataFile>> = due.into_iter().flat_map(|due| due.replaces).collect();
        remove.sort_by(|one, other| one.path.cmp(&other.path));
        remove.dedup_by(|one, other| one.path == other.path);
        // Where a month is cut anew, an earlier pass has taken the old part away already.
        remove.retain(|file| !target.gone.contains(&file.path));
        let (files_added, bytes_added) = (add.len() as u64, sizes(&add));
        let rewrite = Rewrite {
            remove: remove.iter().map(|file| file.path.clone()).collect(),
            add,
            data_change: true,
            number: (target.seen_erase != origin.events_readable_from).then(|| number(origin.events_readable_from)),
            readable_from: Some(target.readable_from),
            alone: Some(Alone { month: pass.month.clone(), buckets }),
            kind: target.table.spec().name,
        };
        let mut this = Done::new(Step::Derive, target.table.spec().name);
        match rewrite::commit(&target.table, rewrite, project.settings.guards).await? {
            Rewritten::Landed(_) => {
                this.files_removed = remove.len() as u64;
                this.bytes_removed = remove.iter().map(|file| file.bytes).sum();
                (this.files_added, this.bytes_added, this.rows) = (files_added, bytes_added, rows);
                target.gone.extend(remove.iter().map(|file| file.path.clone()));
                target.seen_erase = origin.events_readable_from;
            }
            Rewritten::Refused(why) => this.gave_up = Some(why),
        }
        done.push(this.since(started));
    }
    Ok(done)
}

/// What the parts of one table and month are made of.
struct Parts<'a> {
    origin: &'a Origin,
    gathered: Arc<Gathered>,
    timezone: Option<String>,
    days: Option<Days>,
}

impl Parts<'_> {
    /// Writes the files; returns what adds them, and how many rows they have.
    async fn write(
        &self,
        table: &Arc<Table>,
        month: &str,
        buckets: &[Bucket],
        settings: &MaintenanceSettings,
    ) -> Result<(Vec<Add>, u64), LakeError> {
        let (mut adds, mut rows) = (Vec::new(), 0);
        for bucket in buckets {
            let part = Part {
                bucket: *bucket,
                covers: self.origin.covers,
                ties: self.origin.newest_tie,
                persons: 0,
                timezone: self.timezone.clone(),
            };
            let (gathered, days, path) = (Arc::clone(&self.gathered), self.days.clone(), table.path().to_owned());
            let make = move || {
                let mut part = part;
                let Some(of_bucket) = gathered.rows.get(&part.bucket) else {
                    return Err(LakeError::Shape("a part that was not read".to_owned()));
                };
                let sorted = Sorted::new(of_bucket, &gathered.texts);
                part.persons = sorted.persons();
                let rows = match &days {
                    Some(days) => sorted.activity(&part, days)?,
                    None => sorted.sequences(&part)?,
                };
                Ok((part, rows))
            };
            let made = tokio::task::spawn_blocking(make).await;
            let (part, batch) = made.map_err(|error| LakeError::storage(path, error))??;
            let count = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
            rows += u64::from(count);
            let file = FilePart {
                month: Some(month.to_owned()),
                rows: batch,
                chosen: (0..count).collect::<Vec<u32>>().into(),
                sequence: 0,
            };
            for mut add in encode::write(table, vec![file], settings.zstd_level).await? {
                let statistics = add.stats.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
                if let Some(mut statistics) = statistics {
                    part.note(table.spec(), self.days.as_ref().map_or(0, |days| days.first), &mut statistics);
                    add.stats = Some(statistics.to_string());
                }
                adds.push(add);
            }
        }
        Ok((adds, rows))
    }
}
