//! The query side's endpoints.

use event_model::ErrorCode;
use query_model::answer::{EventsAnswer, InsightResult, SchemaAnswer};
use query_model::{Answer as InsightAnswer, EventsQuestion, Question};
use serde_json::{Value, json};

use super::document::{Answer, Document, Endpoint, in_header, in_query};
use crate::control::{QueueStatus, Redriven, Replayed};
use crate::routes::flush_post::Flushed;
use crate::routes::ledger_get::Ledger;
use crate::routes::quarantine_get::QuarantineList;
use crate::routes::quarantine_replay_post::ReplayRequest;

const DESCRIPTION: &str = "Answers questions. Every answer says which versions of the tables it was made from, how \
fresh and how complete they are, and what it cost; a question may name a version and is then answered alike for as \
long as that version is kept. Every error is a problem (RFC 9457) with a stable code and what to do.";

/// What every endpoint may answer.
pub(super) const ANY: &[ErrorCode] = &[
    ErrorCode::KeyMissing,
    ErrorCode::KeyUnknown,
    ErrorCode::KeyMismatch,
    ErrorCode::ScopeMissing,
    ErrorCode::OriginNotAllowed,
    ErrorCode::ProjectForbidden,
    ErrorCode::MethodNotAllowed,
    ErrorCode::SnapshotUnavailable,
    ErrorCode::Internal,
];

/// What endpoints with a body may answer.
pub(super) const WITH_BODY: &[ErrorCode] =
    &[ErrorCode::InvalidJson, ErrorCode::BodyTimeout, ErrorCode::BodyTooLarge, ErrorCode::UnsupportedEncoding];

/// What endpoints that read the lake may answer.
pub(super) const WITH_LAKE: &[ErrorCode] =
    &[ErrorCode::LakeUnavailable, ErrorCode::DataNewer, ErrorCode::QuestionTimeout];

/// What endpoints that run plans may answer.
const WITH_PLAN: &[ErrorCode] = &[ErrorCode::TooManyQuestions, ErrorCode::QuestionMemory];

/// What endpoints with a question may answer.
const WITH_QUESTION: &[ErrorCode] = &[
    ErrorCode::InvalidQuestion,
    ErrorCode::DuplicateKey,
    ErrorCode::NotSupported,
    ErrorCode::InvalidRegex,
    ErrorCode::QuestionTooComplex,
    ErrorCode::VersionGone,
    ErrorCode::VersionUnknown,
];

pub(super) fn document() -> Value {
    let mut document = Document::new("Headwater questions", DESCRIPTION, security());
    document.instead_of_200(303, by_link());
    insights(&mut document);
    events(&mut document);
    schema(&mut document);
    super::persons::endpoints(&mut document);
    quarantine(&mut document);
    ledger_and_flush(&mut document);
    queue(&mut document);
    document.finish()
}

/// What a deployment on AWS answers where the answer itself is larger than Lambda hands on.
fn by_link() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let number = |description: &str| json!({ "type": "integer", "description": description });
    let location = "Where the answer is: to be fetched by GET, without a key, by anybody who has the link";
    let schema = json!({
        "type": "object",
        "required": ["location", "content_type", "bytes", "expires_seconds"],
        "properties": {
            "location": text(location),
            "content_type": text("The media type of the answer"),
            "bytes": number("Its size"),
            "expires_seconds": number("How long the link is good"),
        },
    });
    let example = json!({
        "location": "https://lake.s3.eu-central-1.amazonaws.com/answers/4f6c…/answer.json?X-Amz-Signature=…",
        "content_type": "application/json", "bytes": 7_340_032, "expires_seconds": 900,
    });
    json!({
        "description": "The answer is too large to be given directly (6 MB, only on AWS): it lies behind a link.",
        "headers": { "location": { "description": location, "schema": { "type": "string" } } },
        "content": { "application/json": { "schema": schema, "example": example } },
    })
}

