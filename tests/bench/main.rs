//! Measures the budgets on this machine and prints them as a table beside their goals: `make bench`.
//!
//! Every figure is measured here, with a real server on loopback and real files; CPU seconds are the server's own, so
//! that the client that makes the load on the same cores does not count. With `--full` the long ones are run at full
//! length, with `--compaction` only those of the compactor. With `--write FILE` the table is also written as a page.

#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null where there is nothing")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod collector;
mod commits;
mod compaction;
mod shop;
mod table;
mod traffic;
mod worker;

use anyhow::Result;
use table::Table;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--full");
    let page = arguments.iter().position(|argument| argument == "--write").and_then(|place| arguments.get(place + 1));
    let mut table = Table::default();
    if arguments.iter().any(|argument| argument == "--compaction") {
        compaction::measure(&mut table, full)?;
        println!("\n{table}");
        return Ok(());
    }
    collector::measure(&mut table, full)?;
    compaction::measure(&mut table, full)?;
    commits::measure(&mut table, full)?;
    worker::measure(&mut table)?;
    println!("\n{table}");
    if let Some(page) = page {
        std::fs::write(tests::root().join(page), table.page()?)?;
    }
    Ok(())
}
