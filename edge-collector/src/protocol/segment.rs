//! Segment's HTTP API: `/v1/{track,page,screen,identify,group,alias}` with one call, `/v1/batch` and the older
//! `/v1/import` with `{"batch": [...], "context"?, "integrations"?, "sentAt"?}`. Browser and mobile libraries send to
//! the first letters of the same, `/v1/{t,p,s,i,g,a}` and `/v1/b`, as text/plain.
//!
//! Two rules differ from our own protocol. What the client calls `timestamp` is the client's clock and is corrected by
//! `sentAt`; one that cannot be read counts as absent, as at Segment. And every answer to a readable body is 200,
//! because a client throws its whole batch away on any 4xx.
//!
//! `integrations` (where it is not empty) and `_metadata` are kept in `context`, beside what the client put there; a
//! page's or screen's `name` and `category` are kept in `properties`. Unknown fields are kept in `context.other`.

pub(crate) mod browser;
mod merge;

use std::borrow::Cow;

use event_model::{EventType, Reason, Timestamp};

use self::merge::{contain, with_defaults, with_field};
use super::{Protocol, Refusal};
use crate::context;
use crate::decode::Item;
use crate::draft::{self, Draft, Fault};
use crate::json::{Kind, Value, fields_of};
use crate::keys::is_key_field;
use crate::request::Response;

/// See the module.
pub(crate) struct Segment;

impl Protocol for Segment {
    fn id(&self) -> &'static str {
        "segment"
    }

    fn list_fields(&self) -> &'static [&'static str] {
        &["batch"]
    }

    fn event_id_fields(&self) -> &'static [&'static str] {
        &["messageId"]
    }

    /// Segment's Node library with OAuth.
    fn takes_foreign_tokens(&self) -> bool {
        true
    }

    fn read<'a>(&self, item: &Item<'a>, path_type: Option<EventType>, draft: &mut Draft<'a>) -> Result<(), Fault> {
        let mut call = Call::default();
        for (key, value) in item.fields() {
            call.field(key, value, draft)?;
        }
        draft.event.kind = match (path_type, call.kind) {
            (Some(kind), _) => kind,
            (None, Some(kind)) => draft::kind(kind)?,
            (None, None) => return Err(Fault::new(Reason::TypeUnknown, "An item of a batch needs a `type`.")),
        };
        call.beside(item, draft);
        surroundings(&call, draft)?;
        let named = matches!(draft.event.kind, EventType::Track).then_some(call.event).flatten();
        let name = named.map(draft::name).transpose()?.flatten();
        draft::complete(draft, name)
    }

    fn self_contained(&self, item: &Item<'_>, path_type: Option<EventType>) -> String {
        contain(item, path_type)
    }

    fn answer(&self, _: usize, _: &[Refusal]) -> Response {
        Response::json(&b"{\"success\":true}"[..])
    }
}

/// The fields of a call that mean something only together.
#[derive(Default)]
struct Call<'a> {
    kind: Option<Value<'a>>,
    event: Option<Value<'a>>,
    context: Option<&'a str>,
    integrations: Option<&'a str>,
    name: Option<Value<'a>>,
    category: Option<Value<'a>>,
    timestamp: Option<Value<'a>>,
    original_timestamp: Option<Value<'a>>,
    sent_at: Option<Value<'a>>,
}

impl<'a> Call<'a> {
    fn field(&mut self, key: Cow<'a, str>, value: Value<'a>, draft: &mut Draft<'a>) -> Result<(), Fault> {
        let event = &mut draft.event;
        match key.as_ref() {
            "messageId" => {}
            "type" => self.kind = Some(value),
            "event" => self.event = Some(value),
            "userId" => event.user_id = draft::id(value, Reason::PersonIdInvalid, "userId")?,
            "anonymousId" => event.anonymous_id = draft::id(value, Reason::PersonIdInvalid, "anonymousId")?,
            "previousId" => event.previous_id = draft::id(value, Reason::PersonIdInvalid, "previousId")?,
            "groupId" => event.group_id = draft::id(value, Reason::PersonIdInvalid, "groupId")?,
            "timestamp" => self.timestamp = Some(value),
            "originalTimestamp" => self.original_timestamp = Some(value),
            "sentAt" => self.sent_at = (!value.is_null()).then_some(value),
            "properties" => draft.properties = draft::object(value, "properties")?.map(Cow::Borrowed),
            "traits" => draft.traits = draft::object(value, "traits")?.map(Cow::Borrowed),
            "context" => self.context = draft::object(value, "context")?,
            "integrations" if value.kind == Kind::Object => self.integrations = Some(value.raw),
            "integrations" if value.is_null() => {}
            "_metadata" => draft.aside.push(("_metadata", Cow::Borrowed(value.raw))),
            "name" => self.name = Some(value),
            "category" => self.category = Some(value),
            key_field if is_key_field(key_field) => {}
            _ => draft.keep(key, value),
        }
        Ok(())
    }

