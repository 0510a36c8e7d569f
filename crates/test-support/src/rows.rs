//! A small lake in memory: events as the collector makes them, as rows of the table `events`, with persons and traits.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Date32Array, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use edge_collector::{Entropy, Limits, Request};
use event_model::columns::{self, ColumnType};
use event_model::identity::ties_of;
use event_model::project::{Key, Privacy, Tier, WeekStart};
use event_model::{Event, EventType, Json, KeyMap, Project, ProjectId, Timestamp};
use event_queue::envelope::Geo;
use serde_json::Value;

/// An event and the columns that it does not carry itself.
#[derive(Clone, Debug)]
pub struct Row {
    /// The event.
    pub event: Event,
    /// When it was received.
    pub received_at: Timestamp,
}

/// Sends events through the collector's own steps, one request for all events of one `received_at`.
///
/// # Errors
/// A sentence about the first event or request that the collector refuses.
pub fn collect(events: &[(Value, Timestamp)]) -> Result<Vec<Row>, String> {
    let mut requests: BTreeMap<Timestamp, Vec<&Value>> = BTreeMap::new();
    for (event, received_at) in events {
        requests.entry(*received_at).or_default().push(event);
    }
    let mut rows = Vec::new();
    for (place, (received_at, events)) in requests.into_iter().enumerate() {
        let body = serde_json::json!({ "batch": events }).to_string();
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::AUTHORIZATION, http::HeaderValue::from_static("Bearer key"));
        let request = Request {
            method: "POST",
            path: "/api/v1/events/batch",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            remote_ip: None,
            geo: &Geo::default(),
        };
        let decoded = edge_collector::decode(&request, &Limits::default()).map_err(|problem| problem.to_string())?;
        let mut seed = [0; 32];
        seed.iter_mut().zip(place.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
        let entropy = Entropy { seed, daily_salt: [0; 32] };
        let collected = edge_collector::collect(decoded, &project()?, &key(), received_at, entropy);
        if let Some(refusal) = collected.rejected.first() {
            return Err(format!("event {} is refused: {}", refusal.index, refusal.reason.as_str()));
        }
        let made = collected.envelopes.into_iter().flat_map(|envelope| envelope.events);
        rows.extend(made.map(|event| Row { event, received_at }));
    }
    Ok(rows)
}

fn project() -> Result<Project, String> {
    Ok(Project {
        id: ProjectId::parse("scenario").ok_or("not a project id")?,
        name: String::new(),
        timezone: "UTC".to_owned(),
        week_start: WeekStart::Monday,
        tier: Tier::Large,
        keys: Vec::new(),
        privacy: Privacy::default(),
    })
}

fn key() -> Key {
    Key {
        id: "key".to_owned(),
        sha256: String::new(),
        scopes: Vec::new(),
        expires_at: None,
        enabled: true,
        allowed_origins: Vec::new(),
        server_side: true,
    }
}

/// Who is who, from the ties that the events make.
#[must_use]
pub fn key_map(rows: &[Row]) -> KeyMap {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| (row.received_at, row.event.position));
    let ties: Vec<_> = rows.iter().flat_map(|row| ties_of(&row.event, row.received_at)).collect();
    KeyMap::from_ties(&ties)
}

/// Each person's latest traits: of every key the value of the last identify row, in the total order, that has it.
#[must_use]
pub fn traits(rows: &[Row], keys: &KeyMap) -> HashMap<i64, Json> {
    let mut rows: Vec<&Row> = rows.iter().filter(|row| row.event.kind == EventType::Identify).collect();
    rows.sort_by_key(|row| (row.event.timestamp, row.received_at, row.event.position, row.event.event_id));
    let mut persons: HashMap<i64, serde_json::Map<String, Value>> = HashMap::new();
    for row in rows {
        let Some(key) = row.event.person_key() else { continue };
        let traits = row.event.traits.as_ref().and_then(|traits| serde_json::from_str::<Value>(traits.as_str()).ok());
        if let Some(Value::Object(traits)) = traits {
            persons.entry(keys.resolve(key).0).or_default().extend(traits);
        }
    }
    persons.into_iter().filter_map(|(key, traits)| Some((key, Json::from_value(&Value::Object(traits))?))).collect()
}

/// The rows as a batch of the columns of `events`, text as Utf8.
///
/// # Errors
/// Only if this file and the list of columns do not fit together.
pub fn batch(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<Field> =
        columns::EVENTS.iter().map(|column| Field::new(column.name, data_type(column.kind), column.nullable)).collect();
    let arrays = columns::EVENTS.iter().map(|column| array(column, rows)).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Binary => DataType::Binary,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date32 => DataType::Date32,
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnType::Utf8 => DataType::Utf8,
    }
}

fn array(column: &columns::Column, rows: &[Row]) -> Result<ArrayRef, ArrowError> {
    let times = |time: &dyn Fn(&Row) -> Option<Timestamp>| -> ArrayRef {
        let micros = rows.iter().map(|row| time(row).map(|time| time.0));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    Ok(match column.name {
        columns::EVENT_ID => {
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| row.event.event_id.0))) as ArrayRef
        }
        columns::TIMESTAMP => times(&|row| Some(row.event.timestamp)),
        columns::RECEIVED_AT => times(&|row| Some(row.received_at)),
        columns::ORIGINAL_TIMESTAMP => times(&|row| row.event.original_timestamp),
        columns::DATE => Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.event.timestamp.days()))),
        columns::INGEST_SEQ => Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 1))),
        columns::POSITION => Arc::new(Int32Array::from_iter_values(
            rows.iter().map(|row| i32::try_from(row.event.position).unwrap_or(i32::MAX)),
        )),
        columns::PERSON_KEY => {
            Arc::new(rows.iter().map(|row| row.event.person_key().map(|key| key.0)).collect::<Int64Array>())
        }
        columns::IS_BOT => Arc::new(rows.iter().map(|row| Some(row.event.is_bot)).collect::<BooleanArray>()),
        columns::MONTH => texts(rows, |row| Some(row.event.timestamp.month())),
        columns::NAMESPACE => texts(rows, |row| Some(row.event.namespace().to_owned())),
        columns::PROTOCOL => texts(rows, |_| Some("native".to_owned())),
        name => {
            // Field names of the event are column names: its JSON is the row.
            let objects = rows
                .iter()
                .map(|row| serde_json::to_value(&row.event))
                .collect::<Result<Vec<Value>, _>>()
                .map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
            let json = |row: &Row| match name {
                columns::PROPERTIES => row.event.properties.clone(),
                columns::CONTEXT => row.event.context.clone(),
                columns::TRAITS => row.event.traits.clone(),
                _ => None,
            };
            let values = rows.iter().zip(&objects).map(|(row, object)| match json(row) {
                Some(json) => Some(json.as_str().to_owned()),
                None => object.get(name).and_then(Value::as_str).map(str::to_owned),
            });
            Arc::new(values.collect::<StringArray>())
        }
    })
}

fn texts(rows: &[Row], text: impl Fn(&Row) -> Option<String>) -> ArrayRef {
    Arc::new(rows.iter().map(text).collect::<StringArray>())
}
