//! The command line: what can be asked of the binary, and how it answers.

pub mod client;
pub mod exit;
pub mod output;

mod cost;
mod doctor;
mod events;
mod lake;
mod period;
mod person;
mod quarantine;
mod query;
mod queue;
pub(crate) mod sender;
mod socket;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use exit::Exit;
use output::{Format, Style, tell};

pub(crate) use query::group;

/// Product analytics in one process on one folder.
///
/// Events come in over HTTP, each is kept once as an open table (Delta Lake, Parquet), and questions are answered
/// over HTTP. `headwater demo` shows all of it in a minute; `headwater serve` is the server.
#[derive(Parser, Debug)]
#[command(name = "headwater", version, after_help = exit::HELP, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// How data is written to stdout.
    #[arg(long, short = 'o', global = true, env = "HEADWATER_OUTPUT", default_value = "table", value_name = "FORMAT")]
    output: Format,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(crate::serve::ServeArgs),
    /// Show it: start a server, send a shop's traffic to it, ask questions.
    Demo(crate::demo::DemoArgs),
    /// Send, watch and look at events.
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Ask questions.
    #[command(subcommand)]
    Query(query::QueryCommand),
    /// Events that could not be used: list them, replay them after a fix.
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// One person's data: show everything that is kept of them, or erase it.
    #[command(subcommand)]
    Person(person::PersonCommand),
    /// What is on its way into the lake: look at it, and try again what was given up on.
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// The tables of a data folder.
    #[command(subcommand)]
    Lake(lake::LakeCommand),
    /// Look at everything that a server needs, and say what to do about what is wrong.
    Doctor(doctor::DoctorArgs),
    Cost(cost::CostArgs),
    /// Print completions for a shell: `headwater completions bash > /etc/bash_completion.d/headwater`.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Reads the command line, does what it says, and tells how that ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            // Help and version are asked for and go to stdout; everything else is a mistake.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            drop(error.print());
            return exit;
        }
    };
    match dispatch(&line) {
        Ok(exit) => exit,
        Err(error) => {
            tell(&format!("{} {error:#}", Style::stderr().red("error:")));
            Exit::Failed
        }
    }
}

fn dispatch(line: &CommandLine) -> anyhow::Result<Exit> {
    match &line.command {
        Command::Serve(args) => crate::serve::run(args),
        Command::Demo(args) => crate::demo::run(args),
        Command::Events(command) => command.run(line.output),
        Command::Query(command) => command.run(line.output),
        Command::Quarantine(command) => command.run(line.output),
        Command::Person(command) => command.run(line.output),
        Command::Queue(command) => command.run(line.output),
        Command::Lake(command) => command.run(line.output),
        Command::Doctor(args) => doctor::run(args, line.output),
        Command::Cost(args) => cost::run(args, line.output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut CommandLine::command(), "headwater", &mut script);
            output::say(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(line: &str) -> Exit {
        run(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn mistakes_and_failures_end_with_their_numbers() {
        assert_eq!(exit_of("headwater frobnicate"), Exit::Usage);
        assert_eq!(exit_of("headwater quarantine replay --all --reason x"), Exit::Usage);
        assert_eq!(exit_of("headwater --version"), Exit::Done);
        assert_eq!(exit_of("headwater lake check --data-dir /nonexistent/folder"), Exit::Failed);
        assert_eq!(exit_of("headwater events query --key k --url http://127.0.0.1:9"), Exit::Failed);
    }
}
