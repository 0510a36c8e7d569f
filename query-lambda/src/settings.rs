//! What an operator may set about questions.

use std::time::Duration;

/// Limits on questions. They hold for the whole process, whatever the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuerySettings {
    /// How long a question may take, its wait for a place included (`HEADWATER_QUERY_SECONDS`, 30 s); then it is
    /// stopped and answered `question_timeout`.
    pub time_limit: Duration,
    /// How many questions run at the same time (`HEADWATER_QUERY_CONCURRENT`, the number of cores).
    pub concurrent: usize,
    /// How many more may wait for a place (`HEADWATER_QUERY_WAITING`, 64); the next is answered `too_many_questions`.
    pub waiting: usize,
    /// Threads that questions run on, and partitions of a plan (`HEADWATER_QUERY_THREADS`, the number of cores).
    pub threads: usize,
    /// Memory that all running questions share, in bytes (`HEADWATER_QUERY_MEMORY_BYTES`, 1 GiB); one that needs
    /// more is answered `question_memory`. Nothing is spilled to disk: that would leave property values there.
    pub memory_bytes: usize,
    /// Memory of the cache of answers, in bytes (`HEADWATER_QUERY_CACHE_BYTES`, 32 MiB); 0 switches it off.
    pub cache_bytes: usize,
}

impl Default for QuerySettings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            time_limit: Duration::from_secs(30),
            concurrent: cores,
            waiting: 64,
            threads: cores,
            memory_bytes: 1 << 30,
            cache_bytes: 32 << 20,
        }
    }
}

/// Largest body of a request on the query side, in bytes: a question has at most 500 parts.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// How long a body may take to arrive.
pub const BODY_TIME_LIMIT: Duration = Duration::from_secs(10);
