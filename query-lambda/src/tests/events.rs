//! The events query: order, pages, columns, filters.

use serde_json::{Value, json};

use super::{Deployment, event};

const PATH: &str = "/api/v1/events/query";

async fn shop() -> Deployment {
    let deployment = Deployment::new().await;
    let events = (1..=7).map(|number| {
        // Three share a timestamp: their order is that of their positions.
        let day = [1, 2, 3, 3, 3, 4, 5][usize::from(number) - 1];
        let user = if number % 2 == 0 { "even" } else { "odd" };
        event(number, "view", &format!("2026-01-0{day}T10:00:00Z"), user, json!({"number": number}))
    });
    deployment.store(events.collect()).await;
    deployment
}

fn question(more: &Value) -> Value {
    let mut question = json!({"period": {"from": "2026-01-01", "to": "2026-01-31"}});
    for (name, value) in more.as_object().unwrap() {
        question[name] = value.clone();
    }
    question
}

fn numbers(answer: &Value) -> Vec<i64> {
    answer["events"].as_array().unwrap().iter().map(|row| row["properties"]["number"].as_i64().unwrap()).collect()
}

async fn ask(deployment: &Deployment, more: &Value) -> Vec<i64> {
    numbers(&deployment.post(PATH, &question(more)).await.stable())
}

#[tokio::test]
async fn a_row_shows_what_happened_without_what_is_not_known() {
    let deployment = shop().await;
    let reply = deployment.post(PATH, &question(&json!({"limit": 1}))).await;
    insta::assert_json_snapshot!(reply.stable());
}

#[tokio::test]
async fn the_columns_asked_for_come_in_their_order_with_nulls() {
    let deployment = shop().await;
    let columns = json!(["person_id", "timestamp", "country", "is_bot", "position", "date", "event_id", "properties"]);
    let reply = deployment.post(PATH, &question(&json!({"limit": 1, "columns": columns}))).await;
    let row = reply.text.split_once("\"events\":[").unwrap().1.split_once(']').unwrap().0;
    insta::assert_snapshot!(row);
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition_in_either_order() {
    let deployment = shop().await;
    for (order, expect) in [("newest_first", [7, 6, 5, 4, 3, 2, 1]), ("oldest_first", [1, 2, 3, 4, 5, 6, 7])] {
        for limit in 1..=4 {
            let (mut seen, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let mut asked = question(&json!({"order": order, "limit": limit}));
                if !cursor.is_null() {
                    asked["cursor"] = cursor;
                }
                let answer = deployment.post(PATH, &asked).await.stable();
                let page = numbers(&answer);
                assert!(page.len() <= limit && seen.len() < 8, "{seen:?}");
                seen.extend(page);
                cursor = answer["next_cursor"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            assert_eq!(seen, expect, "{order}, {limit} a page");
        }
    }
}

#[tokio::test]
async fn events_that_come_in_between_do_not_move_the_next_page() {
    let deployment = shop().await;
    let first = deployment.post(PATH, &question(&json!({"limit": 2}))).await.stable();
    deployment.store(vec![event(8, "view", "2026-01-30T10:00:00Z", "late", json!({"number": 8}))]).await;
    let next = json!({"limit": 2, "cursor": first["next_cursor"]});
    assert_eq!((numbers(&first), ask(&deployment, &next).await), (vec![7, 6], vec![5, 4]));
}

#[tokio::test]
async fn filters_names_persons_and_offsets_choose_rows() {
    let deployment = shop().await;
    let filter = json!({"property": "number", "op": "gt", "value": 4});
    assert_eq!(ask(&deployment, &json!({"filters": [filter]})).await, [7, 6, 5]);
    assert_eq!(ask(&deployment, &json!({"filter": filter, "orderBy": "timestamp asc"})).await, [5, 6, 7]);
    assert_eq!(ask(&deployment, &json!({"event": "nothing"})).await, [0_i64; 0]);
    assert_eq!(ask(&deployment, &json!({"event": ["view", "nothing"], "limit": 2, "offset": 3})).await, [4, 3]);
    assert_eq!(ask(&deployment, &json!({"person": "even"})).await, [6, 4, 2]);
    let named = deployment.post(PATH, &question(&json!({"limit": 1}))).await.stable()["events"][0]["person_id"].clone();
    assert_eq!(ask(&deployment, &json!({"person": {"person_id": named}})).await, [7, 5, 3, 1]);
    assert_eq!(ask(&deployment, &json!({"period": {"from": "2026-01-03", "to": "2026-01-03"}})).await, [5, 4, 3]);
}

#[tokio::test]
async fn paging_that_makes_no_sense_is_refused() {
    let deployment = shop().await;
    for (more, code) in [
        (json!({"limit": -1}), "invalid_question"),
        (json!({"limit": 10_001}), "invalid_question"),
        (json!({"offset": -5}), "invalid_question"),
        (json!({"cursor": "tomorrow"}), "invalid_cursor"),
        (json!({"columns": ["passwords"]}), "invalid_question"),
    ] {
        assert_eq!(deployment.post(PATH, &question(&more)).await.problem().1, code, "{more}");
    }
}
