//! Answers as tables: rows and columns by the kind of the question.

use serde_json::Value;

use super::funnel_table::funnel_table;
use super::{group, trend_table};
use crate::cli::output::{Table, cell};

/// The table of an answer.
#[must_use]
pub(super) fn answer_table(answer: &Value) -> Table {
    let result = answer.get("result").unwrap_or(answer);
    match answer.get("kind").and_then(Value::as_str) {
        Some("funnel") => funnel_table(answer),
        Some("retention") => retention_table(result),
        Some("stickiness") => rows_table(result, "buckets", &["intervals", "persons"]),
        Some("lifecycle") => lifecycle_table(result),
        Some("paths") => rows_table(result, "edges", &["step", "from", "to", "count", "average_seconds"]),
        _ => trend_table(answer),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A row a cohort: its interval, its group if there are any, its size and a column for each interval after it. The
/// cell of the running interval ends with `*`.
fn retention_table(result: &Value) -> Table {
    let cohorts = list(result, "cohorts");
    let has_groups = cohorts.iter().any(|cohort| !list(cohort, "breakdown").is_empty());
    let compared = cohorts.iter().any(|cohort| cohort.get("period").is_some_and(|period| period == "previous"));
    let columns = cohorts.iter().map(|cohort| list(cohort, "returned").len()).max().unwrap_or(0);

    let mut table = Table::new(["cohort"]);
    table.columns.extend(compared.then(|| "period".to_owned()));
    table.columns.extend(has_groups.then(|| "group".to_owned()));
    table.columns.extend((0..columns).map(|column| if column == 0 { "size".to_owned() } else { column.to_string() }));
    for cohort in cohorts {
        let mut row = vec![cell(cohort.get("interval"))];
        row.extend(compared.then(|| cell(cohort.get("period"))));
        let groups: Vec<String> = list(cohort, "breakdown").iter().map(group).collect();
        row.extend(has_groups.then(|| groups.join(", ")));
        let returned = list(cohort, "returned");
        let running = cohort.get("running").and_then(Value::as_u64);
        row.extend((0..columns).map(|column| {
            let mark = if running == Some(column as u64) { "*" } else { "" };
            format!("{}{mark}", cell(returned.get(column)))
        }));
        table.rows.push(row);
    }
    table
}

/// A row an interval, a column a state.
fn lifecycle_table(result: &Value) -> Table {
    let states = ["new", "returning", "resurrecting", "dormant"];
    let mut table = Table::new(["interval"].into_iter().chain(states));
    for (place, interval) in list(result, "intervals").iter().enumerate() {
        let counts = states.iter().map(|state| cell(list(result, state).get(place)));
        table.rows.push([cell(Some(interval))].into_iter().chain(counts).collect());
    }
    table
}

/// A row an object of a list, a column a field.
fn rows_table(result: &Value, name: &str, fields: &[&str]) -> Table {
    let mut table = Table::new(fields.iter().copied());
    table.rows =
        list(result, name).iter().map(|row| fields.iter().map(|field| cell(row.get(*field))).collect()).collect();
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(answer: &Value, expect: &str) {
        assert_eq!(answer_table(answer).to_csv(), expect);
    }

    #[test]
    fn a_retention_is_a_row_a_cohort_and_marks_the_running_cell() {
        let cohort = |interval: &str, returned: Value, running: Value| json!({ "interval": interval, "breakdown": [], "period": "current", "returned": returned, "running": running });
        let cohorts = [cohort("2026-01-01", json!([3, 1]), json!(null)), cohort("2026-01-02", json!([2]), json!(0))];
        check(
            &json!({ "kind": "retention", "result": { "cohorts": cohorts } }),
            "cohort,size,1\n2026-01-01,3,1\n2026-01-02,2*,\n",
        );
        let mut grouped = cohort("2026-01-01", json!([3]), json!(null));
        grouped["breakdown"] = json!([{ "value": "DE" }, { "none": true }]);
        grouped["period"] = json!("previous");
        check(
            &json!({ "kind": "retention", "result": { "cohorts": [grouped] } }),
            "cohort,period,group,size\n2026-01-01,previous,\"DE, (none)\",3\n",
        );
    }

    #[test]
    fn the_other_kinds_are_rows_of_what_they_count() {
        check(
            &json!({ "kind": "stickiness", "result": { "buckets": [{ "intervals": 1, "persons": 4 }] } }),
            "intervals,persons\n1,4\n",
        );
        check(
            &json!({ "kind": "lifecycle", "result": { "intervals": ["2026-01-01"], "new": [1], "returning": [2],
                "resurrecting": [0], "dormant": [-3] } }),
            "interval,new,returning,resurrecting,dormant\n2026-01-01,1,2,0,-3\n",
        );
        check(
            &json!({ "kind": "paths", "result": { "edges": [
                { "step": 1, "from": "/", "to": "/pricing", "count": 2, "average_seconds": 1.5 }] } }),
            "step,from,to,count,average_seconds\n1,/,/pricing,2,1.5\n",
        );
    }
}
