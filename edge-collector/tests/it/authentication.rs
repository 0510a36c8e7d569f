//! Where a key may stand, and what a key opens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::project::key_hash;
use serde_json::json;

use crate::server::{KEY, Server, project};

const EVENT: &str = r#"{"event":"a","user_id":"u"}"#;

fn server() -> Server {
    let other = json!({ "id": "other", "keys": [
        { "id": "other", "sha256": key_hash("hw_w_other"), "scopes": ["write"] },
        { "id": "reader", "sha256": key_hash("hw_r_reader"), "scopes": ["read", "admin"] },
        { "id": "off", "sha256": key_hash("hw_w_off"), "scopes": ["write"], "enabled": false },
        { "id": "ended", "sha256": key_hash("hw_w_ended"), "scopes": ["write"], "expires_at": "2020-01-01T00:00:00Z" },
        { "id": "shop", "sha256": key_hash("hw_w_shop"), "scopes": ["write"], "allowed_origins": ["https://shop.example"] },
    ]});
    Server::with(vec![project(|_| {}), other])
}

/// An empty `authorization` sends none.
async fn check(path: &str, body: &str, headers: &[(&str, &str)], status: u16, code: &str) {
    let answer = server().post(path, body.to_owned(), headers).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{path} {body} {headers:?}");
}

#[tokio::test]
async fn a_key_may_stand_in_any_of_the_places() {
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for authorization in [
        format!("Bearer {KEY}"),
        format!("bearer  {KEY}"),
        basic(&format!("{KEY}:")),
        basic(&format!("{KEY}:whatever")),
        basic(KEY),
        basic(KEY).trim_end_matches('=').to_owned(),
    ] {
        check("/api/v1/events", EVENT, &[("authorization", &authorization)], 200, "").await;
    }
    check("/api/v1/events", EVENT, &[("authorization", ""), ("x-write-key", KEY)], 200, "").await;
    for field in ["writeKey", "write_key", "api_key"] {
        let batch = json!({ field: KEY, "batch": [{ "event": "a", "user_id": "u" }] }).to_string();
        check("/api/v1/events/batch", &batch, &[("authorization", "")], 200, "").await;
        let event = json!({ field: KEY, "event": "a", "user_id": "u" }).to_string();
        check("/api/v1/events", &event, &[("authorization", "")], 200, "").await;
    }
    let on_each = json!({ "batch": [{ "type": "track", "event": "a", "userId": "u", "writeKey": KEY }] }).to_string();
    check("/v1/batch", &on_each, &[("authorization", "")], 200, "").await;
}

#[tokio::test]
async fn a_request_without_a_key_or_with_two_is_refused() {
    for nothing in ["", "Basic", "Basic !!", "Digest x", "Bearer "] {
        check("/api/v1/events", EVENT, &[("authorization", nothing)], 401, "key_missing").await;
    }
    let other = json!({ "api_key": "hw_w_other", "batch": [] }).to_string();
    check("/api/v1/events/batch", &other, &[], 401, "key_mismatch").await;
    check("/v1/batch", &other, &[], 401, "key_mismatch").await;
    check("/api/v1/events", EVENT, &[("x-write-key", "hw_w_other")], 401, "key_mismatch").await;
    check("/api/v1/events", EVENT, &[("x-write-key", KEY)], 200, "").await;
    let bearer = format!("Bearer {KEY}");
    for other in ["Bearer hw_w_other", "Digest x", "Basic !!", "hw_w_other"] {
        for pair in [[&bearer, other], [other, &bearer]] {
            check("/api/v1/events", EVENT, &pair.map(|value| ("authorization", value)), 401, "key_mismatch").await;
        }
    }
    check("/api/v1/events", EVENT, &[("authorization", &bearer), ("authorization", &bearer)], 200, "").await;
    check("/api/v1/events", EVENT, &[("x-write-key", KEY), ("x-write-key", "hw_w_other")], 401, "key_mismatch").await;
    let two = json!({ "batch": [{ "writeKey": KEY }, { "writeKey": "hw_w_other" }] }).to_string();
    check("/v1/batch", &two, &[("authorization", "")], 401, "key_mismatch").await;
}

#[tokio::test]
async fn a_token_of_somebody_else_beside_the_key_of_a_segment_body_does_not_matter() {
    let batch = json!({ "writeKey": KEY, "batch": [] }).to_string();
    check("/v1/batch", &batch, &[("authorization", "Bearer aaa.bbb.ccc")], 200, "").await;
    check("/api/v1/events/batch", &batch, &[("authorization", "Bearer aaa.bbb.ccc")], 401, "key_mismatch").await;
    check("/v1/batch", r#"{"batch":[]}"#, &[("authorization", "Bearer aaa.bbb.ccc")], 401, "key_unknown").await;
}

#[tokio::test]
async fn unknown_disabled_and_ended_keys_answer_the_same() {
    let mut bodies = Vec::new();
    for key in ["hw_w_never", "hw_w_off", "hw_w_ended", "' OR 1=1--"] {
        let answer = server().post("/api/v1/events", EVENT, &[("authorization", &format!("Bearer {key}"))]).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "key_unknown"), "{key}");
        bodies.push(answer.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_key_needs_the_scope_and_the_origin() {
    check("/api/v1/events", EVENT, &[("authorization", "Bearer hw_r_reader")], 403, "scope_missing").await;
    let shop = ("authorization", "Bearer hw_w_shop");
    check("/api/v1/events", EVENT, &[shop, ("origin", "https://shop.example")], 200, "").await;
    check("/api/v1/events", EVENT, &[shop, ("origin", "https://evil.example")], 403, "origin_not_allowed").await;
    check("/api/v1/events", EVENT, &[shop], 200, "").await;
}

#[tokio::test]
async fn events_go_to_the_project_of_the_key_and_the_key_is_kept_nowhere() {
    let server = server();
    let event = json!({ "writeKey": "hw_w_other", "event": "a" }).to_string();
    server.post("/api/v1/events", event, &[("authorization", "Bearer hw_w_other")]).await;
    let envelope = server.envelope().await;
    assert_eq!((envelope.project.as_str(), envelope.write_key_id.as_str()), ("other", "other"));
    assert!(!serde_json::to_string(&envelope).unwrap().contains("hw_w_other"));
    assert_eq!(envelope.rejected[0].original.0, br#"{"event":"a"}"#);
}
