//! The pipeline from outside, one binary: a module a promise.

mod bad_inputs;
