//! What is added to an event, one row an enrichment.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use serde_json::{Value, json};

use crate::server::{KEY, Server, project};

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36";

async fn check(event: Value, headers: &[(&str, &str)], expect: Value) {
    let server = Server::new();
    let answer = server.post("/api/v1/events", event.to_string(), headers).await;
    assert_eq!(answer.body["accepted"], 1, "{:?}", answer.body);
    let found = server.event().await;
    for (column, value) in expect.as_object().unwrap() {
        assert_eq!(&found[column], value, "{column} of {event}");
    }
}

#[tokio::test]
async fn a_page_gives_host_path_campaign_click_id_and_channel() {
    let url = "https://Shop.example/shoes/?utm_source=News%20letter&utm_medium=email&utm_campaign=c1&gclid=abc&x=1#top";
    let page = json!({ "type": "page", "user_id": "u", "properties": {
        "url": url, "referrer": "https://www.Google.com/search", "title": "Shoes",
    }});
    let expect = json!({
        "event": "page", "url": url, "host": "shop.example", "path": "/shoes/", "title": "Shoes",
        "referrer": "https://www.Google.com/search", "referrer_host": "www.google.com",
        "utm_source": "News letter", "utm_medium": "email", "utm_campaign": "c1",
        "click_id_type": "gclid", "click_id": "abc", "channel": "email",
    });
    check(page, &[], expect).await;
    let in_context = json!({ "event": "a", "user_id": "u", "context": {
        "page": { "url": "https://shop.example/", "search": "?utm_source=x" }, "campaign": { "source": "y", "name": "z" },
    }});
    check(in_context, &[], json!({ "path": "/", "utm_source": "y", "utm_campaign": "z", "channel": "other" })).await;
    check(json!({ "event": "a", "user_id": "u" }), &[], json!({ "channel": null, "path": null })).await;
}

#[tokio::test]
async fn the_device_is_of_the_events_user_agent_or_of_the_requests() {
    let event = json!({ "event": "a", "user_id": "u" });
    let expect = json!({ "browser": "Chrome", "os": "Windows", "device_type": "desktop", "is_bot": null });
    check(event.clone(), &[("user-agent", CHROME)], expect.clone()).await;
    let own = json!({ "event": "a", "user_id": "u", "context": { "userAgent": CHROME } });
    check(own, &[("user-agent", "analytics-node/3")], expect).await;
    check(event.clone(), &[("user-agent", "curl/8.5.0")], json!({ "browser": null, "os": null, "is_bot": null })).await;
    let bot = json!({ "is_bot": true, "bot_reason": "headless_browser", "browser": "Chrome" });
    check(event, &[("user-agent", &CHROME.replace("Chrome", "HeadlessChrome"))], bot).await;
}

#[tokio::test]
async fn the_context_fills_the_columns_that_it_has_words_for() {
    let event = json!({ "event": "a", "anonymous_id": "v", "context": {
        "user_id": 7, "org_id": "acme", "session_id": 1_700_000_000, "service": "api", "version": 3, "request_id": "r-1",
        "source": "webhook", "locale": "de-DE", "timezone": "Europe/Berlin", "location": { "country": "DE", "city": "Bonn" },
        "library": { "name": "go", "version": "1.0" }, "os": { "name": "Plan 9", "version": "4" }, "device": { "type": "ios" },
        "page": "not an object", "app": 7,
    }});
    let expect = json!({
        "user_id": "7", "group_id": "acme", "session_id": "1700000000", "service": "api", "service_version": "3",
        "request_id": "r-1", "source": "webhook", "locale": "de-DE", "timezone": "Europe/Berlin", "country": "DE",
        "city": "Bonn", "library": "go", "library_version": "1.0", "os": "Plan 9", "os_version": "4",
        "device_type": "mobile", "url": null,
    });
    check(event.clone(), &[], expect).await;
    check(event.clone(), &[], json!({ "context": event["context"] })).await;
}

