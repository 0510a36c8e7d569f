//! `headwater events tail`: prints events as they arrive in the lake; with `--live`, see `live.rs`.

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
/// Most pages of one look.
const PAGES: u32 = 10;
/// Columns of a line.
const COLUMNS: &[&str] = &["timestamp", "event", "user_id", "anonymous_id", "properties"];

/// `headwater events tail --event purchase`.
#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(super) access: ApiAccess,
    /// Only events of this name.
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
    /// Show events as they are taken and refused, before they are in the lake: a sample of at most 10 a second.
    #[arg(long)]
    live: bool,
    /// With `--live`: only events of this type.
    #[arg(long = "type", value_name = "TYPE", requires = "live")]
    pub(super) kind: Option<String>,
    /// With `--live`: only events with this user id or anonymous id.
    #[arg(long, value_name = "ID", requires = "live")]
    pub(super) user: Option<String>,
    /// With `--live`: only events that are `accepted` or `rejected`.
    #[arg(long, value_name = "OUTCOME", requires = "live", value_parser = ["accepted", "rejected"])]
    pub(super) outcome: Option<String>,
    /// How many minutes back to begin, at most 60. Events with an older time of their own do not show.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60))]
    minutes: u32,
}

pub(super) fn run(args: &TailArgs, format: Format) -> anyhow::Result<Exit> {
    if args.live {
        return super::live::run(args, format);
    }
    let client = args.access.client()?;
    let mut question = Map::new();
    question.insert("period".to_owned(), json!({ "last": { "value": args.minutes, "unit": "minute" } }));
    question.insert("limit".to_owned(), json!(PAGE));
    if let Some(event) = &args.event {
        question.insert("event".to_owned(), json!(event));
    }
    let (mut shown, mut is_first, mut was_down) = (HashSet::new(), true, false);
    loop {
        match look(&question, &shown, |page| client.post("/api/v1/events/query", page)) {
            Ok(events) => {
                was_down = false;
                print_new(&events, &mut shown, format, is_first)?;
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

/// The newest events, newest first: page by page until one was shown before, and at most [`PAGES`].
fn look(
    question: &Map<String, Value>,
    shown: &HashSet<String>,
    ask: impl Fn(&str) -> anyhow::Result<Value>,
) -> anyhow::Result<Vec<Value>> {
    let (mut question, mut events) = (question.clone(), Vec::new());
    for _ in 0..PAGES {
        let mut answer = ask(&Value::from(question.clone()).to_string())?;
        let page = answer.get_mut("events").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        let meets_known = page.iter().any(|event| shown.contains(&id(event)));
        events.extend(page);
        match answer.get("next_cursor") {
            Some(Value::String(cursor)) if !meets_known => question.insert("cursor".to_owned(), json!(cursor)),
            _ => break,
        };
    }
    Ok(events)
}

fn id(event: &Value) -> String {
    event.get("event_id").unwrap_or(event).to_string()
}

fn print_new(events: &[Value], shown: &mut HashSet<String>, format: Format, is_first: bool) -> anyhow::Result<()> {
    let mut table = Table::new(COLUMNS.iter().copied());
    // The answer is newest first; a tail reads downwards.
    for event in events.iter().rev().filter(|event| !shown.contains(&id(event))) {
        match format {
            Format::Json => say(&format!("{event}\n"))?,
            Format::Table | Format::Csv => table.rows.push(row(event, COLUMNS)),
        }
    }
    // The next look does not reach further back than this one.
    *shown = events.iter().map(id).collect();
    let text = if format == Format::Csv { table.to_csv() } else { table.to_text() };
    let body = text.split_once('\n').map_or("", |(_, body)| body);
    match format {
        Format::Json => {}
        _ if is_first => say(&text)?,
        _ => say(body)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_goes_back_to_what_was_shown_and_no_further() {
        // Event n is on page n / 2; there are five pages.
        let asked = std::cell::Cell::new(0);
        let ask = |question: &str| {
            asked.set(asked.get() + 1);
            let question: Value = serde_json::from_str(question).unwrap();
            let page =
                question.get("cursor").and_then(Value::as_str).map_or(0, |cursor| cursor.parse::<u32>().unwrap());
            let next = (page < 4).then(|| (page + 1).to_string());
            Ok(json!({ "events": [{ "event_id": page * 2 }, { "event_id": page * 2 + 1 }], "next_cursor": next }))
        };
        let found = |shown: &[&str]| {
            asked.set(0);
            let shown = shown.iter().map(|id| (*id).to_owned()).collect();
            (look(&Map::new(), &shown, ask).unwrap().len(), asked.get())
        };
        assert_eq!(found(&["5"]), (6, 3));
        assert_eq!(found(&["0"]), (2, 1));
        assert_eq!(found(&[]), (10, 5));
    }
}
