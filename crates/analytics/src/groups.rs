//! Groups of a breakdown by several properties as one number, the smaller the earlier in the answer.
//!
//! ```text
//! country DE, FR, other, none     0..4
//! plan    pro, other, none        0..3       FR and none: 1 * 3 + 2 = 5
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::Expr;
use query_model::Group;

use crate::events_table::integers;
use crate::function::call;
use crate::ranking::Ranking;

/// The rankings of all properties.
#[derive(Clone, Debug)]
pub(crate) struct Groups(Vec<Ranking>);

impl Groups {
    pub(crate) fn new(rankings: Vec<Ranking>) -> Self {
        Self(rankings)
    }

    /// How many there could be.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(places).product()
    }

    /// The number of a row's group and its interval, `group * intervals + interval`; null without an interval. Values
    /// are those of the breakdown, in its order.
    pub(crate) fn with_interval(&self, interval: Expr, values: Vec<Expr>, intervals: u64) -> Expr {
        let codes = self.0.iter().zip(values).map(|(ranking, value)| ranking.code(value));
        let arguments = std::iter::once(interval).chain(codes).collect();
        let rankings = self.0.clone();
        call("place", arguments, DataType::Int64, move |arrays| {
            let interval = integers(arrays)?;
            let codes = arrays.iter().skip(1).map(|codes| integers(std::slice::from_ref(codes)));
            let codes = codes.collect::<EngineResult<Vec<Int64Array>>>()?;
            let place = |row: usize| {
                let interval = interval.is_valid(row).then(|| interval.value(row).unsigned_abs())?;
                let group = rankings.iter().zip(&codes).fold(0, |group, (ranking, codes)| {
                    let code = i32::try_from(codes.value(row)).unwrap_or(i32::MAX);
                    group * places(ranking) + ranking.place(code) as u64
                });
                i64::try_from(group * intervals + interval).ok()
            };
            Ok(Arc::new((0..interval.len()).map(place).collect::<Int64Array>()) as ArrayRef)
        })
    }

    /// The group of a number.
    pub(crate) fn group(&self, mut number: u64) -> Vec<Group> {
        let mut group = Vec::with_capacity(self.0.len());
        for ranking in self.0.iter().rev() {
            let place = usize::try_from(number % places(ranking)).unwrap_or(usize::MAX);
            group.push(ranking.group_at(place));
            number /= places(ranking);
        }
        group.reverse();
        group
    }
}

/// The values of a property, `other` and `none`.
fn places(ranking: &Ranking) -> u64 {
    ranking.len() as u64 + 2
}
