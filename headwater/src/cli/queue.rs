//! `headwater queue`: what is on its way into the lake, and what was given up on.

use clap::{Args, Subcommand};

use super::client::ApiAccess;
use super::exit::Exit;
use super::output::{self, Format, Table, cell, tell};

/// What can be done with a server's queue.
#[derive(Subcommand, Debug)]
pub(crate) enum QueueCommand {
    /// What waits, of all projects together.
    Status(QueueArgs),
    /// Try again what was given up on: put all dead letters back. Nothing is lost or doubled by it.
    Redrive(QueueArgs),
}

/// `headwater queue status`.
#[derive(Args, Debug)]
pub(crate) struct QueueArgs {
    #[command(flatten)]
    access: ApiAccess,
}

impl QueueCommand {
    pub(super) fn run(&self, format: Format) -> anyhow::Result<Exit> {
        match self {
            Self::Status(args) => status(args, format),
            Self::Redrive(args) => redrive(args, format),
        }
    }
}

/// The columns of the status.
const COLUMNS: &[&str] =
    &["waiting_messages", "in_flight_messages", "dead_messages", "events", "bytes", "oldest_seconds"];

fn status(args: &QueueArgs, format: Format) -> anyhow::Result<Exit> {
    let answer = args.access.client()?.get("/api/v1/queue")?;
    output::print(format, &answer, || {
        let mut table = Table::new(COLUMNS.iter().copied());
        table.rows.push(COLUMNS.iter().map(|column| cell(answer.get(column))).collect());
        table
    })?;
    if answer.get("dead_messages").is_some_and(|dead| dead != 0) {
        tell("there are dead letters: the log says why; after a fix, `headwater queue redrive` tries them again");
    }
    Ok(Exit::Done)
}

fn redrive(args: &QueueArgs, format: Format) -> anyhow::Result<Exit> {
    let answer = args.access.client()?.post("/api/v1/queue/redrive", "{}")?;
    output::print(format, &answer, || {
        let mut table = Table::new(["messages"]);
        table.rows.push(vec![cell(answer.get("messages"))]);
        table
    })?;
    Ok(Exit::Done)
}