#[tokio::test]
async fn our_own_protocol_trusts_a_time_without_a_time_of_sending() {
    let server = Server::new();
    let batch = json!({ "sent_at": "2031-01-01T00:00:10Z", "batch": [
        { "event": "a", "user_id": "u", "timestamp": "2031-01-01T00:00:00Z" },
        { "event": "b", "user_id": "u" },
    ]});
    server.post_json("/api/v1/events/batch", batch).await;
    server
        .post_json("/api/v1/events", json!({ "event": "c", "user_id": "u", "timestamp": "2026-01-02T03:04:05Z" }))
        .await;
    let envelopes = server.envelopes().await;
    let offset = |place: usize| envelopes[0].events[place].timestamp.0 - envelopes[0].received_at.0;
    assert_eq!([offset(0), offset(1)], [-10_000_000, 0]);
    assert_eq!(envelopes[1].events[0].timestamp.to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(envelopes[1].events[0].original_timestamp, None);
}

/// Sends an event from an address and returns it as it waits in the queue.
async fn from(server: &Server, ip: &str, event: Value, headers: &[(&str, &str)]) -> Value {
    let mut request = Request::post("/api/v1/events").header("authorization", format!("Bearer {KEY}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(event.to_string())).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(ip.parse().unwrap(), 443)));
    assert_eq!(server.request(request).await.status, 200);
    let envelope = server.envelopes().await.pop().unwrap();
    serde_json::to_value(&envelope.events).unwrap()[0].take()
}

#[tokio::test]
async fn the_address_is_dropped_unless_the_project_keeps_it() {
    let event = json!({ "event": "a", "user_id": "u", "context": { "ip": "198.51.100.1", "a": 1 } });
    let found = from(&Server::new(), "203.0.113.7", event.clone(), &[]).await;
    assert_eq!(found["context"], json!({ "a": 1 }));
    let keeps = |project: &mut Value| project["privacy"] = json!({ "keep_ip": true });
    let found = from(&Server::with(vec![project(keeps)]), "203.0.113.7", event.clone(), &[]).await;
    assert_eq!(found["context"], json!({ "a": 1, "ip": "203.0.113.7" }));
}

#[tokio::test]
async fn what_a_request_says_of_the_address_is_believed_from_servers_only() {
    let forwarded = [("x-forwarded-for", "192.0.2.9, 10.0.0.1")];
    let event = json!({ "event": "a", "user_id": "u" });
    let with_ip = json!({ "event": "a", "user_id": "u", "context": { "ip": "198.51.100.1" } });
    for (server_side, event, expect) in [
        (false, &event, "203.0.113.7"),
        (true, &event, "192.0.2.9"),
        (false, &with_ip, "203.0.113.7"),
        (true, &with_ip, "198.51.100.1"),
    ] {
        let server = Server::with(vec![project(|project| {
            project["privacy"] = json!({ "keep_ip": true });
            project["keys"][0]["server_side"] = json!(server_side);
        })]);
        let found = from(&server, "203.0.113.7", event.clone(), &forwarded).await;
        assert_eq!(found["context"]["ip"], expect, "{server_side} {event}");
    }
}

#[tokio::test]
async fn a_visitor_without_any_id_gets_one_for_the_day_where_the_project_asks_for_it() {
    let server = Server::with(vec![project(|project| project["privacy"] = json!({ "cookieless": true }))]);
    let event = json!({ "event": "a" });
    let chrome = [("user-agent", CHROME)];
    let one = from(&server, "203.0.113.7", event.clone(), &chrome).await["anonymous_id"].clone();
    let again = from(&server, "203.0.113.7", event.clone(), &chrome).await["anonymous_id"].clone();
    let elsewhere = from(&server, "203.0.113.8", event.clone(), &chrome).await["anonymous_id"].clone();
    let otherwise = from(&server, "203.0.113.7", event.clone(), &[("user-agent", "x")]).await["anonymous_id"].clone();
    assert_eq!(one, again);
    assert!(one.as_str().unwrap().starts_with("v_") && one.as_str().unwrap().len() == 34);
    assert!(one != elsewhere && one != otherwise);
    let known = from(&server, "203.0.113.7", json!({ "event": "a", "user_id": "u" }), &chrome).await;
    assert_eq!(known["anonymous_id"], Value::Null);
    // In any project, an event may ask for itself.
    let asking = json!({ "event": "a", "cookieless": true });
    let plain = Server::new();
    let asked = from(&plain, "203.0.113.7", asking, &chrome).await;
    assert!(asked["anonymous_id"].as_str().unwrap().starts_with("v_"));
    assert_eq!(asked["context"], Value::Null);
    // Without an address everybody would be one visitor.
    let answer = server.post("/api/v1/events", event.to_string(), &chrome).await;
    assert_eq!(answer.body["rejected"][0]["code"], "person_id_missing");
}
