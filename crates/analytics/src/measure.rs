//! The aggregate function of trends: one pass over a group's rows gives every interval's number and the total.
//!
//! It takes the interval's place (null: outside all), whether the row lies in the exact period, and what is measured:
//! nothing, a person, a number, a text, or a person and a number. It gives a list of numbers as JSON text, one an interval and the total last, because
//! no Arrow type holds both integers beyond 2^53 and fractions.
//!
//! ```text
//! interval  exact  person        sum of distinct persons
//!    0      true     7
//!    0      true     7      ->   ["1", "2", "2"]
//!    1      true     7            0    1   total
//!    1      true     9
//! ```

mod state;

use std::collections::{BTreeMap, HashMap};
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};
use datafusion::scalar::ScalarValue;
use event_model::Problem;

use self::state::{Earliest, OUTSIDE, State};
pub(crate) use self::state::{Kind, OfPersons};
use crate::number::Exact;
use crate::problem::internal;

/// The function for one question.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Measure {
    kind: Kind,
    /// How many intervals there are.
    intervals: u32,
    /// Whether an interval counts all intervals before it too.
    cumulative: bool,
    /// For [`Kind::Window`]: the first and the last day of each interval.
    windows: Arc<[(u32, u32)]>,
    signature: Signature,
}

/// The function applied to columns: `interval`, `exact` and, unless rows are counted, `operand`; for numbers a person
/// the operand is the person, and the number may follow.
pub(crate) fn measure(kind: Kind, intervals: usize, cumulative: bool, arguments: Vec<Expr>) -> Expr {
    let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    let windows: Arc<[(u32, u32)]> = Arc::new([]);
    AggregateUDF::new_from_impl(Measure { kind, intervals, cumulative, windows, signature }).call(arguments)
}

/// [`Kind::Window`] applied to a row's day and its person: persons in the days from the first to the last of each
/// window, both included. Windows neither begin nor end before those before them.
pub(crate) fn windowed(windows: Vec<(u32, u32)>, day: Expr, person: Expr) -> Expr {
    let intervals = u32::try_from(windows.len()).unwrap_or(u32::MAX);
    let outside = Expr::Literal(ScalarValue::Boolean(Some(false)), None);
    let signature = Signature::any(3, Volatility::Immutable);
    let measure = Measure { kind: Kind::Window, intervals, cumulative: false, windows: windows.into(), signature };
    AggregateUDF::new_from_impl(measure).call(vec![day, outside, person])
}

/// The numbers of one row of the function's result.
pub(crate) fn numbers(lists: &ArrayRef, row: usize) -> Result<Vec<Option<String>>, Problem> {
    let wrong = || internal("a measure's result is no list of texts");
    let lists = lists.as_list_opt::<i32>().ok_or_else(wrong)?;
    let list = lists.value(row);
    let numbers = list.as_string_opt::<i32>().ok_or_else(wrong)?;
    Ok(numbers.iter().map(|number| number.map(str::to_owned)).collect())
}

impl AggregateUDFImpl for Measure {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Rows => "measure_rows",
            Kind::Persons => "measure_persons",
            Kind::Sum => "measure_sum",
            Kind::Average => "measure_average",
            Kind::Least => "measure_least",
            Kind::Greatest => "measure_greatest",
            Kind::Percentile(_) => "measure_percentile",
            Kind::Distinct => "measure_distinct",
            Kind::PerPerson(_) => "measure_per_person",
            Kind::Window => "measure_window",
            Kind::First => "measure_first",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::new_list(DataType::Utf8, true))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Slots {
            kind: self.kind,
            intervals: self.intervals,
            cumulative: self.cumulative,
            windows: Arc::clone(&self.windows),
            slots: BTreeMap::new(),
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(arguments.name, "slots"), DataType::LargeBinary, true))])
    }
}

/// The state of one group: a state an interval that has rows; the total is the slot after the last interval.
#[derive(Debug)]
struct Slots {
    kind: Kind,
    intervals: u32,
    cumulative: bool,
    windows: Arc<[(u32, u32)]>,
    slots: BTreeMap<u32, State>,
}

