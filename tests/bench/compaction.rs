//! From queue message to committed Parquet, in this process: events a CPU second, memory, and where the bytes go.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use batch_compactor::{Compactor, CompactorSettings};
use event_model::{ProjectId, Timestamp};
use event_queue::memory::{MemoryQueue, MemorySettings};
use event_queue::{Compression, Outgoing, Queue as _};
use lake::{At, Clock, Lake, LakeSettings, MaintenanceSettings};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use tests::load::cpu_seconds;

use crate::shop::{self, Ids};
use crate::table::Table;
use crate::traffic;

/// Events in one message, as a busy edge sends them.
const BATCH: u64 = 50;

pub(crate) fn measure(table: &mut Table, full: bool) -> Result<()> {
    speed(table, if full { 2_000_000 } else { 300_000 })?;
    for (ids, name, goal) in [(Ids::Random, "random ids", "<= 46 B"), (Ids::ByTime, "ids by time", "<= 41 B")] {
        storage(table, if full { 4_000_000 } else { 1_000_000 }, ids, name, goal)?;
    }
    Ok(())
}

/// Everything that a collector's core makes of a busy shop's requests, as fast as it goes.
#[allow(clippy::cast_precision_loss, reason = "counts of some millions")]
fn speed(table: &mut Table, events: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut messages = Vec::new();
        for first in (0..events).step_by(usize::try_from(BATCH)?) {
            messages.extend(traffic::messages(first..first + BATCH, traffic::now(), Compression::None)?);
        }
        let bytes = messages.iter().map(|message| message.body.len() as u64).sum::<u64>();
        let compactor = Compactor::new(full(messages).await?, lake(folder.path(), traffic::now()).await?, settings());
        let before = memory("VmRSS:")?;
        let (started, cpu_before) = (Instant::now(), cpu_seconds(std::process::id())?);
        let report = compactor.drain_until_empty().await?;
        let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(std::process::id())? - cpu_before);
        anyhow::ensure!(report.stored == events, "{} of {events} stored", report.stored);
        let count = events as f64;
        table.add(
            "compaction, queue message to committed Parquet",
            format!(
                "{:.0} events/s wall, {:.0} a CPU second ({} B an event)",
                count / wall,
                count / cpu,
                bytes / events
            ),
            ">= 400,000 events/s a core",
        );
        table.add(
            "compaction: memory beyond what waits in the queue",
            format!("{} MB (messages: {} MB)", memory("VmHWM:")?.saturating_sub(before), bytes / 1_000_000),
            "<= the input",
        );
        let stored = crate::collector::parquet_bytes(&folder.path().join("projects/default/events"))?;
        table.add("compaction: bytes an event in Parquet", format!("{:.1} B", stored / count), "");
        Ok(())
    })
}

/// The shop of the storage budget, drained as it comes in and then merged as maintenance does.
#[allow(clippy::cast_precision_loss, reason = "counts of some millions")]
fn storage(table: &mut Table, events: usize, ids: Ids, name: &str, goal: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        // As many events a day as the budget's twenty million in sixty days.
        let days = (events as u64).div_ceil(333_333);
        let (messages, last) = shop::messages(events, 500_000, days, ids)?;
        let lake = lake(folder.path(), last).await?;
        let report = Compactor::new(full(messages).await?, Arc::clone(&lake), settings()).drain_until_empty().await?;
        anyhow::ensure!(report.stored == events as u64, "{} of {events} stored", report.stored);
        let id = ProjectId::parse("default").context("project id")?;
        let project = lake.project(&id).await?;
        let events_folder = folder.path().join("projects/default/events");
        let drained = columns(&project.read(At::Latest).await?, &events_folder)?;
        let merge_all = MaintenanceSettings {
            small_files: 2,
            small_bytes: 1 << 30,
            merge_bytes: 1 << 40,
            persons: false,
            ..MaintenanceSettings::default()
        };
        project.maintain(&merge_all).await?;
        let merged = columns(&project.read(At::Latest).await?, &events_folder)?;
        let all = |columns: &HashMap<String, u64>| columns.values().sum::<u64>() as f64 / events as f64;
        let what = format!("storage, shop, {name}");
        table.add(format!("{what}: as drained"), format!("{:.1} B an event", all(&drained)), "");
        table.add(format!("{what}: merged"), format!("{:.1} B an event", all(&merged)), goal);
        table.add(format!("{what}: by column"), by_column(&merged, events, 0.05), "");
        if ids == Ids::Random {
            derived(table, folder.path(), events, last).await?;
        }
        Ok(())
    })
}

