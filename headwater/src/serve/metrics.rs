//! The figures of the way from queue to lake, and `GET /metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use batch_compactor::{DrainReport, Observer};
use event_model::{ErrorCode, Problem};
use event_queue::Queue;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::http::respond;

/// What Prometheus reads.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures of the process. Labels never name a project, an event or a property.
pub(crate) struct Metrics {
    registry: Registry,
    queue: QueueFigures,
}

#[derive(Clone, Debug, Default)]
struct QueueFigures {
    messages: Gauge,
    in_flight: Gauge,
    dead: Gauge,
    events: Gauge,
    bytes: Gauge,
    oldest_seconds: Gauge<f64, std::sync::atomic::AtomicU64>,
    events_sent: Gauge,
}

/// What drains did. Counts of events unless they say otherwise.
#[derive(Debug)]
pub(crate) struct DrainFigures {
    stored: Counter,
    quarantined: Counter,
    duplicates: Counter,
    commits: Counter,
    conflicts: Counter,
    failures: Counter,
    commit_seconds: Histogram,
    last_failure: Mutex<Option<String>>,
}

impl Metrics {
    /// Takes the registry that all parts have added their figures to, and adds the queue's.
    pub(crate) fn new(mut registry: Registry) -> Self {
        let queue = QueueFigures::default();
        let part = registry.sub_registry_with_prefix("headwater_queue");
        part.register("messages", "Messages that wait", queue.messages.clone());
        part.register("in_flight_messages", "Messages that are being drained", queue.in_flight.clone());
        part.register("dead_messages", "Messages that could not be drained and are kept apart", queue.dead.clone());
        part.register("events", "Events in all of these", queue.events.clone());
        part.register("bytes", "Bytes of all of these", queue.bytes.clone());
        part.register(
            "oldest_seconds",
            "Age of the oldest message: the lag of the drain",
            queue.oldest_seconds.clone(),
        );
        part.register("sent_events", "Events ever made durable in this queue", queue.events_sent.clone());
        Self { registry, queue }
    }

    /// Answers `GET /metrics`.
    pub(crate) async fn answer(&self, queue: &dyn Queue) -> Response {
        if let Ok(stats) = queue.stats().await {
            let figures = &self.queue;
            figures.messages.set(signed(stats.visible));
            figures.in_flight.set(signed(stats.in_flight));
            figures.dead.set(signed(stats.dead));
            figures.events.set(signed(stats.events.unwrap_or(0)));
            figures.bytes.set(signed(stats.bytes.unwrap_or(0)));
            figures.oldest_seconds.set(stats.oldest_age.map_or(0.0, |age| age.as_secs_f64()));
            figures.events_sent.set(signed(stats.events_sent.unwrap_or(0)));
        }
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
            Err(error) => respond(&Problem::from(ErrorCode::Internal).because(error)),
        }
    }
}

impl DrainFigures {
    /// Makes the figures known under `headwater_lake`.
    pub(crate) fn register(registry: &mut Registry) -> Arc<Self> {
        let drains = Self {
            stored: Counter::default(),
            quarantined: Counter::default(),
            duplicates: Counter::default(),
            commits: Counter::default(),
            conflicts: Counter::default(),
            failures: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            last_failure: Mutex::new(None),
        };
        let part = registry.sub_registry_with_prefix("headwater_lake");
        part.register("stored_events", "Events stored", drains.stored.clone());
        part.register("quarantined_events", "Events put into quarantine", drains.quarantined.clone());
        part.register("duplicate_events", "Events that were there already", drains.duplicates.clone());
        part.register("commits", "Commits that store events", drains.commits.clone());
        part.register("commit_conflicts", "Times that another writer was faster", drains.conflicts.clone());
        part.register("drain_failures", "Drains that left a project's events in the queue", drains.failures.clone());
        part.register("commit_seconds", "Time to store what one drain took", drains.commit_seconds.clone());
        Arc::new(drains)
    }

    /// Why the last drain left events in the queue, if it did.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.last_failure.lock().clone()
    }
}

impl Observer for DrainFigures {
    fn drained(&self, report: &DrainReport) {
        self.stored.inc_by(report.stored);
        self.quarantined.inc_by(report.quarantined);
        self.duplicates.inc_by(report.duplicates);
        self.commits.inc_by(report.commits);
        self.conflicts.inc_by(report.conflicts);
        self.failures.inc_by(report.failures.len() as u64);
        if report.commits > 0 {
            self.commit_seconds.observe(Duration::from_millis(report.commit_ms).as_secs_f64());
        }
        *self.last_failure.lock() = report.failures.first().map(|failure| failure.detail.clone());
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
