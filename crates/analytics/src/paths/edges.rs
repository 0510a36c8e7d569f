//! The aggregate function that adds equal edges up and gives the most frequent: by count, then by step and by the bytes
//! of both items.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};
use datafusion::scalar::ScalarValue;

use super::items::{read, read_text, write_text};

/// The function for one question.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Edges {
    most: usize,
    signature: Signature,
}

/// The function applied to the edges of persons.
pub(super) fn edges(most: usize, persons: Expr) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    AggregateUDF::new_from_impl(Edges { most, signature }).call(vec![persons])
}

/// An edge of all persons together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) step: u32,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) count: u64,
    pub(super) micros: i128,
}

/// Takes the function's result apart.
pub(super) fn totals(mut bytes: &[u8]) -> Option<Vec<Total>> {
    let mut totals = Vec::new();
    while !bytes.is_empty() {
        let (step, rest) = bytes.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (micros, rest) = rest.split_first_chunk::<16>()?;
        let (from, rest) = read_text(rest)?;
        let (to, rest) = read_text(rest)?;
        totals.push(Total {
            step: u32::from_le_bytes(*step),
            from: from.to_owned(),
            to: to.to_owned(),
            count: u64::from_le_bytes(*count),
            micros: i128::from_le_bytes(*micros),
        });
        bytes = rest;
    }
    Some(totals)
}

fn write(totals: &[Total]) -> Vec<u8> {
    let mut out = Vec::new();
    for total in totals {
        out.extend(total.step.to_le_bytes());
        out.extend(total.count.to_le_bytes());
        out.extend(total.micros.to_le_bytes());
        write_text(&total.from, &mut out);
        write_text(&total.to, &mut out);
    }
    out
}

impl AggregateUDFImpl for Edges {
    fn name(&self) -> &str {
        "path_edges"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::LargeBinary)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Adding { most: self.most, edges: HashMap::new(), text_bytes: 0 }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(arguments.name, "edges"), DataType::LargeBinary, true))])
    }
}

/// Step, from and to.
type Key = (u32, Box<str>, Box<str>);

/// How often, and how long in microseconds.
type Sums = (u64, i128);

#[derive(Debug)]
struct Adding {
    most: usize,
    edges: HashMap<Key, Sums>,
    text_bytes: usize,
}

fn damaged() -> DataFusionError {
    DataFusionError::Internal("the state of path edges is damaged".to_owned())
}

impl Adding {
    fn add(&mut self, step: u32, from: &str, to: &str, count: u64, micros: i128) {
        let entry = self.edges.entry((step, from.into(), to.into())).or_insert_with(|| {
            self.text_bytes += from.len() + to.len();
            (0, 0)
        });
        entry.0 += count;
        entry.1 += micros;
    }

    fn totals(&self) -> Vec<Total> {
        let total = |((step, from, to), (count, micros)): (&Key, &Sums)| Total {
            step: *step,
            from: from.to_string(),
            to: to.to_string(),
            count: *count,
            micros: *micros,
        };
        self.edges.iter().map(total).collect()
    }
}

impl Accumulator for Adding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let persons = values.first().and_then(|persons| persons.as_binary_opt::<i64>()).ok_or_else(damaged)?;
        for person in persons.iter().flatten() {
            read(person, |edge| self.add(edge.step, edge.from, edge.to, 1, i128::from(edge.micros)))
                .ok_or_else(damaged)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut totals = self.totals();
        totals.sort_by(|one, other| {
            let place = |total: &Total| (total.step, total.from.clone(), total.to.clone());
            other.count.cmp(&one.count).then_with(|| place(one).cmp(&place(other)))
        });
        totals.truncate(self.most);
        Ok(ScalarValue::LargeBinary(Some(write(&totals))))
    }

    fn size(&self) -> usize {
        let entry = size_of::<(Key, Sums)>() + 1;
        size_of::<Self>() + self.edges.capacity() * entry + self.text_bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::LargeBinary(Some(write(&self.totals())))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states.first().and_then(|states| states.as_binary_opt::<i64>()).ok_or_else(damaged)?;
        for state in states.iter().flatten() {
            for total in totals(state).ok_or_else(damaged)? {
                self.add(total.step, &total.from, &total.to, total.count, total.micros);
            }
        }
        Ok(())
    }
}