impl Slots {
    /// Adds one row to its interval and, inside the exact period, to the total.
    fn each(&mut self, slot: Option<u32>, exact: bool, add: impl Fn(&mut State)) {
        let kind = self.kind;
        for slot in slot.into_iter().chain(exact.then_some(self.intervals)) {
            add(self.slots.entry(slot).or_insert_with(|| State::new(kind)));
        }
    }

    fn numbers(&self) -> Vec<Option<String>> {
        match self.kind {
            Kind::Window => return self.in_windows(),
            Kind::First => return self.first(),
            _ => {}
        }
        let empty = State::new(self.kind);
        let at = |slot: u32| self.slots.get(&slot).unwrap_or(&empty).number(self.kind);
        if !self.cumulative {
            return (0..=self.intervals).map(at).collect();
        }
        let mut so_far = State::new(self.kind);
        let mut numbers: Vec<Option<String>> = Vec::new();
        for slot in 0..self.intervals {
            if let Some(state) = self.slots.get(&slot) {
                so_far.merge(state.clone(), self.kind);
            }
            numbers.push(so_far.number(self.kind));
        }
        numbers.push(numbers.last().cloned().unwrap_or_else(|| so_far.number(self.kind)));
        numbers
    }
}

impl Slots {
    /// Persons in each window, counted with one look at each person's day: of the windows that a day lies in, those
    /// that an earlier day of the person lies in too have counted them. The total has no meaning.
    fn in_windows(&self) -> Vec<Option<String>> {
        let mut reached: HashMap<i64, usize> = HashMap::new();
        let mut changes = vec![0_i64; self.windows.len() + 1];
        for (day, state) in &self.slots {
            let State::Persons(persons) = state else { continue };
            let from = self.windows.partition_point(|(_, last)| last < day);
            let until = self.windows.partition_point(|(first, _)| first <= day);
            for person in persons {
                let reached = reached.entry(*person).or_insert(0);
                let from = from.max(*reached);
                if from < until {
                    changes.get_mut(from).into_iter().for_each(|change| *change += 1);
                    changes.get_mut(until).into_iter().for_each(|change| *change -= 1);
                    *reached = until;
                }
            }
        }
        let mut count = 0;
        let mut numbers: Vec<Option<String>> = Vec::with_capacity(changes.len());
        for change in changes.iter().take(self.windows.len()) {
            count += change;
            numbers.push(Some(count.to_string()));
        }
        numbers.push(None);
        numbers
    }

    /// Persons by the interval of their earliest row.
    fn first(&self) -> Vec<Option<String>> {
        let mut counts = vec![0_u64; usize::try_from(self.intervals).unwrap_or(0)];
        let mut total = 0_u64;
        for state in self.slots.values() {
            let State::First(persons) = state else { continue };
            for row in persons.values() {
                let count = usize::try_from(row.slot).ok().and_then(|slot| counts.get_mut(slot));
                count.into_iter().for_each(|count| *count += 1);
                total += u64::from(row.exact);
            }
        }
        if self.cumulative {
            let mut so_far = 0;
            for count in &mut counts {
                so_far += *count;
                *count = so_far;
            }
            total = counts.last().copied().unwrap_or(total);
        }
        counts.into_iter().chain([total]).map(|count| Some(count.to_string())).collect()
    }
}

fn damaged() -> DataFusionError {
    DataFusionError::Internal("the state of a measure is damaged".to_owned())
}

