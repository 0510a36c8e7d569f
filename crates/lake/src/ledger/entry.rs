//! How a commit names messages: one line of text, because thousands of JSON values a commit would cost more.
//!
//! `<id>,<received_at>,<stored>,<quarantined>,<duplicates>` for each, joined by `;`. A part of an import that takes
//! several commits has `,part` at its end; the last of these commits names the message for good.

use event_model::{EventId, Timestamp};

use crate::batch::{IncomingMessage, MessageCounts};

/// What one commit says of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) message: IncomingMessageId,
    /// What this very commit did; the sum over a message's entries is what became of it.
    pub(crate) counts: MessageCounts,
    /// Whether the message is done.
    pub(crate) complete: bool,
}

/// A message's name and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IncomingMessageId {
    pub(crate) message_id: EventId,
    pub(crate) received_at: Timestamp,
}

impl From<&IncomingMessage> for IncomingMessageId {
    fn from(message: &IncomingMessage) -> Self {
        Self { message_id: message.message_id, received_at: message.received_at }
    }
}

/// The text of some entries.
pub(crate) fn write(entries: &[Entry]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(entries.len() * 64);
    for entry in entries {
        if !text.is_empty() {
            text.push(';');
        }
        let MessageCounts { stored, quarantined, duplicates } = entry.counts;
        let (id, at) = (u128::from_be_bytes(entry.message.message_id.0), entry.message.received_at.0);
        let part = if entry.complete { "" } else { ",part" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{id:032x},{at},{stored},{quarantined},{duplicates}{part}");
    }
    text
}

/// The inverse of [`write()`].
///
/// # Errors
/// A sentence about what is wrong.
pub(crate) fn read(text: &str) -> Result<Vec<Entry>, String> {
    text.split(';')
        .filter(|entry| !entry.is_empty())
        .map(|entry| parse(entry).ok_or_else(|| format!("{entry:?} names no message")))
        .collect()
}

fn parse(text: &str) -> Option<Entry> {
    let mut fields = text.split(',');
    let id = u128::from_str_radix(fields.next()?, 16).ok()?;
    let received_at = Timestamp(fields.next()?.parse().ok()?);
    let mut count = || fields.next()?.parse().ok();
    let counts = MessageCounts { stored: count()?, quarantined: count()?, duplicates: count()? };
    let complete = match fields.next() {
        None => true,
        Some("part") => false,
        Some(_) => return None,
    };
    let message = IncomingMessageId { message_id: EventId(id.to_be_bytes()), received_at };
    fields.next().is_none().then_some(Entry { message, counts, complete })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written() {
        let entry = |first, stored, complete| Entry {
            message: IncomingMessageId { message_id: EventId([first; 16]), received_at: Timestamp(-5) },
            counts: MessageCounts { stored, quarantined: 2, duplicates: u32::MAX },
            complete,
        };
        let entries = vec![entry(0, 1, true), entry(0xab, 0, false)];
        assert_eq!(read(&write(&entries)).unwrap(), entries);
        assert_eq!(read("").unwrap(), Vec::new());
        for wrong in ["x", "00,1,2,3", "00,1,2,3,4,whole", "00,1,2,3,4,part,5", "00,1,2,3,-4"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
