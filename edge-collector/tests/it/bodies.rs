//! What a body may be: compression, character sets, documents. One row a body.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::server::Server;

const GOOD: &str = r#"{"batch":[{"event":"a","user_id":"u"}]}"#;

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

async fn check(body: impl Into<Vec<u8>>, headers: &[(&str, &str)], status: u16, code: &str) {
    let server = Server::new();
    let body: Vec<u8> = body.into();
    let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
    let answer = server.post("/api/v1/events/batch", body, headers).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{shown} {headers:?} {:?}", answer.body);
    if status == 200 {
        assert_eq!(answer.body["accepted"], 1, "{shown}");
    } else {
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(server.envelopes().await.len(), 0, "{shown}");
    }
}

#[tokio::test]
async fn only_one_json_document_is_a_body() {
    for (body, code) in [
        ("", "invalid_json"),
        ("  ", "invalid_json"),
        ("null", "invalid_body"),
        ("42", "invalid_body"),
        ("true", "invalid_body"),
        ("{batch:[]}", "invalid_json"),
        (r#"{"batch":[]/*x*/}"#, "invalid_json"),
        (r#"{"batch":[{"event":"a","user_id":"u","properties":{"v":-Infinity}}]}"#, "invalid_json"),
        (r#"{"batch":[{"event":"a","user_id":"u","properties":{"v":012}}]}"#, "invalid_json"),
        (r#"{"batch":[{"event":"a","user_id":"u","properties":{"v":0x1F}}]}"#, "invalid_json"),
        (r#"{"batch":[{"event":"a","user_id":"u","properties":{"v":1.}}]}"#, "invalid_json"),
        (r#"{"batch":[]}{"batch":[]}"#, "invalid_json"),
        (r#"{"batch":[{"event":"a","user_id":"u"},]}"#, "invalid_json"),
        ("{\"batch\":[{\"event\":\"a\nb\",\"user_id\":\"u\"}]}", "invalid_json"),
        (r#"{"batch":[{"event":"\x41","user_id":"u"}]}"#, "invalid_json"),
        ("<html><body>502</body></html>", "invalid_json"),
        (r#"{"event":"a","user_id":"u"}"#, "invalid_body"),
        (r#"{"batch":{"event":"a"}}"#, "invalid_body"),
        (r#"{"batch":[],"events":[]}"#, "invalid_body"),
        (r#"{"batch":[{"event":"a","event":"b","user_id":"u"}]}"#, "duplicate_key"),
        (r#"{"batch":[{"event":"a","\u0065vent":"b","user_id":"u"}]}"#, "duplicate_key"),
        (r#"{"api_key":"k1","api_key":"k2","batch":[]}"#, "duplicate_key"),
        (r#"{"batch":[],"batch":[]}"#, "duplicate_key"),
    ] {
        check(body, &[], 400, code).await;
    }
    check(GOOD, &[], 200, "").await;
    check(GOOD.replace("batch", "events"), &[], 200, "").await;
    check(r#"[{"event":"a","user_id":"u"}]"#, &[], 200, "").await;
    check(format!("\u{feff} {GOOD} \n"), &[], 200, "").await;
}

#[tokio::test]
async fn text_is_utf8_or_nothing() {
    for hex in [&b"\xc0\xaf"[..], b"\xed\xa0\x80", b"\xe9", b"\xf4\xbf\xbf\xbf"] {
        let body = [&br#"{"batch":[{"event":""#[..], hex, br#"","user_id":"u"}]}"#].concat();
        check(body, &[], 400, "invalid_json").await;
    }
    let utf16: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check([&b"\xff\xfe"[..], &utf16].concat(), &[], 400, "invalid_json").await;
    check(GOOD, &[("content-type", "application/json; charset=utf-7")], 415, "unsupported_encoding").await;
    for fine in ["application/json; charset=UTF-8", "text/plain;charset=\"utf-8\"", "text/plain", "image/png"] {
        check(GOOD, &[("content-type", fine)], 200, "").await;
    }
}

#[tokio::test]
async fn compression_is_recognised_by_the_bytes() {
    let gzip_label = [("content-encoding", "gzip")];
    check(gzip(GOOD), &gzip_label, 200, "").await;
    check(gzip(GOOD), &[], 200, "").await;
    check(GOOD, &gzip_label, 200, "").await;
    check(GOOD, &[("content-encoding", "identity")], 200, "").await;
    for label in ["gzip, gzip", "br", "zstd", "deflate"] {
        check(gzip(GOOD), &[("content-encoding", label)], 415, "unsupported_encoding").await;
    }
    let whole = gzip(GOOD);
    check(&whole[..whole.len() - 10], &gzip_label, 400, "invalid_encoding").await;
    check(&whole[..whole.len() - 3], &gzip_label, 400, "invalid_encoding").await;
    let mut flipped = whole.clone();
    let crc = flipped.len() - 8;
    flipped[crc] ^= 0xff;
    check(flipped, &gzip_label, 400, "invalid_encoding").await;
    check([&whole[..], b"\xde\xad\xbe\xef"].concat(), &gzip_label, 400, "invalid_encoding").await;
    check(gzip(gzip(GOOD)), &gzip_label, 400, "invalid_json").await;
}

#[tokio::test]
async fn a_body_may_not_be_larger_than_the_limits() {
    check(vec![b' '; 2 * 1024 * 1024 + 1], &[], 413, "body_too_large").await;
    check(gzip(vec![b' '; 9 * 1024 * 1024]), &[], 413, "body_too_large").await;
    let events = |count: usize| format!("{{\"batch\":[{}]}}", vec![r#"{"event":"a","user_id":"u"}"#; count].join(","));
    check(events(2_501), &[], 413, "batch_too_large").await;
    let server = Server::new();
    assert_eq!(server.post("/api/v1/events/batch", events(2_500), &[]).await.body["accepted"], 2_500);
    let repeated = json!({ "context": { "v": "x".repeat(8_000) }, "batch": vec![json!({ "type": "track" }); 2_000] });
    check(repeated.to_string(), &[], 413, "body_too_large").await;
}

#[tokio::test]
async fn bombs_of_brackets_are_answered_at_once() {
    let start = std::time::Instant::now();
    check("[".repeat(100_000), &[], 400, "invalid_json").await;
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    check(format!(r#"{{"batch":[{{"event":"a","properties":{objects}}}]}}"#), &[], 400, "invalid_json").await;
    assert!(start.elapsed().as_millis() < 1_000, "{:?}", start.elapsed());
}
