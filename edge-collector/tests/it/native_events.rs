//! Our own protocol, from request to message.

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn one_event_waits_in_the_queue_before_the_client_sees_200() {
    let server = Server::new();
    let event = json!({
        "event_id": "5ac66e5c-d856-4188-9f89-8d8a8a4347c1",
        "event": "order_completed",
        "user_id": 7,
        "properties": { "total": 12.50, "big": 9_007_199_254_740_993_i64 },
        "context": { "service": "checkout", "version": "1.2", "org_id": "acme", "custom": { "a": 1 } },
        "flavour": "mint",
    });
    let answer = server.post_json("/api/v1/events", event).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!({ "accepted": 1, "rejected": [] })));
    let event = server.event().await;
    assert_eq!(event["event_id"], "5ac66e5c-d856-4188-9f89-8d8a8a4347c1");
    assert_eq!(
        (&event["type"], &event["event"], &event["user_id"]),
        (&json!("track"), &json!("order_completed"), &json!("7"))
    );
    assert_eq!(event["properties"]["big"], 9_007_199_254_740_993_i64);
    assert_eq!((&event["service"], &event["service_version"]), (&json!("checkout"), &json!("1.2")));
    assert_eq!((&event["group_id"], &event["source"]), (&json!("acme"), &json!("api")));
    assert_eq!(event["context"]["other"], json!({ "flavour": "mint" }));
    assert_eq!(event["context"]["custom"], json!({ "a": 1 }));
}

#[tokio::test]
async fn a_bad_event_is_named_and_kept_and_the_others_of_its_batch_are_taken() {
    let server = Server::new();
    let batch = json!({ "batch": [
        { "event": "a", "user_id": "u" },
        { "event": "", "user_id": "u", "event_id": "x-1" },
        { "event": "c", "anonymous_id": "v" },
    ]});
    let answer = server.post_json("/api/v1/events/batch", batch).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["accepted"], 2);
    assert_eq!(answer.body["rejected"][0]["index"], 1);
    assert_eq!(answer.body["rejected"][0]["code"], "event_name_missing");
    let envelope = server.envelope().await;
    let positions: Vec<u32> = envelope.events.iter().map(|event| event.position).collect();
    assert_eq!(positions, [0, 2]);
    assert_eq!(envelope.rejected[0].position, 1);
    assert!(envelope.rejected[0].replayable);
    assert_eq!(envelope.rejected[0].original.0, br#"{"event":"","event_id":"x-1","user_id":"u"}"#);
}

#[tokio::test]
async fn an_empty_batch_is_taken_and_sends_nothing() {
    let server = Server::new();
    let answer = server.post_json("/api/v1/events/batch", json!({ "batch": [] })).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!({ "accepted": 0, "rejected": [] })));
    assert_eq!(server.envelopes().await.len(), 0);
}
