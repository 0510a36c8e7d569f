//! Fields marked as personal leave the collector masked or hashed, in quarantine too.

use event_model::project::key_hash;
use serde_json::{Value, json};

use crate::server::{Server, project};

fn server() -> Server {
    Server::with(vec![project(|project| project["privacy"] = json!({ "mask": ["card"], "hash": ["email"] }))])
}

#[tokio::test]
async fn named_properties_traits_and_context_traits_are_masked_or_hashed_at_any_depth() {
    let server = server();
    let hash = key_hash("ann@shop.example");
    let event = json!({
        "type": "identify", "user_id": "u",
        "traits": { "email": "ann@shop.example", "plan": "pro", "card": null },
        "properties": { "card": { "number": 42 }, "to": [{ "email": "ann@shop.example" }] },
        "context": { "traits": { "email": hash } },
        "email": "ann@shop.example",
    });
    server.post_json("/api/v1/events", event).await;
    let found = server.event().await;
    assert_eq!(found["traits"], json!({ "email": hash, "plan": "pro", "card": null }));
    assert_eq!(found["properties"], json!({ "card": "[masked]", "to": [{ "email": hash }] }));
    assert_eq!(found["context"]["traits"], json!({ "email": hash }));
    assert!(!found.to_string().contains("ann@shop"), "{found}");
}

#[tokio::test]
async fn quarantined_originals_are_masked_and_without_the_address() {
    let server = server();
    let event = json!({
        "properties": { "email": "ann@shop.example", "ip": "mine" },
        "context": { "ip": "203.0.113.7", "traits": { "card": 42 } },
    });
    server.post_json("/api/v1/events", event).await;
    let original: Value = serde_json::from_slice(&server.envelope().await.rejected[0].original.0).unwrap();
    let hash = key_hash("ann@shop.example");
    assert_eq!(
        original,
        json!({ "properties": { "email": hash, "ip": "mine" }, "context": { "traits": { "card": "[masked]" } } })
    );
}

#[tokio::test]
async fn what_is_no_event_is_masked_too() {
    let server = server();
    let batch = json!({ "batch": [[{ "card": 42, "a": 1 }], "card"] });
    server.post_json("/api/v1/events/batch", batch).await;
    let rejected = server.envelope().await.rejected;
    let originals: Vec<Value> = rejected.iter().map(|one| serde_json::from_slice(&one.original.0).unwrap()).collect();
    assert_eq!(originals, [json!([{ "card": "[masked]", "a": 1 }]), json!("card")]);
}
