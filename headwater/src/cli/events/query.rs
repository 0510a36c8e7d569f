//! `headwater events query`: the newest events of a period.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::client::ApiAccess;
use crate::cli::exit::Exit;
use crate::cli::output::{self, Format, Table, cell, tell};
use crate::cli::period::Period;

/// `headwater events query --event purchase --last 7d`.
#[derive(Args, Debug)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    access: ApiAccess,
    #[command(flatten)]
    period: Period,
    /// Only events of this name.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only events of this person (a user id or an anonymous id).
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// Columns, separated by commas; `properties.plan` names a property.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// How many, at most 10,000.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
    /// Where the last page ended.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(super) fn run(args: &QueryArgs, format: Format) -> anyhow::Result<Exit> {
    let mut question = Map::new();
    question.insert("period".to_owned(), args.period.to_json());
    question.insert("limit".to_owned(), json!(args.limit));
    for (name, value) in [("event", &args.event), ("person", &args.person), ("cursor", &args.cursor)] {
        if let Some(value) = value {
            question.insert(name.to_owned(), json!(value));
        }
    }
    if !args.columns.is_empty() {
        question.insert("columns".to_owned(), json!(whole_columns(&args.columns)));
    }
    let answer = args.access.client()?.post("/api/v1/events/query", &Value::from(question).to_string())?;
    output::print(format, &answer, || table(&answer, &args.columns))?;
    if let (Format::Table, Some(cursor)) = (format, answer.get("next_cursor").and_then(Value::as_str)) {
        tell(&format!("there are more: --cursor {cursor}"));
    }
    Ok(Exit::Done)
}

/// The columns that are shown where none are named.
const COLUMNS: &[&str] = &["timestamp", "event", "user_id", "anonymous_id", "country", "properties"];

/// The columns to ask for: a part of an object is cut out here, so its whole object is asked for, once.
fn whole_columns(columns: &[String]) -> Vec<&str> {
    let mut whole: Vec<&str> = Vec::new();
    for column in columns {
        let name = column.split('.').next().unwrap_or(column);
        if !whole.contains(&name) {
            whole.push(name);
        }
    }
    whole
}

/// Events as rows.
pub(super) fn table(answer: &Value, columns: &[String]) -> Table {
    let columns: Vec<&str> =
        if columns.is_empty() { COLUMNS.to_vec() } else { columns.iter().map(String::as_str).collect() };
    let events = answer.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new(columns.iter().copied());
    table.rows = events.iter().map(|event| row(event, &columns)).collect();
    table
}

/// One event's cells.
pub(super) fn row(event: &Value, columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| cell(find(event, column))).collect()
}

/// A column by its name; `properties.plan` also inside the object.
fn find<'a>(event: &'a Value, column: &str) -> Option<&'a Value> {
    event.get(column).or_else(|| {
        let (object, rest) = column.split_once('.')?;
        find(event.get(object)?, rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_object_is_a_column() {
        let columns = ["event", "properties.plan", "properties.cart.total"].map(str::to_owned);
        assert_eq!(whole_columns(&columns), ["event", "properties"]);
        let answer = json!({ "events": [{ "event": "a", "properties": { "plan": "pro", "cart": { "total": 5 } } }] });
        assert_eq!(table(&answer, &columns).rows, [["a", "pro", "5"]]);
    }
}
