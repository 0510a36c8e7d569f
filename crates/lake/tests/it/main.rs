//! The lake from outside, on a real folder.

#![allow(missing_docs, unreachable_pub, reason = "a test binary has no readers of its docs")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "in a test a failed assumption is a failed test, also in its helpers"
)]

mod catalog;
mod check;
mod derived;
mod derived_provider;
mod distant;
mod drains;
mod erase;
mod faults;
mod hooked;
mod ingest;
mod made;
mod maintenance;
mod provider;
mod read;
mod store;
