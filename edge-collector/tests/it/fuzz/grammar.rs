//! Requests made from what a client may say, and from the mistakes that it may make.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;

use super::case::{Case, KEY};
use super::promises::SECRET;

/// Text of JSON, valid or not.
type Json = BoxedStrategy<String>;

const PATHS: &[&str] = &[
    "/api/v1/events",
    "/api/v1/events/batch",
    "/v1/batch",
    "/v1/b",
    "/v1/track",
    "/v1/t",
    "/v1/page",
    "/v1/identify",
    "/v1/group",
    "/v1/alias",
    "/v1/s",
];

const BATCH_PATHS: &[&str] = &["/api/v1/events/batch", "/v1/batch", "/v1/b"];

/// Names of fields that some dialect knows.
const FIELDS: &[&str] = &[
    "event",
    "type",
    "event_id",
    "id",
    "messageId",
    "user_id",
    "userId",
    "anonymous_id",
    "anonymousId",
    "previous_id",
    "previousId",
    "group_id",
    "groupId",
    "session_id",
    "timestamp",
    "originalTimestamp",
    "sent_at",
    "sentAt",
    "namespace",
    "properties",
    "traits",
    "context",
    "integrations",
    "_metadata",
    "name",
    "category",
    "channel",
    "cookieless",
    "secret",
];
const CONTEXT_FIELDS: &[&str] = &[
    "page",
    "library",
    "app",
    "service",
    "version",
    "request_id",
    "source",
    "campaign",
    "locale",
    "timezone",
    "os",
    "device",
    "location",
    "userAgent",
    "ip",
    "user_id",
    "org_id",
    "groupId",
    "session_id",
    "traits",
    "other",
    "_metadata",
    "integrations",
    "secret",
];
const INSIDE: &[&str] = &["url", "path", "title", "referrer", "search", "name", "version", "type", "country", "source"];
const TYPES: &[&str] = &["track", "track", "track", "page", "screen", "identify", "group", "alias", "purchase", ""];
const TEXTS: &[&str] = &[
    "a",
    "Order Completed",
    "user_1",
    "undefined",
    "null",
    "0",
    "",
    " ",
    "é😀",
    "\u{202e}gpj",
    "tab\\tand\\nline",
    "\\u0000",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\u00e9vent",
    "00000000-0000-0000-0000-000000000000",
    "5ac66e5c-d856-4188-9f89-8d8a8a4347c1",
    "2026-11-20T12:00:00Z",
    "2026-11-20 12:00:00.123456789+0200",
    "1999-01-01",
    "9999-12-31T23:59:60Z",
    "203.0.113.7",
    "::ffff:203.0.113.7",
    "https://shop.example/a/b?utm_source=news&gclid=abc#x",
    "http://[::1]:80/%ff?x=%",
    "javascript:alert(1)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1",
];
const NUMBERS: &[&str] =
    &["0", "-0", "1", "9007199254740993", "1e308", "0.1", "123456789012345678901234567890", "1E+2"];
/// What is no value, or none that anything can hold.
const NO_VALUES: &[&str] = &[
    "1e309",
    "-1e400",
    "01",
    "1.",
    ".5",
    "+1",
    "NaN",
    "-",
    "0x1F",
    "",
    "nul",
    "'a'",
    "undefined",
    "\"\\ud83d\"",
    "\"\t\"",
];

pub(super) fn cases() -> BoxedStrategy<Case> {
    (select(PATHS), headers(), document(), packing(), 0..40_u8)
        .prop_map(|(path, headers, (is_batch, document), packing, odd)| {
            // Mostly where it belongs.
            let path = if (is_batch == BATCH_PATHS.contains(&path)) || odd > 35 {
                path
            } else if is_batch {
                BATCH_PATHS[path.len() % BATCH_PATHS.len()]
            } else {
                "/api/v1/events"
            };
            let target = if odd == 0 { format!("{path}/?x=1") } else { path.to_owned() };
            let method = if odd == 1 { "GET" } else { "POST" }.to_owned();
            Case { method, target, headers, body: pack(document.into_bytes(), packing) }
        })
        .boxed()
}

/// How a body is sent.
#[derive(Clone, Copy, Debug)]
enum Packing {
    Plain,
    Gzip,
    GzipTwice,
    GzipAndMore,
    GzipCut,
    ByteOrderMark,
    Latin1,
}

fn packing() -> impl Strategy<Value = Packing> {
    use Packing::{ByteOrderMark, Gzip, GzipAndMore, GzipCut, GzipTwice, Latin1, Plain};
    prop_oneof![
        20 => Just(Plain),
        6 => Just(Gzip),
        1 => select(&[GzipTwice, GzipAndMore, GzipCut, ByteOrderMark, Latin1][..]),
    ]
}

