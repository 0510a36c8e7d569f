//! Which events are taken: limits of an item before it is read, and of an event after it is complete.

use event_model::limits::{MAX_DEPTH, MAX_EVENT_BYTES, MAX_KEY_BYTES, MAX_KEYS};
use event_model::{Reason, Timestamp};

use crate::decode::Item;
use crate::draft::{Draft, Fault};
use crate::json::Kind;

/// What an item must be before its fields are read.
pub(crate) fn check_item(item: &Item<'_>) -> Result<(), Fault> {
    let seen = &item.findings;
    let faults = [
        (item.raw.len() > MAX_EVENT_BYTES, Reason::EventTooLarge, "An event may have 131,072 bytes."),
        (item.kind != Kind::Object, Reason::NotAnObject, "An event must be a JSON object."),
        (seen.bad_text, Reason::InvalidText, "A text holds half a surrogate pair."),
        (seen.depth > MAX_DEPTH, Reason::TooDeep, "An event may nest 32 levels."),
        (seen.duplicate, Reason::DuplicateKey, "The same key stands twice in one object."),
        (seen.keys > MAX_KEYS, Reason::TooManyKeys, "An object may have 2,000 keys, nested ones included."),
        (seen.longest_key > MAX_KEY_BYTES, Reason::KeyTooLong, "A key may have 1,024 bytes."),
        (seen.bad_number, Reason::NumberOutOfRange, "A number is too large for a 64-bit float."),
    ];
    match faults.into_iter().find(|(found, _, _)| *found) {
        Some((_, reason, detail)) => Err(Fault::new(reason, detail)),
        None => Ok(()),
    }
}

/// What an event must be once it is enriched. Time is judged against its receipt, so that a replay decides alike.
pub(crate) fn check_event(draft: &Draft<'_>, received_at: Timestamp) -> Result<(), Fault> {
    let event = &draft.event;
    if event.user_id.is_none() && event.anonymous_id.is_none() {
        return Err(Fault::new(Reason::PersonIdMissing, "An event needs a user id or an anonymous id."));
    }
    if !event.timestamp.is_in_range(received_at) {
        let detail =
            "The time, corrected for the client's clock, lies before 2000 or more than 24 hours after receipt.";
        return Err(Fault::new(Reason::TimestampOutOfRange, detail));
    }
    let json = [&draft.properties, &draft.traits, &draft.context];
    let size: usize = json.into_iter().flatten().map(|text| text.len()).sum();
    if size > MAX_EVENT_BYTES {
        let detail = "An event may have 131,072 bytes, with what its batch says for all its events.";
        return Err(Fault::new(Reason::EventTooLarge, detail));
    }
    Ok(())
}
