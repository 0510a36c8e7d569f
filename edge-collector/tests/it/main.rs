//! The collector from outside: requests in, messages in a queue out.

mod native_events;
mod server;
