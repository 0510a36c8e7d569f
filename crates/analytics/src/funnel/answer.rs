//! From the summary of a funnel's plan to the groups of the answer.

use std::collections::BTreeMap;

use arrow::record_batch::RecordBatch;
use event_model::{ErrorCode, Problem};
use query_model::Group;
use query_model::answer::{FunnelBin, FunnelGroup, FunnelStep, FunnelTimes, FunnelTrendGroup, PeriodName};
use query_model::funnel::Funnel;

use super::operator::numbers;
use super::rules::{Codes, Rules, View};
use super::summary::{Bin, Lengths, StepSummary, Summary};
use crate::problem::internal;
use crate::ranking::Ranking;

/// Most numbers in one answer.
const MAX_NUMBERS: usize = 2_000_000;

/// Reads the row that a plan gave.
pub(super) fn summary(view: &View, batches: &[RecordBatch]) -> Result<Summary, Problem> {
    let batch = batches.iter().find(|batch| batch.num_rows() > 0).ok_or_else(|| internal("a funnel without a row"))?;
    let numbers = numbers(batch).map_err(internal)?;
    Summary::read(view, numbers.value(0)).ok_or_else(|| internal("a damaged summary"))
}

/// View `steps`: the groups by rank, `other` and `none` last.
pub(super) fn steps(
    funnel: &Funnel,
    rules: &Rules,
    period: PeriodName,
    rankings: &[Ranking],
    groups: Vec<(Codes, Vec<StepSummary>)>,
) -> Result<Vec<FunnelGroup>, Problem> {
    check_size(groups.len().saturating_mul(funnel.steps.len()).saturating_mul(8))?;
    let groups = in_order(rankings, groups);
    Ok(groups
        .into_iter()
        .map(|(breakdown, steps)| FunnelGroup { breakdown, period, steps: rates(funnel, rules, &steps) })
        .collect())
}

/// View `trend`.
pub(super) fn trend(
    intervals: usize,
    period: PeriodName,
    rankings: &[Ranking],
    counts: Vec<(Codes, u32, u64, u64)>,
) -> Result<Vec<FunnelTrendGroup>, Problem> {
    let mut groups: BTreeMap<Codes, BTreeMap<u32, (u64, u64)>> = BTreeMap::new();
    for (codes, interval, entered, converted) in counts {
        groups.entry(codes).or_default().insert(interval, (entered, converted));
    }
    check_size(groups.len().saturating_mul(intervals).saturating_mul(3))?;
    let groups = in_order(rankings, groups.into_iter().collect());
    let places = 0..u32::try_from(intervals).unwrap_or(u32::MAX);
    let group = |(breakdown, counts): (Vec<Group>, BTreeMap<u32, (u64, u64)>)| {
        let counts = places.clone().map(|place| counts.get(&place).copied().unwrap_or_default());
        let (entered, converted): (Vec<u64>, Vec<u64>) = counts.unzip();
        let rate = converted.iter().zip(&entered).map(|(converted, entered)| rate(*converted, *entered)).collect();
        FunnelTrendGroup { breakdown, period, entered, converted, rate }
    };
    Ok(groups.into_iter().map(group).collect())
}

/// View `time_to_convert`.
pub(super) fn times(lengths: Lengths, bins: Vec<Bin>) -> FunnelTimes {
    let bin = |bin: Bin| FunnelBin { from_seconds: bin.from, to_seconds: bin.to, persons: bin.count };
    FunnelTimes {
        bins: bins.into_iter().map(bin).collect(),
        average_seconds: lengths.average,
        median_seconds: lengths.median,
    }
}

fn check_size(numbers: usize) -> Result<(), Problem> {
    if numbers > MAX_NUMBERS {
        let detail = format!("The answer has more than {MAX_NUMBERS} numbers; lower the breakdown's limits.");
        return Err(Problem::new(ErrorCode::QuestionTooComplex, detail));
    }
    Ok(())
}

/// The groups as they stand in the answer. Without a breakdown there is always one.
fn in_order<T: Default>(rankings: &[Ranking], mut groups: Vec<(Codes, T)>) -> Vec<(Vec<Group>, T)> {
    if rankings.is_empty() && groups.is_empty() {
        groups.push((Codes::default(), T::default()));
    }
    // Codes are one more than the ranking's, 0 being no value.
    let ranked = |codes: &Codes| codes.map(|code| i32::try_from(code).unwrap_or(i32::MAX) - 1);
    let place = |codes: &Codes| -> Vec<usize> {
        ranked(codes).iter().zip(rankings).map(|(code, ranking)| ranking.place(*code)).collect()
    };
    groups.sort_by_cached_key(|(codes, _)| place(codes));
    let group =
        |codes: &Codes| ranked(codes).iter().zip(rankings).map(|(code, ranking)| ranking.group(*code)).collect();
    groups.into_iter().map(|(codes, counts)| (group(&codes), counts)).collect()
}

fn rates(funnel: &Funnel, rules: &Rules, summary: &[StepSummary]) -> Vec<FunnelStep> {
    let at = |step: usize| summary.get(step).copied().unwrap_or_default();
    let first = at(0).reached;
    let step = |(place, step): (u8, &query_model::funnel::Step)| {
        let counts = at(usize::from(place));
        let previous = rules.previous(place);
        let before = previous.map_or(counts.reached, |previous| at(usize::from(previous)).reached);
        let since_previous = if previous == Some(0) { counts.from_first } else { counts.from_previous };
        FunnelStep {
            name: step.name.clone(),
            persons: counts.reached,
            from_first: rate(counts.reached, first),
            from_previous: rate(counts.reached, before),
            drop_off: before.saturating_sub(counts.reached),
            average_seconds_from_previous: since_previous.average,
            median_seconds_from_previous: since_previous.median,
            average_seconds_from_first: counts.from_first.average,
            median_seconds_from_first: counts.from_first.median,
        }
    };
    (0_u8..).zip(&funnel.steps).map(step).collect()
}

/// A fraction from 0 to 1; over nothing it is 0.
fn rate(part: u64, whole: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a rate is a double")]
    let rate = part as f64 / whole as f64;
    if whole == 0 { 0.0 } else { rate }
}
