//! The collector's endpoints: Headwater's own wire format and Segment's.

use event_model::limits;
use event_model::{ErrorCode, Reason};
use serde_json::{Value, json};

use super::document::{Answer, Document, Endpoint, in_header, in_path, in_query};

const DESCRIPTION: &str = "Takes events. An answer of 200 means that the events are durable. An event that cannot \
be used does not fail its batch: it is kept in quarantine with a reason and named in the answer. A batch is refused \
as a whole (4xx) only when nothing in it can ever be used; 429 and 503 mean that nothing was taken and that sending \
again makes sense.";

const TAKES: &[ErrorCode] = &[
    ErrorCode::InvalidJson,
    ErrorCode::InvalidBody,
    ErrorCode::DuplicateKey,
    ErrorCode::InvalidEncoding,
    ErrorCode::AmbiguousLength,
    ErrorCode::InvalidRequest,
    ErrorCode::KeyMissing,
    ErrorCode::KeyUnknown,
    ErrorCode::KeyMismatch,
    ErrorCode::ScopeMissing,
    ErrorCode::OriginNotAllowed,
    ErrorCode::MethodNotAllowed,
    ErrorCode::BodyTimeout,
    ErrorCode::BodyTooLarge,
    ErrorCode::BatchTooLarge,
    ErrorCode::UriTooLong,
    ErrorCode::UnsupportedEncoding,
    ErrorCode::HeadersTooLarge,
    ErrorCode::RateLimited,
    ErrorCode::QueueFull,
    ErrorCode::QueueUnavailable,
    ErrorCode::SnapshotUnavailable,
    ErrorCode::Internal,
];

const KEYS: &[&str] = &["writeKey", "writeKeyAsUser"];

pub(super) fn document() -> Value {
    let mut document = Document::new("Headwater collector", DESCRIPTION, security());
    let event = document.schema("Event", event());
    let batch = document.schema("Batch", batch(&event));
    let accepted = document.schema("Accepted", accepted());
    let call = document.schema("SegmentCall", segment_call());
    let calls = document.schema("SegmentBatch", segment_batch(&call));
    let success = document.schema("Success", success());

    document.add(takes(
        "/api/v1/events",
        "sendEvent",
        "Send one event",
        (event, vec![("purchase", event_example())]),
        native_answer(&accepted),
    ));
    document.add(takes(
        "/api/v1/events/batch",
        "sendEvents",
        "Send up to 2,500 events",
        (
            batch,
            vec![("two", json!({ "batch": [event_example(), identify_example()], "sent_at": "2026-01-05T12:00:01Z" }))],
        ),
        native_answer(&accepted),
    ));
    for (name, operation) in SEGMENT_CALLS {
        document.add(takes(
            name,
            operation,
            "Segment's HTTP API, for its SDKs",
            (call.clone(), vec![("call", segment_example())]),
            segment_answer(&success),
        ));
    }
    for (path, operation) in SEGMENT_BATCHES {
        document.add(takes(
            path,
            operation,
            "Segment's HTTP API, for its SDKs",
            (calls.clone(), vec![("batch", json!({ "batch": [segment_example()], "sentAt": "2026-01-05T12:00:01Z" }))]),
            segment_answer(&success),
        ));
    }
    document.add(Endpoint {
        parameters: vec![in_path("key", "The write key. Any is answered alike: keys are judged where events arrive")],
        errors: vec![ErrorCode::NotFound, ErrorCode::MethodNotAllowed],
        ..open(
            "/v1/projects/{key}/settings",
            "segmentSettings",
            "The settings that Segment's browser and mobile libraries load",
            "They send the library's events to the host of this request. They may be cached for an hour.",
            settings(),
        )
    });
    document.add(Endpoint {
        method: "post",
        ..open(
            "/v1/m",
            "segmentMetrics",
            "Where Segment's libraries send figures about themselves",
            "Answered and dropped.",
            Answer::json("Dropped.", success.clone(), json!({ "success": true })),
        )
    });
    document.add(live());
    document.add(open("/hw.js", "tracker", "The tracker for web pages", TRACKER, script()));
    document.add(open("/health", "health", "Whether events are taken", HEALTH, health()));
    document.add(open("/metrics", "metrics", "Figures for Prometheus", "In the OpenMetrics text format.", metrics()));
    document.finish()
}

const SEGMENT_CALLS: &[(&str, &str)] = &[
    ("/v1/track", "segmentTrack"),
    ("/v1/identify", "segmentIdentify"),
    ("/v1/page", "segmentPage"),
    ("/v1/screen", "segmentScreen"),
    ("/v1/group", "segmentGroup"),
    ("/v1/alias", "segmentAlias"),
    ("/v1/t", "segmentBrowserTrack"),
    ("/v1/i", "segmentBrowserIdentify"),
    ("/v1/p", "segmentBrowserPage"),
    ("/v1/s", "segmentBrowserScreen"),
    ("/v1/g", "segmentBrowserGroup"),
    ("/v1/a", "segmentBrowserAlias"),
];

