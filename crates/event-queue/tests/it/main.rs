//! The queues against the conformance suite, and the one on disk against crashes, faults and damage.

mod conformance;
mod disk;
