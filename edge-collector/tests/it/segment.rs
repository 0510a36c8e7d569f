//! Segment's protocol: its rules, one row each. Recorded requests of its libraries are in `captures.rs`.

use axum::body::Body;
use base64::Engine as _;
use http::Request;
use serde_json::{Value, json};

use crate::server::{KEY, Server};

/// One call to `/v1/track` unless the row says otherwise, and what the message holds of it at a JSON pointer.
async fn check(path: &str, body: Value, pointer: &str, expect: Value) {
    let server = Server::new();
    let answer = server.post_json(path, body.clone()).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!({ "success": true })));
    let envelope = serde_json::to_value(server.envelope().await).unwrap();
    assert_eq!(envelope.pointer(pointer).unwrap_or(&Value::Null), &expect, "{body} {envelope}");
}

#[tokio::test]
async fn each_path_gives_its_type() {
    for kind in ["track", "page", "screen", "identify", "group", "alias"] {
        let body = json!({ "type": "track", "event": "a", "userId": "u", "groupId": "g", "previousId": "p" });
        check(&format!("/v1/{kind}"), body.clone(), "/events/0/type", json!(kind)).await;
        check(&format!("/v1/{}", &kind[..1]), body, "/events/0/type", json!(kind)).await;
    }
    for path in ["/v1/import", "/v1/b"] {
        let batch = json!({ "batch": [{ "type": "page", "userId": "u" }] });
        check(path, batch, "/events/0/type", json!("page")).await;
    }
}

#[tokio::test]
async fn a_library_without_headers_of_its_own_sends_text_with_the_key_in_it() {
    let batch = json!({ "writeKey": KEY, "batch": [{ "type": "track", "event": "a", "userId": "u" }] });
    let call = json!({ "writeKey": KEY, "event": "a", "userId": "u" });
    for (path, body) in [("/v1/b", batch), ("/v1/t", call)] {
        let server = Server::new();
        let text = [("content-type", "text/plain"), ("authorization", "")];
        assert_eq!(server.post(path, body.to_string(), &text).await.status, 200);
        assert_eq!(server.event().await["event"], "a");
    }
}