fn insights(document: &mut Document) {
    let examples = vec![
        ("purchases_a_day", json!({ "kind": "trend", "period": january(), "series": [{ "event": "purchase" }] })),
        (
            "revenue_by_country",
            json!({
                "kind": "trend",
                "period": { "last": { "value": 12, "unit": "week" } },
                "interval": "week",
                "timezone": "Europe/Berlin",
                "series": [{ "event": "purchase", "measure": "sum", "property": "price" }],
                "breakdown": [{ "property": "country", "limit": 5 }],
            }),
        ),
        (
            "buyers_on_the_pro_plan",
            json!({
                "kind": "trend",
                "period": january(),
                "filters": [{ "property": "plan", "of": "person", "op": "is", "value": "pro" }],
                "series": [{ "event": "purchase", "measure": "unique_persons" }],
            }),
        ),
        (
            "from_view_to_purchase",
            json!({
                "kind": "funnel",
                "period": january(),
                "steps": [{ "event": "view_item" }, { "event": "add_to_cart" }, { "event": "purchase" }],
                "window": { "value": 7, "unit": "day" },
                "breakdown": [{ "property": "device_type" }],
                "compare": { "to": "previous_period" },
            }),
        ),
        (
            "checkout_a_week",
            json!({
                "kind": "funnel",
                "view": "trend",
                "interval": "week",
                "period": { "last": { "value": 8, "unit": "week" } },
                "steps": [
                    { "event": "checkout" }, { "event": "enter_coupon", "optional": true }, { "event": "purchase" },
                ],
                "exclusions": [{ "event": "refund" }],
                "hold_constant": ["order_id"],
            }),
        ),
        (
            "how_long_it_takes_to_buy",
            json!({
                "kind": "funnel",
                "view": "time_to_convert",
                "bins": 10,
                "period": january(),
                "order": "any_order",
                "steps": [{ "event": "sign_up" }, { "event": "purchase" }],
            }),
        ),
        (
            "who_signs_up_and_comes_back",
            json!({
                "kind": "retention",
                "period": january(),
                "interval": "week",
                "periods": 8,
                "cohort_by": "first_time",
                "start": { "event": "signup" },
                "return": { "event": "purchase" },
            }),
        ),
        (
            "on_how_many_days_people_visit",
            json!({ "kind": "stickiness", "period": january(), "series": [{ "event": "visit" }] }),
        ),
        (
            "who_is_new_back_or_gone",
            json!({ "kind": "lifecycle", "period": january(), "interval": "week", "series": [{ "event": "visit" }] }),
        ),
        (
            "what_leads_to_the_checkout",
            json!({ "kind": "paths", "period": january(), "include": ["page"], "end_at": "/checkout", "edges": 20 }),
        ),
    ];
    let request = Some((document.of::<Question>(), examples));
    let answer = Answer::json(
        "The numbers, and how they were made.",
        document.of::<InsightAnswer<Question, InsightResult>>(),
        json!({
            "kind": "trend",
            "question": { "kind": "trend", "series": [{ "name": "A", "event": "purchase", "filters": [], "measure": "total" }],
                "formulas": [], "display": "linear", "period": january(), "timezone": "UTC", "week_start": "monday",
                "interval": "day", "filters": [], "breakdown": [], "group_by": "person", "sampling": 1.0, "refresh": false },
            "result": { "intervals": ["2026-01-01", "2026-01-02"],
                "series": [{ "name": "A", "breakdown": [], "period": "current", "values": [3, 0], "total": 3 }] },
            "meta": meta(),
        }),
    );
    document.add(Endpoint {
        method: "post",
        path: "/api/v1/insights/query",
        operation: "queryInsight",
        summary: "Ask a question",
        description: "Kinds that this version does not answer yet are refused with `not_supported`.",
        security: READ,
        parameters: vec![project_header()],
        request,
        answer,
        errors: errors(&[
            ANY,
            WITH_BODY,
            WITH_LAKE,
            WITH_PLAN,
            WITH_QUESTION,
            &[ErrorCode::IntervalNotSupported, ErrorCode::TooManyIntervals],
        ]),
    });
}

fn events(document: &mut Document) {
    let examples = vec![
        ("newest", json!({ "period": { "last": { "value": 1, "unit": "day" } }, "limit": 20 })),
        (
            "one_person",
            json!({ "period": january(), "person": "user_1", "columns": ["timestamp", "event", "properties"] }),
        ),
    ];
    let request = Some((document.of::<EventsQuestion>(), examples));
    let answer = Answer::json(
        "The events, newest first.",
        document.of::<EventsAnswer>(),
        json!({
            "events": [{ "timestamp": "2026-01-05T12:00:00Z", "event": "purchase", "properties": { "price": 9.9 } }],
            "next_cursor": null,
            "meta": meta(),
        }),
    );
    document.add(Endpoint {
        method: "post",
        path: "/api/v1/events/query",
        operation: "queryEvents",
        summary: "Read events",
        description: "The names `filter`, `offset` and `orderBy` are taken too.",
        security: READ,
        parameters: vec![project_header()],
        request,
        answer,
        errors: errors(&[ANY, WITH_BODY, WITH_LAKE, WITH_PLAN, WITH_QUESTION, &[ErrorCode::InvalidCursor]]),
    });
}

