//! The collector from outside: requests in, messages in a queue out.

mod authentication;
mod bodies;
mod enrichment;
mod event_rules;
mod http;
mod messages;
mod native_events;
mod privacy;
mod replay;
mod segment;
mod server;
