//! Questions and their answers, from a real lake.

use serde_json::{Value, json};

use super::{Deployment, event};

const PATH: &str = "/api/v1/insights/query";

async fn shop() -> Deployment {
    let deployment = Deployment::new().await;
    deployment
        .store(vec![
            event(1, "purchase", "2026-01-01T10:00:00Z", "u1", json!({"price": 10, "country": "DE"})),
            event(2, "purchase", "2026-01-01T11:00:00Z", "u1", json!({"price": 2.5, "country": "DE"})),
            event(3, "purchase", "2026-01-03T12:00:00Z", "u2", json!({"price": 4, "country": "FR"})),
            event(4, "view", "2026-01-02T09:00:00Z", "u2", json!({})),
        ])
        .await;
    deployment
}

fn trend(series: &Value) -> Value {
    json!({"kind": "trend", "period": {"from": "2026-01-01", "to": "2026-01-03"}, "series": [series]})
}

async fn numbers(deployment: &Deployment, question: &Value) -> (Value, Value) {
    let json = deployment.post(PATH, question).await.stable();
    (json["result"]["series"][0]["values"].clone(), json["result"]["series"][0]["total"].clone())
}

#[tokio::test]
async fn a_trend_says_its_numbers_its_question_and_how_it_was_made() {
    let deployment = shop().await;
    let mut question = trend(&json!({"event": "purchase", "measure": "sum", "property": "price"}));
    question["breakdown"] = json!([{"property": "country"}]);
    let reply = deployment.post(PATH, &question).await;
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(reply.json()["meta"]["bytes_scanned"].as_u64().unwrap() > 0);
    insta::assert_json_snapshot!(reply.stable());
}

