//! `headwater events tail`: prints events as they arrive in the lake.

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::query::row;
use crate::cli::client::{ApiAccess, refusal};
use crate::cli::exit::Exit;
use crate::cli::output::{Format, Table, say, tell};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most events of one look.
const PAGE: u32 = 1_000;
/// Columns of a line.
const COLUMNS: &[&str] = &["timestamp", "event", "user_id", "anonymous_id", "properties"];

/// `headwater events tail --event purchase`.
#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    access: ApiAccess,
    /// Only events of this name.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// How many minutes back to begin, at most 60. Events with an older time of their own do not show.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60))]
    minutes: u32,
}

pub(super) fn run(args: &TailArgs, format: Format) -> anyhow::Result<Exit> {
    let client = args.access.client()?;
    let mut question = Map::new();
    question.insert("period".to_owned(), json!({ "last": { "value": args.minutes, "unit": "minute" } }));
    question.insert("limit".to_owned(), json!(PAGE));
    if let Some(event) = &args.event {
        question.insert("event".to_owned(), json!(event));
    }
    let question = Value::from(question).to_string();
    let (mut shown, mut is_first, mut was_down) = (HashSet::new(), true, false);
    loop {
        match client.post("/api/v1/events/query", &question) {
            Ok(answer) => {
                was_down = false;
                print_new(&answer, &mut shown, format, is_first)?;
                is_first = false;
            }
            // A restart of the server must not end the watch; a wrong key must.
            Err(error) if is_first || refusal(&error).is_some_and(|refusal| refusal.status < 429) => return Err(error),
            Err(error) if !was_down => {
                tell(&format!("{error:#}"));
                was_down = true;
            }
            Err(_) => {}
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn print_new(answer: &Value, shown: &mut HashSet<String>, format: Format, is_first: bool) -> anyhow::Result<()> {
    let events = answer.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ids: Vec<String> = events.iter().map(|event| event.get("event_id").unwrap_or(event).to_string()).collect();
    let mut table = Table::new(COLUMNS.iter().copied());
    // The answer is newest first; a tail reads downwards.
    for (event, id) in events.iter().zip(&ids).rev() {
        if shown.contains(id) {
            continue;
        }
        match format {
            Format::Json => say(&format!("{event}\n"))?,
            Format::Table | Format::Csv => table.rows.push(row(event, COLUMNS)),
        }
    }
    // What has left the window cannot come again.
    *shown = ids.into_iter().collect();
    let text = if format == Format::Csv { table.to_csv() } else { table.to_text() };
    let body = text.split_once('\n').map_or("", |(_, body)| body);
    match format {
        Format::Json => {}
        _ if is_first => say(&text)?,
        _ => say(body)?,
    }
    Ok(())
}
