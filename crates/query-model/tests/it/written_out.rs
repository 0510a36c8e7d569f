//! A question written back has every default, and reading that again gives the same question.

use query_model::{Cohort, EventsQuestion, PersonsQuestion, Question};
use serde::Serialize;
use serde_json::{Value, json};

/// Reads a question, checks some fields of what it is written back as, and that this is read as the same question.
fn check(question: Value, expect: Value) {
    let read = |json: &Value| {
        Question::parse(json.to_string().as_bytes()).unwrap_or_else(|problem| panic!("{problem}\n{json}"))
    };
    let first = read(&question);
    let written = serde_json::to_value(&first).unwrap();
    includes("question", &written, &expect);
    assert_eq!(read(&written), first, "{written}");
}

fn includes(path: &str, found: &Value, expect: &Value) {
    match (found, expect) {
        (Value::Object(found), Value::Object(expect)) => {
            for (name, value) in expect {
                let found = found.get(name).unwrap_or_else(|| panic!("{path}.{name} is missing in {found:?}"));
                includes(&format!("{path}.{name}"), found, value);
            }
        }
        _ => assert_eq!(found, expect, "{path}"),
    }
}

fn period() -> Value {
    json!({ "from": "2026-01-01", "to": "2026-01-31" })
}

#[test]
fn a_trend_has_every_default() {
    let question = json!({ "kind": "trend", "period": period(), "series": [{}, { "event": "buy" }] });
    let all = json!({
        "kind": "trend", "period": period(), "interval": "day", "filters": [], "breakdown": [], "group_by": "person",
        "sampling": 1.0, "refresh": false, "formulas": [], "display": "linear",
        "series": [
            { "name": "A", "filters": [], "measure": "total" },
            { "name": "B", "event": "buy", "filters": [], "measure": "total" },
        ],
    });
    check(question.clone(), all.clone());
    let written = serde_json::to_value(Question::parse(question.to_string().as_bytes()).unwrap()).unwrap();
    assert_eq!(written, all, "and nothing else");
}

#[test]
fn every_field_of_a_trend_is_taken() {
    let question = json!({
        "kind": "trend", "project": "shop", "period": { "from": "2026-01-01T10:00", "to": "2026-01-31T10:00:00+02:00" },
        "timezone": "Europe/Berlin", "week_start": "sunday", "interval": "week", "sampling": 0.25, "refresh": true,
        "group_by": "group", "as_of": "2026-02-01", "compare": { "shift": { "value": 1, "unit": "quarter" } },
        "breakdown": [{ "property": "country", "of": "person", "limit": 1_000 }, { "property": "plan" }],
        "filters": [
            { "any": [{ "property": "a", "op": "is", "value": [1, "b", true] }, { "not": { "property": "c", "op": "is_set" } }] },
            { "all": [{ "property": "d", "of": "session", "op": "between", "value": [1, 2.5] }] },
            { "op": "in_cohort", "value": "fans" },
            { "op": "not_in_cohort", "value": { "persons": ["u1"] } },
        ],
        "series": [
            { "name": "x", "any_of": ["a", "b"], "namespace": "infra", "measure": "p95", "property": "ms" },
            { "measure": "per_person", "of": "median", "property": "price" },
            { "measure": "wau" }, { "measure": "distinct", "property": "sku" },
        ],
        "formulas": ["x / B"], "display": { "rolling_average": 7 },
    });
    check(
        question.clone(),
        json!({
            "timezone": "Europe/Berlin", "week_start": "sunday", "sampling": 0.25, "display": { "rolling_average": 7 },
            "period": { "from": "2026-01-01T10:00:00", "to": "2026-01-31T08:00:00Z" }, "formulas": ["x / B"],
            "compare": { "shift": { "value": 1, "unit": "quarter" } }, "as_of": "2026-02-01",
        }),
    );
    for display in ["linear", "cumulative", "log", "total"] {
        let mut question = question.clone();
        question["display"] = json!(display);
        check(question, json!({ "display": display }));
    }
}

