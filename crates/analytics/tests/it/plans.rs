//! Plans as text: plain comparisons at the bottom, which prune files, and on top what counts.

use analytics::{Insight, ProjectSettings, Step};
use event_model::Timestamp;
use query_model::Question;
use serde_json::json;
use test_support::rows;

use crate::memory::{self, Texts};

#[test]
fn a_trend_is_one_aggregate_over_rows_that_plain_comparisons_choose() {
    let question = json!({
        "kind": "trend", "period": { "from": "2026-01-01", "to": "2026-01-02" },
        "filters": [{ "property": "plan", "op": "is", "value": "a value that no plan may show" }],
        "series": [{ "event": "buy", "measure": "unique_persons" }, { "event": "buy", "measure": "sum", "property": "price" }],
    });
    let tie = json!({ "type": "identify", "user_id": "u", "anonymous_id": "a", "timestamp": "2026-01-01T00:00:00Z" });
    let received_at = Timestamp::parse("2026-01-01T01:00:00Z").unwrap();
    let source = memory::source(&rows::collect(&[(tie, received_at)]).unwrap(), Texts::Plain);
    let question = Question::parse(question.to_string().as_bytes()).unwrap();
    let mut insight = Insight::new(question, &ProjectSettings::default(), Timestamp(0)).unwrap();
    let Step::Run(plan) = insight.next(&source, None).unwrap() else { panic!("done without a plan") };
    insta::assert_snapshot!(plan.display_indent(), @r#"
    Aggregate: groupBy=[[]], aggr=[[measure_persons(interval, exact, person) FILTER (WHERE matches_0) AS measure_0, measure_sum(interval, exact, operand_1) FILTER (WHERE matches_1) AS measure_1]]
      Projection: interval(events.timestamp) AS interval, events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AS exact, person(events.person_key) AS person, events.event = Utf8("buy") AS matches_0, events.event = Utf8("buy") AS matches_1, event[price].number(events.properties) AS operand_1
        Filter: events.type IN ([Utf8("track"), Utf8("page"), Utf8("screen")]) AND events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND events.event = Utf8("buy") AND event[plan].is(events.properties)
          TableScan: events
    "#);
}

#[tokio::test]
async fn a_funnel_sends_its_events_once_to_where_their_person_is_counted() {
    let question = json!({
        "kind": "funnel", "period": { "from": "2026-01-01", "to": "2026-01-02" },
        "steps": [{ "event": "view" }, { "event": "buy", "filters": [{ "property": "price", "op": "gt", "value": 9 }] }],
        "window": { "value": 1, "unit": "day" }, "hold_constant": ["order"], "exclusions": [{ "event": "refund" }],
        "filters": [{ "property": "plan", "op": "is", "value": "a value that no plan may show" }],
    });
    let question = Question::parse(question.to_string().as_bytes()).unwrap();
    let source = memory::source(&[], Texts::Plain);
    let mut insight = Insight::new(question, &ProjectSettings::default(), Timestamp(0)).unwrap();
    let Step::Run(plan) = insight.next(&source, None).unwrap() else { panic!("done without a plan") };
    insta::assert_snapshot!(memory::physical(&plan).await, @"");
}
