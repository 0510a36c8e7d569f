//! `headwater person`: everything that is kept of one person.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::ApiAccess;
use super::exit::Exit;
use super::output::{Format, tell};

/// What can be done with one person's data.
#[derive(Subcommand, Debug)]
pub(crate) enum PersonCommand {
    /// Everything that is kept of a person, as lines of JSON: a header, the rows, and how many there are.
    Export(ExportArgs),
}

/// Whose data.
#[derive(Args, Debug)]
pub(crate) struct Who {
    /// The id that your systems know the person by; with --anonymous the id of a visitor.
    #[arg(value_name = "ID")]
    id: String,
    /// The id is a visitor's.
    #[arg(long)]
    anonymous: bool,
    /// That id alone, and not all ids that are the same person by now.
    #[arg(long)]
    exact: bool,
}

/// `headwater person export user_1`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    access: ApiAccess,
    #[command(flatten)]
    who: Who,
    /// Write to this file, which must not exist yet, and not to stdout.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl PersonCommand {
    pub(super) fn run(&self, _format: Format) -> anyhow::Result<Exit> {
        match self {
            Self::Export(args) => export(args),
        }
    }
}

impl Who {
    fn to_json(&self) -> Value {
        let id = if self.anonymous { "anonymous_id" } else { "user_id" };
        json!({ id: self.id, "ids": if self.exact { "exact" } else { "all" } })
    }
}

fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let client = args.access.client()?;
    let body = args.who.to_json().to_string();
    let last = match &args.file {
        Some(path) => {
            let file = std::fs::File::create_new(path);
            let mut file = file.with_context(|| format!("{} cannot be made", path.display()))?;
            let last = client.post_lines("/api/v1/persons/export", &body, &mut file)?;
            file.sync_all().with_context(|| format!("{} could not be written", path.display()))?;
            last
        }
        None => client.post_lines("/api/v1/persons/export", &body, &mut io::stdout().lock())?,
    };
    io::stdout().flush()?;
    let end: Value = serde_json::from_str(&last).unwrap_or_default();
    let Some(rows) = end.pointer("/end/rows").and_then(Value::as_object) else {
        anyhow::bail!("the export broke off: its last line is missing");
    };
    let counts: Vec<String> = rows.iter().map(|(table, rows)| format!("{rows} of {table}")).collect();
    tell(&format!("rows: {}", counts.join(", ")));
    Ok(Exit::Done)
}