fn schema(document: &mut Document) {
    let answer = Answer::json(
        "Events and properties, the most frequent first.",
        document.of::<SchemaAnswer>(),
        json!({
            "events": [{ "event": "purchase", "type": "track", "count": 3, "last_seen": "2026-01-05T12:00:00Z",
                "properties": [{ "name": "price", "count": 3, "types": { "number": 3 } }] }],
            "truncated": false,
            "meta": meta(),
        }),
    );
    document.add(Endpoint {
        method: "get",
        path: "/api/v1/schema",
        operation: "getSchema",
        summary: "Which events and properties there are",
        description: "Counts every row whose timestamp lies in the bounds; without bounds, all.",
        security: READ,
        parameters: vec![
            project_header(),
            in_query("from", "First timestamp: a date or RFC 3339, UTC", json!({ "type": "string" })),
            in_query("to", "Last timestamp: a date (its first instant) or RFC 3339, UTC", json!({ "type": "string" })),
        ],
        request: None,
        answer,
        errors: errors(&[ANY, WITH_LAKE, WITH_PLAN, &[ErrorCode::InvalidQuestion]]),
    });
}

fn quarantine(document: &mut Document) {
    let answer = Answer::json(
        "Rows of quarantine, newest first.",
        document.of::<QuarantineList>(),
        json!({
            "events": [{
                "row_id": "3b3f6c2e-3a53-2c54-9d3a-4d0c0f4f0f11", "event_id": "0190a8f0-5b7c-7d6e-8f00-2f6d1c0b9a11",
                "reason": "event_name_missing", "detail": "`event` is missing on a track call.",
                "received_at": "2026-01-05T12:00:00Z", "protocol": "native", "write_key_id": "default",
                "message_id": "9d3a4d0c-0f4f-0f11-3b3f-6c2e3a532c54", "position": 0, "original": "{\"user_id\": \"user_1\"}",
                "original_encoding": "text", "full_length": 21, "sha256": "0".repeat(64), "replayable": true, "replayed": false,
            }],
            "next_cursor": null,
        }),
    );
    document.add(Endpoint {
        method: "get",
        path: "/api/v1/quarantine",
        operation: "listQuarantine",
        summary: "What could not be used, and why",
        description: "Nothing that was sent is lost: what cannot be used is kept here with its original bytes.",
        security: READ,
        parameters: vec![
            project_header(),
            in_query("reason", "Only rows with this reason", json!({ "type": "string" })),
            in_query(
                "limit",
                "Rows a page",
                json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }),
            ),
            in_query("cursor", "`next_cursor` of the previous page", json!({ "type": "string" })),
            in_query(
                "include_replayed",
                "Also rows that are events by now",
                json!({ "type": "boolean", "default": false }),
            ),
        ],
        request: None,
        answer,
        errors: errors(&[ANY, WITH_LAKE, &[ErrorCode::InvalidQuestion, ErrorCode::InvalidCursor]]),
    });
    let examples = vec![
        ("all_of_a_reason", json!({ "reason": "timestamp_invalid" })),
        ("some", json!({ "row_ids": ["3b3f6c2e-3a53-2c54-9d3a-4d0c0f4f0f11"] })),
        ("all", json!({ "all": true })),
    ];
    let request = Some((document.of::<ReplayRequest>(), examples));
    let replayed = Replayed { accepted: 12, still_rejected: 1, not_replayable: 0 };
    let answer = Answer::json("What was sent again.", document.of::<Replayed>(), json!(replayed));
    document.add(Endpoint {
        method: "post",
        path: "/api/v1/quarantine/replay",
        operation: "replayQuarantine",
        summary: "Try again what could not be used",
        description: "Decodes the original bytes again, with the same event id and time of receipt: each event lands \
                      once, however often it is replayed. Durable in the queue when this is answered.",
        security: ADMIN,
        parameters: vec![project_header()],
        request,
        answer,
        errors: errors(&[
            ANY,
            WITH_BODY,
            WITH_LAKE,
            &[ErrorCode::InvalidBody, ErrorCode::QueueFull, ErrorCode::QueueUnavailable],
        ]),
    });
}

