//! Every mistake is answered with a stable code, the place of the mistake, and what is taken there.

use event_model::Problem;
use query_model::{EventsQuestion, Question};
use serde_json::{Value, json};

fn trend(rest: Value) -> Value {
    let mut question = json!({ "kind": "trend", "period": { "from": "2026-01-01", "to": "2026-01-31" }, "series": [{ "event": "a" }] });
    merge(&mut question, rest);
    question
}

fn funnel(rest: Value) -> Value {
    let mut question = json!({
        "kind": "funnel", "period": { "from": "2026-01-01", "to": "2026-01-31" },
        "steps": [{ "event": "a" }, { "event": "b" }],
    });
    merge(&mut question, rest);
    question
}

fn filter(filter: Value) -> Value {
    trend(json!({ "filters": [filter] }))
}

fn merge(question: &mut Value, rest: Value) {
    question.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
}

fn check(problem: Option<Problem>, what: &Value, code: &str, detail: &str) {
    let problem = problem.unwrap_or_else(|| panic!("taken: {what}"));
    let found = (problem.code.as_str(), problem.detail.contains(detail));
    assert_eq!(found, (code, true), "{what}\n  {}: {}\n  wanted: {detail}", problem.code.as_str(), problem.detail);
}

#[test]
fn mistakes_in_insights_are_named_by_their_place() {
    const INVALID: &str = "invalid_question";
    let series = |one: Value| trend(json!({ "series": [one] }));
    for (question, code, detail) in [
        (json!([]), INVALID, "takes an object"),
        (json!({}), INVALID, "kind: is missing; it takes one of trend, funnel"),
        (json!({ "type": "trend" }), INVALID, "is `type` meant to be it?"),
        (
            json!({ "kind": "drop" }),
            INVALID,
            "kind: takes one of trend, funnel, retention, stickiness, lifecycle, paths, not `drop`",
        ),
        (json!({ "kind": "trends" }), INVALID, "did you mean `trend`?"),
        (json!({ "kind": "trend", "series": [{}] }), INVALID, "period: is missing"),
        (trend(json!({ "serie": [] })), INVALID, "serie: is not a field here (did you mean `series`?)"),
        (trend(json!({ "steps": [] })), INVALID, "steps: is not a field here"),
        (trend(json!({ "series": [] })), INVALID, "series: takes 1 to 26 of them, not 0"),
        (trend(json!({ "series": vec![json!({}); 27] })), INVALID, "series: takes 1 to 26 of them, not 27"),
        (trend(json!({ "interval": "fortnight" })), INVALID, "interval: takes one of minute, hour"),
        (trend(json!({ "interval": "days" })), INVALID, "did you mean `day`?"),
        (trend(json!({ "timezone": "Mars/Olympus" })), INVALID, "timezone: takes an IANA time zone"),
        (trend(json!({ "week_start": "friday" })), INVALID, "week_start: takes one of monday, sunday"),
        (trend(json!({ "sampling": 0 })), INVALID, "sampling: takes a number above 0"),
        (trend(json!({ "sampling": 1.1 })), INVALID, "sampling"),
        (trend(json!({ "refresh": "yes" })), INVALID, "refresh: takes true or false, not a text"),
        (trend(json!({ "table_version": -1 })), INVALID, "table_version: takes a whole number from 0"),
        (
            trend(json!({ "table_version": 1, "as_of": "2026-01-01" })),
            INVALID,
            "as_of: does not go with `table_version`",
        ),
        (trend(json!({ "project": "A/B" })), INVALID, "project: takes a project's id"),
        (trend(json!({ "period": "2026-01" })), INVALID, "period: takes {"),
        (trend(json!({ "period": { "from": "2026-01-01" } })), INVALID, "period.to: is missing"),
        (
            trend(json!({ "period": { "from": "2026-02-30", "to": "2026-03-01" } })),
            INVALID,
            "period.from: takes a date",
        ),
        (trend(json!({ "period": { "from": "2026-01-02", "to": "2026-01-01" } })), INVALID, "`from` lies after `to`"),
        (
            trend(json!({ "period": { "last": { "value": 0, "unit": "day" } } })),
            INVALID,
            "period.last.value: takes a whole number from 1",
        ),
        (
            trend(json!({ "period": { "last": { "value": 1, "unit": "day" }, "to": "2026-01-01" } })),
            INVALID,
            "period.to: does not go with `last`",
        ),
        (trend(json!({ "compare": "last_year" })), INVALID, "compare: takes one of previous_period"),
        (trend(json!({ "compare": {} })), INVALID, "compare: takes either `to` or `shift`"),
        (
            trend(json!({ "breakdown": vec![json!({ "property": "p" }); 4] })),
            INVALID,
            "breakdown: takes 0 to 3 of them, not 4",
        ),
        (
            trend(json!({ "breakdown": [{ "property": "p", "limit": 1_000_000_000 }] })),
            INVALID,
            "breakdown[0].limit: takes a whole number from 1 to 1000",
        ),
        (trend(json!({ "breakdown": [{ "property": "p", "limit": 0 }] })), INVALID, "limit"),
        (trend(json!({ "breakdown": [{ "property": "" }] })), INVALID, "not an empty text"),
        (trend(json!({ "display": "sideways" })), INVALID, "display: takes one of linear, cumulative, log, total"),
        (
            trend(json!({ "display": { "rolling_average": 1 } })),
            INVALID,
            "display.rolling_average: takes a whole number from 2",
        ),
        (trend(json!({ "formulas": ["A / C"] })), INVALID, "formulas[0]: `C` is not a series; there are A"),
        (
            trend(json!({ "formulas": ["("] })),
            INVALID,
            "formulas[0]: a number, a series or `(` is wanted where it ends",
        ),
        (
            trend(json!({ "formulas": [format!("{}A{}", "(".repeat(10_000), ")".repeat(10_000))] })),
            "question_too_complex",
            "formulas[0]",
        ),
        (trend(json!({ "series": [{ "name": "x" }, { "name": "x" }] })), INVALID, "series[1].name: stands twice"),
        (series(json!({ "measure": "dau" })), INVALID, "did you mean `unique_persons`?"),
        (series(json!({ "measure": "sum" })), INVALID, "series[0].property: is missing; `sum` needs it"),
        (series(json!({ "measure": "total", "property": "p" })), INVALID, "`total` has no property"),
        (series(json!({ "measure": "per_person" })), INVALID, "series[0].of: is missing"),
        (
            series(json!({ "measure": "sum", "property": "p", "of": "avg" })),
            INVALID,
            "goes with the measure `per_person` only",
        ),
        (series(json!({ "event": "a", "any_of": ["b"] })), INVALID, "series[0].any_of: does not go with `event`"),
        (series(json!({ "event": 5 })), INVALID, "series[0].event: takes an event's name, not a number"),
        (series(json!({ "event": "x".repeat(2_000) })), INVALID, "at most 1024 bytes"),
        (
            merged(series(json!({ "measure": "wau" })), json!({ "interval": "month" })),
            "interval_not_supported",
            "day, week, not at month",
        ),
        (
            merged(series(json!({ "measure": "mau" })), json!({ "interval": "hour" })),
            "interval_not_supported",
            "day, week, month",
        ),
    ] {
        check(Question::parse(question.to_string().as_bytes()).err(), &question, code, detail);
    }
}

