//! Answers questions over HTTP.

#![allow(dead_code, reason = "the rest follows with the lake's reading side")]
mod cache;
pub mod control;
mod gate;
mod metrics;
mod problem;
mod request_log;
mod seen;
pub mod settings;
pub use control::{Control, QueueSide, Replayed, Selection};
