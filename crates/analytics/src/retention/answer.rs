//! From the counts of the plan to the cohorts of the answer.

use std::collections::BTreeSet;

use arrow::record_batch::RecordBatch;
use event_model::Problem;
use query_model::answer::{PeriodName, RetentionCohort};

use super::cohorts::Cohorts;
use crate::groups::Groups;
use crate::tally::counts;

/// A cohort an interval for each group that has anybody in it; `always` for the one group of no breakdown.
pub(super) fn cohorts(
    period: PeriodName,
    cohorts: &Cohorts,
    groups: &Groups,
    always: bool,
    batches: &[RecordBatch],
) -> Result<Vec<RetentionCohort>, Problem> {
    let rows = counts(batches, cohorts.columns)?.into_rows();
    let count = cohorts.len() as u64;
    let mut found: BTreeSet<u64> = rows.keys().map(|row| row / count).collect();
    if always {
        found.insert(0);
    }
    if found.len().saturating_mul(cohorts.len()).saturating_mul(cohorts.columns) > super::MAX_NUMBERS {
        return Err(super::too_large());
    }
    let mut answer = Vec::with_capacity(found.len() * cohorts.len());
    for group in found {
        let breakdown = groups.group(group);
        for (place, (row, label)) in (group * count..).zip(&cohorts.labels).enumerate() {
            let cells = cohorts.cells(place);
            let mut returned = rows.get(&row).cloned().unwrap_or_else(|| vec![0; cells]);
            returned.truncate(cells);
            answer.push(RetentionCohort {
                interval: label.clone(),
                breakdown: breakdown.clone(),
                period,
                returned,
                running: cohorts.running(place),
            });
        }
    }
    Ok(answer)
}
