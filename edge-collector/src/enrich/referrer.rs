//! Host of the page before.

use super::Circumstances;
use super::url::Url;
use crate::draft::Draft;

/// In lower case, as written otherwise: `www.` stays, so that the column can be joined with addresses.
pub(super) fn enrich(draft: &mut Draft<'_>, _: &mut Circumstances<'_>) {
    let event = &mut draft.event;
    event.referrer_host =
        event.referrer.as_deref().and_then(|referrer| Url::parse(referrer).host).map(str::to_ascii_lowercase);
}