const SEGMENT_BATCHES: &[(&str, &str)] =
    &[("/v1/batch", "segmentBatch"), ("/v1/import", "segmentImport"), ("/v1/b", "segmentBrowserBatch")];

fn takes(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    request: (Value, Vec<(&'static str, Value)>),
    answer: Answer,
) -> Endpoint {
    Endpoint {
        method: "post",
        path,
        operation,
        summary,
        description: "The body is JSON whatever its content type says, raw or gzip.",
        security: KEYS,
        parameters: vec![in_header("Content-Encoding", "`gzip`; found out from the body where it is absent")],
        request: Some(request),
        answer,
        errors: TAKES.to_vec(),
    }
}

fn open(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    description: &'static str,
    answer: Answer,
) -> Endpoint {
    Endpoint {
        method: "get",
        path,
        operation,
        summary,
        description,
        security: &[],
        parameters: Vec::new(),
        request: None,
        answer,
        errors: vec![ErrorCode::MethodNotAllowed],
    }
}

const LIVE: &str = "Upgrades to a WebSocket that shows events as they are taken and refused, at most 10 a second: \
docs/reference/live.md has its messages. Browsers, which cannot set headers on a WebSocket, offer two subprotocols: \
`headwater.live.v1`, and `headwater.key.` with the key in base64url.";

fn live() -> Endpoint {
    let several = |of: Value| json!({ "type": "array", "items": of, "maxItems": 20 });
    let kinds = json!({ "type": "string", "enum": ["track", "page", "screen", "identify", "group", "alias"] });
    let outcomes = json!({ "type": "string", "enum": ["accepted", "rejected"] });
    let answer = Answer {
        status: 101,
        description: "The connection is a WebSocket now.",
        media_type: "",
        schema: Value::Null,
        example: Value::Null,
    };
    Endpoint {
        security: &["readKey"],
        parameters: vec![
            in_query("event", "Only events of these names", several(json!({ "type": "string" }))),
            in_query("type", "Only events of these types", several(kinds)),
            in_query("user", "Only events with these user ids or anonymous ids", several(json!({ "type": "string" }))),
            in_query("outcome", "Only events that are taken, or only refused ones", outcomes),
            in_header("Sec-WebSocket-Protocol", "`headwater.live.v1` and, from browsers, the key"),
        ],
        errors: vec![
            ErrorCode::InvalidQuestion,
            ErrorCode::KeyMissing,
            ErrorCode::KeyUnknown,
            ErrorCode::KeyMismatch,
            ErrorCode::ScopeMissing,
            ErrorCode::OriginNotAllowed,
            ErrorCode::MethodNotAllowed,
            ErrorCode::UpgradeRequired,
            ErrorCode::TooManyWatchers,
            ErrorCode::SnapshotUnavailable,
        ],
        ..open("/api/v1/live", "watchEvents", "Watch events as they come in", LIVE, answer)
    }
}

fn settings() -> Answer {
    let example = json!({
        "integrations": { "Segment.io": { "apiKey": "hw_w_example", "apiHost": "edge.example.com/v1" } },
        "plan": {},
        "metrics": { "sampleRate": 0 },
    });
    Answer::json("The settings.", json!({ "type": "object", "additionalProperties": true }), example)
}

const TRACKER: &str = "For `<script defer src=\".../hw.js\" data-key=\"...\"></script>`. It has an `ETag` and may be cached \
for an hour.";

const HEALTH: &str = "200 while events are taken; 503 with the same body when they cannot be made durable. `degraded` \
means that events wait in the queue because the lake cannot be written at the moment.";

fn health() -> Answer {
    let schema = json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": { "type": "string", "enum": ["ok", "degraded", "failed"] },
            "version": { "type": "string" },
            "checks": { "type": "object", "additionalProperties": true },
        },
    });
    Answer::json("Ready.", schema, json!({ "status": "ok", "version": "0.1.0" }))
}

fn script() -> Answer {
    Answer {
        status: 200,
        description: "The script.",
        media_type: "text/javascript",
        schema: json!({ "type": "string" }),
        example: json!("(()=>{...})()"),
    }
}

fn metrics() -> Answer {
    Answer {
        status: 200,
        description: "The figures now.",
        media_type: "application/openmetrics-text",
        schema: json!({ "type": "string" }),
        example: json!("# EOF\n"),
    }
}

fn native_answer(schema: &Value) -> Answer {
    let rejected = json!({ "index": 1, "code": "event_name_missing", "detail": "`event` is missing on a track call" });
    Answer::json(
        "All events are durable: accepted ones in the queue, rejected ones on their way to quarantine.",
        schema.clone(),
        json!({ "accepted": 1, "rejected": [rejected] }),
    )
}

fn segment_answer(schema: &Value) -> Answer {
    let description = "All events are durable, those that go to quarantine too.";
    Answer::json(description, schema.clone(), json!({ "success": true }))
}

