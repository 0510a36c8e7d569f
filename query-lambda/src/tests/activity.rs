//! Retention, stickiness, lifecycle and paths, from a real lake.

use serde_json::{Value, json};

use super::{Deployment, event};

const PATH: &str = "/api/v1/insights/query";

/// u1 signs up on the 1st and is there on the 2nd and the 4th; u2 signs up on the 2nd, as a visitor first.
async fn shop() -> Deployment {
    let deployment = Deployment::new().await;
    let mut visitor = event(4, "visit", "2026-01-01T12:00:00Z", "", json!({}));
    (visitor.user_id, visitor.anonymous_id) = (None, Some("visitor_2".to_owned()));
    let mut identify = event(5, "identify", "2026-01-02T08:00:00Z", "u2", json!({}));
    identify.kind = event_model::EventType::Identify;
    identify.anonymous_id = Some("visitor_2".to_owned());
    identify.traits = event_model::Json::parse(r#"{"plan": "pro"}"#);
    deployment
        .store(vec![
            event(1, "signup", "2026-01-01T10:00:00Z", "u1", json!({"country": "DE"})),
            event(2, "visit", "2026-01-02T10:00:00Z", "u1", json!({})),
            event(3, "visit", "2026-01-04T10:00:00Z", "u1", json!({})),
            visitor,
            identify,
        ])
        .await;
    // A second file, so that one person's events come from several.
    deployment
        .store(vec![
            event(6, "signup", "2026-01-02T09:00:00Z", "u2", json!({"country": "FR"})),
            event(7, "visit", "2026-01-02T09:10:00Z", "u2", json!({})),
            event(8, "visit", "2026-01-03T09:00:00Z", "u2", json!({})),
        ])
        .await;
    deployment
}

fn period() -> Value {
    json!({"from": "2026-01-01", "to": "2026-01-02"})
}

async fn result(deployment: &Deployment, question: &Value) -> Value {
    deployment.post(PATH, question).await.json()["result"].clone()
}

#[tokio::test]
async fn a_retention_says_who_came_back_and_how_the_answer_was_made() {
    let deployment = shop().await;
    let question = json!({"kind": "retention", "period": period(), "periods": 3, "cohort_by": "first_time",
        "breakdown": [{"property": "country"}], "start": {"event": "signup"}, "return": {"event": "visit"}});
    insta::assert_json_snapshot!(deployment.post(PATH, &question).await.stable());
}

#[tokio::test]
async fn two_ids_of_a_person_are_one_in_every_kind() {
    let deployment = shop().await;
    let pro = json!([{"property": "plan", "of": "person", "op": "is", "value": "pro"}]);
    let visits = json!([{"event": "visit"}]);
    let retention = json!({"kind": "retention", "period": period(), "periods": 3, "filters": pro,
        "start": {"event": "visit"}, "return": {"event": "visit"}});
    let returned = |answer: Value| -> Vec<Value> {
        answer["cohorts"].as_array().unwrap().iter().map(|cohort| cohort["returned"].clone()).collect()
    };
    assert_eq!(returned(result(&deployment, &retention).await), [json!([1, 1, 1]), json!([1, 1, 0])]);
    let stickiness = json!({"kind": "stickiness", "period": period(), "series": visits});
    let buckets = json!([{"intervals": 1, "persons": 1}, {"intervals": 2, "persons": 1}]);
    assert_eq!(result(&deployment, &stickiness).await["buckets"], buckets);
    let lifecycle =
        json!({"kind": "lifecycle", "period": {"from": "2026-01-02", "to": "2026-01-03"}, "series": visits});
    let states = json!({"intervals": ["2026-01-02", "2026-01-03"], "new": [1, 0], "returning": [1, 1],
        "resurrecting": [0, 0], "dormant": [0, -1]});
    assert_eq!(result(&deployment, &lifecycle).await, states);
    let paths = json!({"kind": "paths", "period": period()});
    let edges = json!([{"step": 1, "from": "signup", "to": "visit", "count": 1, "average_seconds": 600.0}]);
    assert_eq!(result(&deployment, &paths).await["edges"], edges);
}

#[tokio::test]
async fn answers_are_cached_until_something_changes() {
    let deployment = shop().await;
    let series = json!([{"event": "visit"}]);
    for (number, question) in [
        json!({"kind": "retention", "period": period(), "start": {}, "return": {}}),
        json!({"kind": "stickiness", "period": period(), "series": series}),
        json!({"kind": "lifecycle", "period": period(), "series": series}),
        json!({"kind": "paths", "period": period()}),
        json!({"kind": "lifecycle", "period": {"last": {"value": 3, "unit": "year"}}, "interval": "year", "series": series}),
    ]
    .into_iter()
    .enumerate()
    {
        let first = deployment.post(PATH, &question).await.json();
        let second = deployment.post(PATH, &question).await.json();
        assert_eq!((&first["meta"]["cached"], &second["meta"]["cached"]), (&json!(false), &json!(true)), "{question}");
        assert_eq!(first["result"], second["result"], "{question}");
        let id = 20 + u8::try_from(number).unwrap();
        deployment.store(vec![event(id, "visit", "2026-01-02T09:20:00Z", "u3", json!({}))]).await;
        assert_eq!(deployment.post(PATH, &question).await.json()["meta"]["cached"], false, "{question}");
    }
}

#[tokio::test]
async fn a_named_version_goes_on_giving_its_answer() {
    let deployment = shop().await;
    let mut question = json!({"kind": "stickiness", "period": period(), "series": [{"event": "visit"}]});
    let before = deployment.post(PATH, &question).await.json();
    deployment.store(vec![event(9, "visit", "2026-01-01T10:00:00Z", "u1", json!({}))]).await;
    assert_ne!(result(&deployment, &question).await, before["result"]);
    question["table_version"] = before["meta"]["versions"]["events"].clone();
    assert_eq!(result(&deployment, &question).await, before["result"]);
}

#[tokio::test]
async fn hostile_questions_end_in_an_answer_or_a_clear_refusal() {
    let deployment = shop().await;
    let long = |from: &str| json!({"from": from, "to": "2026-12-31"});
    let groups = json!([{"property": "country", "limit": 1000}, {"property": "event_id", "limit": 1000},
        {"property": "timestamp", "limit": 1000}]);
    let names: Vec<String> = (0..5_000).map(|number| format!("item {number}")).collect();
    let mut codes = Vec::new();
    for question in [
        json!({"kind": "retention", "interval": "minute", "period": long("2016-01-01"), "start": {}, "return": {}}),
        json!({"kind": "retention", "interval": "hour", "period": long("2026-01-01"), "periods": 400, "start": {}, "return": {}}),
        json!({"kind": "retention", "interval": "hour", "period": long("2026-01-01"), "periods": 200, "start": {}, "return": {},
            "breakdown": groups}),
        json!({"kind": "retention", "interval": "day", "period": long("2006-01-01"), "periods": 200, "start": {}, "return": {},
            "return_on": "on_or_after", "minimum_occurrences": 1_000_000}),
        json!({"kind": "retention", "period": {"from": "9999-12-31", "to": "9999-12-31"}, "start": {}, "return": {}}),
        json!({"kind": "retention", "period": {"from": "0001-01-01", "to": "0001-01-02"}, "start": {}, "return": {}}),
        json!({"kind": "lifecycle", "interval": "year", "period": {"from": "0001-01-01", "to": "2026-01-02"}, "series": [{}]}),
        json!({"kind": "lifecycle", "interval": "hour", "period": long("2026-01-01"), "series": [{}]}),
        json!({"kind": "stickiness", "interval": "hour", "period": long("2026-01-01"), "series": [{"any_of": names}]}),
        json!({"kind": "paths", "period": long("2000-01-01"), "steps": 50, "edges": 1000, "exclude": names}),
        json!({"kind": "paths", "period": long("2000-01-01"), "steps": 51}),
    ] {
        let reply = deployment.post(PATH, &question).await;
        let code = if reply.status == 200 { json!("answered") } else { reply.json()["code"].clone() };
        codes.push(format!("{} {}", question["kind"].as_str().unwrap(), code.as_str().unwrap()));
    }
    assert_eq!(
        codes,
        [
            "retention too_many_intervals",
            "retention question_too_complex",
            "retention question_too_complex",
            "retention answered",
            "retention invalid_question",
            "retention answered",
            "lifecycle answered",
            "lifecycle answered",
            "stickiness answered",
            "paths answered",
            "paths invalid_question",
        ]
    );
}
