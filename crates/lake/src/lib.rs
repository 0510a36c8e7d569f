//! Where events rest: one folder of Delta tables a project, and everything that may change them.
//!
//! ```text
//! IngestBatch --ingest--> identities, quarantine, events, ledger        (append: exactly once)
//!                         maintain: merge, persons, ledger, checkpoint, vacuum
//!                         check: is every file there, does the equation hold
//!                         read: versions, live ties, persons, a table provider   (feature `query`)
//! ```
//!
//! Only this crate writes to object storage, and a file that no Delta commit names does not exist.

pub mod batch;
mod column;
pub mod commit;
pub mod error;
pub mod files;
pub mod persons;
#[cfg(feature = "query")]
pub mod provider;
pub mod read;
pub mod rows;
pub mod schema;
pub mod settings;
pub mod store;
pub mod tables;

pub use batch::{IncomingMessage, IngestBatch, IngestReport, MessageCounts, QuarantineRow};
pub use error::LakeError;
pub use read::{At, ReadView, Reader, Versions};
pub use settings::{Clock, Guards, LakeSettings};