    /// What the batch says for all its items (the item wins), and what follows from the fields.
    fn beside(&mut self, item: &Item<'a>, draft: &mut Draft<'a>) {
        let (mut context, mut integrations) = (None, None);
        for (key, value) in item.outer() {
            match key.as_ref() {
                "context" if value.kind == Kind::Object => context = Some(value.raw),
                "integrations" if value.kind == Kind::Object => integrations = Some(value.raw),
                "sentAt" if self.sent_at.is_none() => self.sent_at = Some(value),
                _ => {}
            }
        }
        draft.context = with_defaults(self.context, context);
        if let Some(integrations) = with_defaults(self.integrations, integrations)
            && is_not_empty(&integrations)
        {
            draft.aside.push(("integrations", integrations));
        }
        draft.sent_at = self.sent_at.and_then(time);
        self.clock(draft);
    }

    /// The client's clock: `timestamp`, or `originalTimestamp` where only that can be read. The other one, and what
    /// cannot be read, is kept.
    fn clock(&mut self, draft: &mut Draft<'a>) {
        let fields = [("timestamp", self.timestamp), ("originalTimestamp", self.original_timestamp)];
        for (name, value) in fields {
            let Some(value) = value.filter(|value| !value.is_null()) else { continue };
            match time(value) {
                Some(time) if draft.client_time.is_none() => draft.client_time = Some(time),
                _ => draft.keep(Cow::Borrowed(name), value),
            }
        }
    }
}

/// Columns from the context and from a page's properties.
fn surroundings<'a>(call: &Call<'a>, draft: &mut Draft<'a>) -> Result<(), Fault> {
    if let Some(context) = draft.context.clone() {
        let ids = context::read(&context, draft);
        let event = &mut draft.event;
        if let (None, Some(value)) = (&event.group_id, ids.group_id) {
            event.group_id = draft::id(value, Reason::PersonIdInvalid, "context.groupId")?;
        }
        if let Some(value) = ids.session_id {
            event.session_id = draft::id(value, Reason::PersonIdInvalid, "context.sessionId")?;
        }
    }
    draft.event.source = if draft.event.library.is_some() { "sdk" } else { "api" }.to_owned();
    name_and_category(call, draft);
    if matches!(draft.event.kind, EventType::Page | EventType::Screen) {
        if let Some(properties) = draft.properties.clone() {
            context::read_page_properties(&properties, draft);
        }
        if draft.event.title.is_none() {
            draft.event.title = call.name.and_then(draft::column);
        }
    }
    Ok(())
}

/// Puts a page's name and category among its properties, where browsers put them themselves. A property of that name
/// with another value stays, and other calls have no such fields: then they are kept as unknown.
fn name_and_category<'a>(call: &Call<'a>, draft: &mut Draft<'a>) {
    let is_view = matches!(draft.event.kind, EventType::Page | EventType::Screen);
    for (name, value) in [("name", call.name), ("category", call.category)] {
        let Some(value) = value.filter(|value| !value.is_null()) else { continue };
        let properties = draft.properties.as_deref().unwrap_or("{}");
        let same = fields_of(properties).find(|(key, _)| key == name).map(|(_, own)| own.raw == value.raw);
        match same {
            Some(true) if is_view => {}
            None if is_view => draft.properties = Some(Cow::Owned(with_field(properties, name, value.raw))),
            _ => draft.keep(Cow::Borrowed(name), value),
        }
    }
}

fn is_not_empty(object: &str) -> bool {
    fields_of(object).next().is_some()
}

fn time(value: Value<'_>) -> Option<Timestamp> {
    Timestamp::parse(&value.text()?)
}