fn ledger_and_flush(document: &mut Document) {
    let answer = Answer::json(
        "Both sides of the equation.",
        document.of::<Ledger>(),
        json!({ "sent": 1003, "stored": 990, "quarantined": 3, "duplicates": 8, "in_flight": 2, "dead": 0, "replayed": 0,
            "balanced": true, "version": 17 }),
    );
    document.add(Endpoint {
        method: "get",
        path: "/api/v1/ledger",
        operation: "getLedger",
        summary: "Is anything lost?",
        description: "`sent = stored + quarantined + duplicates + in_flight + dead`, over everything ever sent.",
        security: READ,
        parameters: vec![project_header()],
        request: None,
        answer,
        errors: errors(&[ANY, WITH_LAKE, &[ErrorCode::QueueUnavailable]]),
    });
    let answer = Answer::json(
        "All that was accepted before is in the lake.",
        document.of::<Flushed>(),
        json!({ "versions": { "events": 17, "identities": 4, "persons": 2 }, "elapsed_ms": 35 }),
    );
    document.add(Endpoint {
        method: "post",
        path: "/api/v1/flush",
        operation: "flush",
        summary: "Wait until everything is in the lake",
        description: "Returns once all that was accepted before it can be asked about.",
        security: ADMIN,
        parameters: vec![project_header()],
        request: None,
        answer,
        errors: errors(&[ANY, WITH_LAKE, &[ErrorCode::QueueUnavailable]]),
    });
}

fn queue(document: &mut Document) {
    let answer = Answer::json(
        "What waits, of all projects together.",
        document.of::<QueueStatus>(),
        json!({ "waiting_messages": 4, "in_flight_messages": 12, "dead_messages": 0, "events": 371, "bytes": 98304,
            "oldest_seconds": 1, "approximate": false }),
    );
    document.add(Endpoint {
        method: "get",
        path: "/api/v1/queue",
        operation: "getQueue",
        summary: "What is on its way into the lake",
        description: "The queue is one for all projects of a deployment; `/api/v1/ledger` has the figures of one.",
        security: ADMIN,
        parameters: vec![project_header()],
        request: None,
        answer,
        errors: errors(&[ANY, &[ErrorCode::QueueUnavailable]]),
    });
    let answer =
        Answer::json("All dead letters wait to be stored again.", document.of::<Redriven>(), json!({ "messages": 3 }));
    document.add(Endpoint {
        method: "post",
        path: "/api/v1/queue/redrive",
        operation: "redriveQueue",
        summary: "Try again what was given up on",
        description: "Puts the dead letters of all projects back into the queue. Nothing is lost or doubled by it, however \
            often it is done.",
        security: ADMIN,
        parameters: vec![project_header()],
        request: None,
        answer,
        errors: errors(&[ANY, &[ErrorCode::QueueUnavailable, ErrorCode::QueueFull]]),
    });
}

const READ: &[&str] = &["apiKey", "apiKeyAsUser"];
pub(super) const ADMIN: &[&str] = &["adminKey", "adminKeyAsUser"];

fn security() -> Value {
    let scheme =
        |scheme: &str, description: &str| json!({ "type": "http", "scheme": scheme, "description": description });
    json!({
        "apiKey": scheme("bearer", "A key with the scope `read` or `admin`"),
        "apiKeyAsUser": scheme("basic", "The same key as user name, with an empty password"),
        "adminKey": scheme("bearer", "A key with the scope `admin`"),
        "adminKeyAsUser": scheme("basic", "The same key as user name, with an empty password"),
    })
}

pub(super) fn project_header() -> Value {
    in_header("X-Project-Id", "The project; it must be the key's")
}

pub(super) fn errors(lists: &[&[ErrorCode]]) -> Vec<ErrorCode> {
    let mut all: Vec<ErrorCode> = lists.concat();
    all.sort();
    all
}

fn january() -> Value {
    json!({ "from": "2026-01-01", "to": "2026-01-31" })
}

fn meta() -> Value {
    json!({ "versions": { "events": 17, "identities": 4, "persons": 2 }, "newest_event": "2026-01-05T12:00:00Z",
        "rows_scanned": 1003, "bytes_scanned": 40960, "elapsed_ms": 12, "cached": false, "timezone": "UTC" })
}
