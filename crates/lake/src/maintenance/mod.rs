//! What keeps a project's tables quick and small: beside running ingests, in any number of processes.
//!
//! ```text
//! finish erasures -> merge small files -> build persons -> make what is due of sequences and activity
//! -> roll up the ledger -> checkpoint -> vacuum -> clean the log
//! ```
//!
//! No step changes an answer at a named version. A step that loses against another writer gives up and says so; the
//! next run does it again. The ledger is rolled up before the log is cleaned, and the log only behind a checkpoint.

mod checkpoint;
mod choose;
mod k_way;
mod log_clean_up;
mod merge;
pub(crate) mod output;
pub(crate) mod rewrite;
mod vacuum;

use std::time::{Duration, Instant};

use deltalake_core::kernel::Add;
use event_model::Timestamp;

use crate::derived;
use crate::error::LakeError;
use crate::persons::build;
use crate::project::ProjectLake;
use crate::schema::{CHECKPOINT_INTERVAL, RETENTION_DAYS};

/// What one run may do, and when.
#[derive(Clone, Debug)]
pub struct MaintenanceSettings {
    /// How many small files of a month make a merge. Default: 32.
    pub small_files: usize,
    /// Below this a file is small, in bytes. Default: 1 MiB. Each tier above is eight times as large.
    pub small_bytes: u64,
    /// How many files of a higher tier make a merge. Default: 8.
    pub tier_files: usize,
    /// The size that merged files grow to, in bytes. Files of half of it are left alone. Default: 128 MiB.
    pub target_bytes: u64,
    /// The most bytes that one merge reads; its memory is of this order. Default: 256 MiB.
    pub merge_bytes: u64,
    /// From this many bytes a date, merged rows are cut into files of one date each. Default: 16 MiB.
    pub date_bytes: u64,
    /// The zstd level of rewritten files. Default: 3: they are written once and read often.
    pub zstd_level: i32,
    /// Whether `persons` is built. Default: yes.
    pub persons: bool,
    /// How many new rows of `events` one build of `persons` takes in at once; bounds its memory. Default: 2,000,000.
    pub persons_rows: u64,
    /// Whether `sequences` and `activity` are made for months that are over. Default: yes.
    pub derived: bool,
    /// How long after its end a month counts as over: what comes until then need not be taken in later. Default: 3 days.
    pub derived_after: Duration,
    /// How often this process looks what of them is due. Default: every hour.
    pub derived_every: Duration,
    /// How many events of a month are sorted at once; bounds the memory (about 140 bytes each). A part
    /// that turns out to have more than twice as many, of a few persons, is not made. Default: 2,000,000.
    pub derived_rows: u64,
    /// From how many events a month is cut into several parts. Default: 1,000,000.
    pub bucket_rows: u64,
    /// A part is made anew once later events of its month are more than this share of its rows. Default: 0.01.
    pub derived_late_share: f64,
    /// A month is made anew once more than this share of its persons are other sets of ids than when it was made.
    /// Default: 0.01.
    pub derived_touched_share: f64,
    /// The project's time zone, by which `activity` counts days: an IANA name. Default: none, which leaves it at the one
    /// that the table has, `UTC` at first.
    pub timezone: Option<String>,
    /// After how many commits a checkpoint is written. Default: 100.
    pub checkpoint_commits: u64,
    /// How often this process looks for files and entries of the log that may go: it lists all of them, those of the
    /// retention included. Default: every hour.
    pub sweep_every: Duration,
    /// Whether erasures that were cut off are finished. Default: yes. Whoever has to see to a queue as well does it
    /// himself.
    pub erasures: bool,
    /// How long removed files and the log are kept. Default: 7 days. Not below what readers count on, except in tests.
    pub retention: Duration,
}

impl Default for MaintenanceSettings {
    fn default() -> Self {
        Self {
            small_files: 32,
            small_bytes: 1 << 20,
            tier_files: 8,
            target_bytes: 128 << 20,
            merge_bytes: 256 << 20,
            date_bytes: 16 << 20,
            zstd_level: 3,
            persons: true,
            persons_rows: 2_000_000,
            derived: true,
            derived_after: Duration::from_secs(3 * 86_400),
            derived_every: Duration::from_secs(3_600),
            derived_rows: 2_000_000,
            bucket_rows: 1_000_000,
            derived_late_share: 0.01,
            derived_touched_share: 0.01,
            timezone: None,
            checkpoint_commits: CHECKPOINT_INTERVAL,
            sweep_every: Duration::from_secs(3_600),
            erasures: true,
            retention: Duration::from_secs(u64::from(RETENTION_DAYS) * 86_400),
        }
    }
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An erase that was cut off was finished.
    Erase,
    /// Small files of a month became fewer.
    Merge,
    /// `persons` took in newer rows.
    Persons,
    /// Parts of `sequences` or `activity` were made.
    Derive,
    /// `ledger` took over the names of messages.
    Ledger,
    /// The state of the log was written down, so that readers start from there.
    Checkpoint,
    /// Files that no kept version names were deleted.
    Vacuum,
    /// Entries of the log behind a checkpoint were deleted.
    CleanLog,
}

