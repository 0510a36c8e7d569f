//! Runs the command line.

use std::process::ExitCode;

// A server takes and gives back a buffer for each request, and gigabytes for each merge: decision 0028 has the figures.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    headwater::cli::run(std::env::args_os()).into()
}
