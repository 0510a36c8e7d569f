//! A visitor without a cookie: one id a day, from a keyed hash that nobody can take back once the salt is gone.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Circumstances;
use crate::draft::Draft;

/// HMAC-SHA256 with the day's salt over project, address and user agent, its first half. Only for events without any
/// id, where the event or its project asks for it, and only where the address is known: without one, all visitors with
/// the same browser would be one.
pub(super) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    let event = &draft.event;
    let wanted = draft.cookieless || circumstances.project.privacy.cookieless;
    if !wanted || event.user_id.is_some() || event.anonymous_id.is_some() {
        return;
    }
    let Some(ip) = circumstances.visitor_ip(draft) else { return };
    let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(circumstances.daily_salt) else { return };
    let ip = ip.to_string();
    let user_agent = circumstances.visitor_user_agent(draft).unwrap_or_default();
    for part in [circumstances.project.id.as_str(), &ip, user_agent] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    let id: String = hash.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    draft.event.anonymous_id = Some(format!("v_{id}"));
}
