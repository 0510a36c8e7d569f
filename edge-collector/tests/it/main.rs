//! The collector from outside: requests in, messages in a queue out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed assumption in a test is a failed test")]

mod authentication;
mod bodies;
mod captures;
mod enrichment;
mod event_rules;
mod http;
mod live;
mod messages;
mod native_events;
mod privacy;
mod replay;
mod segment;
mod server;
