//! The compactor from outside: what becomes of messages, whatever happens to queue, storage and process.

#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed assumption in a test is a failed test, in its helpers too"
)]

mod support;

mod isolation;
mod lifecycle;
mod rows;
mod simulation;
mod sqs;
