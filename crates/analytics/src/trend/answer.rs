//! From the rows of the plan to the series of the answer: groups in order, rolling averages, formulas.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use event_model::{ErrorCode, Problem};
use query_model::answer::{PeriodName, SeriesResult};
use query_model::{Display, Group, Number, Trend};

use crate::measure::numbers;
use crate::number::{Exact, Sum, double_text};
use crate::problem::internal;
use crate::ranking::Ranking;

/// Most numbers in one answer.
const MAX_NUMBERS: usize = 2_000_000;

/// A group's numbers: one an interval and the total last, for each series.
type Numbers = Vec<Vec<Option<String>>>;

/// Turns the rows of one period into series: by series, then by group, formulas last.
pub(super) fn series(
    trend: &Trend,
    period: PeriodName,
    rankings: &[Ranking],
    batches: &[RecordBatch],
) -> Result<Vec<SeriesResult>, Problem> {
    let groups = read(trend, rankings, batches)?;
    let mut answer = Vec::new();
    for (place, one) in trend.series.iter().enumerate() {
        for (group, numbers) in &groups {
            let numbers = numbers.get(place).cloned().unwrap_or_default();
            answer.push(finish(&one.name, group, period, numbers, trend.display));
        }
    }
    for formula in &trend.formulas {
        for (group, numbers) in &groups {
            let count = numbers.first().map_or(0, Vec::len);
            let value = |slot: usize| {
                let series = |place: usize| numbers.get(place)?.get(slot)?.as_ref()?.parse::<f64>().ok();
                formula.expression.evaluate(&series).and_then(double_text)
            };
            answer.push(finish(&formula.text, group, period, (0..count).map(value).collect(), trend.display));
        }
    }
    Ok(answer)
}

/// The groups in the order of the answer.
fn read(trend: &Trend, rankings: &[Ranking], batches: &[RecordBatch]) -> Result<Vec<(Vec<Group>, Numbers)>, Problem> {
    let mut groups: BTreeMap<Vec<usize>, (Vec<Group>, Numbers)> = BTreeMap::new();
    let mut total = 0_usize;
    for batch in batches {
        for row in 0..batch.num_rows() {
            let mut key = Vec::new();
            let mut group = Vec::new();
            for (place, ranking) in rankings.iter().enumerate() {
                let codes = batch.columns().get(place).ok_or_else(|| internal("a group is missing"))?;
                let codes = codes.as_primitive_opt::<Int32Type>().ok_or_else(|| internal("a group is no code"))?;
                let code = codes.value(row);
                key.push(ranking.place(code));
                group.push(ranking.group(code));
            }
            let lists = batch.columns().iter().skip(rankings.len());
            let numbers = lists.map(|list| numbers(list, row)).collect::<Result<Numbers, _>>()?;
            total += numbers.iter().map(Vec::len).sum::<usize>();
            if total > MAX_NUMBERS || numbers.len() != trend.series.len() {
                let detail = format!("The answer has more than {MAX_NUMBERS} numbers; lower the breakdown's limits.");
                return Err(Problem::new(ErrorCode::QuestionTooComplex, detail));
            }
            groups.insert(key, (group, numbers));
        }
    }
    Ok(groups.into_values().collect())
}

fn finish(
    name: &str,
    group: &[Group],
    period: PeriodName,
    mut numbers: Vec<Option<String>>,
    display: Display,
) -> SeriesResult {
    let total = numbers.pop().flatten();
    if let Display::RollingAverage(length) = display {
        numbers = rolling(&numbers, usize::try_from(length).unwrap_or(usize::MAX));
    }
    SeriesResult {
        name: name.to_owned(),
        breakdown: group.to_vec(),
        period,
        values: numbers.into_iter().map(|number| number.map(Number)).collect(),
        total: total.map(Number),
    }
}

/// The mean of up to `length` numbers ending with each; nulls are left out, the mean of nothing is null.
fn rolling(numbers: &[Option<String>], length: usize) -> Vec<Option<String>> {
    (1..=numbers.len())
        .map(|end| {
            let mut sum = Sum::default();
            let window = numbers.get(end.saturating_sub(length)..end).unwrap_or_default();
            window.iter().flatten().filter_map(|number| Exact::parse(number)).for_each(|number| sum.add(&number));
            sum.average()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_average_begins_with_what_there_is() {
        let numbers = [Some("3"), None, Some("6"), Some("0")].map(|number| number.map(str::to_owned));
        let expect = [Some("3"), Some("3"), Some("6"), Some("3")].map(|number| number.map(str::to_owned));
        assert_eq!(rolling(&numbers, 2), expect);
    }
}
