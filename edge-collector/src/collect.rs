//! Second step of the collector: items become events or are kept with the reason why not, and all of them messages.

use event_model::limits::MAX_EVENT_ID_BYTES;
use event_model::project::Key;
use event_model::{Event, EventId, EventType, Project, Reason, Rejected, Timestamp};
use event_queue::{Envelope, Geo};

use crate::cut::cut;
use crate::decode::{Decoded, Item};
use crate::draft::{Draft, Fault, cut as shortened};
use crate::enrich::privacy::redact;
use crate::enrich::{Circumstances, enrich};
use crate::entropy::{Entropy, Ids};
use crate::protocol::{Protocol, Refusal, Shape};
use crate::request::Response;
use crate::validate::{check_event, check_item};

/// What a request became.
#[derive(Debug)]
pub struct Collected {
    /// The messages to make durable before the answer is given; none for an empty batch.
    pub envelopes: Vec<Envelope>,
    /// How many events are taken.
    pub accepted: usize,
    /// Those that are not, in the order of the request.
    pub rejected: Vec<Refusal>,
    /// The answer, once the messages are durable.
    pub response: Response,
}

/// Makes events of a request that [`crate::admit`] has let in.
#[must_use]
pub fn collect(decoded: Decoded<'_>, project: &Project, key: &Key, now: Timestamp, entropy: Entropy) -> Collected {
    let mut ids = Ids::new(entropy.seed, now);
    let protocol = decoded.endpoint.protocol;
    let path_type = match decoded.endpoint.shape {
        Shape::One(kind) => kind,
        Shape::Batch => None,
    };
    let mut circumstances = Circumstances::new(decoded.facts, project, key, now, &entropy.daily_salt);
    let mut events = Vec::with_capacity(decoded.items.len());
    let mut rejected = Vec::new();
    for (position, item) in (0_u32..).zip(decoded.items.iter()) {
        match event(&item, protocol, path_type, &mut circumstances, &mut ids) {
            Ok(event) => events.push(Event { position, ..event }),
            Err((event_id, fault)) => {
                rejected.push(reject(&item, protocol, path_type, project, position, event_id, fault))
            }
        }
    }
    let envelope = Envelope {
        message_id: ids.next(),
        project: project.id.clone(),
        write_key_id: key.id.clone(),
        protocol: protocol.id().to_owned(),
        received_at: now,
        user_agent: decoded.facts.user_agent.map(|text| shortened(text).to_owned()),
        geo: request_geo(&decoded, key),
        events,
        rejected,
        replays: Vec::new(),
    };
    let envelopes = cut(envelope, &mut ids);
    let accepted = envelopes.iter().map(|envelope| envelope.events.len()).sum();
    let mut rejected: Vec<Refusal> = envelopes.iter().flat_map(|envelope| &envelope.rejected).map(refusal).collect();
    rejected.sort_by_key(|refusal| refusal.index);
    let response = protocol.answer(accepted, &rejected);
    Collected { envelopes, accepted, rejected, response }
}

/// One item becomes an event: check, read, enrich, check. The id is given first, so that a rejected event has the same
/// one when it is replayed.
pub(crate) fn event(
    item: &Item<'_>,
    protocol: &dyn Protocol,
    path_type: Option<EventType>,
    circumstances: &mut Circumstances<'_>,
    ids: &mut Ids,
) -> Result<Event, (EventId, Fault)> {
    let (event_id, bad_id) = event_id(item, protocol, &circumstances.key.id, ids);
    let mut draft = Draft { event: Event { event_id, ..Event::default() }, ..Draft::default() };
    let steps = || -> Result<(), Fault> {
        check_item(item)?;
        bad_id.map_or(Ok(()), Err)?;
        protocol.read(item, path_type, &mut draft)?;
        enrich(&mut draft, circumstances);
        check_event(&draft, circumstances.received_at)
    };
    match steps() {
        Ok(()) => Ok(draft.finish()),
        Err(fault) => Err((event_id, fault)),
    }
}

/// The event's id: the client's, or a new one. A client's id that cannot be used is a fault, and the event gets a new
/// id to be known by in quarantine.
fn event_id(item: &Item<'_>, protocol: &dyn Protocol, key_id: &str, ids: &mut Ids) -> (EventId, Option<Fault>) {
    let names = protocol.event_id_fields();
    let given = names.iter().find_map(|name| {
        item.fields().find(|(key, value)| key == name && !value.is_null()).map(|(_, value)| (*name, value))
    });
    let Some((name, value)) = given else { return (ids.next(), None) };
    let fault = |what: &str| Some(Fault::new(Reason::EventIdInvalid, format!("`{name}` {what}.")));
    match value.text_or_number() {
        None => (ids.next(), fault("must be a text or a number")),
        Some(text) if text.len() > MAX_EVENT_ID_BYTES => (ids.next(), fault("is longer than 512 bytes")),
        Some(text) if text.contains('\0') => (ids.next(), fault("holds U+0000")),
        Some(text) => (EventId::from_client_text(key_id, protocol.id(), &text).unwrap_or_else(|| ids.next()), None),
    }
}

fn reject(
    item: &Item<'_>,
    protocol: &dyn Protocol,
    path_type: Option<EventType>,
    project: &Project,
    position: u32,
    event_id: EventId,
    fault: Fault,
) -> Rejected {
    let original = match item.kind {
        crate::json::Kind::Object => protocol.self_contained(item, path_type),
        _ => item.raw.to_owned(),
    };
    let original = redact(original, item.kind, project);
    Rejected::new(position, event_id, fault.reason, fault.detail, original.as_bytes())
}

fn refusal(rejected: &Rejected) -> Refusal {
    Refusal { index: rejected.position, reason: rejected.reason, detail: rejected.detail.clone() }
}

/// The place of the request's sender; of a customer's own server it says nothing about the visitor.
fn request_geo(decoded: &Decoded<'_>, key: &Key) -> Geo {
    decoded.facts.geo.filter(|_| !key.server_side).cloned().unwrap_or_default()
}
