//! Where each field of an event's JSON goes.

use std::sync::LazyLock;

use event_model::columns;

/// The text columns that an event itself carries. A [`Field::Text`] is an index into this list.
pub(crate) const TEXTS: [&str; 42] = [
    columns::EVENT,
    columns::NAMESPACE,
    columns::USER_ID,
    columns::ANONYMOUS_ID,
    columns::SESSION_ID,
    columns::GROUP_ID,
    columns::SOURCE,
    columns::LIBRARY,
    columns::LIBRARY_VERSION,
    columns::SERVICE,
    columns::SERVICE_VERSION,
    columns::REQUEST_ID,
    columns::URL,
    columns::PATH,
    columns::HOST,
    columns::TITLE,
    columns::REFERRER,
    columns::REFERRER_HOST,
    columns::UTM_SOURCE,
    columns::UTM_MEDIUM,
    columns::UTM_CAMPAIGN,
    columns::UTM_TERM,
    columns::UTM_CONTENT,
    columns::CLICK_ID_TYPE,
    columns::CLICK_ID,
    columns::CHANNEL,
    columns::BROWSER,
    columns::BROWSER_VERSION,
    columns::OS,
    columns::OS_VERSION,
    columns::DEVICE_TYPE,
    columns::COUNTRY,
    columns::REGION,
    columns::CITY,
    columns::TIMEZONE,
    columns::LOCALE,
    columns::BOT_REASON,
    columns::PROPERTIES,
    columns::CONTEXT,
    columns::TRAITS,
    columns::TYPE,
    columns::PROTOCOL,
];

pub(crate) const EVENT: usize = text(columns::EVENT);
pub(crate) const NAMESPACE: usize = text(columns::NAMESPACE);
pub(crate) const USER_ID: usize = text(columns::USER_ID);
pub(crate) const ANONYMOUS_ID: usize = text(columns::ANONYMOUS_ID);
pub(crate) const SOURCE: usize = text(columns::SOURCE);
pub(crate) const COUNTRY: usize = text(columns::COUNTRY);
pub(crate) const REGION: usize = text(columns::REGION);
pub(crate) const CITY: usize = text(columns::CITY);
pub(crate) const TIMEZONE: usize = text(columns::TIMEZONE);
pub(crate) const PROPERTIES: usize = text(columns::PROPERTIES);
pub(crate) const TRAITS: usize = text(columns::TRAITS);
pub(crate) const TYPE: usize = text(columns::TYPE);
pub(crate) const PROTOCOL: usize = text(columns::PROTOCOL);

/// The source of events that name none.
pub(crate) const DEFAULT_SOURCE: &str = "api";

/// Where a field of an event's JSON goes.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    EventId,
    Position,
    Type,
    Timestamp,
    OriginalTimestamp,
    PreviousId,
    IsBot,
    /// The index in [`TEXTS`].
    Text(usize),
    /// Kept as the JSON text it is.
    Json(usize),
}

/// The index in [`FIELDS`] of the field of that name; `None`: events have no such field.
pub(crate) fn field(name: &str) -> Option<usize> {
    let index = usize::from(*PLACES.get(place(name.as_bytes())?)?);
    FIELDS.get(index).is_some_and(|(known, _)| *known == name).then_some(index)
}

/// The fields of an event, in the order in which [`event_model::Event`] writes them.
pub(crate) const FIELDS: [(&str, Field); 47] = fields();

/// How the key of each field stands in JSON between two others.
pub(crate) static KEYS: LazyLock<Vec<String>> =
    LazyLock::new(|| FIELDS.iter().map(|(name, _)| format!(",\"{name}\":")).collect());

/// What stands at a place of [`PLACES`] that no name has.
const NO_FIELD: u8 = u8::MAX;

/// The index of each field, at the place that its name has. It does not compile if two have the same.
static PLACES: [u8; 128] = places();

/// A number that is different for each name: found by trying.
#[allow(clippy::indexing_slicing, reason = "the length was looked at")]
const fn place(name: &[u8]) -> Option<usize> {
    let length = name.len();
    if length == 0 {
        return None;
    }
    let (first, middle, last) = (name[0] as usize, name[length / 2] as usize, name[length - 1] as usize);
    Some((length + first * 12 + middle + last * 14) % 128)
}

#[allow(clippy::indexing_slicing, clippy::panic, reason = "the compiler evaluates it")]
const fn places() -> [u8; 128] {
    let mut places = [NO_FIELD; 128];
    let mut next = 0;
    while next < FIELDS.len() {
        let Some(place) = place(FIELDS[next].0.as_bytes()) else { panic!("a field has no name") };
        assert!(places[place] == NO_FIELD, "two names have the same place");
        places[place] = next as u8;
        next += 1;
    }
    places
}

#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses an index that is out of range")]
const fn fields() -> [(&'static str, Field); 47] {
    let mut fields = [(columns::EVENT_ID, Field::EventId); 47];
    fields[1] = (columns::POSITION, Field::Position);
    fields[2] = (columns::TYPE, Field::Type);
    fields[3] = (columns::EVENT, Field::Text(EVENT));
    fields[4] = (columns::NAMESPACE, Field::Text(NAMESPACE));
    fields[5] = (columns::TIMESTAMP, Field::Timestamp);
    fields[6] = (columns::ORIGINAL_TIMESTAMP, Field::OriginalTimestamp);
    fields[7] = (columns::USER_ID, Field::Text(USER_ID));
    fields[8] = (columns::ANONYMOUS_ID, Field::Text(ANONYMOUS_ID));
    fields[9] = ("previous_id", Field::PreviousId);
    fields[10] = (columns::IS_BOT, Field::IsBot);
    let (mut place, mut index) = (11, text(columns::SESSION_ID));
    while place < fields.len() {
        fields[place] = (TEXTS[index], if is_json(TEXTS[index]) { Field::Json(index) } else { Field::Text(index) });
        place += 1;
        index += 1;
    }
    fields
}

const fn is_json(name: &str) -> bool {
    same(name, columns::PROPERTIES) || same(name, columns::CONTEXT) || same(name, columns::TRAITS)
}

/// The index in [`TEXTS`]; does not compile for a name that is not there.
#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses an index that is out of range")]
const fn text(name: &str) -> usize {
    let mut index = 0;
    while !same(TEXTS[index], name) {
        index += 1;
    }
    index
}

#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses an index that is out of range")]
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}
