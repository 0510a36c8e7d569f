//! The protocols: one file each, behind one small seam, and the table of paths that leads to them.

pub(crate) mod native;
pub(crate) mod segment;

use event_model::{EventType, Reason};

use crate::decode::Item;
use crate::draft::{Draft, Fault};
use crate::request::Response;

/// How one protocol names its fields, and how it answers. Everything else is the same for all of them.
pub(crate) trait Protocol: Sync {
    /// Its name, in the lake and in the hash of its event ids. Never changes.
    fn id(&self) -> &'static str;

    /// Names of the field that holds a batch's list of events.
    fn list_fields(&self) -> &'static [&'static str];

    /// Names of the field that holds an event's id, the preferred one first.
    fn event_id_fields(&self) -> &'static [&'static str];

    /// Whether its clients send tokens of somebody else as Bearer beside the key in the body.
    fn takes_foreign_tokens(&self) -> bool {
        false
    }

    /// Reads an item, which is an object and within the limits, into the draft.
    fn read<'a>(&self, item: &Item<'a>, path_type: Option<EventType>, draft: &mut Draft<'a>) -> Result<(), Fault>;

    /// The item on its own, without what the request said beside it: what is kept when it is rejected, so that a
    /// replay needs nothing else. Never holds a key.
    fn self_contained(&self, item: &Item<'_>, path_type: Option<EventType>) -> String;

    /// The answer, once all is durable.
    fn answer(&self, accepted: usize, refusals: &[Refusal]) -> Response;
}

/// An event of the request that cannot be used, as its sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index in the request.
    pub index: u32,
    /// Why.
    pub reason: Reason,
    /// A plain sentence.
    pub detail: String,
}

/// One path.
pub(crate) struct Endpoint {
    /// The whole path.
    pub(crate) path: &'static str,
    pub(crate) protocol: &'static dyn Protocol,
    pub(crate) shape: Shape,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path)
    }
}

/// What a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One event, of the type that the path says, if it says one.
    One(Option<EventType>),
    /// A list of events.
    Batch,
}

const fn one(path: &'static str, protocol: &'static dyn Protocol, kind: Option<EventType>) -> Endpoint {
    Endpoint { path, protocol, shape: Shape::One(kind) }
}

const fn batch(path: &'static str, protocol: &'static dyn Protocol) -> Endpoint {
    Endpoint { path, protocol, shape: Shape::Batch }
}

/// Every path that takes events.
pub(crate) static ENDPOINTS: &[Endpoint] = &[
    one("/api/v1/events", &native::Native, None),
    batch("/api/v1/events/batch", &native::Native),
    batch("/v1/batch", &segment::Segment),
    one("/v1/track", &segment::Segment, Some(EventType::Track)),
    one("/v1/page", &segment::Segment, Some(EventType::Page)),
    one("/v1/screen", &segment::Segment, Some(EventType::Screen)),
    one("/v1/identify", &segment::Segment, Some(EventType::Identify)),
    one("/v1/group", &segment::Segment, Some(EventType::Group)),
    one("/v1/alias", &segment::Segment, Some(EventType::Alias)),
    batch("/v1/import", &segment::Segment),
    batch("/v1/b", &segment::Segment),
    one("/v1/t", &segment::Segment, Some(EventType::Track)),
    one("/v1/p", &segment::Segment, Some(EventType::Page)),
    one("/v1/s", &segment::Segment, Some(EventType::Screen)),
    one("/v1/i", &segment::Segment, Some(EventType::Identify)),
    one("/v1/g", &segment::Segment, Some(EventType::Group)),
    one("/v1/a", &segment::Segment, Some(EventType::Alias)),
];

/// The endpoint of a path; a slash at the end does not matter.
pub(crate) fn find(path: &str) -> Option<&'static Endpoint> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ENDPOINTS.iter().find(|endpoint| endpoint.path == path)
}

/// The protocol of that name.
pub(crate) fn by_id(id: &str) -> Option<&'static dyn Protocol> {
    ENDPOINTS.iter().map(|endpoint| endpoint.protocol).find(|protocol| protocol.id() == id)
}

/// The paths of the protocols, for hosts that route by path: those that take events, and what else their clients ask.
/// A part in braces stands for any text without a slash.
pub fn paths() -> impl Iterator<Item = &'static str> {
    ENDPOINTS.iter().map(|endpoint| endpoint.path).chain(segment::browser::PATHS.iter().copied())
}