#[test]
fn short_forms_are_written_out() {
    let question = json!({
        "kind": "trend", "period": { "last": { "value": 7, "unit": "day" } }, "series": [{}],
        "breakdown": { "property": "country" }, "compare": "previous_period", "interval": null,
    });
    let breakdown = json!([{ "property": "country", "of": "event", "limit": 25 }]);
    check(question, json!({ "breakdown": breakdown, "compare": { "to": "previous_period" }, "interval": "day" }));
}

#[test]
fn numbers_of_filters_keep_their_digits() {
    let body = r#"{"kind": "trend", "period": {"from": "2026-01-01", "to": "2026-01-01"},
        "series": [{"filters": [{"property": "p", "op": "gt", "value": 123456789012345678901234567890.10}]}]}"#;
    let question = Question::parse(body.as_bytes()).unwrap();
    assert!(serde_json::to_string(&question).unwrap().contains("123456789012345678901234567890.10"));
}

#[test]
fn a_funnel_has_every_default_and_takes_every_field() {
    let steps = json!([{ "event": "view" }, { "any_of": ["buy", "rent"] }, {}]);
    check(
        json!({ "kind": "funnel", "period": period(), "steps": steps }),
        json!({
            "window": { "value": 14, "unit": "day" }, "order": "any_between", "exclusions": [], "hold_constant": [],
            "view": "steps", "attribution": "first_touch", "count": "persons",
        }),
    );
    check(
        json!({
            "kind": "funnel", "period": period(), "view": "time_to_convert", "to_step": 1, "order": "strict",
            "steps": [{ "event": "a" }, { "event": "b", "optional": true, "name": "second" }, { "event": "c" }],
            "window": { "value": 2, "unit": "month" }, "hold_constant": ["order_id"], "count": "sessions",
            "exclusions": [{ "event": "x", "filters": [], "to_step": 1 }, { "event": "y" }],
            "attribution": { "step": 2 },
        }),
        json!({ "from_step": 0, "to_step": 1, "bins": 20, "attribution": { "step": 2 } }),
    );
    check(
        json!({
            "kind": "funnel", "period": period(), "steps": steps, "view": "trend", "order": "any_order",
            "exclusions": [{ "event": "x" }], "attribution": "all_steps",
        }),
        json!({ "from_step": 0, "to_step": 2, "attribution": "all_steps" }),
    );
}

#[test]
fn the_other_kinds_have_their_defaults() {
    check(
        json!({ "kind": "retention", "period": period(), "start": { "event": "a" }, "return": {} }),
        json!({
            "return": { "filters": [] }, "periods": 12, "cohort_by": "recurring", "return_on": "on",
            "minimum_occurrences": 1, "interval": "day",
        }),
    );
    check(
        json!({
            "kind": "retention", "period": period(), "start": { "event": "a" }, "return": { "event": "b" }, "periods": 4,
            "cohort_by": "first_ever", "return_on": "on_or_after", "minimum_occurrences": 3, "interval": "month",
            "breakdown": [{ "property": "plan" }],
        }),
        json!({ "cohort_by": "first_ever", "minimum_occurrences": 3 }),
    );
    check(
        json!({ "kind": "stickiness", "period": period(), "series": [{ "event": "a" }], "cumulative": true }),
        json!({ "series": [{ "name": "A", "event": "a", "filters": [] }], "cumulative": true }),
    );
    check(json!({ "kind": "lifecycle", "period": period(), "series": [{}] }), json!({ "interval": "day" }));
    check(
        json!({ "kind": "paths", "period": period() }),
        json!({ "include": ["page", "screen", "event"], "exclude": [], "steps": 5, "edges": 50 }),
    );
    check(
        json!({
            "kind": "paths", "period": period(), "include": ["page"], "item": "sku", "exclude": ["/"], "start_at": "/a",
            "end_at": "/b", "steps": 9, "edges": 10,
        }),
        json!({ "item": "sku", "start_at": "/a", "end_at": "/b" }),
    );
}