fn pack(body: Vec<u8>, packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => body,
        Packing::Gzip => gzip(&body),
        Packing::GzipTwice => gzip(&gzip(&body)),
        Packing::GzipAndMore => [&gzip(&body)[..], b"more"].concat(),
        Packing::GzipCut => gzip(&body).split_last_chunk::<5>().map(|(start, _)| start.to_vec()).unwrap_or_default(),
        Packing::ByteOrderMark => [&b"\xef\xbb\xbf"[..], &body].concat(),
        Packing::Latin1 => [&body[..], b"\xe9"].concat(),
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let harmless: &[(&str, &str)] = &[
        ("authorization", "Bearer hw_w_fuzz_0123456789"),
        ("content-encoding", "gzip"),
        ("content-encoding", "identity"),
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=\"UTF-8\""),
        ("origin", "https://shop.example"),
        ("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)"),
        ("user-agent", "\u{e9}"),
        ("x-forwarded-for", "203.0.113.7, 10.0.0.1"),
        ("x-forwarded-for", ","),
    ];
    let refused: &[(&str, &str)] = &[
        ("authorization", "Bearer aaa.bbb.ccc"),
        ("authorization", "Digest x"),
        ("x-write-key", "hw_w_other"),
        ("content-encoding", "br"),
        ("content-type", "application/json; charset=utf-16"),
    ];
    let one = prop_oneof![40 => select(harmless), 1 => select(refused)]
        .prop_map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let keyed = prop_oneof![19 => Just(true), 1 => Just(false)];
    (keyed, vec(one, 0..3)).prop_map(|(keyed, mut headers)| {
        if keyed {
            headers.push(("authorization".to_owned(), format!("Bearer {KEY}").into_bytes()));
        }
        headers
    })
}

/// A body's text, and whether it is a batch.
fn document() -> BoxedStrategy<(bool, String)> {
    let list = vec(event(), 0..4).prop_map(|events| format!("[{}]", events.join(",")));
    let deep = (any::<u8>(), 1_usize..3_000).prop_map(|(kind, times)| nested(kind, times));
    prop_oneof![
        32 => batch().prop_map(|text| (true, text)),
        32 => event().prop_map(|text| (false, text)),
        8 => list.prop_map(|text| (true, text)),
        1 => value(2).prop_map(|text| (false, text)),
        1 => deep.prop_map(|text| (false, text)),
        1 => large().prop_map(|text| (text.contains("\"batch\""), text)),
    ]
    .boxed()
}

fn batch() -> Json {
    let items = prop_oneof![6 => vec(event(), 0..5), 1 => vec(value(1), 0..4)];
    let list_name = prop_oneof![12 => Just("batch"), 3 => Just("events"), 1 => select(&["b\\u0061tch", "list"][..])];
    (list_name, items, vec(beside(), 0..4), any::<bool>())
        .prop_map(|(name, items, beside, first)| {
            let list = format!("\"{name}\":[{}]", items.join(","));
            let parts = if first { [vec![list], beside].concat() } else { [beside, vec![list]].concat() };
            object(&parts)
        })
        .boxed()
}

/// A field beside a batch's list.
fn beside() -> Json {
    let key = format!("\"{KEY}\"");
    prop_oneof![
        select(&["writeKey", "write_key", "api_key"][..]).prop_map(move |name| field(name, &key)),
        text().prop_map(|text| field("sentAt", &text)),
        text().prop_map(|text| field("sent_at", &text)),
        context().prop_map(|context| field("context", &context)),
        members(INSIDE, 1).prop_map(|object| field("integrations", &object)),
        (select(FIELDS), value(1)).prop_map(|(name, value)| field(name, &value)),
    ]
    .boxed()
}

/// An event: mostly one that can be used.
fn event() -> Json {
    let name = weighted(0.9, text());
    let kind = weighted(0.7, select(TYPES));
    let person = weighted(0.9, (select(&["user_id", "userId", "anonymous_id", "anonymousId"][..]), id()));
    let time = weighted(0.3, (select(&["timestamp", "originalTimestamp"][..]), text()));
    let event_id = weighted(0.3, (select(&["event_id", "id", "messageId"][..]), id()));
    let objects = (
        weighted(0.6, members(INSIDE, 3)),
        weighted(0.2, members(INSIDE, 2)),
        weighted(0.4, context()),
        weighted(0.1, Just(format!("\"{KEY}\""))),
    );
    let more = vec((select(FIELDS), value(2)), 0..3);
    (name, kind, person, time, event_id, objects, more)
        .prop_map(|(name, kind, person, time, event_id, (properties, traits, context, key), more)| {
            let mut fields = Vec::new();
            fields.extend(name.map(|name| field("event", &name)));
            fields.extend(kind.map(|kind| field("type", &format!("\"{kind}\""))));
            fields.extend([person, time, event_id].into_iter().flatten().map(|(name, value)| field(name, &value)));
            fields.extend(properties.map(|object| field("properties", &object)));
            fields.extend(traits.map(|object| field("traits", &object)));
            fields.extend(context.map(|object| field("context", &object)));
            fields.extend(key.map(|key| field("writeKey", &key)));
            fields.extend(more.iter().map(|(name, value)| field(name, value)));
            object(&fields)
        })
        .boxed()
}

