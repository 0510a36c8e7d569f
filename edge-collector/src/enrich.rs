//! What we add to an event and what we take away: one file each, called in the order of [`ORDER`].
//!
//! To add one, write its file and put its function into the list; it sees what those before it found.

mod bot;
mod campaign;
mod channel;
mod click_id;
mod clock_skew;
mod device;
mod geo;
mod ip;
mod page;
pub(crate) mod privacy;
mod referrer;
pub(crate) mod url;
mod visitor;

use std::net::IpAddr;

use event_model::project::Key;
use event_model::{Project, Timestamp};

use crate::decode::RequestFacts;
use crate::draft::Draft;

type Enrichment = fn(&mut Draft<'_>, &mut Circumstances<'_>);

/// The enrichments. What is dropped is dropped last, so that it can be used before.
const ORDER: &[Enrichment] = &[
    clock_skew::enrich,
    page::enrich,
    referrer::enrich,
    campaign::enrich,
    click_id::enrich,
    channel::enrich,
    device::enrich,
    bot::enrich,
    geo::enrich,
    visitor::enrich,
    ip::enrich,
    privacy::enrich,
];

/// What holds for all events of a request.
pub(crate) struct Circumstances<'a> {
    pub(crate) facts: RequestFacts<'a>,
    pub(crate) project: &'a Project,
    pub(crate) key: &'a Key,
    pub(crate) received_at: Timestamp,
    pub(crate) daily_salt: &'a [u8; 32],
    devices: device::Last,
}

impl<'a> Circumstances<'a> {
    pub(crate) fn new(
        facts: RequestFacts<'a>,
        project: &'a Project,
        key: &'a Key,
        received_at: Timestamp,
        daily_salt: &'a [u8; 32],
    ) -> Self {
        Self { facts, project, key, received_at, daily_salt, devices: device::Last::default() }
    }

    /// The visitor's address. What the request or the event says about it is believed only from servers of the
    /// project's own: anybody else could name any address.
    fn visitor_ip(&self, draft: &Draft<'_>) -> Option<IpAddr> {
        if !self.key.server_side {
            return self.facts.remote_ip;
        }
        let first = self.facts.forwarded_for.and_then(|list| list.split(',').next());
        let forwarded = first.and_then(|address| address.trim().parse().ok());
        draft.ip.or(forwarded).or(self.facts.remote_ip)
    }

    /// The visitor's user agent: the event's, otherwise the request's.
    fn visitor_user_agent<'d>(&'d self, draft: &'d Draft<'_>) -> Option<&'d str> {
        draft.user_agent.as_deref().or(self.facts.user_agent).filter(|text| !text.is_empty())
    }
}

/// Applies all of them.
pub(crate) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    for enrichment in ORDER {
        enrichment(draft, circumstances);
    }
}
