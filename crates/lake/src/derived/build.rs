//! Makes the parts that are due: reads the events of as many as memory allows at a time, and commits each table's parts
//! of a month at once.
//!
//! The order of looks makes it right beside everything else: first at the derived tables (a later erase then refuses the
//! commit), then at `events`, then at `identities` (a drain commits its ties first, so the ties of every event are there).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::days::Days;
use super::due::{self, Due, Look};
use super::gather::gather;
use super::origin::{Origin, Target, origin};
use super::part::Bucket;
use super::tables::EVENTS_READABLE_FROM;
use super::write::Parts;
use crate::erase;
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::ids::list;
use crate::maintenance::rewrite::{self, Alone, Rewrite, Rewritten};
use crate::maintenance::{Done, MaintenanceSettings, Step, sizes, unless_damaged};
use crate::project::ProjectLake;
use crate::schema::{ACTIVITY, EVENTS, SEQUENCES};

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
    let present: HashSet<&str> =
        current.iter().flat_map(|target| &target.files).map(|file| file.path.as_str()).collect();
    project.derived_looked.lock().await.retain(|path, _| present.contains(path.as_str()));
    let mut all = All::new();
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
                all.entry((month.clone(), due.ties, due.bucket)).or_default().push((place, due));
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

/// What is due, by month, state of ties and part, with each table's place.
type All = BTreeMap<(String, i64, Bucket), Vec<(usize, Due)>>;

/// Parts of one month whose events are read at once; with each table's place what is due in it.
struct Pass {
    month: String,
    ties: i64,
    buckets: Vec<Bucket>,
    due: Vec<(usize, Due)>,
}

/// As many parts at a time as memory allows.
fn passes(all: All, origin: &Origin, settings: &MaintenanceSettings) -> Vec<Pass> {
    let mut passes: Vec<Pass> = Vec::new();
    for ((month, ties, bucket), due) in all {
        let files = origin.months.get(&month).map(Vec::as_slice).unwrap_or_default();
        let rows: u64 = files.iter().filter_map(|file| file.rows).sum();
        let a_bucket = (rows / u64::from(bucket.of)).max(1);
        let at_once = usize::try_from(settings.derived_rows / a_bucket).unwrap_or(usize::MAX).max(1);
        let goes_on = |pass: &&mut Pass| {
            let of = pass.buckets.first().map(|bucket| bucket.of);
            (&pass.month, pass.ties, of) == (&month, ties, Some(bucket.of)) && pass.buckets.len() < at_once
        };
        match passes.last_mut().filter(goes_on) {
            Some(pass) => {
                pass.buckets.push(bucket);
                pass.due.extend(due);
            }
            None => passes.push(Pass { month, ties, buckets: vec![bucket], due }),
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
    let (events, keys, buckets) = (Arc::clone(&project.events), origin.keys_at(pass.ties), pass.buckets.clone());
    let most = usize::try_from(settings.derived_rows.saturating_mul(2)).unwrap_or(usize::MAX);
    let runtime = tokio::runtime::Handle::current();
    // Decoding is work for a processor: it must not hold up a thread that answers requests.
    let work = tokio::task::spawn_blocking(move || runtime.block_on(gather(&events, &files, &keys, &buckets, most)));
    let gathered = match work.await.map_err(|error| LakeError::storage(project.events.path(), error))? {
        Ok(gathered) => Arc::new(gathered),
        Err(error) => return Ok(vec![unless_damaged(Err(error), Step::Derive, EVENTS.name)?]),
    };
    let mut done = Vec::new();
    for (place, target) in targets.iter_mut().enumerate() {
        let is_read = |due: &Due| gathered.rows.contains_key(&due.bucket);
        let (due, too_large): (Vec<Due>, Vec<Due>) =
            pass.due.iter().filter(|(of, _)| *of == place).map(|(_, due)| due.clone()).partition(is_read);
        if !too_large.is_empty() {
            let why = format!("{} parts of {} have too many events of few persons", too_large.len(), pass.month);
            done.push(Done { gave_up: Some(why), ..Done::new(Step::Derive, target.table.spec().name) });
        }
        if due.is_empty() {
            continue;
        }
        let buckets: Vec<Bucket> = due.iter().map(|due| due.bucket).collect();
        let timezone = due.first().and_then(|due| due.timezone.clone());
        let days = match &timezone {
            Some(timezone) => Days::of(&pass.month, timezone),
            None => None,
        };
        let (covers, ties) = (origin.covers, pass.ties);
        let parts = Parts { covers, ties, gathered: Arc::clone(&gathered), timezone, days };
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
