//! `headwater events send`: one event from flags, or JSON lines in batches, sent again where the server asks for it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::cli::client::WriteAccess;
use crate::cli::exit::Exit;
use crate::cli::output::{self, Format, Table, tell};
use crate::cli::sender::{self, Sent};

/// Events of one request. Small enough for the server's limits with events of 1 KiB, large enough that a round trip
/// costs little an event.
const BATCH_EVENTS: usize = 500;
/// Bytes of one request, below the server's 2 MiB.
const BATCH_BYTES: usize = 1_500_000;

/// `headwater events send --event "Signed Up" --user-id ada`, or `headwater events send events.jsonl`.
#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    access: WriteAccess,
    /// File of JSON lines, one event each (`-`: standard input).
    #[arg(value_name = "FILE", conflicts_with_all = ["event", "kind", "user_id", "anonymous_id", "timestamp", "property", "trait_"])]
    file: Option<PathBuf>,
    /// The event's name.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// track, page, screen, identify, group or alias.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The known user.
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// The visitor, where the user is not known.
    #[arg(long, value_name = "ID")]
    anonymous_id: Option<String>,
    /// When it happened (RFC 3339). Default: now.
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
    /// A property; the value is JSON, or text where it is none. May be repeated.
    #[arg(long = "property", short = 'p', value_name = "NAME=VALUE")]
    property: Vec<String>,
    /// A trait of the person (with --type identify). May be repeated.
    #[arg(long = "trait", value_name = "NAME=VALUE")]
    trait_: Vec<String>,
}

pub(super) fn run(args: &SendArgs, format: Format) -> anyhow::Result<Exit> {
    let mut sent = Sent::default();
    let client = args.access.client()?;
    let result = match &args.file {
        None => sender::send(&client, &[with_id(&from_flags(args)?.to_string())?], &mut sent),
        Some(file) => {
            let name = file.display().to_string();
            let lines: Box<dyn BufRead> = if name == "-" {
                Box::new(io::stdin().lock())
            } else {
                Box::new(BufReader::new(File::open(file).with_context(|| format!("cannot open {name}"))?))
            };
            send_lines(lines, &name, |batch| {
                sender::send(&client, batch, &mut sent)?;
                tell(&format!("{} events sent", sent.accepted + sent.rejected.len() as u64));
                Ok(())
            })
        }
    };
    for rejected in sent.rejected.iter().take(10) {
        tell(&format!("quarantined: event {} ({}) {}", rejected.place + 1, rejected.code, rejected.detail));
    }
    if sent.rejected.len() > 10 {
        tell("more were quarantined: see `headwater quarantine list`");
    }
    let report = json!({ "accepted": sent.accepted, "quarantined": sent.rejected.len(), "retries": sent.retries });
    output::print(format, &report, || {
        let mut table = Table::new(["accepted", "quarantined", "retries"]);
        table.rows.push(vec![sent.accepted.to_string(), sent.rejected.len().to_string(), sent.retries.to_string()]);
        table
    })?;
    result?;
    Ok(if sent.rejected.is_empty() { Exit::Done } else { Exit::Quarantined })
}

fn from_flags(args: &SendArgs) -> anyhow::Result<Value> {
    if args.event.is_none() && args.kind.is_none() {
        bail!("nothing to send: name an event with --event, or a file of JSON lines");
    }
    let mut event = Map::new();
    let texts = [
        ("event", &args.event),
        ("type", &args.kind),
        ("user_id", &args.user_id),
        ("anonymous_id", &args.anonymous_id),
        ("timestamp", &args.timestamp),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            event.insert(name.to_owned(), value.clone().into());
        }
    }
    for (name, pairs) in [("properties", &args.property), ("traits", &args.trait_)] {
        if !pairs.is_empty() {
            event.insert(name.to_owned(), named_values(pairs)?);
        }
    }
    Ok(event.into())
}

fn named_values(pairs: &[String]) -> anyhow::Result<Value> {
    let mut values = Map::new();
    for pair in pairs {
        let (name, value) = pair.split_once('=').with_context(|| format!("{pair:?} is not NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        values.insert(name.to_owned(), value);
    }
    Ok(values.into())
}

/// Cuts lines into batches.
fn send_lines(
    lines: impl BufRead,
    name: &str,
    mut send: impl FnMut(&[String]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for (number, line) in lines.lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {name}, line {}", number + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let event = with_id(&line).with_context(|| format!("{name}, line {}", number + 1))?;
        if batch.len() == BATCH_EVENTS || bytes + event.len() > BATCH_BYTES {
            send(&std::mem::take(&mut batch))?;
            bytes = 0;
        }
        bytes += event.len();
        batch.push(event);
    }
    if batch.is_empty() { Ok(()) } else { send(&batch) }
}

/// The event with an id of its own, so that a batch can be sent again without making anything twice. The text is
/// changed and not parsed and written anew, because that would round numbers.
fn with_id(line: &str) -> anyhow::Result<String> {
    #[derive(serde::Deserialize)]
    struct Ids<'a> {
        #[serde(borrow)]
        event_id: Option<&'a RawValue>,
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let line = line.trim();
    let json: &RawValue = serde_json::from_str(line).context("is not JSON")?;
    let Some(fields) = json.get().strip_prefix('{') else { bail!("is JSON, but not an object") };
    // What cannot be read here (an id twice) is for the server to refuse, which keeps it in quarantine.
    let has_id = serde_json::from_str::<Ids<'_>>(line).map_or(true, |ids| ids.event_id.is_some() || ids.id.is_some());
    if has_id {
        return Ok(line.to_owned());
    }
    let comma = if fields.trim_start().starts_with('}') { "" } else { "," };
    Ok(format!("{{\"event_id\":\"{}\"{comma}{fields}", sender::fresh_event_id()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_an_id_gets_one_and_nothing_else_changes() {
        let sent = with_id(r#" {"event":"a","n":12345678901234567890.5} "#).unwrap();
        assert!(sent.starts_with("{\"event_id\":\"") && sent.ends_with(r#"","event":"a","n":12345678901234567890.5}"#));
        assert!(serde_json::from_str::<Value>(&with_id("{ }").unwrap()).is_ok());
        for line in [r#"{"id":1}"#, r#"{"event_id":"x"}"#] {
            assert_eq!(with_id(line).unwrap(), line);
        }
        assert!(with_id("[1]").is_err() && with_id("{").is_err());
    }

    #[test]
    fn lines_are_cut_into_batches_and_a_bad_line_is_named() {
        let text = "{\"id\":\"1\"}\n\n".repeat(1_201);
        let mut sizes = Vec::new();
        send_lines(text.as_bytes(), "f", |batch| {
            sizes.push(batch.len());
            Ok(())
        })
        .unwrap();
        assert_eq!(sizes, [500, 500, 201]);
        let error = send_lines("{}\nnot json\n".as_bytes(), "f", |_| Ok(())).unwrap_err();
        assert!(format!("{error:#}").contains("f, line 2: is not JSON"), "{error:#}");
    }

    #[test]
    fn values_of_flags_are_json_or_text() {
        let values = named_values(&["a=1".to_owned(), "b=pro".to_owned(), "c=[1]".to_owned(), "d=x=y".to_owned()]);
        assert_eq!(values.unwrap(), json!({ "a": 1, "b": "pro", "c": [1], "d": "x=y" }));
    }
}
