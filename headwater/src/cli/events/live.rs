//! `headwater events tail --live`: prints events as the collector takes and refuses them.

use std::time::Duration;

use anyhow::bail;
use edge_collector::live::{PATH, close};
use serde_json::Value;

use super::query::row;
use super::tail::TailArgs;
use crate::cli::client::refusal;
use crate::cli::exit::Exit;
use crate::cli::output::{Format, Table, say, tell};
use crate::cli::socket::{Message, Socket};

/// Pause before the next attempt to connect.
const PAUSE: Duration = Duration::from_secs(1);
/// Columns of a line.
const COLUMNS: &[&str] = &["received_at", "outcome", "event", "user_id", "anonymous_id", "reason", "properties"];

pub(super) fn run(args: &TailArgs, format: Format) -> anyhow::Result<Exit> {
    let path = format!("{PATH}{}", query(args));
    let mut printer = Printer { format, widest: Vec::new() };
    let (mut is_first, mut was_down) = (true, false);
    loop {
        match Socket::connect(args.access.url(), &path, args.access.key()?) {
            Ok(mut socket) => {
                (is_first, was_down) = (false, false);
                watch(&mut socket, &mut printer)?;
            }
            // A restart of the server must not end the watch; a wrong key must.
            Err(error) if is_first || refusal(&error).is_some_and(|refusal| refusal.status < 429) => return Err(error),
            Err(error) if !was_down => {
                tell(&format!("{error:#}"));
                was_down = true;
            }
            Err(_) => {}
        }
        std::thread::sleep(PAUSE);
    }
}

/// Prints what comes until the connection ends. An error is one that a new connection would not mend.
fn watch(socket: &mut Socket, printer: &mut Printer) -> anyhow::Result<()> {
    loop {
        match socket.next() {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                if message.get("kind").and_then(Value::as_str) == Some("hello") {
                    let project = message.get("project").and_then(Value::as_str).unwrap_or_default();
                    tell(&format!("watching the project {project}"));
                }
                printer.print(&message)?;
            }
            Message::Ended(Some(close::KEY_ENDED)) => bail!("the key no longer opens the project"),
            Message::Ended(Some(close::TOO_SLOW)) => {
                tell("events came faster than they could be printed: watching again");
                return Ok(());
            }
            Message::Ended(_) => {
                tell("the connection ended: watching again");
                return Ok(());
            }
        }
    }
}

/// Writes events, in columns that stay where they are from one message to the next.
struct Printer {
    format: Format,
    /// The longest cell of each column so far; empty before the first event.
    widest: Vec<String>,
}

impl Printer {
    fn print(&mut self, message: &Value) -> anyhow::Result<()> {
        let events = message.get("events").and_then(Value::as_array).into_iter().flatten();
        match self.format {
            Format::Json => events.into_iter().try_for_each(|event| say(&format!("{event}\n")))?,
            Format::Table | Format::Csv => say(&self.lines(events.map(|event| row(event, COLUMNS)).collect()))?,
        }
        match message.get("omitted").and_then(Value::as_u64) {
            Some(omitted) if omitted > 0 => tell(&format!("{omitted} more were left out")),
            _ => {}
        }
        Ok(())
    }

    fn lines(&mut self, rows: Vec<Vec<String>>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let is_first = self.widest.is_empty();
        self.widest.resize(COLUMNS.len(), String::new());
        for row in &rows {
            for (widest, cell) in self.widest.iter_mut().zip(row) {
                if cell.chars().count() > widest.chars().count() {
                    widest.clone_from(cell);
                }
            }
        }
        let mut table = Table::new(COLUMNS.iter().copied());
        if self.format == Format::Table {
            // It gives the columns their width and is not shown.
            table.rows.push(self.widest.clone());
        }
        table.rows.extend(rows);
        let text = if self.format == Format::Csv { table.to_csv() } else { table.to_text() };
        let unseen = usize::from(self.format == Format::Table);
        let lines = text.split_inclusive('\n').enumerate();
        let shown = lines.filter(|(place, _)| if *place == 0 { is_first } else { *place > unseen });
        shown.map(|(_, line)| line).collect()
    }
}

fn query(args: &TailArgs) -> String {
    let named = [("event", &args.event), ("type", &args.kind), ("user", &args.user), ("outcome", &args.outcome)];
    let parameters: Vec<String> =
        named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_deref()?)))).collect();
    if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) }
}

/// Percent-encodes all but letters and digits.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(names: &[&str]) -> Vec<Vec<String>> {
        names
            .iter()
            .map(|name| row(&json!({ "outcome": "accepted", "event": name, "user_id": "u" }), COLUMNS))
            .collect()
    }

    #[test]
    fn columns_stay_where_they_are_and_the_headings_come_once() {
        let mut printer = Printer { format: Format::Table, widest: Vec::new() };
        let place = |text: &str| text.lines().last().map(|line| line.rfind('u'));
        let first = printer.lines(rows(&["a long name", "b"]));
        assert_eq!((first.lines().count(), first.contains("outcome")), (3, true));
        let second = printer.lines(rows(&["c"]));
        assert_eq!((second.lines().count(), place(&second)), (1, place(&first)));
        assert_eq!(printer.lines(Vec::new()), "");
        let mut csv = Printer { format: Format::Csv, widest: Vec::new() };
        assert_eq!(csv.lines(rows(&["a"])).lines().count(), 2);
        assert_eq!(csv.lines(rows(&["a", "b"])), ",accepted,a,u,,,\n,accepted,b,u,,,\n");
    }

    #[test]
    fn a_filter_survives_the_address() {
        assert_eq!(encoded("Signed Up+é"), "Signed%20Up%2B%C3%A9");
    }
}
