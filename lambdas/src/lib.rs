//! The parts as functions of AWS Lambda: from what AWS says to the parts, and back.
//!
//! ```text
//! CloudFront --------request------> collector::CollectorFunction --messages--> SQS
//! event source of SQS --records--> brought::BroughtQueue --deliveries--> batch-compactor --> lake in S3
//! schedule ----------{"job"}-----> compactor::CompactorFunction           |
//!                                  <--what failed of the records----------+
//! S3 "Object Created", schedule --> publisher::PublisherFunction --projects.json--> Workers KV
//! HTTP API ---------request------> query::app (the same router as `headwater serve`) --> lake in S3
//! ```
//!
//! What lives from call to call (clients, keys, snapshots of tables, the cache of answers) only makes them faster: a
//! function may end after any call, or in the middle of one.

// What they need from the environment.
#[cfg(any(feature = "collector", feature = "publisher", feature = "query"))]
pub mod bucket;
#[cfg(feature = "compactor")]
pub mod budget;
pub mod environment;
pub mod log;
#[cfg(any(feature = "publisher", feature = "query"))]
mod snapshot;

// Taking events.
#[cfg(feature = "collector")]
pub mod collector;

// Storing events.
#[cfg(feature = "compactor")]
pub mod brought;
#[cfg(feature = "compactor")]
pub mod compactor;

// Telling the edge who may send.
#[cfg(feature = "publisher")]
pub mod publisher;

// Answering questions.
#[cfg(feature = "query")]
mod answers;
#[cfg(feature = "query")]
mod control;
#[cfg(feature = "query")]
pub mod projects;
#[cfg(feature = "query")]
pub mod query;
