//! The aggregate function that takes a value from each person's earliest row: by `timestamp`, then `received_at`, then
//! `position` in the request, then `event_id`.
//!
//! ```text
//! person  timestamp  value        person  value
//!   7       10:00      a     ->     7       b
//!   7       09:00      b            9       -      the earliest row has none
//!   9       11:00      -
//!   9       12:00      c
//! ```

use std::fmt::Debug;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, LargeBinaryArray, LargeBinaryBuilder, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use event_model::columns;

use crate::events_table::column;
use crate::marks::passes;

/// The columns that say when an event was, the first one that differs deciding.
pub(crate) const ORDER: [&str; 4] = [columns::TIMESTAMP, columns::RECEIVED_AT, columns::POSITION, columns::EVENT_ID];

/// The columns of [`ORDER`] for a projection. Where rows of one instant are alike, `ties` is false: then only the time is
/// read, and not the ids, which take more room than everything else.
pub(crate) fn order(ties: bool) -> Vec<Expr> {
    let nothing = |value: ScalarValue, name: &str| Expr::Literal(value, None).alias(name);
    let one = |name: &&str| match *name {
        name if ties || name == columns::TIMESTAMP => column(name),
        columns::EVENT_ID => nothing(ScalarValue::LargeBinary(None), columns::EVENT_ID),
        name => nothing(ScalarValue::Int64(None), name),
    };
    ORDER.iter().map(one).collect()
}

/// What is taken from the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Taken {
    /// A 64-bit integer.
    Number,
    /// Text.
    Text,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Earliest {
    taken: Taken,
    signature: Signature,
}

/// The function applied to a column; the input also has the columns of [`ORDER`].
pub(crate) fn earliest(taken: Taken, value: Expr) -> Expr {
    let mut arguments: Vec<Expr> = ORDER.iter().map(|name| column(name)).collect();
    arguments.push(value);
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    AggregateUDF::new_from_impl(Earliest { taken, signature }).call(arguments)
}

impl Taken {
    fn data_type(self) -> DataType {
        match self {
            Self::Number => DataType::Int64,
            Self::Text => DataType::Utf8,
        }
    }
}

impl AggregateUDFImpl for Earliest {
    fn name(&self) -> &str {
        "earliest"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.taken.data_type())
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Err(DataFusionError::Internal("the earliest row is kept by person".to_owned()))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(match self.taken {
            Taken::Number => Box::new(Persons::<i64>::default()),
            Taken::Text => Box::new(Persons::<String>::default()),
        })
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name, kind| Arc::new(Field::new(format_state_name(arguments.name, name), kind, true));
        Ok(vec![field("moment", DataType::LargeBinary), field("value", self.taken.data_type())])
    }
}

/// A value that can be taken from a row and given back as a column.
trait Value: Clone + Debug + Send + 'static {
    fn read(array: &ArrayRef) -> Result<Vec<Option<Self>>>;
    fn write(values: Vec<Option<Self>>) -> ArrayRef;
    fn size(&self) -> usize;
}

impl Value for i64 {
    fn read(array: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect())
    }

    fn write(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(Int64Array::from(values))
    }

    fn size(&self) -> usize {
        0
    }
}

impl Value for String {
    fn read(array: &ArrayRef) -> Result<Vec<Option<Self>>> {
        let texts = cast(array, &DataType::Utf8)?;
        Ok(texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    }

    fn write(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(StringArray::from(values))
    }

    fn size(&self) -> usize {
        self.capacity()
    }
}

/// When an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    timestamp: i64,
    received_at: i64,
    position: i64,
    event_id: [u8; 16],
}

impl Moment {
    /// The bytes of [`Self::read`].
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for number in [self.timestamp, self.received_at, self.position] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.event_id);
    }

    /// Reads what [`Self::write`] wrote, and gives what follows it.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut rest = bytes;
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(i64::from_le_bytes(*number))
        };
        let (timestamp, received_at, position) = (number()?, number()?, number()?);
        let (event_id, rest) = rest.split_first_chunk::<16>()?;
        Some((Self { timestamp, received_at, position, event_id: *event_id }, rest))
    }

    /// Microseconds since 1970.
    pub(crate) fn timestamp(&self) -> i64 {
        self.timestamp
    }
}

