//! When it happened: the client's clock, corrected by how far it was off when it sent.

use event_model::Timestamp;

use super::Circumstances;
use crate::draft::Draft;

/// Segment's rule: received - (sent - happened), both by the client's clock. Without the time of sending the client's
/// clock is trusted; without a time at all it happened when it was received.
pub(super) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    let received_at = circumstances.received_at;
    let corrected = match (draft.client_time, draft.sent_at) {
        (None, _) => received_at,
        (Some(happened), None) => happened,
        (Some(happened), Some(sent)) => Timestamp(received_at.0.saturating_sub(sent.0.saturating_sub(happened.0))),
    };
    draft.event.timestamp = corrected;
    draft.event.original_timestamp = draft.client_time.filter(|happened| *happened != corrected);
}
