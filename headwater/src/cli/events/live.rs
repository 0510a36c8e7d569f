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
    let (mut is_first, mut was_down) = (true, false);
    loop {
        match Socket::connect(args.access.url(), &path, args.access.key()?) {
            Ok(mut socket) => {
                was_down = false;
                watch(&mut socket, format, &mut is_first)?;
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
fn watch(socket: &mut Socket, format: Format, is_first: &mut bool) -> anyhow::Result<()> {
    loop {
        match socket.next() {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                if message.get("kind").and_then(Value::as_str) == Some("hello") {
                    let project = message.get("project").and_then(Value::as_str).unwrap_or_default();
                    tell(&format!("watching the project {project}"));
                }
                print(&message, format, is_first)?;
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

fn print(message: &Value, format: Format, is_first: &mut bool) -> anyhow::Result<()> {
    let mut table = Table::new(COLUMNS.iter().copied());
    for event in message.get("events").and_then(Value::as_array).into_iter().flatten() {
        match format {
            Format::Json => say(&format!("{event}\n"))?,
            Format::Table | Format::Csv => table.rows.push(row(event, COLUMNS)),
        }
    }
    if !table.rows.is_empty() {
        let text = if format == Format::Csv { table.to_csv() } else { table.to_text() };
        say(if *is_first { &text } else { text.split_once('\n').map_or("", |(_, body)| body) })?;
        *is_first = false;
    }
    match message.get("omitted").and_then(Value::as_u64) {
        Some(omitted) if omitted > 0 => tell(&format!("{omitted} more were left out")),
        _ => {}
    }
    Ok(())
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
