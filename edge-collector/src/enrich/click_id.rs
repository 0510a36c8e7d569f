//! The click id that an advertising network put into the page's address.

use super::Circumstances;
use super::url::{Url, decode};
use crate::draft::{Draft, cut};

/// Parameters by which networks recognise a click, in the order in which they win.
const CLICK_IDS: &[&str] = &[
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "sccid",
    "ScCid",
    "rdt_cid",
    "epik",
    "yclid",
    "fbclid",
    "igshid",
];

/// Fills `click_id_type` and `click_id`.
pub(super) fn enrich(draft: &mut Draft<'_>, _: &mut Circumstances<'_>) {
    let url = draft.event.url.as_deref().map(Url::parse).unwrap_or_default();
    let query = if url.query.is_empty() { draft.search.as_deref().unwrap_or_default() } else { url.query };
    if query.is_empty() {
        return;
    }
    let rank = |name: &str| CLICK_IDS.iter().position(|kind| *kind == name);
    let found = Url::parameters(query)
        .filter_map(|(name, value)| Some((rank(name)?, name, value)))
        .min_by_key(|(rank, _, _)| *rank);
    if let Some((_, kind, id)) = found {
        draft.event.click_id_type = Some(kind.to_ascii_lowercase());
        draft.event.click_id = Some(cut(&decode(id)).to_owned());
    }
}
