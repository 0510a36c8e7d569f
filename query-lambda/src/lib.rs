//! Answers questions over HTTP.
//!
//! ```text
//! request -> request_log -> cors -> auth -> body -> routes/<endpoint>_<verb>
//!                                                     |
//!              Question -> lake.read(version) -> answer: cache? gate -> engine: plan, scan -> result, meta
//! ```
//!
//! A question runs in a session of its own that can reach only the tables of its key's project, on threads that the
//! collector does not share, within bounds of memory, time and number.

mod answer;
mod auth;
mod body;
mod cache;
pub mod control;
mod cors;
mod engine;
mod gate;
mod lake_problem;
mod metrics;
pub mod openapi;
mod person;
mod problem;
mod replay;
mod request_log;
mod router;
mod routes;
mod seen;
mod service;
pub mod settings;

#[cfg(test)]
mod tests;

pub use control::{Control, Erased, ErasedTable, ErasureState, QueueSide, QueueStatus, Redriven, Replayed, Selection};
pub use problem::{not_found, problem_response};
pub use replay::{Replay, queue_problem};
pub use request_log::REQUEST_ID;
pub use router::router;
pub use service::{QueryService, StartError};
pub use settings::QuerySettings;
