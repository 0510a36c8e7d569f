//! The live stream: short summaries of events as they are taken and refused, for people who watch. Pure, so that the
//! local server and the edge speak the same; the protocol is in `docs/reference/live.md`.
//!
//! ```text
//! envelopes that are durable --Sampler: wanted by somebody? fewer than 10 this second?--> Batch { events, omitted }
//!                              |                                                            |  the host carries it
//!                          Interest: what the watchers ask for                          Batch::only(a watcher's Filter)
//! ```
//!
//! Nothing here is ever in the way of an event: the host samples after the queue has taken it, and only while somebody
//! watches.

mod batch;
mod facts;
mod filter;
mod interest;
mod sampler;
mod subscribe;
mod summary;

pub use batch::{Batch, Hello};
pub use facts::Outcome;
pub use filter::Filter;
pub use interest::Interest;
pub use sampler::{MAX_PER_SECOND, Sampler};
pub use subscribe::{PATH, SUBPROTOCOL, Subscription, admit_watcher, subscribe};
pub use summary::Summary;

/// The version of the messages' shape.
pub const VERSION: u32 = 1;
/// Most watchers of one project at a time.
pub const MAX_WATCHERS_PER_PROJECT: usize = 20;

/// Why the server ends a watch: codes of WebSocket's close message, where its own do not say it.
pub mod close {
    /// The server stops (RFC 6455). Connect again.
    pub const GOING_AWAY: u16 = 1001;
    /// The watcher sent more than the stream takes from it (RFC 6455).
    pub const TOO_MUCH_SENT: u16 = 1009;
    /// The watcher did not read as fast as events came. Connect again, with narrower filters.
    pub const TOO_SLOW: u16 = 4000;
    /// The key no longer opens the project.
    pub const KEY_ENDED: u16 = 4001;
}
