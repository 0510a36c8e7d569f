//! Takes events over HTTP: decode, authenticate, validate, enrich, enqueue.
//!
//! The core is two pure steps, the same on a laptop and at the edge. It does no I/O, has no clock and no randomness of
//! its own, and cannot panic: a panic in Wasm would kill every other request of the isolate.
//!
//! ```text
//! Request --decode--> Decoded { key, items }          or a Problem to answer with
//!                        |   the host looks the key up, asks its rate limiter, and
//!                     admit(key)                        or a Problem
//!                        |
//!                     collect --> Collected { envelopes, response }
//!                        |   the host makes the envelopes durable, then answers
//! ```
//!
//! Inside `collect` each item is checked, read by its protocol, enriched and checked again; what fails is kept with
//! its reason, and [`replay`] tries it again later by the rules of that day.

mod admit;
mod at_once;
mod collect;
mod context;
mod cut;
mod decode;
mod draft;
mod enrich;
mod entropy;
mod json;
mod key_cache;
mod keys;
pub mod live;
mod pack;
mod protocol;
mod replay;
mod reply;
mod request;
mod tracker;
mod validate;

#[cfg(feature = "native")]
pub mod native;

// The edge: the Worker, and its way to the queue, which tests have natively.
#[cfg(any(target_arch = "wasm32", feature = "sqs-sign"))]
pub mod sqs;
#[cfg(target_arch = "wasm32")]
mod worker;

pub use admit::admit;
pub use at_once::at_once;
pub use collect::{Collected, collect};
pub use decode::{Decoded, decode};
pub use entropy::Entropy;
pub use key_cache::{KeyCache, Lookup};
pub use pack::pack;
pub use protocol::{Refusal, paths};
pub use replay::{Kept, Replayed, StillRefused, replay};
pub use reply::{RETRY_SECONDS, Reply, request_id};
pub use request::{Limits, Request, Response};
pub use tracker::{TRACKER_PATH, tracker};
