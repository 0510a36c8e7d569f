//! Rejected events tried again: the kept original is all that a replay needs.

use edge_collector::{Kept, Replayed, replay};
use event_model::project::Directory;
use event_model::{EventId, Rejected, Timestamp};
use event_queue::Envelope;
use serde_json::{Value, json};

use crate::server::{KEY, Server, project};

fn row_id(rejected: &Rejected) -> EventId {
    EventId([rejected.position as u8 + 1; 16])
}

/// Replays all that a message holds in `rejected`, under changed project settings.
fn again(envelope: &Envelope, change: impl FnOnce(&mut Value)) -> Replayed {
    let snapshot = json!({ "version": 1, "projects": [project(change)] }).to_string();
    let (project, _) = Directory::parse(&snapshot).unwrap().find(KEY).unwrap();
    let rows: Vec<Kept<'_>> = envelope
        .rejected
        .iter()
        .map(|rejected| Kept {
            row_id: row_id(rejected),
            protocol: &envelope.protocol,
            write_key_id: &envelope.write_key_id,
            received_at: envelope.received_at,
            event_id: rejected.event_id,
            position: rejected.position,
            original: &rejected.original.0,
            replayable: rejected.replayable,
        })
        .collect();
    let later = Timestamp(envelope.received_at.0 + 86_400_000_000);
    replay(&rows, &project, later, [3; 32])
}

#[tokio::test]
async fn rows_that_still_break_a_rule_stay_as_they_are() {
    let server = Server::new();
    let too_large = format!(r#"{{"event":"a","user_id":"u","properties":{{"v":"{}"}}}}"#, "x".repeat(200_000));
    let body = format!(r#"{{"batch":[{{"user_id":"u"}},7,{too_large}]}}"#);
    server.post("/api/v1/events/batch", body, &[]).await;
    let replayed = again(&server.envelope().await, |_| {});
    assert!(replayed.envelopes.is_empty());
    let reasons: Vec<&str> = replayed.refused.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, ["event_name_missing", "not_an_object", "event_too_large"]);
}

/// Takes an item that today's rules accept, pretends that it had been rejected when its request came, and replays it.
async fn restored(path: &str, body: Value) -> (Envelope, Envelope) {
    let server = Server::new();
    server.post_json(path, body).await;
    let mut envelope = server.envelope().await;
    // What was missing is put in, as a fixed rule would no longer miss it.
    for rejected in &mut envelope.rejected {
        let text = String::from_utf8(rejected.original.0.clone()).unwrap();
        rejected.original.0 = text.replace("\"event\":\"\"", "\"event\":\"fixed\"").into_bytes();
    }
    let mut replayed = again(&envelope, |_| {});
    assert_eq!((replayed.envelopes.len(), &replayed.refused), (1, &vec![]));
    (envelope, replayed.envelopes.remove(0))
}

#[tokio::test]
async fn a_replayed_event_keeps_id_time_of_receipt_and_position() {
    let batch = json!({ "sent_at": "2031-01-01T00:00:10Z", "batch": [
        { "event": "a", "user_id": "u" },
        { "event": "", "user_id": "u", "timestamp": "2031-01-01T00:00:00Z" },
        { "event": "", "user_id": "u", "event_id": "order-42" },
    ]});
    let (before, after) = restored("/api/v1/events/batch", batch).await;
    assert_eq!((after.received_at, after.write_key_id.as_str()), (before.received_at, "web"));
    assert_ne!(after.message_id, before.message_id);
    assert_eq!(after.replays, before.rejected.iter().map(row_id).collect::<Vec<_>>());
    for (event, rejected) in after.events.iter().zip(&before.rejected) {
        assert_eq!((event.event_id, event.position), (rejected.event_id, rejected.position));
        assert_eq!(event.event, "fixed");
    }
    assert_eq!(after.events[0].timestamp.0, before.received_at.0 - 10_000_000);
    assert_eq!(after.events[1].timestamp, before.received_at);
}

#[tokio::test]
async fn a_segment_original_holds_what_its_batch_and_its_path_said() {
    let batch = json!({
        "context": { "locale": "de-DE" }, "integrations": { "All": false }, "sentAt": "2031-01-01T00:00:10Z",
        "batch": [{ "type": "track", "event": "", "userId": "u", "timestamp": "2031-01-01T00:00:00Z" }],
    });
    let (before, after) = restored("/v1/batch", batch).await;
    let event = &after.events[0];
    assert_eq!((event.locale.as_deref(), event.timestamp.0), (Some("de-DE"), before.received_at.0 - 10_000_000));
    assert_eq!(event.context.as_ref().unwrap().as_str(), r#"{"locale":"de-DE","integrations":{"All":false}}"#);
    let (_, after) = restored("/v1/track", json!({ "event": "", "userId": "u", "type": "page" })).await;
    assert_eq!(after.events[0].kind.as_str(), "track");
}
