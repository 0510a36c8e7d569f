//! Compactor and query side as functions of AWS Lambda: from what AWS says to the parts, and back.
//!
//! ```text
//! event source of SQS --records--> brought::BroughtQueue --deliveries--> batch-compactor --> lake in S3
//! schedule ----------{"job"}-----> compactor::CompactorFunction           |
//!                                  <--what failed of the records----------+
//! HTTP API ---------request------> query::app (the same router as `headwater serve`) --> lake in S3
//! ```
//!
//! What lives from call to call (clients, snapshots of tables, the cache of answers) only makes them faster: a function
//! may end after any call, or in the middle of one.

// What both need from the environment.
pub mod budget;
pub mod environment;
pub mod log;

// Storing events.
pub mod brought;
pub mod compactor;

// Answering questions.
#[cfg(feature = "query")]
mod control;
#[cfg(feature = "query")]
pub mod projects;
#[cfg(feature = "query")]
pub mod query;
