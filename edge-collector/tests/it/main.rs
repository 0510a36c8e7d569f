//! The collector from outside: requests in, messages in a queue out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption is a failed test")]
#![allow(clippy::indexing_slicing, clippy::print_stderr, reason = "a failed assumption is a failed test")]

mod authentication;
mod bodies;
mod captures;
mod enrichment;
mod event_rules;
mod fuzz;
mod http;
mod live;
mod messages;
mod native_events;
mod privacy;
mod replay;
mod segment;
mod server;
