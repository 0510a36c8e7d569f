//! The aggregate function that keeps each person's items and makes edges of them: bytes that [`read`] takes apart.
//!
//! Unlike the sets of other kinds, this grows with the events of the period, 48 bytes each and one copy of each text;
//! the engine's bound of memory holds for it.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature, Volatility,
};

use super::sessions::{Edge, Item, Rule};
use crate::earliest::{Moment, Moments, ORDER};
use crate::events_table::column;
use crate::marks::passes;
use crate::value::Texts;

/// The function for one question. Two are the same only if their rules are.
#[derive(Debug, PartialEq, Eq)]
struct Items {
    rule: Arc<Rule>,
    signature: Signature,
}

impl std::hash::Hash for Items {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

/// The function applied to the columns of a session and an item; the input also has the columns of [`ORDER`].
pub(super) fn items(rule: Rule, session: Expr, item: Expr) -> Expr {
    let mut arguments: Vec<Expr> = ORDER.iter().map(|name| column(name)).collect();
    arguments.extend([session, item]);
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    AggregateUDF::new_from_impl(Items { rule: Arc::new(rule), signature }).call(arguments)
}

/// Takes the edges of one person apart.
pub(super) fn read<'a>(mut bytes: &'a [u8], mut each: impl FnMut(Edge<'a>)) -> Option<()> {
    while !bytes.is_empty() {
        let (step, rest) = bytes.split_first_chunk::<4>()?;
        let (micros, rest) = rest.split_first_chunk::<8>()?;
        let (from, rest) = read_text(rest)?;
        let (to, rest) = read_text(rest)?;
        each(Edge { step: u32::from_le_bytes(*step), from, to, micros: i64::from_le_bytes(*micros) });
        bytes = rest;
    }
    Some(())
}

fn write(edge: Edge<'_>, out: &mut Vec<u8>) {
    out.extend(edge.step.to_le_bytes());
    out.extend(edge.micros.to_le_bytes());
    write_text(edge.from, out);
    write_text(edge.to, out);
}

/// Writes a text with its length before it.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Reads what [`write_text`] wrote, and gives what follows it.
pub(super) fn read_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

impl AggregateUDFImpl for Items {
    fn name(&self) -> &str {
        "path_items"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::LargeBinary)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Err(DataFusionError::Internal("items are kept by person".to_owned()))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Persons::new(Arc::clone(&self.rule))))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(arguments.name, "items"), DataType::LargeBinary, true))])
    }
}

/// The place of a text among the texts.
type Code = u32;

/// No session.
const NONE: Code = Code::MAX;

/// When, in which session of the client, what.
type Row = (Moment, Code, Code);

#[derive(Debug)]
struct Persons {
    rule: Arc<Rule>,
    rows: Vec<Vec<Row>>,
    /// The room in all rows together.
    entries: usize,
    codes: HashMap<Arc<str>, Code>,
    texts: Vec<Arc<str>>,
    text_bytes: usize,
}

fn damaged() -> DataFusionError {
    DataFusionError::Internal("the state of path items is damaged".to_owned())
}

impl Persons {
    fn new(rule: Arc<Rule>) -> Self {
        Self { rule, rows: Vec::new(), entries: 0, codes: HashMap::new(), texts: Vec::new(), text_bytes: 0 }
    }

    fn code(&mut self, text: &str) -> Result<Code> {
        if let Some(code) = self.codes.get(text) {
            return Ok(*code);
        }
        let code = Code::try_from(self.texts.len()).ok().filter(|code| *code != NONE);
        let code = code.ok_or_else(|| DataFusionError::ResourcesExhausted("too many different items".to_owned()))?;
        let text: Arc<str> = text.into();
        self.text_bytes += text.len();
        self.texts.push(Arc::clone(&text));
        self.codes.insert(text, code);
        Ok(code)
    }

    fn text(&self, code: Code) -> Option<&str> {
        usize::try_from(code).ok().and_then(|code| self.texts.get(code)).map(AsRef::as_ref)
    }

    fn grow(&mut self, persons: usize) {
        self.rows.resize_with(self.rows.len().max(persons), Vec::new);
    }

    fn push(&mut self, person: usize, moment: Moment, session: Option<&str>, item: &str) -> Result<()> {
        let session = session.map_or(Ok(NONE), |session| self.code(session))?;
        let item = self.code(item)?;
        if let Some(rows) = self.rows.get_mut(person) {
            let before = rows.capacity();
            rows.push((moment, session, item));
            self.entries += rows.capacity() - before;
        }
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo, write: impl Fn(&Self, Vec<Row>, &mut Vec<u8>)) -> ArrayRef {
        let taken = emit_to.take_needed(&mut self.rows);
        self.entries -= taken.iter().map(Vec::capacity).sum::<usize>();
        let mut builder = LargeBinaryBuilder::with_capacity(taken.len(), 0);
        let mut out = Vec::new();
        for rows in taken {
            out.clear();
            write(self, rows, &mut out);
            builder.append_value(&out);
        }
        Arc::new(builder.finish())
    }

    fn write_edges(&self, mut rows: Vec<Row>, out: &mut Vec<u8>) {
        rows.sort_unstable_by_key(|(moment, _, _)| *moment);
        let items = rows.iter().filter_map(|(moment, session, item)| {
            Some(Item { time: moment.timestamp(), session: self.text(*session), name: self.text(*item)? })
        });
        self.rule.edges(items, |edge| write(edge, out));
    }

    fn write_rows(&self, rows: Vec<Row>, out: &mut Vec<u8>) {
        for (moment, session, item) in rows {
            moment.write(out);
            out.push(u8::from(session != NONE));
            write_text(self.text(session).unwrap_or_default(), out);
            write_text(self.text(item).unwrap_or_default(), out);
        }
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
        self.grow(total_num_groups);
        let moments = Moments::new(values)?;
        let [.., sessions, items] = values else { return Err(damaged()) };
        let (sessions, items) = (Texts::new(sessions)?, Texts::new(items)?);
        for (row, person) in group_indices.iter().enumerate() {
            if let (Some(moment), Some(item), true) = (moments.get(row), items.get(row), passes(filter, row)) {
                self.push(*person, moment, sessions.get(row), item)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to, Self::write_edges))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to, Self::write_rows)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.grow(total_num_groups);
        let states = values.first().and_then(|states| states.as_binary_opt::<i64>()).ok_or_else(damaged)?;
        for (row, person) in group_indices.iter().enumerate().filter(|(row, _)| states.is_valid(*row)) {
            let mut bytes = states.value(row);
            while !bytes.is_empty() {
                let (moment, rest) = Moment::read(bytes).ok_or_else(damaged)?;
                let (named, rest) = rest.split_first().ok_or_else(damaged)?;
                let (session, rest) = read_text(rest).ok_or_else(damaged)?;
                let (item, rest) = read_text(rest).ok_or_else(damaged)?;
                self.push(*person, moment, (*named == 1).then_some(session), item)?;
                bytes = rest;
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |times| times.len());
        let mut each = Self::new(Arc::clone(&self.rule));
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        // A text is kept once, its place twice.
        let texts = self.text_bytes + self.texts.capacity() * 3 * size_of::<Arc<str>>();
        self.rows.capacity() * size_of::<Vec<Row>>() + self.entries * size_of::<Row>() + texts
    }
}
