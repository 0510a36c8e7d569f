//! What tests share: the shop's traffic, the scenario reader, faulty queues and stores.

/// Looks for texts in every byte of a folder or store.
#[cfg(feature = "canaries")]
pub mod canaries;
/// A queue that delivers each message several times in any order and loses acknowledgements.
pub mod faulty_queue;
/// An object store that fails before, during or after an operation, by script or seed.
pub mod faulty_store;
/// moto as a process: Amazon's services as somebody else understands them.
pub mod moto;
/// A real folder that loses what was not fsynced.
pub mod power_cut;
/// Events as rows in memory, made by the collector's own steps.
#[cfg(feature = "rows")]
pub mod rows;
/// Events, a question and its answer in one YAML file.
pub mod scenario;
/// Amazon's SQS on this machine, as quick as memory and as unreliable as a test wants it.
pub mod sqs_stub;
