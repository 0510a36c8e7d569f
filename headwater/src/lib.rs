//! Headwater: product analytics in one process on one folder, and its command line.
//!
//! Composition only: what happens to events is in the crates that this one puts together.
//!
//! ```text
//!              +---------------------------- headwater serve -----------------------------+
//! SDKs --HTTP--> collector --> queue on disk --> compactor --> lake <-- questions <--HTTP-- API clients
//!              +--------------- one port ----------- one folder --------------------------+
//! ```

pub mod cli;
pub mod cost;
pub mod demo;
pub mod serve;

mod clock;
