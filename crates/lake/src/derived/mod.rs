//! Tables that are made from `events` for months that are over, so that questions about persons need not sort:
//! `sequences`, each person's events in their order, and `activity`, on which days each person did what.
//!
//! ```text
//! events of a month ──resolve, cut by key──> parts (month, bucket) ──sort──> sequences
//!                                                                  └─sum──> activity
//! ```
//!
//! A part says what it was made from: the ingest commit that it covers, and the commit to `identities` by which its keys
//! are resolved. What came later is read from `events` ([`crate::read::Derived`] says what that is): rows of later
//! commits, and all rows of the *touched*, persons who are other sets of ids by now. Maintenance makes a part anew when
//! enough of it is late, and a month when enough of its persons are touched.
//!
//! A part is one file, put in place of its predecessor by one commit. They are never part of a drain; they may be deleted
//! at any time, and are then made again.

mod build;
mod days;
mod due;
mod gather;
mod origin;
mod part;
mod rows;
mod tables;
mod write;

pub(crate) use self::build::run;
pub(crate) use self::due::Looked;
pub(crate) use self::gather::is_event;
pub use self::part::{Bucket, Part};
pub(crate) use self::tables::{DerivedTables, EVENTS_READABLE_FROM, seen_erase};
