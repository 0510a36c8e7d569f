//! The compactor from outside: what becomes of messages, whatever happens to queue, storage and process.

#![allow(missing_docs, reason = "tests")]

mod support;

mod isolation;
mod lifecycle;
mod rows;