/// The columns of [`ORDER`], ready to be read row by row.
pub(crate) struct Moments {
    numbers: [Int64Array; 3],
    ids: LargeBinaryArray,
}

impl Moments {
    /// From the first four columns.
    pub(crate) fn new(values: &[ArrayRef]) -> Result<Self> {
        let [timestamp, received_at, position, event_id, ..] = values else { return Err(damaged()) };
        let number =
            |array| Ok::<_, DataFusionError>(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone());
        let numbers = [number(timestamp)?, number(received_at)?, number(position)?];
        Ok(Self { numbers, ids: cast(event_id, &DataType::LargeBinary)?.as_binary::<i64>().clone() })
    }

    /// Of one row. A row without a timestamp has none.
    pub(crate) fn get(&self, row: usize) -> Option<Moment> {
        let [timestamp, received_at, position] = &self.numbers;
        let number = |array: &Int64Array| array.is_valid(row).then(|| array.value(row));
        let event_id = self.ids.is_valid(row).then(|| self.ids.value(row).try_into().ok()).flatten();
        Some(Moment {
            timestamp: number(timestamp)?,
            received_at: number(received_at).unwrap_or_default(),
            position: number(position).unwrap_or_default(),
            event_id: event_id.unwrap_or_default(),
        })
    }
}

fn damaged() -> DataFusionError {
    DataFusionError::Internal("the state of an earliest row is damaged".to_owned())
}

/// The earliest row of each person so far.
#[derive(Debug)]
struct Persons<T> {
    rows: Vec<Option<(Moment, Option<T>)>>,
    /// Bytes of the values that lie outside the rows.
    outside: usize,
}

impl<T> Default for Persons<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), outside: 0 }
    }
}

impl<T: Value> Persons<T> {
    fn grow(&mut self, persons: usize) {
        self.rows.resize_with(self.rows.len().max(persons), || None);
    }

    fn offer(&mut self, person: usize, moment: Moment, value: Option<&T>) {
        let size = |value: Option<&T>| value.map_or(0, Value::size);
        match self.rows.get_mut(person) {
            Some(Some((earliest, _))) if *earliest <= moment => {}
            Some(row) => {
                self.outside -= size(row.as_ref().and_then(|(_, value)| value.as_ref()));
                self.outside += size(value);
                *row = Some((moment, value.cloned()));
            }
            None => {}
        }
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Option<(Moment, Option<T>)>> {
        let taken = emit_to.take_needed(&mut self.rows);
        self.outside -= taken.iter().flatten().filter_map(|(_, value)| value.as_ref()).map(Value::size).sum::<usize>();
        taken
    }
}

impl<T: Value> GroupsAccumulator for Persons<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let moments = Moments::new(values)?;
        let taken = T::read(values.get(ORDER.len()).ok_or_else(damaged)?)?;
        for (row, (person, value)) in group_indices.iter().zip(&taken).enumerate() {
            if let Some(moment) = moments.get(row).filter(|_| passes(filter, row)) {
                self.offer(*person, moment, value.as_ref());
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(T::write(self.take(emit_to).into_iter().map(|row| row.and_then(|(_, value)| value)).collect()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (mut moments, mut values) = (LargeBinaryBuilder::new(), Vec::new());
        let mut out = Vec::new();
        for row in self.take(emit_to) {
            out.clear();
            match &row {
                Some((moment, _)) => {
                    moment.write(&mut out);
                    moments.append_value(&out);
                }
                None => moments.append_null(),
            }
            values.push(row.and_then(|(_, value)| value));
        }
        Ok(vec![Arc::new(moments.finish()), T::write(values)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.grow(total_num_groups);
        let [moments, taken, ..] = values else { return Err(damaged()) };
        let moments = moments.as_binary_opt::<i64>().ok_or_else(damaged)?;
        for (row, (person, value)) in group_indices.iter().zip(&T::read(taken)?).enumerate() {
            if moments.is_valid(row) {
                let (moment, _) = Moment::read(moments.value(row)).ok_or_else(damaged)?;
                self.offer(*person, moment, value.as_ref());
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |times| times.len());
        let mut each = Self::default();
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.rows.capacity() * size_of::<Option<(Moment, Option<T>)>>() + self.outside
    }
}
