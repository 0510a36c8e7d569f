//! Turns a case's neutral names into ours, and its recipe into a request.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tests::http::Body;

use super::Case;

/// The id that the file uses in every case; here each case gets an id of its own, because one that was stored before
/// would be a removed duplicate.
const FILE_ID: &str = "00000000-0000-4000-8000-000000000001";

/// The body of a case, in our names.
pub(crate) fn body(case: &Case, fresh_id: &str) -> Body {
    let Some(generator) = &case.generator else { return Body::Bytes(literal(case, fresh_id)) };
    if generator["kind"] == "stream" {
        let unit = generator["unit"].as_str().unwrap().as_bytes()[0];
        return Body::Chunked { unit, bytes: generator["bytes"].as_u64().unwrap() };
    }
    Body::Bytes(generate(generator, fresh_id))
}

fn literal(case: &Case, fresh_id: &str) -> Vec<u8> {
    let text = case.body.as_deref().unwrap_or_default();
    match serde_json::from_str::<Value>(text) {
        Ok(question) if case.target == "query" && question.is_object() => {
            self::question(question).to_string().into_bytes()
        }
        _ => names(text, fresh_id).into_bytes(),
    }
}

/// The collector's names, in text, so that broken JSON stays as broken as it is.
fn names(text: &str, fresh_id: &str) -> String {
    text.replace("\"distinct_id\"", "\"user_id\"").replace("\"message_id\"", "\"event_id\"").replace(FILE_ID, fresh_id)
}

/// A question in our words: `type` is `kind`, the dates are a `period`, `exact` is `is`, `regex` is `matches`.
fn question(mut question: Value) -> Value {
    let object = question.as_object_mut().unwrap();
    if let Some(kind) = object.remove("type").filter(|kind| kind != "events") {
        object.insert("kind".to_owned(), kind);
    }
    if let (Some(from), Some(to)) = (object.remove("date_from"), object.remove("date_to")) {
        object.insert("period".to_owned(), json!({ "from": from, "to": to }));
    }
    if let Some(breakdown) = object.remove("breakdown") {
        object.insert("breakdown".to_owned(), json!([breakdown]));
    }
    if let Some(formula) = object.remove("formula") {
        object.insert("formulas".to_owned(), json!([formula]));
    }
    operators(&mut question);
    question
}

fn operators(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(operators),
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value.as_str()) {
                    ("op", Some("exact")) => *value = json!("is"),
                    ("op", Some("regex")) => *value = json!("matches"),
                    _ => operators(value),
                }
            }
        }
        _ => {}
    }
}

fn generate(generator: &Value, fresh_id: &str) -> Vec<u8> {
    let count = |name: &str| usize::try_from(generator[name].as_u64().unwrap_or(0)).unwrap();
    let text = |name: &str| generator[name].as_str().unwrap_or_default();
    match text("kind") {
        "text" => names(text("data"), fresh_id).into_bytes(),
        "hex" => unhex(text("data")),
        "concat" => generator["parts"].as_array().unwrap().iter().flat_map(|part| generate(part, fresh_id)).collect(),
        "repeat" => [text("prefix"), &text("unit").repeat(count("count")), text("suffix")].concat().into_bytes(),
        "encode" => utf16_with_mark(&names(text("text"), fresh_id)),
        "gzip" => gzip(generator, fresh_id),
        // The refusal is by the header: what follows needs only to be what the header says it is.
        "zstd" => zstd::encode_all(std::io::repeat(0).take_bytes(repeated(generator)), 1).unwrap(),
        "br" => brotli(repeated(generator)),
        "batch" => batch(generator, fresh_id),
        "event" => one_event(&json!({ "timestamp": timestamp(text("timestamp")) }), fresh_id),
        "event_props" => {
            let properties: Value =
                (0..count("count")).map(|n| (format!("p{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
            one_event(&json!({ "properties": properties }), fresh_id)
        }
        "event_prop_key" => one_event(&json!({ "properties": { "k".repeat(count("bytes")): 1 } }), fresh_id),
        "event_field" => {
            let field = if text("field") == "message_id" { "event_id" } else { text("field") };
            one_event(&json!({ field: "m".repeat(count("bytes")) }), fresh_id)
        }
        "two_tenants" => one_event(&json!({}), fresh_id),
        "nested_filter" => nested_filter(count("depth")),
        "in_list" => {
            let values: Vec<String> = (0..count("count")).map(|n| format!("v{n}")).collect();
            trend(&json!({ "property": "p", "op": "is", "value": values }), &json!({}))
        }
        "formula_parens" => {
            let formula = format!("{}A{}", "(".repeat(count("count")), ")".repeat(count("count")));
            trend(&Value::Null, &json!({ "formulas": [formula] }))
        }
        other => panic!("the runner does not know the generator {other}"),
    }
}

trait TakeBytes {
    fn take_bytes(self, count: u64) -> std::io::Take<std::io::Repeat>;
}

impl TakeBytes for std::io::Repeat {
    fn take_bytes(self, count: u64) -> std::io::Take<Self> {
        std::io::Read::take(self, count)
    }
}

fn repeated(generator: &Value) -> u64 {
    generator["of"]["count"].as_u64().unwrap()
}

fn brotli(zeros: u64) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, 1, 22);
    let chunk = vec![0_u8; 1024 * 1024];
    for _ in 0..zeros / 1024 / 1024 {
        encoder.write_all(&chunk).unwrap();
    }
    encoder.into_inner()
}

fn gzip(generator: &Value, fresh_id: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&generate(&generator["of"], fresh_id)).unwrap();
    let mut bytes = encoder.finish().unwrap();
    let number = |name: &str| usize::try_from(generator[name].as_u64().unwrap_or(0)).unwrap();
    bytes.truncate(bytes.len() - number("cut_bytes"));
    let flipped = bytes.len() - number("flip_last_bytes");
    bytes[flipped..].iter_mut().for_each(|byte| *byte = !*byte);
    bytes
}