fn merged(mut question: Value, rest: Value) -> Value {
    merge(&mut question, rest);
    question
}

#[test]
fn mistakes_in_filters_are_named_by_their_place() {
    const INVALID: &str = "invalid_question";
    let property = |op: &str, value: Value| filter(json!({ "property": "p", "op": op, "value": value }));
    for (question, code, detail) in [
        (filter(json!("p")), INVALID, "filters[0]: takes a filter"),
        (filter(json!({})), INVALID, "filters[0].op: is missing"),
        (filter(json!({ "op": "is", "value": 1 })), INVALID, "filters[0].property: is missing"),
        (property("exact", json!("x")), INVALID, "did you mean `is`?"),
        (property("regex", json!("x")), INVALID, "did you mean `matches`?"),
        (filter(json!({ "property": "p", "op": "is" })), INVALID, "`is` needs a `value`"),
        (
            filter(json!({ "property": "p", "op": "is", "value": 1, "of": "cat" })),
            INVALID,
            "of: takes one of event, person, group, session",
        ),
        (property("is", json!([])), INVALID, "value: takes 1 to 10000 of them, not 0"),
        (property("is", json!([null])), INVALID, "value[0]: takes no null"),
        (property("is", json!({ "a": 1 })), INVALID, "value: takes a text, a number or a boolean"),
        (property("is_set", json!(true)), INVALID, "`is_set` takes no value"),
        (property("contains", json!(["a"])), INVALID, "value: takes a text, not a list"),
        (property("gt", json!("many")), INVALID, "value: takes a number or a time"),
        (property("gt", json!(true)), INVALID, "value: takes a number or a time, not a boolean"),
        (property("before", json!(5)), INVALID, "value: takes a time"),
        (property("between", json!([1])), INVALID, "value: takes 2 to 2 of them, not 1"),
        (property("between", json!([1, "2026-01-01"])), INVALID, "not one of each"),
        (property("matches", json!("(?<=a)b")), "invalid_regex", "filters[0].value: look-around"),
        (property("matches", json!("(a")), "invalid_regex", "unclosed group"),
        (property("not_matches", json!("((a{1000}){1000}){1000}")), "invalid_regex", "needs more than 1024 KiB"),
        (property("matches", json!("(".repeat(100_000))), "invalid_regex", ""),
        (filter(json!({ "any": [] })), INVALID, "filters[0].any: takes at least one filter"),
        (filter(json!({ "not": [] })), INVALID, "filters[0].not: takes a filter"),
        (
            filter(json!({ "any": [{ "property": "p", "op": "is_set" }], "op": "is" })),
            INVALID,
            "filters[0].op: is not a field here",
        ),
        (filter(json!({ "op": "in_cohort" })), INVALID, "value: is missing"),
        (
            filter(json!({ "op": "in_cohort", "value": { "rule": { "did": {}, "has": {} } } })),
            INVALID,
            "takes exactly one field",
        ),
        (
            filter(json!({ "op": "in_cohort", "value": { "rule": { "done": {} } } })),
            INVALID,
            "rule: takes one of any, all, not",
        ),
    ] {
        check(Question::parse(question.to_string().as_bytes()).err(), &question, code, detail);
    }
}

