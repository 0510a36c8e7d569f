//! The pipeline from outside, one binary: a module a promise.

mod bad_inputs;
mod crash;
mod scenarios;
mod segment_sdks;
mod structure;
