//! Which files are worth merging: enough of about the same size, so that a row is rewritten once a tier and not at
//! every run.
//!
//! Tier 0 are files below [`MaintenanceSettings::small_bytes`], each tier above is eight times as large; files of half
//! the target size are done. From tier 2 on, files of one date are merged with their like only, so that rows which
//! were cut by date stay so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::MaintenanceSettings;
use crate::files::DataFile;

/// How much larger a tier is than the one below.
const TIER: u64 = 8;

/// Files to be merged into fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) month: Option<String>,
    pub(super) files: Vec<Arc<DataFile>>,
    /// Whether the result is cut into files of one date each.
    pub(super) by_date: bool,
}

/// Files that may be merged with each other.
type Alike<'a> = Vec<&'a Arc<DataFile>>;

/// The merges that are due, the smallest files first.
pub(super) fn groups(files: &[Arc<DataFile>], settings: &MaintenanceSettings) -> Vec<Group> {
    // By tier, month and, from tier 2 on, date.
    let mut alike: BTreeMap<(u32, Option<&str>, Option<i32>), Alike<'_>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.bytes < settings.target_bytes / 2) {
        let tier = tier(file.bytes, settings);
        let date = file.bounds.date.filter(|(first, last)| tier >= 2 && first == last).map(|(date, _)| date);
        alike.entry((tier, file.month.as_deref(), date)).or_default().push(file);
    }
    let due = alike.into_iter().filter(|((tier, ..), files)| {
        files.len() >= if *tier == 0 { settings.small_files } else { settings.tier_files }
    });
    due.filter_map(|((_, month, _), files)| group(month, files, settings)).collect()
}

fn tier(bytes: u64, settings: &MaintenanceSettings) -> u32 {
    let mut tier = 0;
    let mut limit = settings.small_bytes.max(1);
    while bytes >= limit {
        tier += 1;
        limit = limit.saturating_mul(TIER);
    }
    tier
}

/// As many of the files as one merge may read, the smallest first; at least two, or it is not worth it.
fn group(month: Option<&str>, mut files: Alike<'_>, settings: &MaintenanceSettings) -> Option<Group> {
    files.sort_by(|one, other| (one.bytes, &one.path).cmp(&(other.bytes, &other.path)));
    let mut total = 0_u64;
    let files: Vec<Arc<DataFile>> = files
        .into_iter()
        .take_while(|file| {
            total += file.bytes;
            total <= settings.merge_bytes
        })
        .map(Arc::clone)
        .collect();
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let first = files.iter().filter_map(|file| file.bounds.date).map(|(first, _)| first).min();
    let last = files.iter().filter_map(|file| file.bounds.date).map(|(_, last)| last).max();
    let days = first.zip(last).map(|(first, last)| u64::from(last.abs_diff(first)) + 1);
    let by_date = days.is_some_and(|days| bytes / days >= settings.date_bytes);
    (files.len() > 1).then(|| Group { month: month.map(str::to_owned), files, by_date })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Bounds;

    fn file(name: &str, month: &str, bytes: u64, dates: (i32, i32)) -> Arc<DataFile> {
        Arc::new(DataFile {
            path: name.to_owned(),
            bytes,
            rows: Some(1),
            modified_millis: 0,
            month: Some(month.to_owned()),
            bounds: Bounds { date: Some(dates), ..Bounds::default() },
        })
    }

    fn settings() -> MaintenanceSettings {
        MaintenanceSettings {
            small_files: 4,
            tier_files: 2,
            small_bytes: 10,
            target_bytes: 2_000,
            merge_bytes: 1_500,
            date_bytes: 100,
            ..MaintenanceSettings::default()
        }
    }

    fn chosen(files: &[Arc<DataFile>]) -> Vec<(String, usize, bool)> {
        let groups = groups(files, &settings());
        groups.into_iter().map(|group| (group.month.unwrap_or_default(), group.files.len(), group.by_date)).collect()
    }

    #[test]
    fn a_month_with_enough_small_files_is_merged_and_others_wait() {
        let small =
            |month, count| (0..count).map(|n| file(&format!("{month}/{n}"), month, 5, (1, 1))).collect::<Vec<_>>();
        assert_eq!(chosen(&[small("2026-01", 4), small("2026-02", 3)].concat()), [("2026-01".to_owned(), 4, false)]);
    }

    #[test]
    fn files_of_different_tiers_are_not_merged_and_large_ones_are_done() {
        let files = [
            file("a", "m", 5, (1, 1)),
            file("b", "m", 20, (1, 1)),
            file("c", "m", 1_000, (1, 1)),
            file("d", "m", 1_999, (1, 1)),
        ];
        assert_eq!(chosen(&files), []);
        let more = [file("e", "m", 25, (1, 2)), file("f", "m", 20, (1, 1))];
        assert_eq!(chosen(&more), [("m".to_owned(), 2, false)]);
    }

    #[test]
    fn large_files_of_one_date_keep_to_themselves_and_mixed_ones_are_cut_by_date() {
        // Tier 2 begins at 80 bytes here.
        assert_eq!(chosen(&[file("a", "m", 300, (1, 1)), file("b", "m", 300, (2, 2))]), []);
        assert_eq!(chosen(&[file("a", "m", 300, (1, 1)), file("b", "m", 300, (1, 1))]), [("m".to_owned(), 2, true)]);
        assert_eq!(chosen(&[file("a", "m", 300, (1, 2)), file("b", "m", 300, (2, 3))]), [("m".to_owned(), 2, true)]);
        assert_eq!(chosen(&[file("a", "m", 300, (1, 9)), file("b", "m", 300, (2, 3))]), [("m".to_owned(), 2, false)]);
    }

    #[test]
    fn one_merge_reads_no_more_than_it_may() {
        let files = [file("a", "m", 800, (1, 1)), file("b", "m", 700, (1, 1)), file("c", "m", 750, (1, 1))];
        assert_eq!(chosen(&files), [("m".to_owned(), 2, true)]);
    }
}
