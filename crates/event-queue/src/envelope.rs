//! The message's content: one project's batch of events, versioned, and its encoding as bytes and as text.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::{Event, EventId, ProjectId, Rejected, Timestamp};
use flate2::Compression as Level;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::queue::MessageId;

/// The version that this build writes, and the newest it reads.
pub const VERSION: u8 = 1;
/// Bodies below this stay raw: deflate would cost more than it saves.
const RAW_BELOW_BYTES: usize = 4 * 1024;
/// No envelope decodes to more than this.
const MAX_DECODED_BYTES: u64 = 32 * 1024 * 1024;

/// One project's batch, as it waits in the queue. Envelope v1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names the message. Made by the collector from its entropy.
    pub message_id: MessageId,
    /// Whose events these are.
    pub project: ProjectId,
    /// The key they came in by (its id, not the key).
    pub write_key_id: String,
    /// The protocol they came in by: `native`, `segment`, ...
    pub protocol: String,
    /// When the collector received them.
    pub received_at: Timestamp,
    /// The request's User-Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Where the request came from, as the edge knows it; fills what an event does not say itself.
    #[serde(default, skip_serializing_if = "Geo::is_empty")]
    pub geo: Geo,
    /// The events that can be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// The events that cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// On a replay: the rows of quarantine that these events come from, by row id. They are marked as replayed by
    /// the commit that stores the events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replays: Vec<EventId>,
}

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Geo {
    /// ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

impl Geo {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How an envelope's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Raw JSON: for a queue on the same disk, where bytes cost less than cycles.
    None,
    /// Raw deflate from 4 KiB on: for queues paid by the byte or limited in size.
    Deflate,
}

/// Why bytes are not an envelope.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// Written by a newer version: leave it where it is and upgrade.
    #[error("envelope version {0} is newer than this build reads")]
    Newer(u8),
    /// Damaged: it will never be readable; keep its bytes in quarantine.
    #[error("not an envelope: {0}")]
    Damaged(String),
}

impl Envelope {
    /// How many events it carries, rejected ones included.
    #[must_use]
    pub fn event_count(&self) -> u32 {
        u32::try_from(self.events.len() + self.rejected.len()).unwrap_or(u32::MAX)
    }

    /// One flag byte (high half: version; low half: 0 raw JSON, 1 raw deflate), then the JSON.
    ///
    /// # Errors
    /// Only if JSON or deflate fails in memory, which is a bug.
    pub fn encode(&self, compression: Compression) -> Result<Vec<u8>, EnvelopeError> {
        let mut bytes = vec![VERSION << 4];
        serde_json::to_writer(&mut bytes, self).map_err(damaged)?;
        if compression == Compression::None || bytes.len() < RAW_BELOW_BYTES {
            return Ok(bytes);
        }
        let mut encoder = DeflateEncoder::new(vec![VERSION << 4 | 1], Level::fast());
        encoder.write_all(bytes.get(1..).unwrap_or_default()).map_err(damaged)?;
        encoder.finish().map_err(damaged)
    }

    /// The inverse of [`Self::encode`].
    ///
    /// # Errors
    /// [`EnvelopeError::Newer`] or [`EnvelopeError::Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        serde_json::from_slice(&unpack(bytes)?).map_err(damaged)
    }
}

/// The JSON of an encoded envelope, for readers that do not want the whole of it in memory at once.
///
/// # Errors
/// [`EnvelopeError::Newer`] or [`EnvelopeError::Damaged`].
pub fn unpack(bytes: &[u8]) -> Result<Cow<'_, [u8]>, EnvelopeError> {
    let (flag, rest) = bytes.split_first().ok_or_else(|| EnvelopeError::Damaged("empty".to_owned()))?;
    match (flag >> 4, flag & 0xf) {
        (0, _) => Err(EnvelopeError::Damaged("no version".to_owned())),
        (version, _) if version > VERSION => Err(EnvelopeError::Newer(version)),
        (_, 0) => Ok(Cow::Borrowed(rest)),
        (_, 1) => {
            let mut json = Vec::with_capacity(rest.len() * 4);
            DeflateDecoder::new(rest).take(MAX_DECODED_BYTES).read_to_end(&mut json).map_err(damaged)?;
            Ok(Cow::Owned(json))
        }
        (_, packing) => Err(EnvelopeError::Damaged(format!("packing {packing} is unknown"))),
    }
}

/// Bytes as text, for queues whose bodies are text (SQS).
#[must_use]
pub fn to_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The inverse of [`to_text`].
///
/// # Errors
/// [`EnvelopeError::Damaged`] if it is not base64.
pub fn from_text(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    STANDARD.decode(text).map_err(damaged)
}

fn damaged(error: impl std::fmt::Display) -> EnvelopeError {
    EnvelopeError::Damaged(error.to_string())
}