fn context() -> Json {
    let name = prop_oneof![9 => select(CONTEXT_FIELDS), 1 => select(&["\\u0069p", "ip ", "pag\\u0065"][..])];
    let one = prop_oneof![
        3 => (name.clone(), members(INSIDE, 1)),
        4 => (name, value(1)),
    ];
    vec(one, 0..5)
        .prop_map(|fields| object(&fields.iter().map(|(name, value)| field(name, value)).collect::<Vec<_>>()))
        .boxed()
}

/// An object with members of these names, and some of others.
fn members(names: &'static [&'static str], depth: u32) -> Json {
    let other = select(&["a", "b", "", "a b", "\\u0061", "secret", "\u{e9}"][..]);
    let name = prop_oneof![3 => select(names), 2 => other];
    vec((name, value(depth)), 0..5)
        .prop_map(|fields| object(&fields.iter().map(|(name, value)| field(name, value)).collect::<Vec<_>>()))
        .boxed()
}

fn value(depth: u32) -> Json {
    let leaf = prop_oneof![60 => text(), 30 => select(NUMBERS).prop_map(str::to_owned), 20 => word(), 1 => no_value()];
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        6 => leaf,
        2 => members(INSIDE, depth - 1),
        1 => vec(value(depth - 1), 0..4).prop_map(|values| format!("[{}]", values.join(" , "))),
    ]
    .boxed()
}

fn id() -> Json {
    prop_oneof![
        60 => text(),
        10 => select(NUMBERS).prop_map(str::to_owned),
        5 => word(),
        1 => no_value(),
        5 => (500_usize..1_100).prop_map(|length| format!("\"{}\"", "i".repeat(length))),
    ]
    .boxed()
}

fn text() -> Json {
    prop_oneof![
        8 => select(TEXTS).prop_map(str::to_owned),
        1 => "[ -!#-\\[\\]-~\u{e9}\u{1f600}]{0,12}",
        1 => (1_900_usize..2_200).prop_map(|length| "é".repeat(length / 2)),
    ]
    .prop_map(|text| format!("\"{text}\""))
    .boxed()
}

fn word() -> Json {
    select(&["null", "true", "false", "{}", "[]"][..]).prop_map(str::to_owned).boxed()
}

fn no_value() -> Json {
    select(NO_VALUES).prop_map(str::to_owned).boxed()
}

/// Something deep.
fn nested(kind: u8, times: usize) -> String {
    let (open, close) = [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"properties":"#, "}]")][usize::from(kind) % 3];
    let inside = format!("{}1{}", open.repeat(times), close.repeat(times));
    if kind < 128 { inside } else { format!(r#"{{"event":"a","user_id":"u","userId":"u","properties":{inside}}}"#) }
}

/// Something near a limit: of an event, of a key, of the number of keys, of a message.
fn large() -> Json {
    let near = |limit: usize| (limit.saturating_sub(200)..limit + 200).boxed();
    prop_oneof![
        near(128 * 1024).prop_map(|bytes| one(&format!(r#"{{"v":"{}"}}"#, "x".repeat(bytes)))),
        near(64 * 1024).prop_map(|bytes| one(&format!(r#"{{"v":"{}"}}"#, "\\u0001".repeat(bytes / 6)))),
        near(1_024).prop_map(|bytes| one(&format!(r#"{{"{}":1}}"#, "k".repeat(bytes)))),
        near(2_000).prop_map(|keys| one(&object(&(0..keys).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>()))),
        (1_usize..9, near(60_000)).prop_map(|(events, bytes)| {
            let event = one(&format!(r#"{{"v":"{}"}}"#, "y".repeat(bytes)));
            let bad = event.replace("\"user_id\"", "\"nobody\"").replace("\"userId\"", "\"nobody2\"");
            format!(r#"{{"batch":[{}]}}"#, vec![format!("{event},{bad}"); events].join(","))
        }),
        near(2_500).prop_map(|events| format!(r#"{{"batch":[{}]}}"#, vec!["{}"; events].join(","))),
        (1_usize..2_000, 1_usize..6_000).prop_map(|(events, bytes)| {
            let context = format!(r#"{{"v":"{}"}}"#, "c".repeat(bytes));
            format!(r#"{{"context":{context},"batch":[{}]}}"#, vec![one("{}"); events].join(","))
        }),
    ]
    .boxed()
}

fn one(properties: &str) -> String {
    format!(r#"{{"type":"track","event":"a","user_id":"u","userId":"u","properties":{properties}}}"#)
}

/// A field; what is marked as personal holds the secret.
fn field(name: &str, value: &str) -> String {
    if name == "secret" { format!("\"secret\":\"{SECRET}\"") } else { format!("\"{name}\":{value}") }
}

fn object(fields: &[String]) -> String {
    format!("{{{}}}", fields.join(","))
}
