//! Events to Arrow: one builder a column, filled straight from the JSON of an envelope.
//!
//! No event exists as a value of its own: a text goes from the message's bytes into its column. Columns that an event
//! does not have are not touched at all; they are padded with nulls when they next get a value, or at the end.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Int32Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use event_model::event::DEFAULT_NAMESPACE;
use event_model::identity::ties_of;
use event_model::{Event, EventId, EventType, PersonKey, Tie, Timestamp, columns};
use event_queue::Geo;

use crate::fields::{
    ANONYMOUS_ID, CITY, COUNTRY, DEFAULT_SOURCE, EVENT, NAMESPACE, PROTOCOL, REGION, SOURCE, TEXTS, TIMEZONE, TYPE,
    USER_ID,
};

/// What an event takes over from its envelope.
#[derive(Clone, Debug)]
pub(crate) struct RequestFacts {
    /// The index of the message in the batch.
    pub(crate) message: u32,
    pub(crate) protocol: String,
    pub(crate) received_at: Timestamp,
    pub(crate) geo: Geo,
}

/// The columns of one project's events while they grow.
pub(crate) struct Rows {
    event_id: BinaryBuilder,
    position: Int32Builder,
    timestamp: TimestampMicrosecondBuilder,
    date: Date32Builder,
    received_at: TimestampMicrosecondBuilder,
    original_timestamp: TimestampMicrosecondBuilder,
    person_key: Int64Builder,
    is_bot: BooleanBuilder,
    month: StringBuilder,
    message: UInt32Builder,
    texts: [StringBuilder; TEXTS.len()],
    /// Rows that are complete.
    len: usize,
    /// The month of the last row: most rows share it, and writing it out is not free.
    last_month: (i32, String),
    /// The ties that the events make.
    ties: Vec<Tie>,
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
        let instant = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
        Self {
            event_id: BinaryBuilder::new(),
            position: Int32Builder::new(),
            timestamp: instant(),
            date: Date32Builder::new(),
            received_at: instant(),
            original_timestamp: instant(),
            person_key: Int64Builder::new(),
            is_bot: BooleanBuilder::new(),
            month: StringBuilder::new(),
            message: UInt32Builder::new(),
            texts: std::array::from_fn(|_| StringBuilder::with_capacity(0, 0)),
            len: 0,
            last_month: (i32::MIN, String::new()),
            ties: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The batch, with the columns of `lake::schema::incoming_events()`, and the ties.
    pub(crate) fn finish(mut self) -> Result<(RecordBatch, Vec<Tie>), ArrowError> {
        let schema = lake::schema::incoming_events();
        let arrays = schema.fields().iter().map(|field| self.column(field.name())).collect::<Result<Vec<_>, _>>()?;
        Ok((RecordBatch::try_new(schema, arrays)?, self.ties))
    }

    fn column(&mut self, name: &str) -> Result<ArrayRef, ArrowError> {
        let array: ArrayRef = match name {
            columns::EVENT_ID => Arc::new(self.event_id.finish()),
            columns::POSITION => Arc::new(self.position.finish()),
            columns::TIMESTAMP => Arc::new(self.timestamp.finish()),
            columns::DATE => Arc::new(self.date.finish()),
            columns::RECEIVED_AT => Arc::new(self.received_at.finish()),
            columns::ORIGINAL_TIMESTAMP => Arc::new(self.original_timestamp.finish()),
            columns::PERSON_KEY => Arc::new(self.person_key.finish()),
            columns::IS_BOT => Arc::new(self.is_bot.finish()),
            columns::MONTH => Arc::new(self.month.finish()),
            lake::batch::MESSAGE => Arc::new(self.message.finish()),
            _ => {
                let index = TEXTS.iter().position(|text| *text == name);
                let builder = index.and_then(|index| self.texts.get_mut(index));
                let builder = builder.ok_or_else(|| {
                    ArrowError::SchemaError(format!("the lake asks for the column {name}, which no event has"))
                })?;
                builder.append_nulls(self.len - builder.len());
                Arc::new(builder.finish())
            }
        };
        Ok(array)
    }

    /// Puts a text into the row that is being written; `Err` if it has one already.
    pub(crate) fn put(&mut self, index: usize, value: &str) -> Result<(), &'static str> {
        let len = self.len;
        let Some(builder) = self.texts.get_mut(index) else { return Ok(()) };
        let filled = builder.len();
        if filled > len {
            return Err("a field stands twice");
        }
        if filled < len {
            builder.append_nulls(len - filled);
        }
        builder.append_value(value);
        Ok(())
    }

    /// The text in the row that is being written.
    fn current(&self, index: usize) -> Option<&str> {
        let builder = self.texts.get(index)?;
        if builder.len() <= self.len {
            return None;
        }
        let start = usize::try_from(*builder.offsets_slice().get(self.len)?).ok()?;
        std::str::from_utf8(builder.values_slice().get(start..)?).ok()
    }

    fn put_where_absent(&mut self, index: usize, value: &str) -> Result<(), &'static str> {
        if self.current(index).is_none() { self.put(index, value) } else { Ok(()) }
    }

    /// Completes the row that is being written.
    pub(crate) fn end_row(&mut self, scalars: Scalars, facts: &RequestFacts) -> Result<(), RowProblem> {
        let timestamp = scalars.timestamp.unwrap_or_default();
        let person = PersonKey::of_event(self.current(USER_ID), self.current(ANONYMOUS_ID));
        if let Some(unusable) = Unusable::check(person.is_some(), timestamp, facts.received_at) {
            return Err(RowProblem::Unusable(unusable));
        }
        let event_id = scalars.event_id.ok_or(RowProblem::Damaged("an event has no id"))?;
        let position = i32::try_from(scalars.position).map_err(|_| RowProblem::Damaged("a position is too large"))?;

        self.event_id.append_value(event_id.0);
        self.position.append_value(position);
        self.timestamp.append_value(timestamp.0);
        self.date.append_value(timestamp.days());
        self.received_at.append_value(facts.received_at.0);
        self.original_timestamp.append_option(scalars.original_timestamp.map(|instant| instant.0));
        self.person_key.append_option(person.map(|key| key.0));
        self.is_bot.append_value(scalars.is_bot);
        if self.last_month.0 != timestamp.days() {
            self.last_month = (timestamp.days(), timestamp.month());
        }
        self.month.append_value(&self.last_month.1);
        self.message.append_value(facts.message);
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
        self.put(TYPE, scalars.kind.as_str())?;
        self.put(PROTOCOL, &facts.protocol)?;
        self.put_where_absent(EVENT, "")?;
        self.put_where_absent(NAMESPACE, DEFAULT_NAMESPACE)?;
        self.put_where_absent(SOURCE, DEFAULT_SOURCE)?;
        let geo = &facts.geo;
        if [COUNTRY, REGION, CITY].iter().all(|index| self.current(*index).is_none()) {
            for (index, value) in [(COUNTRY, &geo.country), (REGION, &geo.region), (CITY, &geo.city)] {
                if let Some(value) = value {
                    self.put(index, value)?;
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
    pub(crate) position: u32,
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
    Unusable(Unusable),
}
