//! Host and path of the page, from its address.

use super::Circumstances;
use super::url::Url;
use crate::draft::Draft;

/// A path that the client gave stays; an address without a scheme gives none.
pub(super) fn enrich(draft: &mut Draft<'_>, _: &mut Circumstances<'_>) {
    let event = &mut draft.event;
    let Some(url) = event.url.as_deref().map(Url::parse) else { return };
    if event.path.is_none() && !url.path.is_empty() {
        event.path = Some(url.path.to_owned());
    }
    event.host = url.host.map(str::to_ascii_lowercase);
}