/// What one step did to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Which.
    pub step: Step,
    /// The table.
    pub table: &'static str,
    /// Files that the newest version no longer names, or that were deleted.
    pub files_removed: u64,
    /// Files written.
    pub files_added: u64,
    /// The size of those removed, in bytes.
    pub bytes_removed: u64,
    /// The size of those written, in bytes.
    pub bytes_added: u64,
    /// Rows rewritten or taken in.
    pub rows: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Why it gave up: another writer was faster, or a file is damaged. Nothing was changed.
    pub gave_up: Option<String>,
}

impl Done {
    pub(crate) fn new(step: Step, table: &'static str) -> Self {
        Self {
            step,
            table,
            files_removed: 0,
            files_added: 0,
            bytes_removed: 0,
            bytes_added: 0,
            rows: 0,
            elapsed_ms: 0,
            gave_up: None,
        }
    }

    pub(crate) fn since(mut self, started: Instant) -> Self {
        self.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self
    }
}

/// What one run did, in order. Steps that had nothing to do are not named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// The steps.
    pub done: Vec<Done>,
    /// How long all of it took.
    pub elapsed_ms: u64,
}

impl ProjectLake {
    /// Does what is due. Safe beside ingests, reads and other runs.
    ///
    /// # Errors
    /// [`LakeError::Storage`], or [`LakeError::Damaged`] if a log cannot be read: what was done until then stays done.
    /// Losing against another writer and a damaged file are no errors: the report says so, and the other steps go on.
    pub async fn maintain(&self, settings: &MaintenanceSettings) -> Result<MaintenanceReport, LakeError> {
        let started = Instant::now();
        let now = self.settings.clock.now();
        let mut done = Vec::new();
        if settings.erasures {
            let finished = self.finish_erasures(settings).await?;
            done.extend(finished.iter().map(|receipt| Done { rows: receipt.rows(), ..Done::new(Step::Erase, "") }));
        }
        for table in [&self.events, &self.quarantine, &self.identities, &self.ledger, &self.kept_out] {
            done.extend(merge::run(table, settings).await?);
        }
        if settings.persons {
            done.extend(build::run(&self.events, &self.persons, settings).await?);
        }
        let looked_at = *self.derived_at.lock();
        if settings.derived && looked_at.is_none_or(|last| after(last, settings.derived_every) <= now) {
            done.extend(derived::run(self, settings).await?);
            *self.derived_at.lock() = Some(now);
        }
        done.extend(self.roll().await?);
        let is_due = self.swept.lock().is_none_or(|last| after(last, settings.sweep_every) <= now);
        let kept_since = oldest_kept(now, settings.retention);
        let made = self.derived.all().await?;
        let fixed = [&self.events, &self.quarantine, &self.identities, &self.ledger, &self.persons, &self.kept_out];
        for table in fixed.into_iter().chain(&made) {
            done.extend(checkpoint::run(table, settings).await?);
            if is_due {
                done.extend(vacuum::run(table, kept_since).await?);
                done.extend(log_clean_up::run(table, kept_since).await?);
            }
        }
        if is_due {
            *self.swept.lock() = Some(now);
        }
        for step in &done {
            tracing::info!(project = %self.id, ?step, "maintained");
        }
        Ok(MaintenanceReport { done, elapsed_ms: Done::new(Step::Merge, "").since(started).elapsed_ms })
    }

    async fn roll(&self) -> Result<Option<Done>, LakeError> {
        let started = Instant::now();
        let report = self.roll_ledger().await?;
        let rolled = Done { rows: report.rows, ..Done::new(Step::Ledger, self.ledger.spec().name) };
        Ok((report.rows > 0).then(|| rolled.since(started)))
    }
}

fn after(last: Timestamp, pause: Duration) -> Timestamp {
    Timestamp(last.0.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)))
}

/// Turns what a damaged file did to a step into a step that gave up: it must not keep all others from being done.
pub(crate) fn unless_damaged(
    outcome: Result<Done, LakeError>,
    step: Step,
    table: &'static str,
) -> Result<Done, LakeError> {
    match outcome {
        Err(error @ (LakeError::Damaged { .. } | LakeError::Shape(_))) => {
            tracing::error!(table, ?step, %error, "maintenance met damage; run a check");
            Ok(Done { gave_up: Some(error.to_string()), ..Done::new(step, table) })
        }
        other => other,
    }
}

/// What was removed or committed before this moment (in milliseconds since 1970) may go.
fn oldest_kept(now: Timestamp, retention: Duration) -> i64 {
    let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    now.0.div_euclid(1_000).saturating_sub(retention)
}

/// How large files are together, in bytes.
pub(crate) fn sizes(add: &[Add]) -> u64 {
    add.iter().filter_map(|add| u64::try_from(add.size).ok()).sum()
}
