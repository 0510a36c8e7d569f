//! Where the bytes go: any object store with conditional put; a local folder through a wrapper that fsyncs.

pub mod durable;

#[cfg(any())]
pub mod conformance;

pub use durable::{Disk, DurableStore, RealDisk};
