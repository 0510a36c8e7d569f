//! The queues against the conformance suite, and the one on disk against crashes, faults and damage.

mod conformance;
mod disk;
mod disk_crash;
mod disk_guards;
