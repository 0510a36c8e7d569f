//! Moves events from the queue to the lake: receive, decode, deduplicate, commit, acknowledge.
//!
//! ```text
//! Queue --receive--> deliveries --decode--> one batch a project --ingest--> Lake --commit--> acknowledge
//!            |                        |                              |
//!            | hidden, and kept so    | damaged: alone, then         | storage fails: back into the queue, later
//!            | while worked on        | quarantine                   | the batch fails: each message alone
//! ```
//!
//! A message is acknowledged only after the commit that names it returned, so a crash at any moment means that it
//! comes again; the lake removes what it has already. That is all of "exactly once" that lives here, and
//! `tests/it/guards.rs` shows for each rule that it is needed.

// From messages to rows.
mod decode;
mod envelope_reader;
mod event_reader;
mod fields;
mod json;
mod rows;
mod text_column;

// From rows to the lake, and back to the queue.
mod attempt;
mod destination;
mod memory;
mod pass;
mod receipts;

// Again and again.
mod compactor;

mod error;
mod report;
mod settings;

pub use compactor::Compactor;
pub use destination::Destination;
pub use error::CompactorError;
pub use report::{DrainReport, Failure, Observer};
pub use settings::CompactorSettings;
#[doc(hidden)]
pub use settings::Guards;
