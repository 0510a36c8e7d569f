//! Campaign parameters (`utm_*`) of the page's address.

use super::Circumstances;
use super::url::{Url, decode};
use crate::draft::{Draft, cut};

/// What the client said in `context.campaign` wins over the address.
pub(super) fn enrich(draft: &mut Draft<'_>, _: &mut Circumstances<'_>) {
    let event = &mut draft.event;
    let url = event.url.as_deref().map(Url::parse).unwrap_or_default();
    let query = if url.query.is_empty() { draft.search.as_deref().unwrap_or_default() } else { url.query };
    for (name, value) in Url::parameters(query) {
        let slot = match name {
            "utm_source" => &mut event.utm_source,
            "utm_medium" => &mut event.utm_medium,
            "utm_campaign" => &mut event.utm_campaign,
            "utm_term" => &mut event.utm_term,
            "utm_content" => &mut event.utm_content,
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some(cut(&decode(value)).to_owned());
        }
    }
}
