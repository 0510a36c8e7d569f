//! Events to Arrow: one builder a column, filled straight from the JSON of an envelope.
//!
//! No event exists as a value of its own: a text goes from the message's bytes into its column. Columns that an event
//! does not have are not touched at all; they are padded with nulls when they next get a value, or at the end.

use std::fmt;
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
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The text columns that an event itself carries. A [`Field::Text`] is an index into this list.
const TEXTS: [&str; 42] = [
    columns::EVENT,
    columns::NAMESPACE,
    columns::USER_ID,
    columns::ANONYMOUS_ID,
    columns::SESSION_ID,
    columns::GROUP_ID,
    columns::SOURCE,
    columns::LIBRARY,
    columns::LIBRARY_VERSION,
    columns::SERVICE,
    columns::SERVICE_VERSION,
    columns::REQUEST_ID,
    columns::URL,
    columns::PATH,
    columns::HOST,
    columns::TITLE,
    columns::REFERRER,
    columns::REFERRER_HOST,
    columns::UTM_SOURCE,
    columns::UTM_MEDIUM,
    columns::UTM_CAMPAIGN,
    columns::UTM_TERM,
    columns::UTM_CONTENT,
    columns::CLICK_ID_TYPE,
    columns::CLICK_ID,
    columns::CHANNEL,
    columns::BROWSER,
    columns::BROWSER_VERSION,
    columns::OS,
    columns::OS_VERSION,
    columns::DEVICE_TYPE,
    columns::COUNTRY,
    columns::REGION,
    columns::CITY,
    columns::TIMEZONE,
    columns::LOCALE,
    columns::BOT_REASON,
    columns::PROPERTIES,
    columns::CONTEXT,
    columns::TRAITS,
    columns::TYPE,
    columns::PROTOCOL,
];

const EVENT: usize = text(columns::EVENT);
const NAMESPACE: usize = text(columns::NAMESPACE);
const USER_ID: usize = text(columns::USER_ID);
const ANONYMOUS_ID: usize = text(columns::ANONYMOUS_ID);
const SOURCE: usize = text(columns::SOURCE);
const COUNTRY: usize = text(columns::COUNTRY);
const REGION: usize = text(columns::REGION);
const CITY: usize = text(columns::CITY);
const TIMEZONE: usize = text(columns::TIMEZONE);
const TYPE: usize = text(columns::TYPE);
const PROTOCOL: usize = text(columns::PROTOCOL);

/// The source of events that name none.
const DEFAULT_SOURCE: &str = "api";

/// Where a field of an event's JSON goes.
#[derive(Clone, Copy)]
enum Field {
    EventId,
    Position,
    Type,
    Timestamp,
    OriginalTimestamp,
    PreviousId,
    IsBot,
    /// The index in [`TEXTS`].
    Text(usize),
    /// Kept as the JSON text it is.
    Json(usize),
}

/// The fields of an event in the order in which [`Event`] writes them, so that a search from the last one found is
/// over after a step or two.
const FIELDS: [(&str, Field); 47] = fields();