fn security() -> Value {
    json!({
        "writeKey": { "type": "http", "scheme": "bearer", "description": "A key with the scope `write`" },
        "readKey": { "type": "http", "scheme": "bearer", "description": "A key with the scope `read`" },
        "writeKeyAsUser": {
            "type": "http",
            "scheme": "basic",
            "description": "The same key as user name, with an empty password; Segment's calls may also carry it as `writeKey` in the body",
        },
    })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn id(description: &str) -> Value {
    json!({ "type": ["string", "number"], "description": description, "maxLength": limits::MAX_ID_BYTES })
}

fn time(description: &str) -> Value {
    json!({ "type": ["string", "number"], "description": format!("{description}; RFC 3339, or milliseconds since 1970"), "examples": ["2026-01-05T12:00:00Z"] })
}

fn object(description: &str) -> Value {
    json!({ "type": "object", "description": description, "additionalProperties": true })
}

fn event() -> Value {
    json!({
        "type": "object",
        "description": format!("One event of at most {} bytes. `user_id`, `anonymous_id` or `cookieless` is needed.", limits::MAX_EVENT_BYTES),
        "properties": {
            "event_id": { "type": "string", "description": "Names the event: sent twice, it counts once. Random where absent", "maxLength": limits::MAX_EVENT_ID_BYTES },
            "id": text("The same as `event_id`"),
            "type": { "type": "string", "enum": ["track", "page", "screen", "identify", "group", "alias"], "default": "track" },
            "event": { "type": "string", "description": "The name; needed on `track`", "maxLength": limits::MAX_EVENT_NAME_BYTES },
            "namespace": { "type": "string", "default": "product" },
            "user_id": id("The customer's own id of a known user"),
            "anonymous_id": id("An id a client made up"),
            "cookieless": { "type": "boolean", "default": false, "description": "In place of both ids: the visitor gets one for the day, from a keyed hash of address and browser" },
            "previous_id": id("The other id of an alias"),
            "group_id": id("The organization or account"),
            "session_id": id("The client's session"),
            "timestamp": time("When it happened; absent: when it is received"),
            "properties": object("What is known about the event"),
            "traits": object("What is known about the person or group, on identify and group"),
            "context": object("Surroundings: `user_id`, `org_id`, `session_id`, `service`, `version`, `request_id`, `source`, `custom` are taken from here too"),
        },
    })
}

fn batch(event: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "batch": { "type": "array", "items": event, "maxItems": limits::MAX_BATCH_EVENTS },
            "events": { "type": "array", "items": event, "maxItems": limits::MAX_BATCH_EVENTS, "description": "The same as `batch`" },
            "sent_at": time("The client's clock when it sent the batch; corrects the events' timestamps"),
        },
    })
}

fn accepted() -> Value {
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    json!({
        "type": "object",
        "required": ["accepted", "rejected"],
        "properties": {
            "accepted": { "type": "integer", "minimum": 0 },
            "rejected": { "type": "array", "items": {
                "type": "object",
                "required": ["index", "code", "detail"],
                "properties": {
                    "index": { "type": "integer", "minimum": 0, "description": "Place in the request" },
                    "code": { "type": "string", "enum": reasons },
                    "detail": { "type": "string" },
                },
            } },
        },
    })
}

fn success() -> Value {
    json!({ "type": "object", "required": ["success"], "properties": { "success": { "type": "boolean" } } })
}

fn segment_call() -> Value {
    json!({
        "type": "object",
        "description": "One call as Segment's HTTP API has it. `userId` or `anonymousId` is needed.",
        "properties": {
            "messageId": { "type": "string", "maxLength": limits::MAX_EVENT_ID_BYTES },
            "type": { "type": "string", "description": "In a batch; otherwise the path says it" },
            "event": { "type": "string", "description": "On track" },
            "name": { "type": "string", "description": "On page and screen" },
            "userId": id("Known user"),
            "anonymousId": id("Visitor"),
            "previousId": id("On alias"),
            "groupId": id("On group"),
            "timestamp": time("The client's clock"),
            "sentAt": time("The client's clock when it sent"),
            "properties": object("On track, page and screen"),
            "traits": object("On identify and group"),
            "context": object("Surroundings"),
            "integrations": object("Ignored here"),
            "writeKey": text("The key, where no header carries it"),
        },
    })
}

fn segment_batch(call: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": { "type": "array", "items": call, "maxItems": limits::MAX_BATCH_EVENTS },
            "context": object("Taken for each item that does not say otherwise"),
            "sentAt": time("The client's clock when it sent"),
            "writeKey": text("The key, where no header carries it"),
        },
    })
}

fn event_example() -> Value {
    json!({
        "event_id": "0190a8f0-5b7c-7d6e-8f00-2f6d1c0b9a11",
        "event": "purchase",
        "user_id": "user_1",
        "timestamp": "2026-01-05T12:00:00Z",
        "properties": { "price": 9.9, "currency": "EUR" },
    })
}

fn identify_example() -> Value {
    json!({ "type": "identify", "user_id": "user_1", "anonymous_id": "visitor_1", "traits": { "plan": "pro" } })
}

fn segment_example() -> Value {
    json!({
        "messageId": "ajs-next-1767614400000-1",
        "type": "track",
        "event": "purchase",
        "userId": "user_1",
        "timestamp": "2026-01-05T12:00:00Z",
        "properties": { "price": 9.9 },
    })
}
