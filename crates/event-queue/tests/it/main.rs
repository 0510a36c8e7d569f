//! Every queue of this crate against the conformance suite.

mod conformance;
