//! Writes the files of parts from gathered events.

use std::sync::Arc;

use deltalake_core::kernel::Add;
use serde_json::Value;

use super::days::Days;
use super::gather::Gathered;
use super::part::{Bucket, Part};
use super::rows::Sorted;
use crate::encode::{self, Part as FilePart};
use crate::error::LakeError;
use crate::maintenance::MaintenanceSettings;
use crate::tables::Table;

/// What the parts of one table and month are made of.
pub(crate) struct Parts {
    /// The last ingest commit that was read.
    pub(crate) covers: i64,
    /// The commit to `identities` up to which keys were resolved.
    pub(crate) ties: i64,
    pub(crate) gathered: Arc<Gathered>,
    pub(crate) timezone: Option<String>,
    pub(crate) days: Option<Days>,
}

impl Parts {
    /// Writes the files; returns what adds them, and how many rows they have.
    ///
    /// # Errors
    /// [`LakeError::Storage`]. Files that were written stay: no commit names them, and vacuum takes them away.
    pub(crate) async fn write(
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
                covers: self.covers,
                ties: self.ties,
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