#[test]
fn cohorts_are_lists_or_rules() {
    let read = |json: &Value| Cohort::parse(json.to_string().as_bytes()).unwrap_or_else(|problem| panic!("{problem}"));
    for cohort in [
        json!({ "persons": ["u1", "a1"] }),
        json!({ "rule": { "has": { "property": "plan", "op": "is", "value": "pro" } } }),
        json!({ "rule": { "had": { "property": "plan", "op": "is_set", "period": period() } } }),
        json!({ "rule": { "any": [
            { "did": { "event": "buy", "count": { "op": "gte", "value": 3 }, "period": { "last": { "value": 30, "unit": "day" } } } },
            { "all": [
                { "did": { "event": "buy", "count": { "op": "gt", "value": 0.5 }, "relative_to": { "event": "view" } } },
                { "did": { "event": "buy", "aggregate": { "measure": "sum", "property": "price", "op": "gt", "value": 100 } } },
            ] },
            { "not": { "did_not": { "event": "login" } } },
            { "in_funnel_step": { "funnel": { "steps": [{ "event": "a" }, { "event": "b" }] }, "step": 1 } },
            { "retained": { "retention": { "start": {}, "return": {} }, "column": 3, "interval": "week" } },
        ] } }),
    ] {
        let first = read(&cohort);
        assert_eq!(read(&serde_json::to_value(&first).unwrap()), first);
    }
}

#[test]
fn persons_behind_each_kind_of_cell() {
    let question = |kind: &str, rest: Value| {
        let mut question = json!({ "kind": kind, "period": period() });
        question.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        question
    };
    let series = json!({ "series": [{ "event": "a" }] });
    let broken_down = json!({ "series": [{}], "breakdown": [{ "property": "c" }] });
    for (question, cell) in [
        (question("trend", series.clone()), json!({ "series": "A", "interval": "2026-01-01", "period": "previous" })),
        (question("trend", broken_down), json!({ "breakdown": [{ "value": "DE" }] })),
        (question("funnel", json!({ "steps": [{}, {}] })), json!({ "step": 1, "outcome": "dropped" })),
        (question("retention", json!({ "start": {}, "return": {} })), json!({ "interval": "2026-01-01", "column": 2 })),
        (question("stickiness", series.clone()), json!({ "intervals": 3 })),
        (question("lifecycle", series), json!({ "interval": "2026-01-01", "status": "dormant" })),
        (question("paths", json!({})), json!({ "step": 1, "from": "/", "to": "/a" })),
    ] {
        let body = json!({ "question": question, "cell": cell, "limit": 10 });
        let read = |json: &Value| PersonsQuestion::parse(json.to_string().as_bytes()).unwrap_or_else(|p| panic!("{p}"));
        let first = read(&body);
        assert_eq!(read(&serde_json::to_value(&first).unwrap()), first);
    }
}

#[test]
fn an_events_query_takes_both_sets_of_names() {
    let written = |json: Value| {
        let read = |json: &Value| EventsQuestion::parse(json.to_string().as_bytes()).unwrap_or_else(|p| panic!("{p}"));
        let first = read(&json);
        let written = written_json(&first);
        assert_eq!(read(&written), first);
        written
    };
    includes(
        "question",
        &written(json!({ "period": period() })),
        &json!({ "filters": [], "order": "newest_first", "limit": 100, "offset": 0 }),
    );
    includes(
        "question",
        &written(json!({
            "period": period(), "filter": { "property": "p", "op": "is", "value": 1 }, "orderBy": "timestamp asc",
            "offset": 5, "limit": 10_000, "event": "buy", "person": "u1", "columns": ["event_id", "person_id", "url"],
        })),
        &json!({ "order": "oldest_first", "event": ["buy"], "person": "u1", "columns": ["event_id", "person_id", "url"] }),
    );
    written(
        json!({ "period": period(), "person": { "person_id": "00ff00ff00ff00ff" }, "cursor": "x", "event": ["a", "b"] }),
    );
}

fn written_json(question: &impl Serialize) -> Value {
    serde_json::to_value(question).unwrap()
}
