//! The questions that the demo asks, and how their answers are shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::narrator::{Narrator, round, thousands};
use super::traffic::Plan;
use crate::cli::client::Client;
use crate::cli::output::cell;
use crate::cli::{group, output};

/// Width of the longest bar, in characters.
const BAR: f64 = 32.0;
/// Days of the first table.
const DAYS_SHOWN: u32 = 14;

/// Asks everything and prints the answers.
pub(super) fn answers(plan: &Plan, reader: &Client, narrator: &Narrator) -> anyhow::Result<()> {
    let ask = |question: Value| reader.post("/api/v1/insights/query", &question.to_string());
    let days = |days: u32| json!({ "last": { "value": days, "unit": "day" } });

    let shown = DAYS_SHOWN.min(plan.days);
    let by_day = ask(json!({
        "kind": "trend", "interval": "day", "period": days(shown),
        "series": [{ "measure": "total" }, { "measure": "unique_persons" }],
    }))?;
    narrator.heading("Events and visitors a day", &cost(&by_day));
    let persons = values(&by_day, 1);
    let rows = intervals(&by_day).into_iter().zip(values(&by_day, 0)).zip(persons);
    bars(
        narrator,
        ["day", "events", "visitors"],
        rows.map(|((day, events), persons)| (day, events, whole(persons))).collect(),
    );

    let by_country = ask(json!({
        "kind": "trend", "display": "total", "period": days(plan.days),
        "series": [{ "measure": "unique_persons" }],
        "breakdown": [{ "property": "country", "limit": 6 }],
    }))?;
    narrator.heading("Visitors by country", &format!("a person once, on however many devices; {}", cost(&by_country)));
    bars(narrator, ["country", "visitors", ""], groups(&by_country));

    let revenue = ask(json!({
        "kind": "trend", "interval": "week", "period": days(plan.days),
        "filters": [{ "property": "currency", "op": "is", "value": "EUR" }],
        "series": [
            { "event": "purchase", "measure": "sum", "property": "revenue" },
            { "event": "purchase", "measure": "total" },
        ],
    }))?;
    narrator.heading("Revenue in euros, a week", &cost(&revenue));
    let orders = values(&revenue, 1);
    let rows = intervals(&revenue).into_iter().zip(values(&revenue, 0)).zip(orders);
    bars(
        narrator,
        ["week of", "revenue", "orders"],
        rows.map(|((week, sum), orders)| (week, sum, whole(orders))).collect(),
    );

    let by_channel = ask(json!({
        "kind": "trend", "display": "total", "period": days(plan.days),
        "filters": [
            { "property": "plan", "of": "person", "op": "is", "value": ["plus", "premium"] },
            // Only the first page of a visit has one.
            { "property": "channel", "op": "is_set" },
        ],
        "series": [{ "event": "page", "measure": "unique_persons" }],
        "breakdown": [{ "property": "channel", "limit": 8 }],
    }))?;
    narrator.heading(
        "How members of the paid plans find the shop",
        &format!("by a trait of the person, also for visits before the sign-up; {}", cost(&by_channel)),
    );
    bars(narrator, ["channel", "persons", ""], groups(&by_channel));

    ledger(reader, narrator)?;
    quarantine(reader, narrator)
}

/// One line a row: a name, a figure, a bar, and one more figure.
fn bars(narrator: &Narrator, headings: [&str; 3], rows: Vec<(String, f64, String)>) {
    let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let most = rows.iter().map(|(_, value, _)| *value).fold(0.0, f64::max).max(1.0);
    let names = longest(&mut rows.iter().map(|(name, _, _)| name.chars().count()).chain([headings[0].len()]));
    let figures = longest(&mut rows.iter().map(|(_, value, _)| whole(*value).len()).chain([headings[1].len()]));
    let others = longest(&mut rows.iter().map(|(_, _, other)| other.len()).chain([headings[2].len()]));
    let [name, figure, other] = headings;
    let line = format!("  {name:names$}  {figure:>figures$}  {other:>others$}");
    narrator.print(&format!("{}\n", narrator.style.dim(line.trim_end())));
    for (name, value, other) in rows {
        let figure = whole(value);
        let bar = narrator.style.blue(&bar(value / most));
        let line = format!("  {name:names$}  {figure:>figures$}  {other:>others$}  {bar}");
        narrator.print(&format!("{}\n", line.trim_end()));
    }
}

