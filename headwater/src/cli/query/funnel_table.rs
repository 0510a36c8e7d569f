//! The answer of a funnel as a table: a row a step, an interval or a bar.

use serde_json::Value;

use super::label;
use crate::cli::output::{Table, cell};

/// A funnel by its view.
#[must_use]
pub(crate) fn funnel_table(answer: &Value) -> Table {
    let result = answer.get("result").unwrap_or(answer);
    if result.get("bins").is_some() {
        return times(result);
    }
    match result.get("intervals") {
        Some(intervals) => trend(list(Some(intervals)), list(result.get("groups"))),
        None => steps(list(result.get("groups"))),
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A row a group and step.
fn steps(groups: &[Value]) -> Table {
    const NUMBERS: [&str; 5] = ["persons", "from_first", "from_previous", "drop_off", "median_seconds_from_previous"];
    let is_split = groups.len() > 1 || groups.iter().any(|group| !label(group).is_empty());
    let mut table = Table::new(is_split.then_some("group").into_iter().chain(["step"]).chain(NUMBERS));
    for group in groups {
        for step in list(group.get("steps")) {
            let mut row: Vec<String> = is_split.then(|| label(group).trim().to_owned()).into_iter().collect();
            row.push(cell(step.get("name")));
            row.extend(NUMBERS.iter().map(|name| cell(step.get(name))));
            table.rows.push(row);
        }
    }
    table
}

/// A row an interval; of each group how many entered, how many converted, and their share.
fn trend(intervals: &[Value], groups: &[Value]) -> Table {
    const NUMBERS: [&str; 3] = ["entered", "converted", "rate"];
    let mut table = Table::new(["interval"]);
    for group in groups {
        table.columns.extend(NUMBERS.iter().map(|name| format!("{} {name}", label(group)).trim().to_owned()));
    }
    for (place, interval) in intervals.iter().enumerate() {
        let number = |group: &Value, name: &str| cell(list(group.get(name)).get(place));
        let numbers = groups.iter().flat_map(|group| NUMBERS.map(|name| number(group, name)));
        table.rows.push([cell(Some(interval))].into_iter().chain(numbers).collect());
    }
    table
}

/// A row a bar, then the mean and the median; the earlier period after the current one.
fn times(result: &Value) -> Table {
    let mut table = Table::new(["period", "from_seconds", "to_seconds", "persons"]);
    for (period, times) in [("current", Some(result)), ("previous", result.get("previous"))] {
        let Some(times) = times else { continue };
        for bin in list(times.get("bins")) {
            let numbers = ["from_seconds", "to_seconds", "persons"].map(|name| cell(bin.get(name)));
            table.rows.push([period.to_owned()].into_iter().chain(numbers).collect());
        }
        for name in ["average_seconds", "median_seconds"] {
            table.rows.push(vec![format!("{period} {name}"), cell(times.get(name)), String::new(), String::new()]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(result: Value, expect: &str) {
        assert_eq!(funnel_table(&json!({ "kind": "funnel", "result": result })).to_csv(), expect);
    }

    #[test]
    fn steps_are_rows_and_groups_come_one_after_the_other() {
        let step = |name: &str, persons: u64| {
            json!({ "name": name, "persons": persons, "from_first": 0.5, "from_previous": 1.0, "drop_off": 2,
                "median_seconds_from_previous": null })
        };
        let columns = "persons,from_first,from_previous,drop_off,median_seconds_from_previous";
        check(
            json!({ "groups": [{ "breakdown": [], "period": "current", "steps": [step("view", 4)] }] }),
            &format!("step,{columns}\nview,4,0.5,1.0,2,\n"),
        );
        check(
            json!({ "groups": [
                { "breakdown": [{ "value": "DE" }], "period": "current", "steps": [step("view", 4)] },
                { "breakdown": [{ "none": true }], "period": "previous", "steps": [step("view", 1)] },
            ] }),
            &format!("group,step,{columns}\nDE,view,4,0.5,1.0,2,\n(none) (previous),view,1,0.5,1.0,2,\n"),
        );
    }

    #[test]
    fn a_trend_has_a_row_an_interval() {
        check(
            json!({ "intervals": ["2026-01-01"], "groups": [
                { "breakdown": [], "period": "current", "entered": [2], "converted": [1], "rate": [0.5] },
                { "breakdown": [], "period": "previous", "entered": [0], "converted": [0], "rate": [0.0] },
            ] }),
            "interval,entered,converted,rate,(previous) entered,(previous) converted,(previous) rate\n\
             2026-01-01,2,1,0.5,0,0,0.0\n",
        );
    }

    #[test]
    fn bars_are_rows() {
        check(
            json!({ "bins": [{ "from_seconds": 0.0, "to_seconds": 2.5, "persons": 3 }], "average_seconds": 1.5,
                "median_seconds": 1.0, "previous": { "bins": [], "average_seconds": null, "median_seconds": null } }),
            "period,from_seconds,to_seconds,persons\ncurrent,0.0,2.5,3\ncurrent average_seconds,1.5,,\n\
             current median_seconds,1.0,,\nprevious average_seconds,,,\nprevious median_seconds,,,\n",
        );
    }
}
