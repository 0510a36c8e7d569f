//! Every column of a row is what its event and its envelope say.

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt32Type};
use event_model::{Event, EventId, EventType, Json, PersonId, PersonKey, Reason, Rejected, Timestamp, columns};
use event_queue::Geo;
use serde_json::{Value, json};

use crate::support::{NOW, Recorder, compactor, envelope, event, id, queue, quick, send};

/// Drains one envelope and returns what would be stored.
async fn drained(envelopes: &[event_queue::Envelope]) -> lake::IngestBatch {
    let (queue, recorder) = (queue(), Recorder::willing());
    send(&queue, envelopes).await;
    compactor(&queue, &recorder, quick()).drain_until_empty().await.unwrap();
    let stored = recorder.stored();
    assert_eq!(stored.len(), 1, "one batch");
    stored[0].1.clone()
}

/// One cell as JSON, in the form in which an envelope has it.
fn cell(rows: &RecordBatch, column: &str, row: usize) -> Value {
    let array = rows.column_by_name(column).unwrap();
    let array = match array.data_type() {
        // Texts may come as a dictionary of them, or as nothing at all.
        DataType::Dictionary(..) => &cast(array, &DataType::Utf8).unwrap(),
        DataType::Null => return Value::Null,
        _ => array,
    };
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Binary => json!(EventId(array.as_binary::<i32>().value(row).try_into().unwrap()).to_string()),
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Date32 => json!(array.as_primitive::<Date32Type>().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt32 => json!(array.as_primitive::<UInt32Type>().value(row)),
        DataType::Timestamp(..) => json!(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        other => panic!("no column has the type {other}"),
    }
}

/// An event in which each optional field is there or not by chance.
fn any_event(random: &mut fastrand::Rng, number: u64) -> Event {
    let names: Vec<&str> = columns::EVENTS.iter().map(|column| column.name).collect();
    let mut fields = serde_json::Map::new();
    for name in names {
        let derived = ["date", "month", "received_at", "ingest_seq", "person_key", "protocol"];
        if derived.contains(&name) || random.bool() {
            continue;
        }
        let value = match name {
            columns::EVENT_ID | columns::POSITION => continue,
            columns::TYPE => json!(random.choice(["track", "page", "screen", "identify", "group", "alias"]).unwrap()),
            columns::TIMESTAMP | columns::ORIGINAL_TIMESTAMP => {
                json!(random.i64(event_model::timestamp::EARLIEST.0..NOW.0))
            }
            columns::IS_BOT => json!(true),
            columns::PROPERTIES | columns::CONTEXT | columns::TRAITS => {
                json!({"n": 9_007_199_254_740_993_u64, "text": "gr\u{fc}n \"x\"\n", "of": name})
            }
            _ => json!(format!("{name} \u{1f600} \\ {}", random.u8(..))),
        };
        fields.insert(name.to_owned(), value);
    }
    let mut event: Event = serde_json::from_value(Value::Object(fields)).unwrap();
    event.event_id = id(number);
    if event.timestamp == Timestamp::default() {
        event.timestamp = NOW;
    }
    if event.person_key().is_none() {
        event.anonymous_id = Some("visitor".to_owned());
    }
    event
}

#[tokio::test]
async fn every_column_is_the_field_of_its_event() {
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut envelope = envelope("shop", 1, (0..20).map(|number| any_event(&mut random, number)));
        envelope.geo = Geo {
            country: Some("DE".to_owned()),
            region: None,
            city: Some("Bonn".to_owned()),
            timezone: Some("Europe/Berlin".to_owned()),
        };
        let batch = drained(std::slice::from_ref(&envelope)).await;
        assert_eq!(batch.events.num_rows(), 20);
        for (row, event) in envelope.events.iter().enumerate() {
            let fields = serde_json::to_value(event).unwrap();
            for column in columns::EVENTS.iter().filter(|column| column.name != columns::INGEST_SEQ) {
                let no_place = event.country.is_none() && event.region.is_none() && event.city.is_none();
                let expect = match column.name {
                    columns::DATE => json!(event.timestamp.days()),
                    columns::MONTH => json!(event.timestamp.month()),
                    columns::RECEIVED_AT => json!(NOW.0),
                    columns::PROTOCOL => json!("native"),
                    columns::PERSON_KEY => json!(event.person_key().unwrap().0),
                    columns::NAMESPACE => json!(event.namespace()),
                    columns::SOURCE if event.source.is_empty() => json!("api"),
                    columns::IS_BOT => json!(event.is_bot),
                    columns::COUNTRY if no_place => json!("DE"),
                    columns::CITY if no_place => json!("Bonn"),
                    columns::TIMEZONE if event.timezone.is_none() => json!("Europe/Berlin"),
                    columns::PROPERTIES => json!(event.properties.as_ref().map(Json::as_str)),
                    columns::CONTEXT => json!(event.context.as_ref().map(Json::as_str)),
                    columns::TRAITS => json!(event.traits.as_ref().map(Json::as_str)),
                    name => fields.get(name).cloned().unwrap_or(Value::Null),
                };
                assert_eq!(cell(&batch.events, column.name, row), expect, "seed {seed}, row {row}, {}", column.name);
            }
            assert_eq!(cell(&batch.events, lake::batch::MESSAGE, row), json!(0));
        }
        let ties: Vec<_> =
            envelope.events.iter().flat_map(|event| event_model::identity::ties_of(event, NOW)).collect();
        assert_eq!(batch.ties, ties);
    }
}

