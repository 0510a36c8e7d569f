//! Derived tables as DataFusion sees them: the files of usable parts, in their order.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::{collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use event_model::{PersonId, Timestamp};
use lake::{At, Guards};

use crate::derived::{World, eager};
use crate::made::{Row, at, track};

async fn made() -> World {
    let mut world = World::new(Guards::default()).await;
    world.until("2026-01-31T00:00:00Z");
    let mut rows = Vec::new();
    for number in 0..60 {
        let (id, user) = (world.id(), format!("u{}", number % 12));
        let time = format!("2026-01-{:02}T10:00:00Z", number % 20 + 1);
        rows.push(Row {
            browser: Some("Chrome".to_owned()),
            ..track(id, if number % 3 == 0 { "buy" } else { "view" }, &user, &time)
        });
    }
    world.drain(rows, Vec::new()).await;
    world.until("2026-02-05T00:00:00Z");
    world.maintain(&eager()).await;
    world
}

async fn ask(context: &SessionContext, sql: &str) -> (String, String) {
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let rows = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    (pretty_format_batches(&rows).unwrap().to_string(), displayable(plan.as_ref()).indent(false).to_string())
}

const JANUARY: (&str, &str) = ("2026-01-01", "2026-01-31");

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_a_part_is_known_and_its_statistics_rule_it_out() {
    let world = made().await;
    let view = world.shop.read(At::Latest).await.unwrap();
    let (from, until): (Timestamp, Timestamp) = (at(JANUARY.0), at(JANUARY.1));
    let sequences = view.sequences(from, until).await.unwrap();
    let activity = view.activity(from, until, "UTC").await.unwrap();
    assert!(sequences.parts().count() > 2 && sequences.left().is_empty());
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(16));
    context.register_table("sequences", sequences.table().unwrap()).unwrap();
    context.register_table("activity", activity.table().unwrap()).unwrap();
    context.register_table("events", view.events().unwrap()).unwrap();
    context.register_table("rest", sequences.left_events().unwrap()).unwrap();
    let ordered = "SELECT person_key, timestamp, place, event FROM sequences ORDER BY person_key, timestamp, place";
    let (_, plan) = ask(&context, ordered).await;
    assert!(!plan.contains("SortExec"), "parts are merged, not sorted:\n{plan}");
    let (_, plan) = ask(&context, "SELECT person_key, event, days FROM activity ORDER BY person_key, event").await;
    assert!(!plan.contains("SortExec"), "{plan}");
    for (derived, plain) in [
        (
            "SELECT person_key, timestamp, event, browser FROM sequences ORDER BY 1, 2, 3",
            "SELECT person_key, timestamp, event, browser FROM events ORDER BY 1, 2, 3",
        ),
        (
            "SELECT person_key, event, times, first_at FROM activity ORDER BY 1, 2",
            "SELECT person_key, event, count(*) AS times, min(timestamp) AS first_at FROM events GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        ("SELECT count(*) FROM rest", "SELECT 0 AS \"count(*)\""),
        ("SELECT DISTINCT month, browser FROM sequences", "SELECT DISTINCT month, browser FROM events"),
    ] {
        assert_eq!(ask(&context, derived).await.0, ask(&context, plain).await.0, "{derived}");
    }
    let key = PersonId::User("u7".to_owned()).key().0;
    let sql = format!("SELECT count(*) AS n FROM sequences WHERE person_key = {key} AND timestamp >= '2026-01-01'");
    let plan = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
    let rows = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    assert!(pretty_format_batches(&rows).unwrap().to_string().contains("| 5 "));
    let metrics = lake::provider::scan_metrics(plan.as_ref());
    let files = sequences.parts().filter(|part| part.file.rows != Some(0)).count();
    assert_eq!((metrics.files_read, metrics.files_pruned as usize + 1), (1, files));
}
