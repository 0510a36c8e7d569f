//! What the collector counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The collector's metrics; cheap to clone, all clones count together.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub(super) accepted: Family<ProtocolLabel, Counter>,
    pub(super) rejected: Family<ReasonLabel, Counter>,
    pub(super) requests: Family<StatusLabel, Counter>,
    pub(super) seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ProtocolLabel {
    pub(super) protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusLabel {
    pub(super) status: u16,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            accepted: Family::default(),
            rejected: Family::default(),
            requests: Family::default(),
            seconds: Histogram::new([0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
        };
        let registry = registry.sub_registry_with_prefix("headwater_collector");
        registry.register("accepted_events", "Events accepted, by protocol", metrics.accepted.clone());
        registry.register("rejected_events", "Events sent to quarantine, by reason", metrics.rejected.clone());
        registry.register("requests", "Requests answered, by status", metrics.requests.clone());
        registry.register("request_seconds", "Time from request to answer", metrics.seconds.clone());
        metrics
    }
}
