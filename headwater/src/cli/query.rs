//! `headwater query run`: asks a question from a file and shows the answer as a table.

mod funnel_table;
mod tables;

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::ApiAccess;
use super::exit::Exit;
use super::output::{self, Format, Table, cell, tell};

/// What can be done with questions.
#[derive(Subcommand, Debug)]
pub(crate) enum QueryCommand {
    /// Ask a question (JSON) and show the answer.
    Run(RunArgs),
}

/// `headwater query run question.json`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    access: ApiAccess,
    /// File of the question (`-`: standard input).
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl QueryCommand {
    pub(super) fn run(&self, format: Format) -> anyhow::Result<Exit> {
        let Self::Run(args) = self;
        let name = args.file.display().to_string();
        let mut question = String::new();
        if name == "-" {
            io::stdin().lock().read_to_string(&mut question).context("cannot read the question from standard input")?;
        } else {
            question = fs::read_to_string(&args.file).with_context(|| format!("cannot read {name}"))?;
        }
        let answer = args.access.client()?.post("/api/v1/insights/query", &question)?;
        output::print(format, &answer, || tables::answer_table(&answer))?;
        if format == Format::Table {
            tell(&meta_line(&answer));
        }
        Ok(Exit::Done)
    }
}

/// A trend: a row an interval and a column a series, or a row a series where there are no intervals.
#[must_use]
pub(crate) fn trend_table(answer: &Value) -> Table {
    let result = answer.get("result").unwrap_or(answer);
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (intervals, series) = (list(result.get("intervals")), list(result.get("series")));
    let labels: Vec<String> = series.iter().map(label).collect();
    let totals = series.iter().map(|series| cell(series.get("total")));
    if intervals.is_empty() {
        let mut table = Table::new(["series", "total"]);
        table.rows = labels.into_iter().zip(totals).map(|(label, total)| vec![label, total]).collect();
        return table;
    }
    let mut table = Table::new(["interval"]);
    table.columns.extend(labels);
    for (place, interval) in intervals.iter().enumerate() {
        let values = series.iter().map(|series| cell(series.get("values").and_then(|values| values.get(place))));
        table.rows.push([cell(Some(interval))].into_iter().chain(values).collect());
    }
    table.rows.push(["total".to_owned()].into_iter().chain(totals).collect());
    table
}

/// A series' name and group: `A DE, free (previous)`.
#[must_use]
pub(crate) fn label(series: &Value) -> String {
    let mut label = cell(series.get("name"));
    let groups: Vec<String> =
        series.get("breakdown").and_then(Value::as_array).into_iter().flatten().map(group).collect();
    if !groups.is_empty() {
        label = format!("{label} {}", groups.join(", ")).trim().to_owned();
    }
    if series.get("period").is_some_and(|period| period == "previous") {
        label.push_str(" (previous)");
    }
    label
}

/// A group of a breakdown: its value, `(other)` or `(none)`.
#[must_use]
pub(crate) fn group(group: &Value) -> String {
    match group {
        _ if group.get("other").is_some() => "(other)".to_owned(),
        _ if group.get("none").is_some() => "(none)".to_owned(),
        _ => cell(group.get("value")),
    }
}

/// What the answer says about itself, in a line.
#[must_use]
pub(crate) fn meta_line(answer: &Value) -> String {
    let meta = |name: &str| cell(answer.get("meta").and_then(|meta| meta.get(name)));
    let version = cell(answer.pointer("/meta/versions/events"));
    format!(
        "{} rows scanned in {} ms; table version {version}; newest event {}; time zone {}",
        meta("rows_scanned"),
        meta("elapsed_ms"),
        meta("newest_event"),
        meta("timezone")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trend_becomes_a_row_an_interval_and_a_column_a_series() {
        let answer = json!({ "result": { "intervals": ["2026-01-01", "2026-01-02"], "series": [
            { "name": "A", "breakdown": [{ "value": "DE" }], "period": "current", "values": [1, null], "total": 1 },
            { "name": "A", "breakdown": [{ "none": true }], "period": "previous", "values": [0, 2.5], "total": 2.5 },
        ] } });
        assert_eq!(
            trend_table(&answer).to_csv(),
            "interval,A DE,A (none) (previous)\n2026-01-01,1,0\n2026-01-02,,2.5\ntotal,1,2.5\n"
        );
    }
}
