//! The pipeline from outside, one binary: a module a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption is a failed test")]
#![allow(clippy::indexing_slicing, clippy::print_stdout, reason = "a failed assumption is a failed test")]

mod bad_inputs;
mod browser;
mod crash;
mod live;
mod readers;
mod scenarios;
mod segment_sdks;
mod sqs_pipeline;
mod structure;
mod wasm_matches_native;
