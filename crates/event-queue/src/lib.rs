//! How events wait: the message, its encoding, the contract, and the queues that keep it.
//!
//! ```text
//! Envelope --encode--> Outgoing --send--> [ queue ] --receive--> Delivery --decode--> Envelope
//!                                             ^ ack, extend
//! ```
//!
//! Delivery is at least once: a message that is not acknowledged in time is delivered again, and after too many
//! times it becomes a dead letter. The contract is [`Queue`]; its conformance suite is in [`conformance`].

pub mod envelope;
pub mod queue;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "native")]
pub mod disk;
#[cfg(feature = "native")]
pub mod memory;

pub use envelope::{Compression, Envelope, EnvelopeError, Geo};
pub use queue::{Delivery, MessageId, Outgoing, Queue, QueueError, QueueStats, Receipt};
