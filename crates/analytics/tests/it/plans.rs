//! Plans as text: plain comparisons at the bottom, which prune files, and on top what counts.

use analytics::{Insight, ProjectSettings, Source, Step};
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
    insta::assert_snapshot!(first_plan(&question), @r#"
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
    insta::assert_snapshot!(memory::physical(&plan).await, @r#"
    TallyExec
      CoalescePartitionsExec
        PersonsExec
          RepartitionExec: partitioning=Hash([person@0], 3), input_partitions=3
            ProjectionExec: expr=[person_key@0 as person, timestamp@1 as timestamp, received_at@2 as received_at, position@3 as position, event_id@4 as event_id, mask(event@5 = view, event@5 = buy AND event[price].gt(properties@6)) as steps, mask(event@5 = refund) as exclusions, key(event[order].text(properties@6)) as key]
              FilterExec: (type@1 = track OR type@1 = page OR type@1 = screen) AND (event@2 = buy OR event@2 = refund OR event@2 = view) AND timestamp@3 >= 1767225600000000 AND timestamp@3 < 1767484800000000 AND event[plan].is(properties@7) AND (event@2 = view OR event@2 = buy AND event[price].gt(properties@7) OR event@2 = refund), projection=[person_key@6, timestamp@3, received_at@4, position@5, event_id@0, event@2, properties@7]
                DataSourceExec: partitions=3, partition_sizes=[1, 1, 1]
    "#);
}

#[test]
fn a_retention_keeps_marks_of_each_person_and_adds_them_up() {
    let question = json!({
        "kind": "retention", "period": { "from": "2026-01-01", "to": "2026-01-02" }, "periods": 3,
        "filters": [{ "property": "plan", "op": "is", "value": "a value that no plan may show" }],
        "start": { "event": "signup" }, "return": { "event": "buy" },
    });
    insta::assert_snapshot!(first_plan(&question), @r#"
    Aggregate: groupBy=[[]], aggr=[[tally(start, returned)]]
      Aggregate: groupBy=[[person]], aggr=[[marks(start) FILTER (WHERE started) AS start, marks(interval) FILTER (WHERE returned) AS returned]]
        Projection: person(events.person_key) AS person, interval(events.timestamp) AS interval, events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND events.event = Utf8("signup") AND event[plan].is(events.properties) AS started, events.timestamp >= TimestampMicrosecond(1767312000000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767571200000000, Some("UTC")) AND events.event = Utf8("buy") AND event[plan].is(events.properties) AS returned, place(interval(events.timestamp)) AS start
          Filter: events.type IN ([Utf8("track"), Utf8("page"), Utf8("screen")]) AND events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767571200000000, Some("UTC")) AND (events.event = Utf8("signup") OR events.event = Utf8("buy")) AND (events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND events.event = Utf8("signup") AND event[plan].is(events.properties) OR events.timestamp >= TimestampMicrosecond(1767312000000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767571200000000, Some("UTC")) AND events.event = Utf8("buy") AND event[plan].is(events.properties))
            TableScan: events
    "#);
}

#[test]
fn a_retention_by_first_time_reads_all_history_of_the_start_but_no_ids() {
    let question = json!({
        "kind": "retention", "period": { "from": "2026-01-01", "to": "2026-01-02" }, "periods": 3,
        "cohort_by": "first_time", "start": { "event": "signup" }, "return": { "event": "buy" },
    });
    insta::assert_snapshot!(first_plan(&question), @r#"
    Aggregate: groupBy=[[]], aggr=[[tally(start, returned)]]
      Aggregate: groupBy=[[person]], aggr=[[earliest(events.timestamp, received_at, position, event_id, start) FILTER (WHERE started) AS start, marks(interval) FILTER (WHERE returned) AS returned]]
        Projection: person(events.person_key) AS person, interval(events.timestamp) AS interval, events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND events.event = Utf8("signup") AS started, events.timestamp >= TimestampMicrosecond(1767312000000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767571200000000, Some("UTC")) AND events.event = Utf8("buy") AS returned, events.timestamp, Int64(NULL) AS received_at, Int64(NULL) AS position, LargeBinary(NULL) AS event_id, CASE WHEN events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) THEN place(interval(events.timestamp)) END AS start
          Filter: events.type IN ([Utf8("track"), Utf8("page"), Utf8("screen")]) AND events.timestamp < TimestampMicrosecond(1767571200000000, Some("UTC")) AND (events.event = Utf8("signup") OR events.event = Utf8("buy")) AND (events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND events.event = Utf8("signup") OR events.timestamp >= TimestampMicrosecond(1767312000000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767571200000000, Some("UTC")) AND events.event = Utf8("buy"))
            TableScan: events
    "#);
}

#[test]
fn stickiness_keeps_the_intervals_of_each_person_and_counts_them() {
    let question = json!({
        "kind": "stickiness", "period": { "from": "2026-01-01", "to": "2026-01-02" }, "series": [{ "event": "buy" }],
    });
    insta::assert_snapshot!(first_plan(&question), @r#"
    Aggregate: groupBy=[[]], aggr=[[tally(interval)]]
      Aggregate: groupBy=[[person]], aggr=[[marks(interval) AS interval]]
        Projection: person(events.person_key) AS person, interval(events.timestamp) AS interval
          Filter: events.type IN ([Utf8("track"), Utf8("page"), Utf8("screen")]) AND events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND events.event = Utf8("buy")
            TableScan: events
    "#);
}

#[test]
fn a_lifecycle_reads_all_history_of_its_event() {
    let question = json!({
        "kind": "lifecycle", "period": { "from": "2026-01-01", "to": "2026-01-02" }, "series": [{ "event": "buy" }],
    });
    insta::assert_snapshot!(first_plan(&question), @r#"
    Aggregate: groupBy=[[]], aggr=[[tally(interval)]]
      Aggregate: groupBy=[[person]], aggr=[[marks(interval) AS interval]]
        Projection: person(events.person_key) AS person, interval(events.timestamp) AS interval
          Filter: events.type IN ([Utf8("track"), Utf8("page"), Utf8("screen")]) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND events.event = Utf8("buy")
            TableScan: events
    "#);
}

#[test]
fn paths_keep_the_items_of_each_person_and_add_their_edges_up() {
    let question = json!({
        "kind": "paths", "period": { "from": "2026-01-01", "to": "2026-01-02" }, "exclude": ["no plan shows this"],
        "filters": [{ "property": "plan", "op": "is", "value": "a value that no plan may show" }],
    });
    insta::assert_snapshot!(first_plan(&question), @r#"
    Aggregate: groupBy=[[]], aggr=[[path_edges(item)]]
      Aggregate: groupBy=[[person]], aggr=[[path_items(events.timestamp, events.received_at, events.position, events.event_id, events.session_id, item) AS item]]
        Projection: person(events.person_key) AS person, events.timestamp, events.received_at, events.position, events.event_id, events.session_id, item(events.type, events.event, event[path].text(events.properties, events.path), event[name].text(events.properties), event[title].text(events.properties, events.title)) AS item
          Filter: events.type IN ([Utf8("page"), Utf8("screen"), Utf8("track")]) AND events.timestamp >= TimestampMicrosecond(1767225600000000, Some("UTC")) AND events.timestamp < TimestampMicrosecond(1767398400000000, Some("UTC")) AND event[plan].is(events.properties)
            TableScan: events
    "#);
}

#[tokio::test]
async fn persons_are_gathered_by_hash_and_added_up_in_each_partition() {
    let question = json!({
        "kind": "stickiness", "period": { "from": "2026-01-01", "to": "2026-01-02" }, "series": [{ "event": "buy" }],
    });
    let (mut insight, source) = asked(&question);
    let Step::Run(plan) = insight.next(&source, None).unwrap() else { panic!("done without a plan") };
    insta::assert_snapshot!(memory::physical(&plan).await, @r#"
    AggregateExec: mode=Final, gby=[], aggr=[tally(interval)]
      CoalescePartitionsExec
        AggregateExec: mode=Partial, gby=[], aggr=[tally(interval)]
          ProjectionExec: expr=[interval@1 as interval]
            AggregateExec: mode=FinalPartitioned, gby=[person@0 as person], aggr=[marks(interval) as interval]
              RepartitionExec: partitioning=Hash([person@0], 3), input_partitions=3
                AggregateExec: mode=Partial, gby=[person@0 as person], aggr=[marks(interval) as interval]
                  ProjectionExec: expr=[person(person_key@0) as person, interval(timestamp@1) as interval]
                    FilterExec: (type@0 = track OR type@0 = page OR type@0 = screen) AND timestamp@2 >= 1767225600000000 AND timestamp@2 < 1767398400000000 AND event@1 = buy, projection=[person_key@3, timestamp@2]
                      DataSourceExec: partitions=3, partition_sizes=[1, 1, 1]
    "#);
}

/// The first plan of a question.
fn first_plan(question: &serde_json::Value) -> String {
    let (mut insight, source) = asked(question);
    let Step::Run(plan) = insight.next(&source, None).unwrap() else { panic!("done without a plan") };
    plan.display_indent().to_string()
}

/// A question, and a source in which two ids are one person.
fn asked(question: &serde_json::Value) -> (Insight, Source) {
    let tie = json!({ "type": "identify", "user_id": "u", "anonymous_id": "a", "timestamp": "2026-01-01T00:00:00Z" });
    let received_at = Timestamp::parse("2026-01-01T01:00:00Z").unwrap();
    let source = memory::source(&rows::collect(&[(tie, received_at)]).unwrap(), Texts::Plain);
    let question = Question::parse(question.to_string().as_bytes()).unwrap();
    let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
    (Insight::new(question, &ProjectSettings::default(), now).unwrap(), source)
}
