//! How fast a drain is stored: made-up shop events into a temporary folder, one line a drain and one in the end.
//!
//! `cargo run --release -p lake --example ingest_speed -- [events a drain] [drains]`

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for people; it may stop at the first failure"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use event_model::{EventId, PersonId, ProjectId, Timestamp, columns};
use lake::batch::MESSAGE;
use lake::{IncomingMessage, IngestBatch, Lake, LakeSettings, schema};

/// Events in one message: a batch of a client's.
const MESSAGE_EVENTS: usize = 50;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().unwrap());
    let rows = arguments.next().unwrap_or(100_000);
    let drains = arguments.next().unwrap_or(5);
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open_local(folder.path(), LakeSettings::default()).await.unwrap();
    let shop = lake.project(&ProjectId::parse("shop").unwrap()).await.unwrap();
    let now = LakeSettings::default().clock.now();
    let (mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO);
    for drain in 0..drains {
        let batch = batch(&mut fastrand::Rng::with_seed(drain as u64), rows, now);
        let (started, used) = (Instant::now(), cpu_time());
        let report = shop.ingest(batch).await.unwrap();
        let took = (started.elapsed(), cpu_time() - used);
        println!("version {:?}: {:?} wall, {:?} CPU", report.version.unwrap(), took.0, took.1);
        (wall, cpu) = (wall + took.0, cpu + took.1);
    }
    let events = (rows * drains) as f64;
    let bytes = size(&folder.path().join("projects/shop/events"));
    println!(
        "{:.0} events/s, {:.0} events a CPU second, {:.1} bytes an event",
        events / wall.as_secs_f64(),
        events / cpu.as_secs_f64(),
        bytes as f64 / events
    );
}

fn batch(random: &mut fastrand::Rng, rows: usize, now: Timestamp) -> IngestBatch {
    let messages = rows.div_ceil(MESSAGE_EVENTS);
    let names = ["Product Viewed", "Product Added", "Checkout Started", "Order Completed", "page"];
    let times: Vec<i64> = (0..rows).map(|_| now.0 - random.i64(0..3_600_000_000)).collect();
    let people: Vec<String> = (0..rows).map(|_| format!("user-{}", random.u32(0..20_000))).collect();
    let column = |name: &str, kind: &arrow::datatypes::DataType| -> ArrayRef {
        let random = &mut fastrand::Rng::with_seed(random_seed(name));
        let instants = || Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC")) as ArrayRef;
        let text = |of: &dyn Fn(usize) -> String| {
            Arc::new((0..rows).map(|row| Some(of(row))).collect::<StringArray>()) as ArrayRef
        };
        match name {
            columns::EVENT_ID => {
                let ids: Vec<[u8; 16]> =
                    times.iter().map(|time| (u128::from(random.u64(..)) << 64 | *time as u128).to_be_bytes()).collect();
                Arc::new(BinaryArray::from_iter_values(ids))
            }
            columns::TYPE => text(&|_| "track".to_owned()),
            columns::EVENT => text(&|row| names[(times[row] % names.len() as i64) as usize].to_owned()),
            columns::NAMESPACE => text(&|_| "product".to_owned()),
            columns::TIMESTAMP => instants(),
            columns::RECEIVED_AT => {
                let received = vec![now.0; rows];
                Arc::new(TimestampMicrosecondArray::from(received).with_timezone("UTC"))
            }
            columns::DATE => Arc::new(times.iter().map(|time| Some(Timestamp(*time).days())).collect::<Date32Array>()),
            columns::POSITION => {
                Arc::new((0..rows).map(|row| Some((row % MESSAGE_EVENTS) as i32)).collect::<Int32Array>())
            }
            columns::USER_ID => text(&|row| people[row].clone()),
            columns::PERSON_KEY => {
                let keys = people.iter().map(|person| PersonId::User(person.clone()).key().0);
                Arc::new(Int64Array::from_iter_values(keys))
            }
            columns::SOURCE | columns::PROTOCOL => text(&|_| "sdk".to_owned()),
            columns::URL => text(&|row| format!("https://shop.example/product/{}?utm_source=mail", times[row] % 500)),
            columns::PATH => text(&|row| format!("/product/{}", times[row] % 500)),
            columns::BROWSER => text(&|row| ["Chrome", "Safari", "Firefox"][(times[row] % 3) as usize].to_owned()),
            columns::COUNTRY => text(&|row| ["DE", "FR", "US", "BR"][(times[row] % 4) as usize].to_owned()),
            columns::IS_BOT => Arc::new(BooleanArray::from(vec![false; rows])),
            columns::PROPERTIES => text(&|row| {
                format!(
                    r#"{{"price":{}.99,"product_id":"p-{}","category":"shoes","quantity":{}}}"#,
                    times[row] % 200,
                    times[row] % 5_000,
                    times[row] % 4 + 1
                )
            }),
            columns::CONTEXT => text(&|_| r#"{"locale":"de-DE","screen":{"width":1920,"height":1080}}"#.to_owned()),
            columns::MONTH => text(&|row| Timestamp(times[row]).month()),
            MESSAGE => Arc::new((0..rows).map(|row| Some((row / MESSAGE_EVENTS) as u32)).collect::<UInt32Array>()),
            _ => new_null_array(kind, rows),
        }
    };
    let schema = schema::incoming_events();
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    IngestBatch {
        messages: (0..messages)
            .map(|_| IncomingMessage { message_id: EventId(random.u128(..).to_be_bytes()), received_at: now })
            .collect(),
        events: RecordBatch::try_new(schema, columns).unwrap(),
        quarantine: Vec::new(),
        ties: Vec::new(),
        replays: Vec::new(),
    }
}

fn random_seed(name: &str) -> u64 {
    name.bytes().fold(fastrand::u64(..), |seed, byte| seed.rotate_left(5) ^ u64::from(byte))
}

/// Processor time of this process, from Linux.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(
            |entry| {
                if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().map_or(0, |meta| meta.len()) }
            },
        )
        .sum()
}
