//! What is taken as a question, what is refused, and with which words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bad_input;
mod mistakes;
mod written_out;
