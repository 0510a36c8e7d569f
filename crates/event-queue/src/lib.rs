//! How events wait: the message, its encoding, the contract, and the queues that keep it.
//!
//! ```text
//! Envelope --encode--> Outgoing --send--> [ queue ] --receive--> Delivery --decode--> Envelope
//!                                             ^ ack, extend
//! ```
//!
//! Delivery is at least once: a message that is not acknowledged in time is delivered again, and after too many
//! times it becomes a dead letter. The contract is [`Queue`]; its conformance suite is in [`conformance`].

// What waits, and the contract.
pub mod envelope;
pub mod queue;
pub mod sqs_format;

// The queues, in the order of how much they survive.
#[cfg(feature = "native")]
pub mod disk;
#[cfg(feature = "native")]
pub mod memory;
#[cfg(feature = "sqs")]
pub mod sqs;

// What they share: time, the rules of waiting, and what never got through.
#[cfg(feature = "native")]
mod backlog;
#[cfg(feature = "native")]
pub mod clock;
#[cfg(feature = "native")]
pub mod dead_letter;
#[cfg(feature = "native")]
mod sent;
#[cfg(feature = "native")]
mod wait;

/// The suite that each queue passes.
#[cfg(feature = "conformance")]
pub mod conformance;

pub use envelope::{Compression, Envelope, EnvelopeError, Geo};
pub use queue::{Delivery, MessageId, Outgoing, ProjectStats, Queue, QueueError, QueueStats, Receipt};
