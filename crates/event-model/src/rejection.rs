//! An event that cannot be used: why, and its original bytes, for the quarantine.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::EventId;
use crate::limits::OVERSIZE_KEPT_BYTES;

/// Why an event cannot be used. The text form is stable: it is in answers, in the table and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The item of the batch is not a JSON object.
    NotAnObject,
    /// The same key stands twice in one object.
    DuplicateKey,
    /// A text holds half a surrogate pair or another escape that is not Unicode.
    InvalidText,
    /// `event` is missing or empty on a track call.
    EventNameMissing,
    /// `event` is not text, too long, or holds U+0000.
    EventNameInvalid,
    /// Neither a user id nor an anonymous id.
    PersonIdMissing,
    /// An id is not text or a number, too long, or holds U+0000.
    PersonIdInvalid,
    /// The event id is not text, or too long.
    EventIdInvalid,
    /// The type is none of track, page, screen, identify, group, alias.
    TypeUnknown,
    /// An alias without a previous id.
    PreviousIdMissing,
    /// A group call without a group id.
    GroupIdMissing,
    /// The timestamp cannot be read.
    TimestampInvalid,
    /// The timestamp lies before 2000 or more than 24 hours after receipt.
    TimestampOutOfRange,
    /// `properties`, `traits` or `context` is not an object.
    PropertiesInvalid,
    /// Nested deeper than 32.
    TooDeep,
    /// More property keys than are kept.
    TooManyKeys,
    /// A property key longer than 1 KiB.
    KeyTooLong,
    /// A number that no 64-bit float can hold.
    NumberOutOfRange,
    /// Larger than 128 KiB.
    EventTooLarge,
    /// A field has a type that its protocol does not allow.
    FieldInvalid,
    /// The queue message itself could not be read by the compactor.
    MessageUnreadable,
}

impl Reason {
    /// Every reason, in the order of the reference page.
    pub const ALL: &[Self] = &[
        Self::NotAnObject,
        Self::DuplicateKey,
        Self::InvalidText,
        Self::EventNameMissing,
        Self::EventNameInvalid,
        Self::PersonIdMissing,
        Self::PersonIdInvalid,
        Self::EventIdInvalid,
        Self::TypeUnknown,
        Self::PreviousIdMissing,
        Self::GroupIdMissing,
        Self::TimestampInvalid,
        Self::TimestampOutOfRange,
        Self::PropertiesInvalid,
        Self::TooDeep,
        Self::TooManyKeys,
        Self::KeyTooLong,
        Self::NumberOutOfRange,
        Self::EventTooLarge,
        Self::FieldInvalid,
        Self::MessageUnreadable,
    ];

    /// The inverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
    }

    /// One plain sentence, for the reference page.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NotAnObject => "The item of the batch is not a JSON object.",
            Self::DuplicateKey => "The same key stands twice in one object.",
            Self::InvalidText => "A text holds half a surrogate pair or another escape that is not Unicode.",
            Self::EventNameMissing => "`event` is missing or empty on a track call.",
            Self::EventNameInvalid => "`event` is not text, too long, or holds U+0000.",
            Self::PersonIdMissing => "Neither a user id nor an anonymous id.",
            Self::PersonIdInvalid => "An id is not text or a number, too long, or holds U+0000.",
            Self::EventIdInvalid => "The event id is not text, or too long.",
            Self::TypeUnknown => "The type is none of track, page, screen, identify, group, alias.",
            Self::PreviousIdMissing => "An alias without a previous id.",
            Self::GroupIdMissing => "A group call without a group id.",
            Self::TimestampInvalid => "The timestamp cannot be read.",
            Self::TimestampOutOfRange => "The timestamp lies before 2000 or more than 24 hours after receipt.",
            Self::PropertiesInvalid => "`properties`, `traits` or `context` is not an object.",
            Self::TooDeep => "Nested deeper than 32.",
            Self::TooManyKeys => "More property keys than are kept.",
            Self::KeyTooLong => "A property key longer than 1 KiB.",
            Self::NumberOutOfRange => "A number that no 64-bit float can hold.",
            Self::EventTooLarge => "Larger than 128 KiB.",
            Self::FieldInvalid => "A field has a type that its protocol does not allow.",
            Self::MessageUnreadable => "The queue message itself could not be read by the compactor.",
        }
    }

    /// The stable text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::DuplicateKey => "duplicate_key",
            Self::InvalidText => "invalid_text",
            Self::EventNameMissing => "event_name_missing",
            Self::EventNameInvalid => "event_name_invalid",
            Self::PersonIdMissing => "person_id_missing",
            Self::PersonIdInvalid => "person_id_invalid",
            Self::EventIdInvalid => "event_id_invalid",
            Self::TypeUnknown => "type_unknown",
            Self::PreviousIdMissing => "previous_id_missing",
            Self::GroupIdMissing => "group_id_missing",
            Self::TimestampInvalid => "timestamp_invalid",
            Self::TimestampOutOfRange => "timestamp_out_of_range",
            Self::PropertiesInvalid => "properties_invalid",
            Self::TooDeep => "too_deep",
            Self::TooManyKeys => "too_many_keys",
            Self::KeyTooLong => "key_too_long",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::EventTooLarge => "event_too_large",
            Self::FieldInvalid => "field_invalid",
            Self::MessageUnreadable => "message_unreadable",
        }
    }
}

/// One event that goes to quarantine. The fields are the columns of that table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Index in the client's request.
    pub position: u32,
    /// The id given before quarantine, so that a replay lands once.
    pub event_id: EventId,
    /// Why.
    pub reason: Reason,
    /// A plain sentence for people, without the offending value.
    pub detail: String,
    /// The original bytes, or their first 64 KiB.
    pub original: Bytes64,
    /// How long the original was, in bytes.
    pub full_length: u64,
    /// SHA-256 of the whole original, in lower-case hexadecimal.
    pub sha256: String,
    /// Whether the original is whole, so that it can be decoded again.
    pub replayable: bool,
}

impl Rejected {
    /// Keeps an original, cut where it is too long.
    #[must_use]
    pub fn new(position: u32, event_id: EventId, reason: Reason, detail: impl Into<String>, original: &[u8]) -> Self {
        let kept = original.get(..OVERSIZE_KEPT_BYTES.min(original.len())).unwrap_or_default();
        let replayable = original.len() <= crate::limits::MAX_EVENT_BYTES && kept.len() == original.len();
        let sha256 = Sha256::digest(original).iter().map(|byte| format!("{byte:02x}")).collect();
        let full_length = original.len() as u64;
        Self {
            position,
            event_id,
            reason,
            detail: detail.into(),
            original: Bytes64(kept.to_vec()),
            full_length,
            sha256,
            replayable,
        }
    }
}

/// Bytes that are text in JSON: base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes64(pub Vec<u8>);

impl Serialize for Bytes64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}