impl Accumulator for Slots {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (Some(slots), Some(exact)) = (values.first(), values.get(1)) else { return Err(damaged()) };
        let slots: &Int32Array = slots.as_primitive_opt::<Int32Type>().ok_or_else(damaged)?;
        let exact = exact.as_boolean_opt().ok_or_else(damaged)?;
        let place = |row: usize| slots.is_valid(row).then(|| slots.value(row).unsigned_abs());
        let is_exact = |row: usize| exact.is_valid(row) && exact.value(row);
        match (self.kind, values.get(2)) {
            (Kind::Rows, _) => {
                for row in 0..slots.len() {
                    self.each(place(row), is_exact(row), |state| {
                        if let State::Rows(count) = state {
                            *count += 1;
                        }
                    });
                }
            }
            (Kind::Persons | Kind::Window, Some(operand)) => {
                let persons = operand.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                for row in (0..slots.len()).filter(|row| persons.is_valid(*row)) {
                    self.each(place(row), is_exact(row), |state| {
                        if let State::Persons(set) = state {
                            set.insert(persons.value(row));
                        }
                    });
                }
            }
            (Kind::Distinct, Some(operand)) => {
                let texts: &StringArray = operand.as_string_opt::<i32>().ok_or_else(damaged)?;
                for row in (0..slots.len()).filter(|row| texts.is_valid(*row)) {
                    self.each(place(row), is_exact(row), |state| state.add_text(texts.value(row)));
                }
            }
            (Kind::First, Some(operand)) => {
                let persons = operand.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                let times = cast(values.get(3).ok_or_else(damaged)?, &DataType::Int64)?;
                let times = times.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                let state = self.slots.entry(0).or_insert_with(|| State::new(Kind::First));
                for row in (0..slots.len()).filter(|row| persons.is_valid(*row) && times.is_valid(*row)) {
                    let slot = place(row).unwrap_or(OUTSIDE);
                    let earliest = Earliest { timestamp: times.value(row), slot, exact: is_exact(row) };
                    state.add_earliest(persons.value(row), earliest);
                }
            }
            (Kind::PerPerson(_), Some(operand)) => {
                let persons = operand.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                let numbers = values.get(3).map(|numbers| numbers.as_string_opt::<i32>().ok_or_else(damaged));
                let numbers: Option<&StringArray> = numbers.transpose()?;
                for row in (0..slots.len()).filter(|row| persons.is_valid(*row)) {
                    let number =
                        numbers.map(|numbers| numbers.is_valid(row).then(|| numbers.value(row)).and_then(Exact::parse));
                    self.each(place(row), is_exact(row), |state| state.add_of_person(persons.value(row), &number));
                }
            }
            (_, Some(operand)) => {
                let numbers: &StringArray = operand.as_string_opt::<i32>().ok_or_else(damaged)?;
                let kind = self.kind;
                for row in (0..slots.len()).filter(|row| numbers.is_valid(*row)) {
                    if let Some(number) = Exact::parse(numbers.value(row)) {
                        self.each(place(row), is_exact(row), |state| state.add_number(&number, kind));
                    }
                }
            }
            (_, None) => return Err(damaged()),
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let numbers: Vec<ScalarValue> = self.numbers().into_iter().map(ScalarValue::Utf8).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&numbers, &DataType::Utf8)))
    }

    fn size(&self) -> usize {
        let slot = size_of::<u32>() + size_of::<State>();
        size_of::<Self>() + self.slots.values().map(|state| slot + state.size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut out = Vec::new();
        let mut bytes = Vec::new();
        for (slot, state) in &self.slots {
            bytes.clear();
            state.write(&mut bytes);
            out.extend(slot.to_le_bytes());
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend(&bytes);
        }
        Ok(vec![ScalarValue::LargeBinary(Some(out))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states.first().and_then(|states| states.as_binary_opt::<i64>()).ok_or_else(damaged)?;
        for state in states.iter().flatten() {
            let mut rest = state;
            while !rest.is_empty() {
                let (slot, after) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
                let (length, after) = after.split_first_chunk::<8>().ok_or_else(damaged)?;
                let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
                let (bytes, after) = after.split_at_checked(length).ok_or_else(damaged)?;
                let state = State::read(self.kind, bytes).ok_or_else(damaged)?;
                let kind = self.kind;
                self.slots.entry(u32::from_le_bytes(*slot)).or_insert_with(|| State::new(kind)).merge(state, kind);
                rest = after;
            }
        }
        Ok(())
    }
}
