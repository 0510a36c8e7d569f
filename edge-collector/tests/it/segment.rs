//! Segment's protocol: the recorded requests of its libraries, and its rules, one row each.

use base64::Engine as _;
use event_model::project::key_hash;
use serde_json::{Value, json};

use crate::server::{Answer, Server, project};

/// Plays a recorded request on its own path, or on another one; the key in it is `wk_test`.
async fn play(server: &Server, capture: &str, target: Option<&str>) -> Answer {
    let file = format!("{}/../tests/captures/{capture}.http", env!("CARGO_MANIFEST_DIR"));
    let recorded = String::from_utf8(std::fs::read(file).unwrap()).unwrap();
    let (head, body) = recorded.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let recorded_target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: Vec<(&str, &str)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
        .collect();
    server.post(target.unwrap_or(recorded_target), body.to_owned(), &headers).await
}

fn recorded_server() -> Server {
    Server::with(vec![project(|project| project["keys"][0]["sha256"] = json!(key_hash("wk_test")))])
}

/// Type, name, ids and more of each event, as the recording has them in order.
async fn summary(server: &Server) -> Vec<String> {
    let envelope = server.envelope().await;
    assert_eq!((envelope.rejected.len(), envelope.protocol.as_str()), (0, "segment"));
    let line = |event: &event_model::Event| {
        let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "-".into());
        let [user, anonymous, previous, group] =
            [&event.user_id, &event.anonymous_id, &event.previous_id, &event.group_id].map(id);
        format!("{} {} {user} {anonymous} {previous} {group}", event.kind.as_str(), event.event)
    };
    envelope.events.iter().map(line).collect()
}

#[tokio::test]
async fn the_node_library() {
    let server = recorded_server();
    let answer = play(&server, "segment-node-01", None).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!({ "success": true })));
    assert_eq!(
        summary(&server).await,
        [
            "identify identify user_1 - - -",
            "track Order Completed user_1 - - -",
            "page page user_1 - - -",
            "group group user_1 - - org_1",
            "alias alias user_1 - anon_1 -",
            "screen screen - anon_2 - -",
        ]
    );
}

#[tokio::test]
async fn the_python_library() {
    let server = recorded_server();
    assert_eq!(play(&server, "segment-python-01", None).await.status, 200);
    let envelope = server.envelope().await;
    assert_eq!(envelope.events.len(), 6);
    let page = serde_json::to_value(&envelope.events[2]).unwrap();
    assert_eq!(page["properties"], json!({ "url": "https://ex.com/", "name": "Home", "category": "Docs" }));
    assert_eq!((&page["title"], &page["path"], &page["host"]), (&json!("Home"), &json!("/"), &json!("ex.com")));
    assert_eq!((&page["library"], &page["library_version"]), (&json!("analytics-python"), &json!("2.4.0")));
    assert_eq!((&page["source"], &page["is_bot"]), (&json!("sdk"), &Value::Null));
    let track = serde_json::to_value(&envelope.events[1]).unwrap();
    assert_eq!(track["context"], json!({ "library": { "name": "analytics-python", "version": "2.4.0" } }));
}

#[tokio::test]
async fn the_browser_librarys_calls() {
    for (number, path, name, channel) in [
        ("03", "/v1/page", "page", "paid_search"),
        ("05", "/v1/identify", "identify", "paid_search"),
        ("07", "/v1/track", "Order Completed", "paid_search"),
        ("09", "/v1/group", "group", "paid_search"),
    ] {
        let server = recorded_server();
        assert_eq!(play(&server, &format!("segment-analytics-next-{number}"), Some(path)).await.status, 200);
        let event = server.event().await;
        let column = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        assert_eq!((column("event"), column("channel")), (name.to_owned(), channel.to_owned()));
        assert_eq!(column("anonymous_id"), "1da30df4-88c7-4124-afbd-3f84558d0cd6");
        assert_eq!((column("path"), column("title"), column("host")), ("/seg/".into(), "T".into(), "127.0.0.1".into()));
        assert_eq!((column("utm_source"), column("click_id")), ("news".into(), "abc".into()));
        assert_eq!((column("browser"), column("bot_reason")), ("Chrome".into(), "headless_browser".into()));
        assert_eq!((column("locale"), column("timezone")), ("en-US@posix".into(), "UTC".into()));
        assert_eq!(event["context"]["integrations"], json!({ "Segment.io": true }));
    }
}

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
        check(&format!("/v1/{kind}"), body, "/events/0/type", json!(kind)).await;
    }
    let batch = json!({ "batch": [{ "type": "page", "userId": "u" }] });
    check("/v1/import", batch, "/events/0/type", json!("page")).await;
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
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(crate::server::KEY));
    let call = r#"{"event":"a","userId":"u"}"#;
    assert_eq!(
        server.post("/v1/track", call, &[("authorization", &basic), ("content-type", "text/plain")]).await.status,
        200
    );
}
