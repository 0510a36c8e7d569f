//! A server that is killed under load loses nothing that it acknowledged and stores nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tests::http::Request;
use tests::server::{Server, WRITE_KEY, binary};

/// Clients that send at the same time.
const CLIENTS: u64 = 4;
/// Every so many events one is bad on purpose, so that the quarantine is in the balance too.
const ONE_BAD_IN: u64 = 50;

#[derive(Debug, Default)]
struct Sent {
    /// Ids of good events whose request was answered with 200.
    acknowledged: BTreeSet<String>,
    /// Ids of all good events that were ever sent.
    tried: BTreeSet<String>,
    /// Bad events whose request was answered with 200.
    rejected: u64,
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_stored_twice_however_often_the_server_is_killed() {
    let crashes: u64 = std::env::var("HEADWATER_CRASHES").map_or(5, |count| count.parse().unwrap());
    let seed: u64 = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("run again with SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let sent = Arc::new(Mutex::new(Sent::default()));

    for crash in 0..crashes {
        let server = Server::start(&data_dir).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (sent, stop, address) = (Arc::clone(&sent), Arc::clone(&stop), server.address);
                let random = fastrand::Rng::with_seed(seed ^ (crash << 8) ^ client);
                std::thread::spawn(move || load(address, &format!("{crash:06}{client:02}"), random, &sent, &stop))
            })
            .collect();
        let life = fastrand::Rng::with_seed(seed ^ (crash << 32)).u64(300..2_500);
        std::thread::sleep(Duration::from_millis(life));
        server.crash().unwrap();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    }

    let server = Server::start(&data_dir).unwrap();
    server.flush().unwrap();
    let stored = stored_ids(&server);
    let ledger = server.read("/api/v1/ledger").unwrap();
    server.stop().unwrap();

    let sent = sent.lock().unwrap();
    assert!(sent.acknowledged.len() > 100, "the load was no load: {} acknowledged", sent.acknowledged.len());
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    let lost: Vec<_> = sent.acknowledged.iter().filter(|id| !stored.contains_key(*id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged events are lost: {:?}",
        lost.len(),
        sent.acknowledged.len(),
        lost.first()
    );
    let phantoms: Vec<_> = stored.keys().filter(|id| !sent.tried.contains(*id)).collect();
    assert!(phantoms.is_empty(), "stored but never sent: {phantoms:?}");

    assert_eq!(ledger["balanced"], json!(true), "{ledger}");
    assert_eq!(ledger["stored"], json!(stored.len()), "{ledger}");
    assert!(ledger["quarantined"].as_u64().unwrap() >= sent.rejected, "{ledger}");
    let check = Command::new(binary().unwrap()).args(["lake", "check", "--data-dir"]).arg(&data_dir).output().unwrap();
    assert!(
        check.status.success(),
        "lake check: {}{}",
        String::from_utf8_lossy(&check.stdout),
        String::from_utf8_lossy(&check.stderr)
    );
}

/// Sends batches of random size until told to stop; what failed is sent again with the same ids, as SDKs do.
fn load(address: SocketAddr, prefix: &str, mut random: fastrand::Rng, sent: &Mutex<Sent>, stop: &AtomicBool) {
    let mut next = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let size = random.u64(1..=30);
        let batch: Vec<Value> = (next..next + size).map(|number| event(prefix, number, &mut random)).collect();
        next += size;
        let ids = || {
            batch
                .iter()
                .filter(|event| event.get("event").is_some())
                .map(|event| event["event_id"].as_str().unwrap().to_owned())
        };
        sent.lock().unwrap().tried.extend(ids());
        let body = json!({ "batch": batch }).to_string();
        for _attempt in 0..2 {
            let answer = Request::post("/api/v1/events/batch", WRITE_KEY, body.clone()).send(address);
            if answer.is_ok_and(|answer| answer.status == 200) {
                let mut sent = sent.lock().unwrap();
                sent.acknowledged.extend(ids());
                sent.rejected += batch.iter().filter(|event| event.get("event").is_none()).count() as u64;
                // Sometimes a client does not see the answer and sends it all again.
                if random.u8(..) > 25 {
                    break;
                }
            }
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn event(prefix: &str, number: u64, random: &mut fastrand::Rng) -> Value {
    let mut event = json!({
        "event_id": format!("{prefix}-0000-4000-8000-{number:012x}"),
        "event": "load",
        "user_id": format!("u{}", random.u32(..500)),
        "properties": { "price": random.f64(), "text": "x".repeat(random.usize(..300)) },
    });
    if number % ONE_BAD_IN == 7 {
        event.as_object_mut().unwrap().remove("event");
    }
    event
}

/// Every stored event id, with how often it is there.
fn stored_ids(server: &Server) -> BTreeMap<String, u32> {
    let mut ids = BTreeMap::new();
    let mut cursor = Value::Null;
    loop {
        let mut question =
            json!({ "period": { "last": { "value": 2, "unit": "day" } }, "columns": ["event_id"], "limit": 10_000 });
        if !cursor.is_null() {
            question["cursor"] = cursor;
        }
        let page = server.ask("/api/v1/events/query", &question).unwrap();
        for event in page["events"].as_array().unwrap() {
            *ids.entry(event["event_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            return ids;
        }
    }
}
