//! Runs the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    headwater::cli::run(std::env::args_os()).into()
}
