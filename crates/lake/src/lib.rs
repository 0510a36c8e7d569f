//! Where events rest: one folder of Delta tables a project, and everything that may change them.
//!
//! ```text
//! IngestBatch --ingest--> identities, quarantine, events, ledger        (append: exactly once)
//!                         maintain: merge, persons, sequences, activity, ledger, checkpoint, vacuum
//!                         check: is every file there, does the equation hold
//!                         read: versions, live ties, persons, what derived tables say, table providers (feature `query`)
//!                         person, erase: all rows of one person, to show or to remove
//! ```
//!
//! Only this crate writes to object storage, and a file that no Delta commit names does not exist.

mod append;
pub mod batch;
pub mod check;
mod column;
pub mod commit;
pub mod derived;
mod encode;
pub mod erase;
pub mod error;
pub mod files;
mod identities;
mod ids;
mod ingest;
mod lake;
pub mod ledger;
pub mod maintenance;
pub mod person;
pub mod persons;
mod project;
#[cfg(feature = "query")]
pub mod provider;
pub mod quarantine;
pub mod read;
pub mod rows;
pub mod schema;
pub mod settings;
pub mod store;
pub mod tables;

pub use batch::{IncomingMessage, IngestBatch, IngestReport, MessageCounts, QuarantineRow};
pub use check::{CheckReport, Damage, Depth};
pub use erase::{Erasure, ErasureState, Receipt};
pub use error::LakeError;
pub use lake::Lake;
pub use ledger::LedgerTotals;
pub use maintenance::{MaintenanceReport, MaintenanceSettings};
pub use person::PersonIds;
pub use project::ProjectLake;
pub use quarantine::{QuarantineEntry, QuarantineFilter, QuarantinePage};
pub use read::{At, Derived, ReadView, Reader, Versions};
pub use settings::{Clock, Guards, LakeSettings};