#[tokio::test]
async fn messages_of_a_project_become_one_batch_whose_rows_name_their_message() {
    let mut second = envelope("shop", 2, [event(3)]);
    second.protocol = "segment".to_owned();
    second.received_at = Timestamp(NOW.0 + 5);
    second.rejected = vec![Rejected::new(7, id(9), Reason::NotAnObject, "not an object", b"[1]")];
    second.replays = vec![id(77)];
    let batch = drained(&[envelope("shop", 1, [event(1), event(2)]), second.clone()]).await;
    let column = |name| (0..3).map(|row| cell(&batch.events, name, row)).collect::<Vec<_>>();
    assert_eq!(column(lake::batch::MESSAGE), [json!(0), json!(0), json!(1)]);
    assert_eq!(column(columns::PROTOCOL), [json!("native"), json!("native"), json!("segment")]);
    assert_eq!(column(columns::RECEIVED_AT), [json!(NOW.0), json!(NOW.0), json!(NOW.0 + 5)]);
    assert_eq!(batch.messages[1].received_at, second.received_at);
    assert_eq!(batch.replays, [id(77)]);
    let [row] = batch.quarantine.as_slice() else { panic!("one row of quarantine") };
    assert_eq!((row.message, row.events, row.protocol.as_str(), row.write_key_id.as_str()), (1, 1, "segment", "key"));
    assert_eq!(row.rejected, second.rejected[0]);
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_is_quarantined_and_its_neighbours_are_stored() {
    let nobody = Event { user_id: None, ..event(2) };
    let future = Event { timestamp: Timestamp(NOW.0 + 90_000_000_000), ..event(4) };
    let batch =
        drained(&[envelope("shop", 1, [event(1), nobody, event(3), future]), envelope("shop", 2, [event(5)])]).await;
    let ids: Vec<_> = (0..batch.events.num_rows()).map(|row| cell(&batch.events, columns::EVENT_ID, row)).collect();
    assert_eq!(ids, [json!(id(1)), json!(id(3)), json!(id(5))]);
    let rows: Vec<_> = batch.quarantine.iter().map(|row| (row.rejected.event_id, row.rejected.reason)).collect();
    assert_eq!(rows, [(id(2), Reason::PersonIdMissing), (id(4), Reason::TimestampOutOfRange)]);
    assert!(batch.quarantine.iter().all(|row| !row.rejected.replayable && row.message == 0 && row.events == 1));
}

#[tokio::test]
async fn identify_and_alias_make_ties() {
    let identify = Event { kind: EventType::Identify, anonymous_id: Some("a1".to_owned()), ..event(1) };
    let alias = Event { kind: EventType::Alias, previous_id: Some("old".to_owned()), ..event(2) };
    let track = Event { anonymous_id: Some("a3".to_owned()), ..event(3) };
    let batch = drained(&[envelope("shop", 1, [identify, alias, track])]).await;
    let pairs: Vec<_> = batch.ties.iter().map(|tie| (tie.left.to_string(), tie.right.to_string())).collect();
    let expect = [("u:user-1", "a:a1"), ("u:old", "u:user-2"), ("u:user-2", "a:old")];
    assert_eq!(pairs, expect.map(|(left, right)| (left.to_owned(), right.to_owned())));
    let key = PersonId::User("user-1".to_owned()).key();
    assert_eq!(PersonKey(cell(&batch.events, columns::PERSON_KEY, 0).as_i64().unwrap()), key);
}

#[tokio::test]
async fn a_message_without_events_is_named_all_the_same() {
    let batch = drained(&[envelope("shop", 1, [])]).await;
    assert_eq!((batch.messages.len(), batch.events.num_rows()), (1, 0));
}