#[tokio::test]
async fn what_the_library_needs_to_load_needs_no_key_and_no_project() {
    let server = Server::new();
    server.directory.set(Err("the file is gone".to_owned()));
    let settings = Request::get("/v1/projects/any_key/settings").header("host", "edge.example.com");
    let answer = server.request(settings.body(Body::empty()).unwrap()).await;
    let destination = json!({ "apiKey": "any_key", "apiHost": "edge.example.com/v1" });
    assert_eq!((answer.status.as_u16(), &answer.body["integrations"]["Segment.io"]), (200, &destination));
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert!(answer.headers["cache-control"].to_str().unwrap().contains("max-age"));
    let metrics = server.post("/v1/m", r#"{"series":[]}"#, &[("authorization", "")]).await;
    assert_eq!((metrics.status.as_u16(), metrics.body), (200, json!({ "success": true })));
    let wrong = server.post("/v1/projects/any_key/settings", "{}", &[]).await;
    assert_eq!((wrong.status.as_u16(), &wrong.headers["allow"]), (405, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test]
async fn what_cannot_be_used_is_answered_with_success_and_kept() {
    for (item, reason) in [
        (json!({ "type": "track", "event": "a" }), "person_id_missing"),
        (json!({ "type": "track", "userId": "u" }), "event_name_missing"),
        (json!({ "event": "a", "userId": "u" }), "type_unknown"),
        (json!({ "type": "purchase", "event": "a", "userId": "u" }), "type_unknown"),
        (json!({ "type": "alias", "userId": "u" }), "previous_id_missing"),
        (json!({ "type": "group", "userId": "u" }), "group_id_missing"),
        (json!({ "type": "track", "event": "a", "userId": "u", "properties": "x" }), "properties_invalid"),
        (json!({ "type": "track", "event": "a", "userId": "u", "timestamp": "1999-01-01" }), "timestamp_out_of_range"),
    ] {
        check("/v1/batch", json!({ "batch": [item] }), "/rejected/0/reason", json!(reason)).await;
    }
}

#[tokio::test]
async fn what_a_batch_says_holds_for_its_items_and_the_item_wins() {
    let batch = json!({
        "context": { "locale": "de-DE", "app": { "name": "shop", "version": "2" } },
        "integrations": { "All": false, "Mixpanel": true },
        "batch": [{
            "type": "track", "event": "a", "userId": "u", "context": { "locale": "fr-FR" }, "integrations": { "All": true },
        }],
    });
    for (pointer, expect) in [
        ("/events/0/locale", json!("fr-FR")),
        ("/events/0/service", json!("shop")),
        ("/events/0/context/locale", json!("fr-FR")),
        ("/events/0/context/integrations", json!({ "All": true, "Mixpanel": true })),
    ] {
        check("/v1/batch", batch.clone(), pointer, expect).await;
    }
}

#[tokio::test]
async fn nothing_that_a_client_says_is_lost() {
    let body = json!({
        "event": "a", "userId": "u", "channel": "server", "integrations": {}, "_metadata": { "nodeVersion": "v20" },
        "context": { "traits": { "plan": "pro" }, "other": 1 }, "timestamp": "yesterday",
    });
    check(
        "/v1/track",
        body,
        "/events/0/context",
        json!({
            "traits": { "plan": "pro" }, "_metadata": { "nodeVersion": "v20" },
            "other": { "channel": "server", "timestamp": "yesterday", "other": 1 },
        }),
    )
    .await;
    let page = json!({ "userId": "u", "name": "Home", "category": "Docs", "properties": { "name": "Start" } });
    check("/v1/page", page.clone(), "/events/0/properties", json!({ "name": "Start", "category": "Docs" })).await;
    check("/v1/page", page, "/events/0/context", json!({ "other": { "name": "Home" } })).await;
    let track = json!({ "event": "a", "userId": "u", "name": "n", "_metadata": 1, "context": { "_metadata": 2 } });
    check("/v1/track", track, "/events/0/context", json!({ "_metadata": 1, "other": { "name": "n", "_metadata": 2 } }))
        .await;
}

#[tokio::test]
async fn the_clients_clock_is_corrected_by_the_time_of_sending() {
    let server = Server::new();
    let item = |timestamp: Value, sent_at: Value| json!({ "type": "track", "event": "a", "userId": "u", "timestamp": timestamp, "sentAt": sent_at });
    let (happened, sent) = (json!("2031-01-01T00:00:00Z"), json!("2031-01-01T00:00:10Z"));
    let batch = json!({ "sentAt": sent, "batch": [
        item(happened.clone(), Value::Null),
        item(happened.clone(), sent.clone()),
        item(Value::Null, sent),
        item(json!("2026-01-02T03:04:05Z"), json!("2026-01-02T03:04:05Z")),
    ]});
    server.post_json("/v1/batch", batch).await;
    let envelope = server.envelope().await;
    let offset = |place: usize| envelope.events[place].timestamp.0 - envelope.received_at.0;
    assert_eq!([offset(0), offset(1), offset(2), offset(3)], [-10_000_000, -10_000_000, 0, 0]);
    assert_eq!(envelope.events[0].original_timestamp.unwrap().to_string(), "2031-01-01T00:00:00Z");
    assert_eq!(envelope.events[2].original_timestamp, None);
}

#[tokio::test]
async fn a_basic_user_without_a_colon_is_tolerated() {
    let server = Server::new();
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(KEY));
    let call = r#"{"event":"a","userId":"u"}"#;
    assert_eq!(
        server.post("/v1/track", call, &[("authorization", &basic), ("content-type", "text/plain")]).await.status,
        200
    );
}
