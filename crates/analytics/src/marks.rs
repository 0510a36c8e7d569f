//! The aggregate function that remembers of each person in which intervals they did something.
//!
//! It takes places (an interval, or a group and an interval in one number; null is skipped) and gives the places that
//! have been marked at least `minimum` times, as bytes that [`Shape::read`] takes apart. What it keeps a person is
//! bounded by the number of places, however many events the person has.
//!
//! ```text
//! person  place        person  marks (minimum 1)     (minimum 2)
//!   7       0            7       0, 3                    0
//!   7       0     ->     9       1                       -
//!   7       3
//!   9       1
//! ```

mod sets;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryArray, LargeBinaryBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature, Volatility,
};

use self::sets::Sets;
pub(crate) use self::sets::Shape;

/// The function for one question.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Marks {
    shape: Shape,
    signature: Signature,
}

/// The function applied to a column of places.
pub(crate) fn marks(shape: Shape, place: Expr) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    AggregateUDF::new_from_impl(Marks { shape, signature }).call(vec![place])
}

/// The result's type, as which it goes on to the next function.
pub(crate) fn bytes(array: &ArrayRef) -> Result<LargeBinaryArray> {
    Ok(cast(array, &DataType::LargeBinary)?.as_binary::<i64>().clone())
}

impl AggregateUDFImpl for Marks {
    fn name(&self) -> &str {
        "marks"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::LargeBinary)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Err(DataFusionError::Internal("marks are kept by person".to_owned()))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Persons { sets: Sets::new(self.shape) }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(arguments.name, "sets"), DataType::LargeBinary, true))])
    }
}

#[derive(Debug)]
struct Persons {
    sets: Sets,
}

fn damaged() -> DataFusionError {
    DataFusionError::Internal("the state of marks is damaged".to_owned())
}

/// Whether a row passes the aggregate's own filter.
pub(crate) fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl Persons {
    fn emit(&mut self, emit_to: EmitTo, write: impl Fn(&Sets, usize, &mut Vec<u8>)) -> ArrayRef {
        let count = match emit_to {
            EmitTo::All => self.sets.len(),
            EmitTo::First(count) => count,
        };
        let taken = self.sets.take_first(count);
        let mut builder = LargeBinaryBuilder::with_capacity(taken.len(), taken.len() * 8);
        let mut out = Vec::new();
        for person in 0..taken.len() {
            out.clear();
            write(&taken, person, &mut out);
            builder.append_value(&out);
        }
        Arc::new(builder.finish())
    }
}

impl GroupsAccumulator for Persons {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.sets.grow(total_num_groups);
        let places = cast(values.first().ok_or_else(damaged)?, &DataType::Int64)?;
        let places = places.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
        for (row, person) in group_indices.iter().enumerate() {
            if places.is_valid(row) && passes(filter, row) {
                self.sets.mark(*person, places.value(row).unsigned_abs(), 1);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to, Sets::write_result))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to, Sets::write_state)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.sets.grow(total_num_groups);
        let states = values.first().and_then(|states| states.as_binary_opt::<i64>()).ok_or_else(damaged)?;
        for (row, person) in group_indices.iter().enumerate() {
            if states.is_valid(row) {
                self.sets.merge(*person, states.value(row)).ok_or_else(damaged)?;
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |places| places.len());
        let mut each = Self { sets: Sets::new(self.sets.shape()) };
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.sets.size()
    }
}
