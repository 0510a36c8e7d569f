//! What a scan has cost, read from a plan that has run.

use std::collections::HashSet;

use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};

/// The counter of files that the log's statistics ruled out.
pub(super) const FILES_PRUNED: &str = "files_pruned_by_the_log";

/// What all scans of a plan have read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanMetrics {
    /// Rows that were looked at: those that came out and those that a filter inside the reader left out. Rows of
    /// files, row groups and pages that statistics ruled out do not count.
    pub rows: u64,
    /// Bytes requested from the store.
    pub bytes: u64,
    /// Files of which any byte was requested.
    pub files_read: u64,
    /// Files that the log's statistics ruled out.
    pub files_pruned: u64,
}

/// Sums over all scans in a plan.
#[must_use]
pub fn scan_metrics(plan: &dyn ExecutionPlan) -> ScanMetrics {
    let mut total = ScanMetrics::default();
    add(plan, &mut total);
    total
}

fn add(plan: &dyn ExecutionPlan, total: &mut ScanMetrics) {
    if plan.is::<DataSourceExec>()
        && let Some(metrics) = plan.metrics()
    {
        let count = |name: &str| metrics.sum_by_name(name).map_or(0, |value| value.as_usize() as u64);
        total.rows += metrics.output_rows().unwrap_or(0) as u64 + count("pushdown_rows_pruned");
        total.bytes += count("bytes_scanned");
        total.files_pruned += count(FILES_PRUNED);
        total.files_read += files_read(&metrics);
    }
    for child in plan.children() {
        add(child.as_ref(), total);
    }
}

/// The reader labels its counters with the file's name.
fn files_read(metrics: &MetricsSet) -> u64 {
    let names: HashSet<&str> = metrics
        .iter()
        .filter(|metric| {
            matches!(metric.value(), MetricValue::Count { name, count } if name == "bytes_scanned" && count.value() > 0)
        })
        .flat_map(|metric| metric.labels())
        .filter(|label| label.name() == "filename")
        .map(|label| label.value())
        .collect();
    names.len() as u64
}