#[test]
fn mistakes_in_the_other_kinds_are_named_by_their_place() {
    let kind = |kind: &str, rest: Value| {
        merged(json!({ "kind": kind, "period": { "from": "2026-01-01", "to": "2026-01-31" } }), rest)
    };
    for (question, detail) in [
        (funnel(json!({ "steps": [] })), "steps: takes 2 to 50 of them, not 0"),
        (funnel(json!({ "steps": [{}] })), "steps: takes 2 to 50 of them, not 1"),
        (funnel(json!({ "steps": vec![json!({}); 51] })), "steps: takes 2 to 50 of them, not 51"),
        (funnel(json!({ "steps": [{ "optional": true }, {}] })), "the first step cannot be optional"),
        (funnel(json!({ "window": { "value": 0, "unit": "day" } })), "window.value: takes a whole number from 1"),
        (funnel(json!({ "window": { "value": -1, "unit": "second" } })), "window.value: takes a whole number from 1"),
        (funnel(json!({ "window": { "value": 1, "unit": "year" } })), "window.unit: takes one of second"),
        (
            funnel(json!({ "exclusions": [{ "event": "x", "from_step": 1, "to_step": 9 }] })),
            "exclusions[0].from_step: takes a whole number from 0 to 0",
        ),
        (
            funnel(json!({ "exclusions": [{ "event": "x", "to_step": 9 }] })),
            "exclusions[0].to_step: takes a whole number from 1 to 1",
        ),
        (funnel(json!({ "exclusions": [{ "event": "x", "from_step": 0, "to_step": 0 }] })), "exclusions[0].to_step"),
        (
            funnel(
                json!({ "steps": [{}, {}, {}], "order": "any_order", "exclusions": [{ "event": "x", "to_step": 1 }] }),
            ),
            "exclusions[0]: with `any_order` an exclusion spans the whole funnel",
        ),
        (
            funnel(json!({ "steps": [{}, { "optional": true }], "order": "any_order" })),
            "steps[1].optional: with `any_order` no step is optional",
        ),
        (funnel(json!({ "attribution": { "step": 2 } })), "attribution.step: takes a whole number from 0 to 1"),
        (funnel(json!({ "from_step": 0 })), "from_step: goes with the views"),
        (funnel(json!({ "view": "trend", "bins": 5 })), "bins: goes with the view `time_to_convert`"),
        (
            funnel(json!({ "view": "time_to_convert", "breakdown": [{ "property": "p" }] })),
            "breakdown: does not go with",
        ),
        (funnel(json!({ "breakdown": { "property": "p", "limit": 1_000_000_000 } })), "breakdown.limit"),
        (kind("retention", json!({ "start": {} })), "return: is missing"),
        (kind("retention", json!({ "start": {}, "return": {}, "periods": 0 })), "periods: takes a whole number from 1"),
        (kind("stickiness", json!({ "series": [{}, {}] })), "series: takes 1 to 1 of them, not 2"),
        (kind("lifecycle", json!({ "series": [] })), "series: takes 1 to 1 of them, not 0"),
        (
            kind("lifecycle", json!({ "series": [{}], "breakdown": { "property": "p" } })),
            "only trend, funnel and retention are broken down",
        ),
        (kind("paths", json!({ "interval": "day" })), "interval: paths have no intervals"),
        (kind("paths", json!({ "include": ["click"] })), "include[0]: takes one of page, screen, event"),
    ] {
        check(Question::parse(question.to_string().as_bytes()).err(), &question, "invalid_question", detail);
    }
}

#[test]
fn mistakes_in_an_events_query_are_named_by_their_place() {
    let period = json!({ "from": "2026-01-01", "to": "2026-01-31" });
    for (rest, detail) in [
        (json!({ "limit": -1 }), "limit: takes a whole number from 1 to 10000, not -1"),
        (json!({ "limit": 10_001 }), "limit"),
        (json!({ "limit": 1.5 }), "limit"),
        (json!({ "offset": -5 }), "offset: takes a whole number from 0"),
        (json!({ "offset": 5, "cursor": "x" }), "offset: does not go with `cursor`"),
        (json!({ "columns": ["evnt"] }), "columns[0]: there is no column `evnt` (did you mean `event`?)"),
        (json!({ "order": "sideways" }), "order: takes one of newest_first, oldest_first"),
        (json!({ "filter": [], "filters": [] }), "give one of them"),
        (json!({ "person": { "person_id": "xyz" } }), "person.person_id: takes 16 hexadecimal digits"),
        (json!({ "where": "1=1" }), "where: is not a field here"),
    ] {
        let question = merged(json!({ "period": period }), rest);
        check(EventsQuestion::parse(question.to_string().as_bytes()).err(), &question, "invalid_question", detail);
    }
    check(EventsQuestion::parse(b"{}").err(), &json!({}), "invalid_question", "period: is missing");
}