/// A bar of block characters, down to an eighth of one.
fn bar(share: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = round(share * BAR * 8.0);
    let full = usize::try_from(eighths / 8).unwrap_or(0);
    let part = usize::try_from(eighths % 8).ok().and_then(|part| PARTS.get(part)).unwrap_or(&"");
    format!("{}{part}", "█".repeat(full))
}

fn ledger(reader: &Client, narrator: &Narrator) -> anyhow::Result<()> {
    let ledger = reader.get("/api/v1/ledger")?;
    let count = |name: &str| ledger.get(name).and_then(Value::as_u64).unwrap_or(0);
    let style = narrator.style;
    narrator.heading("Is anything lost?", "what the queue took, and what became of it");
    let balanced = ledger.get("balanced").and_then(Value::as_bool);
    let verdict = match balanced {
        Some(true) => style.green("balanced: nothing is lost, and nothing is there twice"),
        Some(false) => style.red("not balanced: please report this"),
        None => "the queue does not count what was sent".to_owned(),
    };
    narrator.print(&format!(
        "  {} sent = {} stored + {} quarantined + {} duplicates removed + {} in flight\n  {verdict}\n",
        thousands(count("sent")),
        thousands(count("stored")),
        thousands(count("quarantined")),
        thousands(count("duplicates")),
        thousands(count("in_flight") + count("dead")),
    ));
    Ok(())
}

fn quarantine(reader: &Client, narrator: &Narrator) -> anyhow::Result<()> {
    let page = reader.get("/api/v1/quarantine?limit=1000")?;
    let rows = page.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut reasons: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for row in &rows {
        let entry = reasons.entry(cell(row.get("reason"))).or_insert_with(|| (0, cell(row.get("detail"))));
        entry.0 += 1;
    }
    narrator.heading("What could not be used", "kept with its bytes, to be replayed after a fix");
    let mut table = output::Table::new(["", "reason", "events", "such as"]);
    for (reason, (count, detail)) in reasons {
        table.rows.push(vec![String::new(), reason, count.to_string(), detail]);
    }
    narrator.print(&table.to_text());
    Ok(())
}

/// What an answer cost, as a note beside its heading.
fn cost(answer: &Value) -> String {
    let meta = |name: &str| answer.pointer(&format!("/meta/{name}")).and_then(Value::as_u64).unwrap_or(0);
    format!("{} rows in {} ms", thousands(meta("rows_scanned")), meta("elapsed_ms"))
}

fn series(answer: &Value) -> Vec<Value> {
    answer.pointer("/result/series").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn intervals(answer: &Value) -> Vec<String> {
    let list = answer.pointer("/result/intervals").and_then(Value::as_array);
    list.into_iter().flatten().map(|interval| cell(Some(interval))).collect()
}

fn values(answer: &Value, place: usize) -> Vec<f64> {
    let series = series(answer);
    let list = series.get(place).and_then(|series| series.get("values")).and_then(Value::as_array);
    list.into_iter().flatten().map(|value| value.as_f64().unwrap_or(0.0)).collect()
}

fn groups(answer: &Value) -> Vec<(String, f64, String)> {
    let row = |series: &Value| {
        let name = series.pointer("/breakdown/0").map(group).unwrap_or_default();
        (name, series.get("total").and_then(Value::as_f64).unwrap_or(0.0), String::new())
    };
    series(answer).iter().map(row).collect()
}

fn whole(number: f64) -> String {
    thousands(round(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_by_eighths() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0), "█".repeat(32));
        assert_eq!(bar(1.0 / 64.0), "▌");
    }
}
