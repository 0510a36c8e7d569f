//! What happened: the event, its identity, its place in time, and what is said when it cannot be used.
//!
//! Everything here is light (it compiles for wasm32 without an operating system), because the edge,
//! the compactor and the query side all speak of events with these words.
//!
//! ```text
//! request --decode--> Event ----------> lake row (columns)
//!                  \-> Rejected -------> quarantine row (reason)
//!                  \-> Problem --------> application/problem+json (error code)
//! ```

pub mod columns;
pub mod error_code;
pub mod event;
pub mod event_id;
pub mod identity;
pub mod json;
pub mod key_map;
pub mod limits;
pub mod person;
pub mod problem;
pub mod project;
pub mod rejection;
pub mod timestamp;

pub use error_code::ErrorCode;
pub use event::{Event, EventType};
pub use event_id::EventId;
pub use identity::{Action, Tie};
pub use json::Json;
pub use key_map::KeyMap;
pub use person::{PersonId, PersonKey};
pub use problem::Problem;
pub use project::{Project, ProjectId, Snapshot};
pub use rejection::{Reason, Rejected};
pub use timestamp::Timestamp;
