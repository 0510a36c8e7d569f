//! Which values of a breakdown get a group of their own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::Expr;
use event_model::Problem;
use query_model::Group;

use crate::events_table::first;
use crate::function::call;
use crate::measure::numbers;
use crate::number::Exact;
use crate::problem::internal;
use crate::value::Texts;

/// The values of one property that get a group, the largest first. Everything else is `other`, no value is `none`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranking(Vec<String>);

/// The code of rows without the property.
const NONE: i32 = -1;

impl Ranking {
    /// Reads the rows of the ranking plan: a value and the measure's list, of which the total comes last. Values rank
    /// by total, null last, and by their bytes where totals are equal.
    pub(crate) fn read(batches: &[RecordBatch], limit: u32) -> Result<Self, Problem> {
        let mut ranked: Vec<(Option<Exact>, String)> = Vec::new();
        for batch in batches {
            let (Some(values), Some(lists)) = (batch.columns().first(), batch.columns().get(1)) else {
                return Err(internal("the ranking has no columns"));
            };
            let values = Texts::new(values).map_err(internal)?;
            for row in 0..batch.num_rows() {
                let Some(value) = values.get(row) else { continue };
                let numbers = numbers(lists, row)?;
                let total = numbers.last().and_then(|total| Exact::parse(total.as_deref()?));
                ranked.push((total, value.to_owned()));
            }
        }
        ranked.sort_by(|(one, one_value), (other, other_value)| {
            other.cmp(one).then_with(|| one_value.as_bytes().cmp(other_value.as_bytes()))
        });
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Self(ranked.into_iter().take(limit).map(|(_, value)| value).collect()))
    }

    /// Values in the order of their rank.
    pub(crate) fn of(values: Vec<String>) -> Self {
        Self(values)
    }

    /// The code of a value's group: its rank, the number of ranks for `other`, -1 for `none`.
    pub(crate) fn code(&self, value: Expr) -> Expr {
        let ranks: std::collections::HashMap<String, i32> = self.0.iter().cloned().zip(0..).collect();
        let other = i32::try_from(self.0.len()).unwrap_or(i32::MAX);
        call("group", vec![value], DataType::Int32, move |arguments| {
            let array = first(arguments)?;
            let texts = Texts::new(array)?;
            let code = |row: usize| texts.get(row).map_or(NONE, |text| ranks.get(text).copied().unwrap_or(other));
            Ok(Arc::new((0..array.len()).map(|row| Some(code(row))).collect::<Int32Array>()) as ArrayRef)
        })
    }

    /// The group of a code.
    pub(crate) fn group(&self, code: i32) -> Group {
        match usize::try_from(code).map(|place| self.0.get(place)) {
            Ok(Some(value)) => Group::Value { value: value.clone() },
            Ok(None) => Group::Other { other: true },
            Err(_) => Group::None { none: true },
        }
    }

    /// How many values have a group of their own.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The group at a place of [`Self::place`].
    pub(crate) fn group_at(&self, place: usize) -> Group {
        match self.0.get(place) {
            Some(value) => Group::Value { value: value.clone() },
            None if place == self.0.len() => Group::Other { other: true },
            None => Group::None { none: true },
        }
    }

    /// Where a code stands among the groups: values by rank, then `other`, then `none`.
    pub(crate) fn place(&self, code: i32) -> usize {
        usize::try_from(code).unwrap_or(self.0.len() + 1)
    }
}
