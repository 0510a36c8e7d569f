//! `headwater person`: everything that is kept of one person.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::ApiAccess;
use super::exit::Exit;
use super::output::{self, Format, Table, cell, tell};

/// What can be done with one person's data.
#[derive(Subcommand, Debug)]
pub(crate) enum PersonCommand {
    /// Everything that is kept of a person, as lines of JSON: a header, the rows, and how many there are.
    Export(ExportArgs),
    /// Remove a person from everything that is kept, for good: tables, quarantine, queue, earlier versions.
    Erase(EraseArgs),
    /// How far an erase has come, and its receipt.
    Erasure(ErasureArgs),
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

/// `headwater person erase user_1 --yes`.
#[derive(Args, Debug)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    access: ApiAccess,
    #[command(flatten)]
    who: Who,
    /// Also keep out what is received of the person later.
    #[arg(long)]
    forbid: bool,
    /// It cannot be taken back: nothing is done without this.
    #[arg(long)]
    yes: bool,
}

/// `headwater person erasure 7d0f3c9be0a94f0c8a4c6f1b2d3e4f50`.
#[derive(Args, Debug)]
pub(crate) struct ErasureArgs {
    #[command(flatten)]
    access: ApiAccess,
    /// What the erase is called: `erasure` in its answer.
    #[arg(value_name = "ERASURE")]
    erasure: String,
}

impl PersonCommand {
    pub(super) fn run(&self, format: Format) -> anyhow::Result<Exit> {
        match self {
            Self::Export(args) => export(args),
            Self::Erase(args) => erase(args, format),
            Self::Erasure(args) => erasure(args, format),
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

/// The columns of the receipt.
const COLUMNS: &[&str] =
    &["table", "version", "rows", "files_searched", "bytes_scanned", "files_rewritten", "files_deleted", "log_files"];

fn erase(args: &EraseArgs, format: Format) -> anyhow::Result<Exit> {
    if !args.yes {
        anyhow::bail!(
            "an erase cannot be taken back; `headwater person export` shows what would go. Add --yes to do it"
        );
    }
    let mut body = args.who.to_json();
    if let Some(body) = body.as_object_mut() {
        body.insert("forbid".to_owned(), args.forbid.into());
    }
    // However long it takes.
    let receipt = args.access.client()?.post_lines("/api/v1/persons/erase", &body.to_string(), &mut io::sink())?;
    let receipt: Value = serde_json::from_str(&receipt).context("the server did not answer with a receipt")?;
    show(format, &receipt)
}

fn erasure(args: &ErasureArgs, format: Format) -> anyhow::Result<Exit> {
    let is_name = !args.erasure.is_empty() && args.erasure.bytes().all(|byte| byte.is_ascii_alphanumeric());
    anyhow::ensure!(is_name, "{:?} is not the name of an erase: it has letters and digits only", args.erasure);
    show(format, &args.access.client()?.get(&format!("/api/v1/persons/erasures/{}", args.erasure))?)
}

/// Prints a receipt, and what it is not to be read without.
fn show(format: Format, receipt: &Value) -> anyhow::Result<Exit> {
    output::print(format, receipt, || {
        let mut table = Table::new(COLUMNS.iter().copied());
        let tables = receipt.get("tables").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        table.rows = tables.iter().map(|row| COLUMNS.iter().map(|column| cell(row.get(column))).collect()).collect();
        table
    })?;
    if receipt.get("state").is_some_and(|state| state == "recorded") {
        let name = receipt.get("erasure").and_then(Value::as_str).unwrap_or_default();
        tell(&format!(
            "it is recorded, and the next maintenance does it: `headwater person erasure {name}` says when it is finished"
        ));
    }
    if let Some(unreadable) = receipt.get("unreadable_messages").and_then(Value::as_u64).filter(|count| *count > 0) {
        tell(&format!(
            "{unreadable} messages cannot be read at all, so that nobody can say whom they name; they are kept"
        ));
    }
    Ok(Exit::Done)
}
