//! How a message looks in SQS, and which messages share a call: the same for the Worker that sends over HTTPS by
//! itself and for the queue that uses Amazon's SDK.
//!
//! The body is the encoded envelope in base64. Three message attributes say what a consumer must know even of a body
//! that it cannot read: [`MESSAGE_ID`], [`PROJECT`] and [`EVENTS`].

use event_model::{EventId, ProjectId};

use crate::envelope::{Envelope, from_text, to_text};
use crate::queue::{Delivery, Outgoing, Receipt};

/// The attribute (a text) with the message's name, as a UUID. SQS gives each send its own id, retries included.
pub const MESSAGE_ID: &str = "message_id";
/// The attribute (a text) that says whose events the message carries.
pub const PROJECT: &str = "project";
/// The attribute (a number) that says how many events the message carries, rejected ones included.
pub const EVENTS: &str = "events";

/// Most messages in one call.
pub const MAX_ENTRIES: usize = 10;
/// Most bytes in one call and in one message: bodies, and names, types and values of attributes. Amazon takes 1 MiB
/// since August 2025; queues made before, and other implementations, take 256 KiB.
pub const MAX_CALL_BYTES: usize = 256 * 1024;

/// The types of attributes.
const TEXT: &str = "String";
const NUMBER: &str = "Number";

/// A message as SQS takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMessage {
    /// The body.
    pub body: String,
    /// Value of [`MESSAGE_ID`].
    pub message_id: String,
    /// Value of [`PROJECT`].
    pub project: String,
    /// Value of [`EVENTS`].
    pub events: String,
}

impl From<&Outgoing> for TextMessage {
    fn from(outgoing: &Outgoing) -> Self {
        Self {
            body: to_text(&outgoing.body),
            message_id: outgoing.message_id.to_string(),
            project: outgoing.project.to_string(),
            events: outgoing.events.to_string(),
        }
    }
}

impl TextMessage {
    /// Its attributes: name, type and value of each.
    #[must_use]
    pub fn attributes(&self) -> [(&'static str, &'static str, &str); 3] {
        [(MESSAGE_ID, TEXT, &self.message_id), (PROJECT, TEXT, &self.project), (EVENTS, NUMBER, &self.events)]
    }

    /// What it counts for against [`MAX_CALL_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes();
        let attributes: usize =
            attributes.iter().map(|(name, kind, value)| name.len() + kind.len() + value.len()).sum();
        self.body.len() + attributes
    }
}

/// Puts messages into calls, in their order: at most [`MAX_ENTRIES`] and [`MAX_CALL_BYTES`] each. A message that is
/// larger than a call gets one to itself, so that it is SQS that refuses it.
pub fn calls(messages: impl IntoIterator<Item = TextMessage>) -> Vec<Vec<TextMessage>> {
    let mut calls: Vec<Vec<TextMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.bytes();
        match calls.last_mut() {
            Some(call) if call.len() < MAX_ENTRIES && bytes + size <= MAX_CALL_BYTES => {
                call.push(message);
                bytes += size;
            }
            _ => {
                calls.push(vec![message]);
                bytes = size;
            }
        }
    }
    calls
}

/// What the attributes of a received message say; `None` for what is missing or unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// [`MESSAGE_ID`].
    pub message_id: Option<EventId>,
    /// [`PROJECT`].
    pub project: Option<ProjectId>,
    /// [`EVENTS`].
    pub events: Option<u32>,
}

impl Known {
    /// Takes note of an attribute; others than ours are passed over.
    pub fn note(&mut self, name: &str, value: &str) {
        match name {
            MESSAGE_ID => self.message_id = EventId::parse_uuid(value),
            PROJECT => self.project = ProjectId::parse(value),
            EVENTS => self.events = value.parse().ok(),
            _ => {}
        }
    }
}

/// A message as SQS gives it, whether it was fetched or brought.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// What acknowledges it.
    pub receipt: String,
    /// The id that SQS gave it.
    pub own_id: Option<&'a str>,
    /// The system attribute `ApproximateReceiveCount`.
    pub receive_count: Option<&'a str>,
    /// What its attributes say.
    pub known: Known,
    /// Its body.
    pub body: String,
}

impl From<Received<'_>> for Delivery {
    /// A message without our attributes is asked itself. One that somebody else put into the queue is delivered too:
    /// whoever reads it finds it damaged, and it ends as a dead letter instead of going round in silence.
    fn from(received: Received<'_>) -> Self {
        let Received { receipt, own_id, receive_count, mut known, body } = received;
        let body = from_text(&body).unwrap_or_else(|_| body.into_bytes());
        if known.message_id.is_none()
            && let Ok(envelope) = Envelope::decode(&body)
        {
            known.events = Some(envelope.event_count());
            (known.message_id, known.project) = (Some(envelope.message_id), Some(envelope.project));
        }
        Self {
            receipt: Receipt(receipt),
            message_id: known.message_id.or(own_id.and_then(EventId::parse_uuid)).unwrap_or_default(),
            project: known.project,
            events: known.events,
            receive_count: receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
            body: body.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use event_model::limits::MAX_MESSAGE_BYTES;

    use super::*;

    fn message(number: u8, body_bytes: usize) -> TextMessage {
        TextMessage::from(&Outgoing {
            message_id: EventId([number; 16]),
            project: ProjectId::parse(&"p".repeat(64)).unwrap(),
            events: u32::MAX,
            body: vec![number; body_bytes].into(),
        })
    }

    #[test]
    fn the_largest_message_of_the_collector_fits_with_its_attributes() {
        assert!(message(1, MAX_MESSAGE_BYTES).bytes() <= MAX_CALL_BYTES);
    }

    #[test]
    fn calls_hold_ten_messages_and_256_kib_and_keep_the_order() {
        let sizes = |messages: &[usize]| -> Vec<usize> {
            let messages =
                messages.iter().enumerate().map(|(number, size)| message(u8::try_from(number).unwrap(), *size));
            let calls = calls(messages.clone());
            assert_eq!(calls.concat(), messages.collect::<Vec<_>>());
            assert!(calls.iter().all(|call| call.iter().map(TextMessage::bytes).sum::<usize>() <= MAX_CALL_BYTES));
            calls.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[190 * 1024, 1, 60 * 1024, 130 * 1024, 1]), [2, 3]);
    }

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let sent = message(7, 1);
        let mut known = Known::default();
        for (name, _, value) in sent.attributes() {
            known.note(name, value);
        }
        let project = ProjectId::parse(&"p".repeat(64));
        assert_eq!(known, Known { message_id: Some(EventId([7; 16])), project, events: Some(u32::MAX) });
        known.note("project", "../etc");
        known.note("unknown", "1");
        assert_eq!(known.project, None);
    }
}
