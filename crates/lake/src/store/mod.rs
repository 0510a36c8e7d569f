//! Where the bytes go: any object store with conditional put; a local folder through a wrapper that fsyncs,
//! a bucket through one that remembers.

pub mod conformance;
pub mod durable;
pub mod kept;
mod log_listing;
pub mod s3;

pub use durable::{Disk, DurableStore, RealDisk};
