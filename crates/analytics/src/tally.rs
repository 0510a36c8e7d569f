//! The aggregate function that turns persons into the counts of an answer: a closure looks at each batch of persons
//! and adds to numbered rows of counts. So the answer leaves the engine and not a row a person.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};
use datafusion::scalar::ScalarValue;
use event_model::Problem;

use crate::problem::internal;

type Body = dyn Fn(&[ArrayRef], &mut Counts) -> Result<()> + Send + Sync;

/// Rows of counts by their number; a row that nobody added to is not there.
#[derive(Debug)]
pub(crate) struct Counts {
    width: usize,
    rows: HashMap<u64, Vec<u64>>,
}

impl Counts {
    /// No rows yet; each will have so many counts.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, rows: HashMap::new() }
    }

    /// A row to add to, all zeros at first.
    pub(crate) fn row(&mut self, number: u64) -> &mut [u64] {
        let width = self.width;
        self.rows.entry(number).or_insert_with(|| vec![0; width])
    }

    /// Adds one to a count.
    pub(crate) fn add(&mut self, row: u64, place: usize) {
        if let Some(count) = self.row(row).get_mut(place) {
            *count += 1;
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rows.len() * (self.width + 1) * size_of::<u64>());
        for (number, counts) in &self.rows {
            out.extend(number.to_le_bytes());
            counts.iter().for_each(|count| out.extend(count.to_le_bytes()));
        }
        out
    }

    fn merge(&mut self, bytes: &[u8]) {
        let words: Vec<u64> = bytes
            .chunks_exact(size_of::<u64>())
            .filter_map(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)))
            .collect();
        for row in words.chunks_exact(self.width + 1) {
            let Some((number, counts)) = row.split_first() else { continue };
            self.row(*number).iter_mut().zip(counts).for_each(|(count, more)| *count += more);
        }
    }

    /// The rows in the order of their numbers.
    pub(crate) fn into_rows(self) -> BTreeMap<u64, Vec<u64>> {
        self.rows.into_iter().collect()
    }
}

/// The function for one plan. Two are the same only if they are the same closure.
struct Tally {
    width: usize,
    signature: Signature,
    body: Arc<Body>,
}

/// Adds up what a closure makes of some columns, in rows of `width` counts.
pub(crate) fn tally(
    width: usize,
    arguments: Vec<Expr>,
    body: impl Fn(&[ArrayRef], &mut Counts) -> Result<()> + Send + Sync + 'static,
) -> Expr {
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    AggregateUDF::new_from_impl(Tally { width, signature, body: Arc::new(body) }).call(arguments)
}

/// The counts of a plan whose last step is a tally.
pub(crate) fn counts(batches: &[RecordBatch], width: usize) -> Result<Counts, Problem> {
    let mut counts = Counts::new(width);
    for batch in batches {
        let column = batch.columns().first().and_then(|column| column.as_binary_opt::<i64>());
        let column = column.ok_or_else(|| internal("a tally's result is no bytes"))?;
        column.iter().flatten().for_each(|bytes| counts.merge(bytes));
    }
    Ok(counts)
}

impl AggregateUDFImpl for Tally {
    fn name(&self) -> &str {
        "tally"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::LargeBinary)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Adding { counts: Counts::new(self.width), body: Arc::clone(&self.body) }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(arguments.name, "counts"), DataType::LargeBinary, true))])
    }
}

struct Adding {
    counts: Counts,
    body: Arc<Body>,
}

impl fmt::Debug for Adding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adding").field("rows", &self.counts.rows.len()).finish_non_exhaustive()
    }
}

impl Accumulator for Adding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        (self.body)(values, &mut self.counts)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::LargeBinary(Some(self.counts.write())))
    }

    fn size(&self) -> usize {
        let row = size_of::<u64>() + size_of::<Vec<u64>>() + self.counts.width * size_of::<u64>() + 1;
        size_of::<Self>() + self.counts.rows.len() * row
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states.first().and_then(|states| states.as_binary_opt::<i64>());
        let states = states.ok_or_else(|| DataFusionError::Internal("the state of a tally is damaged".to_owned()))?;
        states.iter().flatten().for_each(|state| self.counts.merge(state));
        Ok(())
    }
}

impl Tally {
    fn address(&self) -> *const () {
        Arc::as_ptr(&self.body).cast()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tally")
    }
}

impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        self.width == other.width && self.address() == other.address()
    }
}

impl Eq for Tally {}

impl Hash for Tally {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.width.hash(state);
        self.address().hash(state);
    }
}
