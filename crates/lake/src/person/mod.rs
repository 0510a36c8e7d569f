//! One person's rows: which they are in each table, and all of them for whoever has a right to see them.
//!
//! ```text
//! id --ties--> PersonIds --belongs--> rows of events, persons, identities, quarantine --line--> JSON lines
//! ```
//!
//! A row is a person's if it names one of the person's ids, in whichever column. Where an event names a user of one
//! person and a visitor of another, it is both persons'. Derived tables know persons by key only: they are not shown, and
//! their rows are found by the keys of the events that they were made from.

pub(crate) mod belongs;
mod export;
mod ids;
mod line;
pub(crate) mod original;

pub(crate) use self::belongs::Whose;
pub(crate) use self::export::has_rows;
pub use self::export::{Export, ExportedRows};
pub use self::ids::PersonIds;
