//! `headwater events`: send some, watch them come in, look at those that are there.

mod live;
mod query;
mod send;
mod tail;

use clap::Subcommand;

use super::exit::Exit;
use super::output::Format;

/// What can be done with events.
#[derive(Subcommand, Debug)]
pub(crate) enum EventsCommand {
    /// Send one event, or a file of them.
    Send(send::SendArgs),
    /// Print events as they arrive in the lake, or with `--live` as they are taken and refused, until Ctrl-C.
    Tail(tail::TailArgs),
    /// Show the newest events of a period.
    Query(query::QueryArgs),
}

impl EventsCommand {
    pub(super) fn run(&self, format: Format) -> anyhow::Result<Exit> {
        match self {
            Self::Send(args) => send::run(args, format),
            Self::Tail(args) => tail::run(args, format),
            Self::Query(args) => query::run(args, format),
        }
    }
}
