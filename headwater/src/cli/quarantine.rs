//! `headwater quarantine`: looks at events that could not be used, and sends them through again after a fix.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::ApiAccess;
use super::exit::Exit;
use super::output::{self, Format, Table, cell, tell};

/// What can be done with quarantined events.
#[derive(Subcommand, Debug)]
pub(crate) enum QuarantineCommand {
    /// List them, newest first.
    List(ListArgs),
    /// Send them through the collector's stages again; each lands once, however often this is repeated.
    Replay(ReplayArgs),
}

/// `headwater quarantine list --reason event_name_missing`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    access: ApiAccess,
    /// Only with this reason.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
    /// Where the last page ended.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// `headwater quarantine replay --reason event_name_missing`.
#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = false, args = ["all", "reason", "row"])]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    access: ApiAccess,
    /// All that were not replayed yet.
    #[arg(long)]
    all: bool,
    /// All with this reason that were not replayed yet.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// This row. May be repeated.
    #[arg(long, value_name = "ROW_ID")]
    row: Vec<String>,
}

impl QuarantineCommand {
    pub(super) fn run(&self, format: Format) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list(args, format),
            Self::Replay(args) => replay(args, format),
        }
    }
}

/// The columns of the list.
const COLUMNS: &[&str] = &["received_at", "reason", "protocol", "detail", "replayable", "row_id"];

fn list(args: &ListArgs, format: Format) -> anyhow::Result<Exit> {
    let mut path = format!("/api/v1/quarantine?limit={}", args.limit);
    for (name, value) in [("reason", &args.reason), ("cursor", &args.cursor)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", percent_encoded(value)));
        }
    }
    let answer = args.access.client()?.get(&path)?;
    let rows = answer.get("quarantine").or_else(|| answer.get("events")).and_then(Value::as_array);
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    output::print(format, &answer, || {
        let mut table = Table::new(COLUMNS.iter().copied());
        table.rows = rows.iter().map(|row| COLUMNS.iter().map(|column| cell(row.get(column))).collect()).collect();
        table
    })?;
    if format == Format::Table {
        match answer.get("next_cursor").and_then(Value::as_str) {
            Some(cursor) => tell(&format!("there are more: --cursor {cursor}")),
            None if rows.is_empty() => tell("nothing is in quarantine"),
            None => {}
        }
    }
    Ok(Exit::Done)
}

fn replay(args: &ReplayArgs, format: Format) -> anyhow::Result<Exit> {
    let selection = match (&args.reason, args.all) {
        (Some(reason), _) => json!({ "reason": reason }),
        (None, true) => json!({ "all": true }),
        (None, false) => json!({ "row_ids": args.row }),
    };
    let answer = args.access.client()?.post("/api/v1/quarantine/replay", &selection.to_string())?;
    let columns = ["accepted", "still_rejected", "not_replayable"];
    output::print(format, &answer, || {
        let mut table = Table::new(columns);
        table.rows.push(columns.iter().map(|column| cell(answer.get(column))).collect());
        table
    })?;
    Ok(Exit::Done)
}

/// A value as part of a query string.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_parameter_is_encoded() {
        assert_eq!(percent_encoded("a&b=c d/é"), "a%26b%3Dc%20d%2F%C3%A9");
    }
}
