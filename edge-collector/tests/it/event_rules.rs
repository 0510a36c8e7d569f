//! Which events are taken and which are kept with which reason: one row a rule.

use serde_json::Value;

use crate::server::Server;

/// Sends one native event given as JSON text and returns the reason it is refused for, or `accepted`.
async fn verdict(event: &str) -> String {
    let server = Server::new();
    let answer = server.post("/api/v1/events", event.to_owned(), &[]).await;
    assert_eq!(answer.status, 200, "{event:.200}");
    let envelope = server.envelope().await;
    match answer.body["rejected"][0]["code"].as_str() {
        None => {
            assert_eq!((envelope.events.len(), envelope.rejected.len()), (1, 0));
            "accepted".to_owned()
        }
        Some(code) => {
            assert_eq!((envelope.events.len(), envelope.rejected.len()), (0, 1));
            assert_eq!(envelope.rejected[0].reason.as_str(), code);
            assert!(!answer.body["rejected"][0]["detail"].as_str().unwrap().is_empty());
            code.to_owned()
        }
    }
}

async fn check(rows: &[(&str, &str)]) {
    for (event, expect) in rows {
        assert_eq!(&verdict(event).await, expect, "{event:.300}");
    }
}

#[tokio::test]
async fn names_and_types() {
    check(&[
        (r#"{"event":"a","user_id":"u"}"#, "accepted"),
        (r#"{"user_id":"u"}"#, "event_name_missing"),
        (r#"{"event":null,"user_id":"u"}"#, "event_name_missing"),
        (r#"{"event":"  ","user_id":"u"}"#, "event_name_missing"),
        (r#"{"event":5,"user_id":"u"}"#, "event_name_invalid"),
        (r#"{"event":{"$gt":""},"user_id":"u"}"#, "event_name_invalid"),
        (r#"{"event":"a\u0000b","user_id":"u"}"#, "event_name_invalid"),
        (&format!(r#"{{"event":"{}","user_id":"u"}}"#, "é".repeat(513)), "event_name_invalid"),
        (&format!(r#"{{"event":"{}","user_id":"u"}}"#, "é".repeat(512)), "accepted"),
        (r#"{"event":"../../../_delta_log/0","user_id":"u"}"#, "accepted"),
        (r#"{"type":"page","user_id":"u"}"#, "accepted"),
        (r#"{"type":"purchase","event":"a","user_id":"u"}"#, "type_unknown"),
        (r#"{"type":7,"event":"a","user_id":"u"}"#, "type_unknown"),
        (r#"{"type":null,"event":"a","user_id":"u"}"#, "accepted"),
        (r#"{"event":"a","user_id":"u","namespace":["x"]}"#, "field_invalid"),
    ])
    .await;
}

#[tokio::test]
async fn ids() {
    let long = "x".repeat(1_025);
    check(&[
        (r#"{"event":"a"}"#, "person_id_missing"),
        (r#"{"event":"a","user_id":null,"anonymous_id":""}"#, "person_id_missing"),
        (r#"{"event":"a","user_id":{"a":1}}"#, "person_id_invalid"),
        (r#"{"event":"a","user_id":true}"#, "person_id_invalid"),
        (r#"{"event":"a","user_id":"a\u0000"}"#, "person_id_invalid"),
        (&format!(r#"{{"event":"a","anonymous_id":"{long}"}}"#), "person_id_invalid"),
        (r#"{"event":"a","user_id":12345678901234567890}"#, "accepted"),
        (r#"{"event":"a","context":{"user_id":"u"}}"#, "accepted"),
        (r#"{"event":"a","user_id":"undefined"}"#, "accepted"),
        (r#"{"event":"a","user_id":"u","event_id":"order-42"}"#, "accepted"),
        (r#"{"event":"a","user_id":"u","id":42}"#, "accepted"),
        (r#"{"event":"a","user_id":"u","event_id":{}}"#, "event_id_invalid"),
        (r#"{"event":"a","user_id":"u","event_id":"a\u0000"}"#, "event_id_invalid"),
        (&format!(r#"{{"event":"a","user_id":"u","event_id":"{long}"}}"#), "event_id_invalid"),
        (r#"{"type":"alias","user_id":"u","previous_id":"v"}"#, "accepted"),
        (r#"{"type":"alias","user_id":"u"}"#, "previous_id_missing"),
        (r#"{"type":"alias","previous_id":"v","anonymous_id":"w"}"#, "person_id_missing"),
        (r#"{"type":"group","user_id":"u","group_id":"g"}"#, "accepted"),
        (r#"{"type":"group","user_id":"u"}"#, "group_id_missing"),
        (r#"{"type":"identify","traits":{"plan":"pro"}}"#, "person_id_missing"),
    ])
    .await;
}

#[tokio::test]
async fn times() {
    for (time, expect) in [
        (r#""2026-01-02T03:04:05.123456789+14:00""#, "accepted"),
        (r#""2016-12-31T23:59:60Z""#, "accepted"),
        ("null", "accepted"),
        (r#""0000-01-01T00:00:00Z""#, "timestamp_out_of_range"),
        (r#""1999-12-31T23:59:59Z""#, "timestamp_out_of_range"),
        (r#""2999-01-01T00:00:00Z""#, "timestamp_out_of_range"),
        (r#""+292278994-08-17T07:12:55Z""#, "timestamp_invalid"),
        (r#""now""#, "timestamp_invalid"),
        ("1767323045", "timestamp_invalid"),
    ] {
        let event = format!(r#"{{"event":"a","user_id":"u","timestamp":{time}}}"#);
        assert_eq!(verdict(&event).await, expect, "{time}");
    }
}

#[tokio::test]
async fn properties() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let keys = |count: usize| (0..count).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",");
    for (properties, expect) in [
        (r#""a=1""#.to_owned(), "properties_invalid"),
        ("[1]".to_owned(), "properties_invalid"),
        ("null".to_owned(), "accepted"),
        (r#"{"Price":1,"price":2,"":3," ":4,"v":[1,"a",null,{"b":[true]}]}"#.to_owned(), "accepted"),
        (format!(r#"{{"v":{}}}"#, nested(30)), "accepted"),
        (format!(r#"{{"v":{}}}"#, nested(31)), "too_deep"),
        (format!(r#"{{"v":{}}}"#, nested(500)), "too_deep"),
        (format!("{{{}}}", keys(2_000)), "accepted"),
        (format!("{{{}}}", keys(2_001)), "too_many_keys"),
        (format!(r#"{{"{}":1}}"#, "k".repeat(1_024)), "accepted"),
        (format!(r#"{{"{}":1}}"#, "k".repeat(1_025)), "key_too_long"),
        (r#"{"v":{"a":1,"a":2}}"#.to_owned(), "duplicate_key"),
        (r#"{"v":1e400}"#.to_owned(), "number_out_of_range"),
        (r#"{"v":1e-400}"#.to_owned(), "accepted"),
        (r#"{"v":"\ud800"}"#.to_owned(), "invalid_text"),
        (r#"{"v":"\u0000"}"#.to_owned(), "accepted"),
        (format!(r#"{{"v":"{}"}}"#, "x".repeat(128 * 1_024)), "event_too_large"),
    ] {
        let event = format!(r#"{{"event":"a","user_id":"u","properties":{properties}}}"#);
        assert_eq!(verdict(&event).await, expect, "{properties:.100}");
    }
    check(&[
        (r#"{"event":"a","user_id":"u","traits":7}"#, "properties_invalid"),
        (r#"{"event":"a","user_id":"u","context":"x"}"#, "properties_invalid"),
    ])
    .await;
}

#[tokio::test]
async fn an_item_that_is_no_object_is_kept_and_the_rest_is_taken() {
    let server = Server::new();
    let body = r#"{"batch":[7,{"event":"a","user_id":"u"},null,"x",[1]]}"#;
    let answer = server.post("/api/v1/events/batch", body, &[]).await;
    let codes: Vec<(&Value, &Value)> =
        answer.body["rejected"].as_array().unwrap().iter().map(|one| (&one["index"], &one["code"])).collect();
    let not: Value = "not_an_object".into();
    assert_eq!(codes, [(&0.into(), &not), (&2.into(), &not), (&3.into(), &not), (&4.into(), &not)]);
    assert_eq!(server.envelope().await.rejected[3].original.0, b"[1]");
}

#[tokio::test]
async fn an_oversize_event_keeps_its_beginning_its_length_and_its_hash() {
    let server = Server::new();
    let event = format!(r#"{{"event":"a","user_id":"u","properties":{{"v":"{}"}}}}"#, "x".repeat(1 << 20));
    server.post("/api/v1/events", event.clone(), &[]).await;
    let rejected = server.envelope().await.rejected.remove(0);
    assert_eq!(rejected.original.0, event.as_bytes()[..64 * 1_024]);
    assert_eq!((rejected.full_length, rejected.replayable), (event.len() as u64, false));
    assert_eq!(rejected.sha256, event_model::project::key_hash(&event));
}

#[tokio::test]
async fn numbers_keep_every_digit() {
    for number in ["9007199254740993", "18446744073709551615", "0.1000000000000000055511151231257827", "-0", "1e-400"] {
        let server = Server::new();
        let event = format!(r#"{{"event":"a","user_id":"u","properties":{{"v":{number}}}}}"#);
        server.post("/api/v1/events", event, &[]).await;
        let properties = server.envelope().await.events.remove(0).properties.unwrap();
        assert_eq!(properties.as_str(), format!(r#"{{"v":{number}}}"#));
    }
}