fn event(index: usize, id: &str) -> Value {
    json!({ "event": "page", "user_id": format!("u{index}"), "event_id": id, "timestamp": "2026-01-02T03:04:05Z", "properties": { "a": 1 } })
}

fn one_event(changes: &Value, id: &str) -> Vec<u8> {
    let mut event = event(1, id);
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    json!({ "batch": [event] }).to_string().into_bytes()
}

fn batch(generator: &Value, fresh_id: &str) -> Vec<u8> {
    let events = generator["events"].as_u64().unwrap();
    let batch: Vec<Value> = (0..events)
        .map(|index| {
            // The last 12 digits count, so that the events of one case differ.
            let mut event = event(1, &format!("{}{index:012}", &fresh_id[..24]));
            if generator["oversize_event"].as_u64() == Some(index) {
                let bytes = usize::try_from(generator["property_bytes"].as_u64().unwrap()).unwrap();
                event["properties"] = json!({ "text": "x".repeat(bytes) });
            }
            if generator["bad_index"].as_u64() == Some(index) {
                event.as_object_mut().unwrap().remove("event");
            }
            event
        })
        .collect();
    json!({ "batch": batch }).to_string().into_bytes()
}

/// `<now+25h>` and `<now-10y>`.
fn timestamp(recipe: &str) -> String {
    let offset = match recipe {
        "<now+25h>" => 25 * 3_600,
        "<now-10y>" => -10 * 365 * 86_400,
        other => panic!("the runner does not know the time {other}"),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    event_model::Timestamp(i64::try_from(now).unwrap() + offset * 1_000_000).to_string()
}

fn trend(filter: &Value, more: &Value) -> Vec<u8> {
    let filters: Vec<&Value> = [filter].into_iter().filter(|filter| !filter.is_null()).collect();
    let mut question = json!({
        "kind": "trend", "series": [{ "event": "a" }], "interval": "day",
        "period": { "from": "2026-01-01", "to": "2026-01-02" }, "filters": filters,
    });
    for (key, value) in more.as_object().unwrap() {
        question[key] = value.clone();
    }
    question.to_string().into_bytes()
}

/// Built as text: a value nested this deeply could not be dropped without recursion either.
fn nested_filter(depth: usize) -> Vec<u8> {
    let innermost = r#"{"property":"p","op":"is","value":"x"}"#;
    let filter = [&r#"{"not":"#.repeat(depth), innermost, &"}".repeat(depth)].concat();
    let question =
        r#"{"kind":"trend","series":[{"event":"a"}],"period":{"from":"2026-01-01","to":"2026-01-02"},"filters":["#;
    [question, &filter, "]}"].concat().into_bytes()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn utf16_with_mark(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}
