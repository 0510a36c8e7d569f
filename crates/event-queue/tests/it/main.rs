//! The queues against the conformance suite, and the one on disk against crashes, faults and damage.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed assumption is a failed test")]

mod conformance;
mod disk;
mod disk_crash;
mod disk_guards;
