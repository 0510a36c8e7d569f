//! The visitor's address: kept only where the project asks for it.

use super::Circumstances;
use crate::draft::Draft;

/// The enrichments before have used it; now it goes, from the client's context too, or it is kept in `context.ip`.
pub(super) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    draft.kept_ip = circumstances.project.privacy.keep_ip.then(|| circumstances.visitor_ip(draft)).flatten();
}
