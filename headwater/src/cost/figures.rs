//! What each step takes: counted on the built functions between moto and a Runtime API, or as Amazon documents it.

/// Seconds of a month.
pub(super) const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// A request of SQS is counted for each 64 KiB of its messages.
pub(super) const QUEUE_CHUNK_BYTES: f64 = 65_536.0;
/// Most messages of one request of SQS.
pub(super) const QUEUE_BATCH: f64 = 10.0;
/// What an event takes in the queue, enriched, compressed and in base64, of what it had as JSON (counted: 147 of 398
/// bytes, 50 events a message).
pub(super) const QUEUE_SHARE: f64 = 0.37;
/// Lambda polls a queue with five connections, each of which waits for 20 s.
pub(super) const POLLS: f64 = 5.0 * MONTH_SECONDS / 20.0;

/// Processor time of the Worker in ms: 150 µs a request and 4 µs an event (docs/reference/benchmarks.md).
pub(super) const WORKER_MS_PER_REQUEST: f64 = 0.15;
pub(super) const WORKER_MS_PER_EVENT: f64 = 0.004;
/// Isolates read keys and salt again after a minute; one request in a hundred is assumed to.
pub(super) const WORKER_READS_PER_REQUEST: f64 = 0.01;

/// The collector's function: memory in GB, and time of a request in seconds, most of it the wait for SQS.
pub(super) const COLLECTOR_GB: f64 = 0.5;
pub(super) const COLLECTOR_SECONDS: f64 = 0.02;
/// An answer with its headers.
pub(super) const ANSWER_BYTES: f64 = 600.0;

/// The compactor's memory in GB.
pub(super) const COMPACTOR_GB: f64 = 1.0;
/// A drain of a warm instance (counted): two puts and two listings, two reads, two calls of the queue.
pub(super) const DRAIN_WRITES: f64 = 4.0;
pub(super) const DRAIN_READS: f64 = 2.0;
pub(super) const DRAIN_QUEUE_CALLS: f64 = 2.0;
/// Time of a drain: six calls of S3 one after the other at 40 ms, and the events at what 0.6 of a core does.
pub(super) const DRAIN_SECONDS: f64 = 0.25;
pub(super) const EVENTS_PER_SECOND: f64 = 200_000.0;
/// Maintenance every 15 minutes, where something is new (counted): puts and listings, reads; its time in seconds.
pub(super) const MAINTENANCE_RUNS: f64 = MONTH_SECONDS / 900.0;
pub(super) const MAINTENANCE_WRITES: f64 = 20.0;
pub(super) const MAINTENANCE_READS: f64 = 28.0;
pub(super) const MAINTENANCE_SECONDS: f64 = 1.0;
/// What a call of a function writes into the log, Lambda's own lines included.
pub(super) const LOG_BYTES_PER_CALL: f64 = 1_500.0;

/// The function that answers: memory in GB, and of a question that no cache knows: time in seconds, listings, reads.
pub(super) const QUERY_GB: f64 = 3.0;
pub(super) const QUESTION_SECONDS: f64 = 1.0;
pub(super) const QUESTION_WRITES: f64 = 5.0;
pub(super) const QUESTION_READS: f64 = 56.0;

/// What the module `observability` makes at most.
pub(super) const ALARMS: f64 = 8.0;
pub(super) const DASHBOARDS: f64 = 1.0;
