//! What is counted about questions. Labels never name a project, an event or a property.

use std::time::Duration;

use event_model::Problem;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The figures of one process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    questions: Family<Outcome, Counter>,
    seconds: Family<Kind, Histogram, fn() -> Histogram>,
    cache: Family<CacheUse, Counter>,
    rows: Counter,
    bytes: Counter,
    running: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    kind: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheUse {
    result: &'static str,
}

/// Counts a running question until it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Makes the figures known under `headwater_question*`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            questions: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            cache: Family::default(),
            rows: Counter::default(),
            bytes: Counter::default(),
            running: Gauge::default(),
        };
        registry.register(
            "headwater_questions",
            "Questions answered, by kind and HTTP status",
            metrics.questions.clone(),
        );
        registry.register(
            "headwater_question_seconds",
            "Time to answer a question, waiting included",
            metrics.seconds.clone(),
        );
        registry.register("headwater_question_cache", "Look-ups in the cache of answers", metrics.cache.clone());
        registry.register(
            "headwater_question_rows_scanned",
            "Rows read from the lake by questions",
            metrics.rows.clone(),
        );
        registry.register(
            "headwater_question_bytes_scanned",
            "Bytes read from the lake by questions",
            metrics.bytes.clone(),
        );
        registry.register("headwater_questions_running", "Questions being answered now", metrics.running.clone());
        metrics
    }

    pub(crate) fn running(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    pub(crate) fn answered(&self, kind: &'static str, status: u16, took: Duration) {
        self.questions.get_or_create(&Outcome { kind, status }).inc();
        self.seconds.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }

    /// Counts a question that could not be read.
    pub(crate) fn refused(&self, problem: &Problem) {
        self.questions.get_or_create(&Outcome { kind: "unreadable", status: problem.code.status() }).inc();
    }

    pub(crate) fn scanned(&self, rows: u64, bytes: u64) {
        self.rows.inc_by(rows);
        self.bytes.inc_by(bytes);
    }

    pub(crate) fn looked_up(&self, hit: bool) {
        self.cache.get_or_create(&CacheUse { result: if hit { "hit" } else { "miss" } }).inc();
    }
}

/// 1 ms to 32 s: a question is stopped after 30 s by default.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}
