//! Events to Arrow: one growing column a field, filled straight from the JSON of an envelope.
//!
//! No event exists as a value of its own: a text goes from the message's bytes into its column. Columns that an event
//! does not have are not touched at all; they are padded with nulls when they next get a value, or at the end.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BinaryArray, BooleanArray, Date32Array, Int32Array, Int64Array, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use event_model::event::DEFAULT_NAMESPACE;
use event_model::identity::ties_of;
use event_model::{Event, EventId, EventType, PersonKey, Tie, Timestamp, columns};
use event_queue::Geo;

use crate::fields::{
    ANONYMOUS_ID, CITY, COUNTRY, DEFAULT_SOURCE, EVENT, FIELDS, NAMESPACE, PROPERTIES, PROTOCOL, REGION, SOURCE, TEXTS,
    TIMEZONE, TRAITS, TYPE, USER_ID,
};
use crate::json::Scanner;
use crate::text_column::{Form, TextColumn};

/// An instant that no event has.
const NO_INSTANT: i64 = i64::MIN;

/// What an event takes over from its envelope.
#[derive(Clone, Debug)]
pub(crate) struct RequestFacts {
    /// The index of the message in the batch.
    pub(crate) message: u32,
    pub(crate) protocol: String,
    pub(crate) received_at: Timestamp,
    pub(crate) geo: Geo,
}

/// The columns of one project's events while they grow: plain vectors, which grow without being copied.
pub(crate) struct Rows {
    event_id: Vec<[u8; 16]>,
    position: Vec<i32>,
    timestamp: Vec<i64>,
    date: Vec<i32>,
    received_at: Vec<i64>,
    original_timestamp: Vec<i64>,
    person_key: Vec<i64>,
    is_bot: Vec<bool>,
    month: TextColumn,
    message: Vec<u32>,
    texts: [TextColumn; TEXTS.len()],
    /// Rows that are complete.
    len: usize,
    /// The month of the last row: most rows share it, and writing it out is not free.
    last_month: (i32, String),
    /// Of each field of an event the one that came after it last, and of the beginning the first: events of one client
    /// have the same fields.
    pub(crate) after: [usize; FIELDS.len() + 1],
    /// The ties that the events make.
    ties: Vec<Tie>,
}

/// How far rows had grown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowsMark {
    rows: usize,
    ties: usize,
}

/// Why an event that can be read is no row. Validation lets none of these through; a bug in it must not block the
/// queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    NoPersonId,
    TimestampOutOfRange,
}

impl Unusable {
    /// What is wrong with the event, if anything.
    pub(crate) fn check(has_person: bool, timestamp: Timestamp, received_at: Timestamp) -> Option<Self> {
        if !has_person {
            Some(Self::NoPersonId)
        } else if !timestamp.is_in_range(received_at) {
            Some(Self::TimestampOutOfRange)
        } else {
            None
        }
    }
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self {
            event_id: Vec::new(),
            position: Vec::new(),
            timestamp: Vec::new(),
            date: Vec::new(),
            received_at: Vec::new(),
            original_timestamp: Vec::new(),
            person_key: Vec::new(),
            is_bot: Vec::new(),
            month: TextColumn::new(true),
            message: Vec::new(),
            // Properties and traits hardly ever repeat.
            texts: std::array::from_fn(|index| TextColumn::new(!matches!(index, PROPERTIES | TRAITS))),
            len: 0,
            last_month: (i32::MIN, String::new()),
            after: std::array::from_fn(|field| field),
            ties: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the rows stand, to come back to.
    pub(crate) fn mark(&self) -> RowsMark {
        RowsMark { rows: self.len, ties: self.ties.len() }
    }

    /// Takes back all that was written since, half-written rows included.
    pub(crate) fn back_to(&mut self, mark: RowsMark) {
        self.len = mark.rows;
        self.ties.truncate(mark.ties);
        self.event_id.truncate(mark.rows);
        self.position.truncate(mark.rows);
        self.date.truncate(mark.rows);
        self.is_bot.truncate(mark.rows);
        self.message.truncate(mark.rows);
        for column in [&mut self.timestamp, &mut self.received_at, &mut self.original_timestamp, &mut self.person_key] {
            column.truncate(mark.rows);
        }
        for column in self.texts.iter_mut().chain([&mut self.month]) {
            column.truncate(mark.rows);
        }
    }

    /// To be called when a message ends.
    pub(crate) fn settle(&mut self) -> Result<(), &'static str> {
        self.texts.iter_mut().chain([&mut self.month]).try_for_each(TextColumn::settle)
    }

