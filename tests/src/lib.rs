//! The whole pipeline from outside: what the tests in `it/` and the benchmarks in `bench/` stand on.
//!
//! [`server`] runs the real binary on a free loopback port and ends it by its process id; [`edge`] runs the built Worker
//! in workerd; [`http`] speaks HTTP/1.1 byte by byte, because hostile requests are requests that no client library would
//! send.

pub mod edge;
pub mod http;
pub mod load;
pub mod server;

use std::path::PathBuf;

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
