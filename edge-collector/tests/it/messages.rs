//! How a request's events are laid into messages.

use event_model::limits::MAX_MESSAGE_BYTES;
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn a_large_batch_becomes_several_messages_that_keep_the_positions() {
    let server = Server::new();
    let event = |place: usize| {
        let name = if place % 100 == 7 { json!(null) } else { json!("a") };
        json!({ "event": name, "user_id": "u", "properties": { "v": "x".repeat(600) } })
    };
    let batch = json!({ "batch": (0..1_000).map(event).collect::<Vec<_>>() });
    let answer = server.post_json("/api/v1/events/batch", batch).await;
    assert_eq!((answer.body["accepted"].as_u64(), answer.body["rejected"].as_array().unwrap().len()), (Some(990), 10));
    let indexes: Vec<u64> =
        answer.body["rejected"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (0..10).map(|n| n * 100 + 7).collect::<Vec<_>>());
    let envelopes = server.envelopes().await;
    assert!(envelopes.len() > 3, "{}", envelopes.len());
    let mut positions: Vec<u32> =
        envelopes.iter().flat_map(|one| one.events.iter().map(|event| event.position)).collect();
    assert!(positions.is_sorted());
    positions.extend(envelopes.iter().flat_map(|one| one.rejected.iter().map(|rejected| rejected.position)));
    positions.sort_unstable();
    assert_eq!(positions, (0..1_000).collect::<Vec<_>>());
    let sizes: Vec<usize> =
        envelopes.iter().map(|one| one.encode(event_queue::Compression::None).unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size <= MAX_MESSAGE_BYTES), "{sizes:?}");
}

#[tokio::test]
async fn two_identical_calls_are_two_events_and_the_same_id_is_the_same_event() {
    let server = Server::new();
    for _ in 0..2 {
        server.post_json("/api/v1/events", json!({ "event": "a", "user_id": "u" })).await;
        server.post_json("/api/v1/events", json!({ "event": "a", "user_id": "u", "event_id": "order-42" })).await;
    }
    let ids: Vec<_> = server.envelopes().await.iter().map(|one| one.events[0].event_id).collect();
    assert_ne!(ids[0], ids[2]);
    assert_eq!(ids[1], ids[3]);
}

#[tokio::test]
async fn an_address_that_is_copied_into_many_columns_does_not_burst_the_message() {
    let server = Server::new();
    let long = format!("https://shop.example/{}?utm_source={}", "p".repeat(50_000), "s".repeat(50_000));
    let page = json!({ "type": "page", "user_id": "u", "properties": { "url": long, "title": "t" } });
    assert_eq!(server.post_json("/api/v1/events", page).await.body["accepted"], 1);
    let event = server.envelope().await.events.remove(0);
    assert_eq!((event.url.unwrap().len(), event.path.unwrap().len()), (2_048, 2_028));
    assert!(event.properties.unwrap().as_str().contains(&long));
}
