//! Which events and properties there are.

use serde_json::json;

use super::{Deployment, event};

#[tokio::test]
async fn the_schema_lists_events_and_properties_with_types_and_counts() {
    let deployment = Deployment::new().await;
    let mut identify = event(5, "identify", "2026-01-05T10:00:00Z", "u1", json!({}));
    identify.kind = event_model::EventType::Identify;
    identify.traits = event_model::Json::parse(r#"{"plan": "pro"}"#);
    deployment
        .store(vec![
            event(1, "purchase", "2026-01-01T10:00:00Z", "u1", json!({"price": 10, "tags": ["a"], "gift": true})),
            event(2, "purchase", "2026-01-02T10:00:00Z", "u2", json!({"price": "free", "address": {"city": "Berlin"}})),
            event(3, "view", "2026-01-03T10:00:00Z", "u2", json!({"price": null})),
            identify,
        ])
        .await;
    insta::assert_json_snapshot!(deployment.get("/api/v1/schema").await.stable());
    let later = deployment.get("/api/v1/schema?from=2026-01-03&to=2026-01-03T10:00:00Z").await.stable();
    assert_eq!(later["events"].as_array().unwrap().len(), 1);
    assert_eq!(later["events"][0]["event"], "view");
    let (_, code, detail) = deployment.get("/api/v1/schema?from=yesterday").await.problem();
    assert_eq!(code, "invalid_question");
    assert!(detail.contains("2026-01-31"), "{detail}");
}