#[tokio::test]
async fn the_same_question_is_answered_from_the_cache_until_something_changes() {
    let deployment = shop().await;
    let question = trend(&json!({"event": "purchase"}));
    let cached = async |question: &Value| {
        let json = deployment.post(PATH, question).await.json();
        (json["meta"]["cached"] == true, json["result"]["series"][0]["total"].clone())
    };
    assert_eq!(cached(&question).await, (false, json!(3)));
    assert_eq!(cached(&question).await, (true, json!(3)));
    let mut refreshed = question.clone();
    refreshed["refresh"] = json!(true);
    assert_eq!(cached(&refreshed).await, (false, json!(3)));
    let mut elsewhere = question.clone();
    elsewhere["timezone"] = json!("Asia/Tokyo");
    assert_eq!(cached(&elsewhere).await, (false, json!(3)));
    deployment.store(vec![event(5, "purchase", "2026-01-02T00:00:00Z", "u3", json!({}))]).await;
    assert_eq!(cached(&question).await, (false, json!(4)));
    let figures = deployment.figures();
    assert!(figures.contains(r#"headwater_question_cache_total{result="hit"} 1"#), "{figures}");
    assert!(figures.contains(r#"headwater_questions_total{kind="trend",status="200"} 5"#), "{figures}");
}

#[tokio::test]
async fn a_period_that_ends_now_is_cached_until_there_is_something_new() {
    let deployment = shop().await;
    let asked = json!({"kind": "trend", "period": {"last": {"value": 100, "unit": "year"}}, "interval": "year",
        "series": [{"event": "purchase"}]});
    let cached = async |question: &Value| {
        let json = deployment.post(PATH, question).await.json();
        (json["meta"]["cached"] == true, json["result"]["series"][0]["total"].clone())
    };
    assert_eq!(cached(&asked).await, (false, json!(3)));
    assert_eq!(cached(&asked).await, (true, json!(3)));
    let mut compared = asked.clone();
    compared["compare"] = json!({"to": "previous_period"});
    for _ in 0..2 {
        assert_eq!(cached(&compared).await, (false, json!(3)), "the earlier period is cut where this one is");
    }
    // A tablet whose clock is ahead: its event comes into the period while the clock goes on.
    let ahead = jiff::Timestamp::now() + std::time::Duration::from_millis(400);
    deployment.store(vec![event(6, "purchase", &ahead.to_string(), "u9", json!({}))]).await;
    let seen = async {
        loop {
            match cached(&asked).await {
                (false, total) if total == json!(4) => break,
                (was_cached, total) => assert_eq!((was_cached, total), (false, json!(3)), "stale"),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), seen).await.unwrap();
}

#[tokio::test]
async fn a_named_version_goes_on_giving_its_answer() {
    let deployment = shop().await;
    let mut question = trend(&json!({"event": "purchase"}));
    let before = deployment.post(PATH, &question).await.json()["meta"]["versions"]["events"].clone();
    deployment.store(vec![event(5, "purchase", "2026-01-02T00:00:00Z", "u3", json!({}))]).await;
    assert_eq!(numbers(&deployment, &question).await.1, 4);
    question["table_version"] = before.clone();
    let then = deployment.post(PATH, &question).await.json();
    assert_eq!((&then["result"]["series"][0]["total"], &then["meta"]["versions"]["events"]), (&json!(3), &before));
    question["table_version"] = json!(1_000_000);
    let (status, code, detail) = deployment.post(PATH, &question).await.problem();
    assert_eq!((status, code.as_str()), (400, "version_unknown"));
    assert!(detail.starts_with("The newest version is "), "{detail}");
}

#[tokio::test]
async fn as_of_counts_what_had_been_received_until_then() {
    let deployment = shop().await;
    let mut question = trend(&json!({"event": "purchase"}));
    for (as_of, total) in
        [("2026-01-31T23:59:59Z", 0), ("2026-02-01T00:00:00Z", 3), ("2026-02-01", 3), ("2026-01-31", 0)]
    {
        question["as_of"] = json!(as_of);
        assert_eq!(numbers(&deployment, &question).await.1, total, "{as_of}");
    }
}

#[tokio::test]
async fn an_identify_makes_two_ids_one_person_and_gives_it_traits() {
    let deployment = Deployment::new().await;
    let mut visit = event(1, "view", "2026-01-01T10:00:00Z", "", json!({}));
    (visit.user_id, visit.anonymous_id) = (None, Some("visitor_1".to_owned()));
    let mut identify = event(2, "identify", "2026-01-02T10:00:00Z", "user_1", json!({}));
    identify.kind = event_model::EventType::Identify;
    identify.anonymous_id = Some("visitor_1".to_owned());
    identify.traits = event_model::Json::parse(r#"{"plan": "pro"}"#);
    let buy = event(3, "view", "2026-01-03T10:00:00Z", "user_1", json!({}));
    let other = event(4, "view", "2026-01-03T11:00:00Z", "user_2", json!({}));
    deployment.store(vec![visit, identify, buy, other]).await;
    let all = trend(&json!({"event": "view", "measure": "unique_persons"}));
    assert_eq!(numbers(&deployment, &all).await, (json!([1, 0, 2]), json!(2)));
    let mut pro = all.clone();
    pro["filters"] = json!([{"property": "plan", "of": "person", "op": "is", "value": "pro"}]);
    assert_eq!(numbers(&deployment, &pro).await, (json!([1, 0, 1]), json!(1)));
}

#[tokio::test]
async fn names_and_values_are_data_and_never_sql() {
    let deployment = shop().await;
    for property in ["a' OR '1'='1", "a\" ; DROP TABLE events; --", "a`;--", "a\u{2bc} OR 1=1", "price') OR ('1'='1"] {
        let filters = json!([{"property": property, "op": "is", "value": "x' OR 1=1 --"}]);
        let question = trend(&json!({"event": "purchase", "filters": filters}));
        assert_eq!(numbers(&deployment, &question).await, (json!([0, 0, 0]), json!(0)), "{property}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_the_field_and_the_reason() {
    let deployment = Deployment::new().await;
    let refused = async |question: Value| {
        let (status, code, detail) = deployment.post(PATH, &question).await.problem();
        assert_eq!(status, 400);
        format!("{code}: {detail}")
    };
    let period = json!({"from": "2026-01-01", "to": "2026-01-03"});
    let groups =
        json!({"kind": "funnel", "period": period, "steps": [{"event": "a"}, {"event": "b"}], "group_by": "group"});
    let filter = |op: &str, value: &str| json!({"filters": [{"property": "p", "op": op, "value": value}]});
    insta::assert_json_snapshot!([
        refused(json!({"kind": "drop"})).await,
        refused(json!({"kind": "trend"})).await,
        refused(json!({"kind": "trend", "period": {"from": "2026-02-01", "to": "2026-01-01"}, "series": [{}]})).await,
        refused(groups).await,
        refused(trend(&filter("matches", "(?<=a)b"))).await,
        refused(trend(&filter("matches", "((a{1000}){1000}){1000}"))).await,
        refused(trend(&filter("exactly", "x"))).await,
        refused(trend(&json!({"measure": "sessions"}))).await,
    ]);
}
