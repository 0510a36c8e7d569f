//! Sending to Amazon SQS without its SDK: the requests, their signatures, what the replies say, and when to try again.
//!
//! ```text
//! messages --Sending::round--> batches --Target::request--> signed requests   (the host sends them)
//!              ^                                                  |
//!              '---- Sending::next: done, wait or give up <-------' Sending::answered
//! ```
//!
//! Nothing here does I/O, so all of it is tested natively; only the Worker uses it.

mod reply;
mod sending;
mod target;

pub use sending::{Answer, Batch, Next, Sending};
pub use target::{Credentials, SignedRequest, Target};