/// The tables that are made of the same events once their month is over.
#[allow(clippy::cast_precision_loss, reason = "counts of some millions")]
async fn derived(table: &mut Table, folder: &Path, events: usize, last: Timestamp) -> Result<()> {
    let now = Timestamp(last.0 + 60 * 86_400_000_000);
    let project = lake(folder, now).await?.project(&ProjectId::parse("default").context("project id")?).await?;
    let cpu_before = cpu_seconds(std::process::id())?;
    let started = Instant::now();
    let report = project.maintain(&MaintenanceSettings { persons: false, ..MaintenanceSettings::default() }).await?;
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(std::process::id())? - cpu_before);
    let view = project.read(At::Latest).await?;
    let period = (Timestamp(0), now);
    let of = [
        ("sequences", view.sequences(period.0, period.1).await?, "6-8 B"),
        ("activity", view.activity(period.0, period.1, "UTC").await?, "both and ids <= 12 B"),
    ];
    for (name, derived, goal) in of {
        let files = derived.parts().map(|part| folder.join("projects/default").join(name).join(&part.file.path));
        let columns = columns_of(files)?;
        let bytes = report.done.iter().filter(|done| done.table == name).map(|done| done.bytes_added).sum::<u64>();
        let rows = report.done.iter().filter(|done| done.table == name).map(|done| done.rows).sum::<u64>();
        let what = format!("derived tables, shop: {name}");
        table.add(
            what.clone(),
            format!("{:.1} B an event ({rows} rows of {events} events)", bytes as f64 / events as f64),
            goal,
        );
        table.add(format!("{what}: by column"), by_column(&columns, events, 0.02), "");
    }
    table.add(
        "derived tables, shop: making both",
        format!("{wall:.1} s, {:.0} events a CPU second", events as f64 / cpu),
        "",
    );
    Ok(())
}

/// The columns with at least so many bytes an event, the largest first.
#[allow(clippy::cast_precision_loss, reason = "counts of some millions")]
fn by_column(columns: &HashMap<String, u64>, events: usize, least: f64) -> String {
    let mut by_column: Vec<(&String, &u64)> = columns.iter().collect();
    by_column.sort_by_key(|(name, bytes)| (std::cmp::Reverse(**bytes), (*name).clone()));
    let listed = by_column.iter().map(|(name, bytes)| (name, **bytes as f64 / events as f64));
    let named = listed.filter(|(_, bytes)| *bytes >= least).map(|(name, bytes)| format!("{name} {bytes:.1}"));
    named.collect::<Vec<String>>().join(", ")
}

fn settings() -> CompactorSettings {
    CompactorSettings::default()
}

/// A lake whose clock stands where the events are, so that looking back is what it is on the day.
async fn lake(folder: &Path, now: Timestamp) -> Result<Arc<Lake>> {
    let settings = LakeSettings { clock: Clock::new(move || now), ..LakeSettings::default() };
    Ok(Arc::new(Lake::open_local(folder, settings).await?))
}

/// A queue with these messages.
async fn full(messages: Vec<Outgoing>) -> Result<Arc<MemoryQueue>> {
    let queue = MemoryQueue::new(MemorySettings { max_bytes: u64::MAX, ..MemorySettings::default() });
    queue.send(messages).await?;
    Ok(Arc::new(queue))
}

/// The bytes of each column in the live files of `events`, compressed.
fn columns(view: &lake::ReadView, folder: &Path) -> Result<HashMap<String, u64>> {
    columns_of(view.event_files().files.files().iter().map(|file| folder.join(&file.path)))
}

fn columns_of(files: impl Iterator<Item = PathBuf>) -> Result<HashMap<String, u64>> {
    let mut columns: HashMap<String, u64> = HashMap::new();
    for file in files {
        let reader = SerializedFileReader::new(std::fs::File::open(file)?)?;
        for column in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            *columns.entry(column.column_path().string()).or_default() += u64::try_from(column.compressed_size())?;
        }
    }
    Ok(columns)
}

/// A figure of this process in MB.
fn memory(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| anyhow!("no {name}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1_000)
}
