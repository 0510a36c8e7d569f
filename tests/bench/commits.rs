//! A day of commits at one a second, on a clock that is moved by hand: do commits and reads stay as fast as they began?

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use batch_compactor::{Compactor, CompactorSettings};
use event_model::{ProjectId, Timestamp};
use event_queue::memory::{MemoryQueue, MemorySettings};
use event_queue::{Compression, Queue as _};
use lake::{At, Clock, Lake, LakeSettings, MaintenanceSettings};

use crate::table::Table;
use crate::traffic;

/// Events that each second brings.
const EVENTS: u64 = 10;
/// How often maintenance runs, in commits.
const MAINTENANCE_EVERY: u64 = 60;

pub(crate) fn measure(table: &mut Table, full: bool) -> Result<()> {
    let commits: u64 = if full { 86_400 } else { 1_200 };
    let folder = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let now = Arc::new(AtomicI64::new(traffic::now().0));
        let clock = {
            let now = Arc::clone(&now);
            Clock::new(move || Timestamp(now.load(Ordering::Relaxed)))
        };
        let lake = Arc::new(Lake::open_local(folder.path(), LakeSettings { clock, ..LakeSettings::default() }).await?);
        let queue = Arc::new(MemoryQueue::new(MemorySettings::default()));
        let settings = CompactorSettings { poll: Duration::ZERO, ..CompactorSettings::default() };
        let compactor = Compactor::new(Arc::clone(&queue) as Arc<dyn event_queue::Queue>, Arc::clone(&lake), settings);
        let id = ProjectId::parse("default").ok_or_else(|| anyhow::anyhow!("project id"))?;
        let project = lake.project(&id).await?;
        let (mut commit_times, mut maintenance_times) = (Vec::new(), Vec::new());
        for second in 0..commits {
            let time = Timestamp(now.fetch_add(1_000_000, Ordering::Relaxed));
            queue.send(traffic::messages(second * EVENTS..(second + 1) * EVENTS, time, Compression::None)?).await?;
            let started = Instant::now();
            let report = compactor.drain().await?;
            commit_times.push(started.elapsed());
            anyhow::ensure!(report.commits == 1, "{report:?}");
            if second % MAINTENANCE_EVERY == MAINTENANCE_EVERY - 1 {
                let started = Instant::now();
                project.maintain(&MaintenanceSettings::default()).await?;
                maintenance_times.push(started.elapsed());
            }
            if second % 1_000 == 999 {
                eprintln!("  {} of {commits} commits", second + 1);
            }
        }
        let tenth = commit_times.len() / 10;
        let (first, last) = (median(commit_times.get(..tenth)), median(commit_times.get(commit_times.len() - tenth..)));
        let what = format!("{commits} commits at one a second (simulated clock)");
        table.add(format!("{what}: one commit"), format!("first tenth {first:.1} ms, last tenth {last:.1} ms"), "flat");
        let maintenance = maintenance_times.iter().sum::<Duration>().as_secs_f64();
        table.add(
            format!("{what}: all maintenance"),
            format!("{maintenance:.1} s in {} runs", maintenance_times.len()),
            "",
        );
        let cold = Arc::new(Lake::open_local(folder.path(), LakeSettings::default()).await?);
        let started = Instant::now();
        cold.project(&id).await?.read(At::Latest).await?;
        table.add(format!("{what}: cold read view"), format!("{} ms", started.elapsed().as_millis()), "");
        Ok(())
    })
}

/// In milliseconds.
fn median(times: Option<&[Duration]>) -> f64 {
    let mut times = times.unwrap_or_default().to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