    /// The batch, with the columns of `lake::schema::incoming_events()`, and the ties.
    pub(crate) fn finish(mut self) -> Result<(RecordBatch, Vec<Tie>), ArrowError> {
        let schema = lake::schema::incoming_events();
        let arrays = schema.fields().iter().map(|field| self.column(field.name())).collect::<Result<Vec<_>, _>>()?;
        let fields = schema.fields().iter().zip(&arrays);
        let fields =
            fields.map(|(field, array)| Field::new(field.name(), array.data_type().clone(), field.is_nullable()));
        Ok((RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays)?, self.ties))
    }

    fn column(&mut self, name: &str) -> Result<ArrayRef, ArrowError> {
        fn all<T>(column: &mut Vec<T>) -> Vec<T> {
            std::mem::take(column)
        }
        let instants = |column: Vec<i64>| TimestampMicrosecondArray::from(column).with_timezone("UTC");
        Ok(match name {
            columns::EVENT_ID => {
                let offsets = OffsetBuffer::from_repeated_length(16, self.len);
                Arc::new(BinaryArray::try_new(
                    offsets,
                    Buffer::from_vec(all(&mut self.event_id).into_flattened()),
                    None,
                )?)
            }
            columns::POSITION => Arc::new(Int32Array::from(all(&mut self.position))),
            columns::TIMESTAMP => Arc::new(instants(all(&mut self.timestamp))),
            columns::DATE => Arc::new(Date32Array::from(all(&mut self.date))),
            columns::RECEIVED_AT => Arc::new(instants(all(&mut self.received_at))),
            columns::ORIGINAL_TIMESTAMP => {
                let column = all(&mut self.original_timestamp);
                let is_there: NullBuffer = column.iter().map(|instant| *instant != NO_INSTANT).collect();
                let is_there = (is_there.null_count() > 0).then_some(is_there);
                Arc::new(TimestampMicrosecondArray::try_new(column.into(), is_there)?.with_timezone("UTC"))
            }
            columns::PERSON_KEY => Arc::new(Int64Array::from(all(&mut self.person_key))),
            columns::IS_BOT => Arc::new(BooleanArray::from(all(&mut self.is_bot))),
            columns::MONTH => std::mem::replace(&mut self.month, TextColumn::new(true)).finish(self.len)?,
            lake::batch::MESSAGE => Arc::new(UInt32Array::from(all(&mut self.message))),
            _ => {
                let index = TEXTS.iter().position(|text| *text == name);
                let column = index.and_then(|index| self.texts.get_mut(index)).ok_or_else(|| {
                    ArrowError::SchemaError(format!("the lake asks for the column {name}, which no event has"))
                })?;
                std::mem::replace(column, TextColumn::new(false)).finish(self.len)?
            }
        })
    }

    /// Puts the last text of a column into the row that is being written if that is what stands next in the JSON.
    /// `Err` if the row has a text already.
    #[inline]
    pub(crate) fn put_if_same(&mut self, index: usize, scanner: &mut Scanner<'_>) -> Result<bool, &'static str> {
        let len = self.len;
        let Some(column) = self.texts.get_mut(index) else { return Ok(false) };
        let (text, form) = column.last();
        if form == Form::Different || !scanner.take_text(text, form == Form::Quoted) {
            return Ok(false);
        }
        if column.len() > len {
            return Err("a field stands twice");
        }
        column.put_last(len);
        Ok(true)
    }

    /// Puts a text into the row that is being written, and how it stands in JSON; `Err` if it has one already.
    pub(crate) fn put(&mut self, index: usize, value: &str, form: Form) -> Result<(), &'static str> {
        let len = self.len;
        let Some(column) = self.texts.get_mut(index) else { return Ok(()) };
        if column.len() > len {
            return Err("a field stands twice");
        }
        column.put(len, value, form)
    }

    /// The text in the row that is being written.
    fn current(&self, index: usize) -> Option<&str> {
        self.texts.get(index)?.current(self.len)
    }

    fn put_where_absent(&mut self, index: usize, value: &str) -> Result<(), &'static str> {
        let is_there = self.texts.get(index).is_some_and(|column| column.len() > self.len);
        if is_there { Ok(()) } else { self.put(index, value, Form::Different) }
    }

    /// Completes the row that is being written.
    pub(crate) fn end_row(&mut self, scalars: Scalars, facts: &RequestFacts) -> Result<(), RowProblem> {
        let timestamp = scalars.timestamp.unwrap_or_default();
        let person = PersonKey::of_event(self.current(USER_ID), self.current(ANONYMOUS_ID));
        if Unusable::check(person.is_some(), timestamp, facts.received_at).is_some() {
            return Err(RowProblem::Unusable);
        }
        let person = person.ok_or(RowProblem::Unusable)?;
        let event_id = scalars.event_id.ok_or(RowProblem::Damaged("an event has no id"))?;
        let position = i32::try_from(scalars.position).ok().filter(|position| *position >= 0);
        let position = position.ok_or(RowProblem::Damaged("a position is out of range"))?;

        self.event_id.push(event_id.0);
        self.position.push(position);
        self.timestamp.push(timestamp.0);
        self.date.push(timestamp.days());
        self.received_at.push(facts.received_at.0);
        self.original_timestamp.push(scalars.original_timestamp.map_or(NO_INSTANT, |instant| instant.0));
        self.person_key.push(person.0);
        self.is_bot.push(scalars.is_bot);
        if self.last_month.0 != timestamp.days() {
            self.last_month = (timestamp.days(), timestamp.month());
        }
        self.month.put(self.len, &self.last_month.1, Form::Different).map_err(RowProblem::Damaged)?;
        self.message.push(facts.message);
        self.fill_from(&scalars, facts).map_err(RowProblem::Damaged)?;
        if matches!(scalars.kind, EventType::Identify | EventType::Alias) {
            let event = Event {
                event_id,
                kind: scalars.kind,
                user_id: self.current(USER_ID).map(str::to_owned),
                anonymous_id: self.current(ANONYMOUS_ID).map(str::to_owned),
                previous_id: scalars.previous_id,
                ..Event::default()
            };
            self.ties.extend(ties_of(&event, facts.received_at));
        }
        self.len += 1;
        Ok(())
    }

    /// What the event did not say itself. A place is taken over whole or not at all: the city of the edge does not
    /// belong to the country that the client named.
    fn fill_from(&mut self, scalars: &Scalars, facts: &RequestFacts) -> Result<(), &'static str> {
        self.put(TYPE, scalars.kind.as_str(), Form::Different)?;
        self.put(PROTOCOL, &facts.protocol, Form::Different)?;
        self.put_where_absent(EVENT, "")?;
        self.put_where_absent(NAMESPACE, DEFAULT_NAMESPACE)?;
        self.put_where_absent(SOURCE, DEFAULT_SOURCE)?;
        let geo = &facts.geo;
        let is_absent = |index: &usize| self.texts.get(*index).is_none_or(|column| column.len() <= self.len);
        if [COUNTRY, REGION, CITY].iter().all(is_absent) {
            for (index, value) in [(COUNTRY, &geo.country), (REGION, &geo.region), (CITY, &geo.city)] {
                if let Some(value) = value {
                    self.put(index, value, Form::Different)?;
                }
            }
        }
        if let Some(timezone) = &geo.timezone {
            self.put_where_absent(TIMEZONE, timezone)?;
        }
        Ok(())
    }
}

/// The fields of an event that are not text.
#[derive(Default)]
pub(crate) struct Scalars {
    pub(crate) event_id: Option<EventId>,
    pub(crate) position: i64,
    pub(crate) kind: EventType,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) original_timestamp: Option<Timestamp>,
    pub(crate) previous_id: Option<String>,
    pub(crate) is_bot: bool,
}

/// Why a row was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowProblem {
    /// The JSON is not what this project's collectors write.
    Damaged(&'static str),
    /// The event can be read but not stored.
    Unusable,
}
