//! From queue message to committed Parquet, in this process: events a CPU second, bytes an event, memory.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use batch_compactor::{Compactor, CompactorSettings};
use event_queue::memory::{MemoryQueue, MemorySettings};
use event_queue::{Compression, Queue as _};
use lake::{Lake, LakeSettings};
use tests::load::cpu_seconds;

use crate::table::Table;
use crate::traffic;

/// Events in one message, as a busy edge sends them.
const BATCH: u64 = 50;

#[allow(clippy::cast_precision_loss, reason = "counts of some millions")]
pub(crate) fn measure(table: &mut Table, full: bool) -> Result<()> {
    let events: u64 = if full { 2_000_000 } else { 300_000 };
    let folder = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let queue = Arc::new(MemoryQueue::new(MemorySettings { max_bytes: u64::MAX, ..MemorySettings::default() }));
        let mut bytes = 0;
        for first in (0..events).step_by(usize::try_from(BATCH)?) {
            let messages = traffic::messages(first..first + BATCH, traffic::now(), Compression::None)?;
            bytes += messages.iter().map(|message| message.body.len() as u64).sum::<u64>();
            queue.send(messages).await?;
        }
        let lake = Arc::new(Lake::open_local(folder.path(), LakeSettings::default()).await?);
        let compactor = Compactor::new(queue, Arc::clone(&lake), CompactorSettings::default());
        let (started, cpu_before) = (Instant::now(), cpu_seconds(std::process::id())?);
        let report = compactor.drain_until_empty().await?;
        let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(std::process::id())? - cpu_before);
        anyhow::ensure!(report.stored == events, "{} of {events} stored", report.stored);
        let events = events as f64;
        table.add(
            "compaction, queue message to committed Parquet",
            format!("{:.0} events/s wall, {:.0} a CPU second", events / wall, events / cpu),
            ">= 400,000 events/s a core",
        );
        let peak = std::fs::read_to_string("/proc/self/status")?;
        let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
        table.add(
            "compaction: memory, peak of the process",
            format!("{peak} (messages: {} MB)", bytes / 1_000_000),
            "<= the input",
        );
        let stored = crate::collector::parquet_bytes(&folder.path().join("projects/default/events"))?;
        table.add(
            "compaction: bytes an event in Parquet",
            format!("{:.1} B", stored / events),
            "<= 46 B for the shop of the lake's budget",
        );
        Ok(())
    })
}
