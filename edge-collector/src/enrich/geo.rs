//! Where the visitor is, as the edge placed the address.

use super::Circumstances;
use crate::draft::Draft;

/// Fills what the event does not say itself. A customer's own server says nothing about where the visitor is.
pub(super) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    if circumstances.key.server_side {
        return;
    }
    let Some(geo) = circumstances.facts.geo else { return };
    let event = &mut draft.event;
    if event.country.is_none() {
        event.country.clone_from(&geo.country);
        event.region = event.region.take().or_else(|| geo.region.clone());
        event.city = event.city.take().or_else(|| geo.city.clone());
    }
    event.timezone = event.timezone.take().or_else(|| geo.timezone.clone());
}