#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses an index that is out of range")]
const fn fields() -> [(&'static str, Field); 47] {
    let mut fields = [(columns::EVENT_ID, Field::EventId); 47];
    fields[1] = (columns::POSITION, Field::Position);
    fields[2] = (columns::TYPE, Field::Type);
    fields[3] = (columns::EVENT, Field::Text(EVENT));
    fields[4] = (columns::NAMESPACE, Field::Text(NAMESPACE));
    fields[5] = (columns::TIMESTAMP, Field::Timestamp);
    fields[6] = (columns::ORIGINAL_TIMESTAMP, Field::OriginalTimestamp);
    fields[7] = (columns::USER_ID, Field::Text(USER_ID));
    fields[8] = (columns::ANONYMOUS_ID, Field::Text(ANONYMOUS_ID));
    fields[9] = ("previous_id", Field::PreviousId);
    fields[10] = (columns::IS_BOT, Field::IsBot);
    let (mut place, mut index) = (11, text(columns::SESSION_ID));
    while place < fields.len() {
        fields[place] = (TEXTS[index], if is_json(TEXTS[index]) { Field::Json(index) } else { Field::Text(index) });
        place += 1;
        index += 1;
    }
    fields
}

const fn is_json(name: &str) -> bool {
    same(name, columns::PROPERTIES) || same(name, columns::CONTEXT) || same(name, columns::TRAITS)
}

/// The index in [`TEXTS`]; does not compile for a name that is not there.
#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses an index that is out of range")]
const fn text(name: &str) -> usize {
    let mut index = 0;
    while !same(TEXTS[index], name) {
        index += 1;
    }
    index
}

#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses an index that is out of range")]
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}

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
    fn put(&mut self, index: usize, value: &str) -> Result<(), &'static str> {
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
    fn end_row(&mut self, scalars: Scalars, facts: &RequestFacts) -> Result<(), RowProblem> {
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
struct Scalars {
    event_id: Option<EventId>,
    position: u32,
    kind: EventType,
    timestamp: Option<Timestamp>,
    original_timestamp: Option<Timestamp>,
    previous_id: Option<String>,
    is_bot: bool,
}

/// Why a row was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowProblem {
    /// The JSON is not what this project's collectors write.
    Damaged(&'static str),
    /// The event can be read but not stored.
    Unusable(Unusable),
}

/// Reads one event of an envelope into the next row. After an error the rows are broken and must be thrown away:
/// columns may differ in length.
pub(crate) struct EventSeed<'r> {
    pub(crate) rows: &'r mut Rows,
    pub(crate) facts: &'r RequestFacts,
    /// Set where the error is about one event, not about the JSON.
    pub(crate) unusable: &'r mut Option<Unusable>,
}

impl<'de> DeserializeSeed<'de> for EventSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut scalars = Scalars::default();
        let mut cursor = 0;
        while let Some(found) = map.next_key_seed(FieldName { cursor: &mut cursor })? {
            match found {
                Some(Field::Text(index)) => map.next_value_seed(TextSeed { rows: self.rows, index })?,
                Some(Field::Json(index)) => {
                    if let Some(json) = map.next_value::<Option<&RawValue>>()? {
                        self.rows.put(index, json.get()).map_err(A::Error::custom)?;
                    }
                }
                Some(Field::EventId) => scalars.event_id = map.next_value()?,
                Some(Field::Position) => scalars.position = map.next_value()?,
                Some(Field::Type) => scalars.kind = map.next_value()?,
                Some(Field::Timestamp) => scalars.timestamp = map.next_value()?,
                Some(Field::OriginalTimestamp) => scalars.original_timestamp = map.next_value()?,
                Some(Field::PreviousId) => scalars.previous_id = map.next_value()?,
                Some(Field::IsBot) => scalars.is_bot = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.rows.end_row(scalars, self.facts).map_err(|problem| match problem {
            RowProblem::Damaged(what) => A::Error::custom(what),
            RowProblem::Unusable(unusable) => {
                *self.unusable = Some(unusable);
                A::Error::custom("an event cannot be stored")
            }
        })
    }
}

/// Finds a field's name, starting after the one found last.
struct FieldName<'c> {
    cursor: &'c mut usize,
}

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Field>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Option<Field>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Option<Field>, E> {
        let (before, after) = FIELDS.split_at_checked(*self.cursor).unwrap_or((&FIELDS, &[]));
        for (step, (candidate, field)) in after.iter().chain(before).enumerate() {
            if *candidate == name {
                *self.cursor = (*self.cursor + step + 1) % FIELDS.len();
                return Ok(Some(*field));
            }
        }
        Ok(None)
    }
}

/// Reads a text, or null, into a column. An empty namespace or source counts as absent, as in [`Event`].
struct TextSeed<'r> {
    rows: &'r mut Rows,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for TextSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for TextSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        if value.is_empty() && matches!(self.index, NAMESPACE | SOURCE) {
            return Ok(());
        }
        self.rows.put(self.index, value).map_err(E::custom)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}
