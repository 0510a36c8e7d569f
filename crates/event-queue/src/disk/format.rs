//! How the queue's files look: their header, and the records of segments and of dead letters.
//!
//! All numbers are little-endian. A file is a header of 64 bytes, then what its kind holds:
//!
//! ```text
//! header   magic 8 | version 4 | kind 4 | first sequence 8 | lost events 8 | reserved 24 | XXH3-64 of these 56
//! record   magic 4 | length of the rest 4 | XXH3-64 of the rest 8 |
//!          kind 1 | length of project 1 | reserved 2 | events 4 | sequence 8 | batch start 8 | events before 8 |
//!          sent at 8 | receive count 4 | reserved 4 | origin 8 | message id 16 | project | body
//! ```

use event_model::{EventId, Timestamp};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The version that this build writes, and the newest it reads. 2: the totals say whose events were sent.
pub(super) const VERSION: u32 = 2;
/// Length of a file's header.
pub(super) const HEADER_BYTES: u64 = 64;
/// Length of what comes before a record's checksummed part.
pub(super) const PREFIX_BYTES: usize = 16;
/// Length of a record's fixed fields.
pub(super) const FIELDS_BYTES: usize = 72;
/// First bytes of each record: where to look for the next one after damage.
pub(super) const RECORD_MAGIC: [u8; 4] = *b"HwQr";

const FILE_MAGIC: [u8; 8] = *b"HWQUEUE\n";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum FileKind {
    /// Messages.
    Segment = 1,
    /// Acknowledgements and deliveries of a segment's messages.
    Marks = 2,
    /// Dead letters.
    Letters = 3,
    /// What deleted segments held.
    Totals = 4,
}

/// The first bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: FileKind,
    /// Segments and marks: no record has a lower sequence number.
    pub(super) first_sequence: u64,
    /// Segments: events that were sent and then lost to damage.
    pub(super) lost_events: u64,
}

/// What the first bytes of a file say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderCheck {
    Good(Header),
    Newer(u32),
    Damaged,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = FILE_MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.kind as u32).to_le_bytes());
        bytes.extend(self.first_sequence.to_le_bytes());
        bytes.extend(self.lost_events.to_le_bytes());
        bytes.extend([0; 24]);
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// The version that a file's first bytes name, if they are a header at all.
    pub(super) fn version(bytes: &[u8]) -> Option<u32> {
        let mut fields = Fields(bytes);
        (fields.take::<8>()? == FILE_MAGIC).then_some(fields.u32()?)
    }

    /// Reads it. The version counts before the checksum: a newer one may have another.
    pub(super) fn check(bytes: &[u8], kind: FileKind) -> HeaderCheck {
        let parse = || {
            let mut fields = Fields(bytes);
            let magic: [u8; 8] = fields.take()?;
            Some((magic, u32::from_le_bytes(fields.take()?), u32::from_le_bytes(fields.take()?), fields))
        };
        let Some((magic, version, found_kind, mut fields)) = parse() else { return HeaderCheck::Damaged };
        if magic != FILE_MAGIC {
            return HeaderCheck::Damaged;
        }
        if version > VERSION {
            return HeaderCheck::Newer(version);
        }
        let sealed = bytes.get(..56).map(xxh3_64);
        let rest = || Some((fields.u64()?, fields.u64()?, fields.take::<24>()?, fields.u64()?));
        match { rest }() {
            Some((first_sequence, lost_events, _, checksum))
                if sealed == Some(checksum) && found_kind == kind as u32 =>
            {
                HeaderCheck::Good(Self { kind, first_sequence, lost_events })
            }
            _ => HeaderCheck::Damaged,
        }
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RecordKind {
    /// In a segment: a message as it was sent.
    Message = 1,
    /// In a segment: a dead letter that was put back; its events were counted when it was sent first.
    Redriven = 2,
    /// Among the letters: a message that died.
    Letter = 3,
    /// Among the letters: the letter of the same sequence number was put back, as the message `origin`.
    Removal = 4,
}

/// A record without its project and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: RecordKind,
    pub(super) sequence: u64,
    pub(super) events: u32,
    /// Where in the file the batch begins that was made durable together with this record. A batch is written only
    /// after the one before it was durable: so a broken record in front of the last batch is damage, and one inside
    /// it is a write that nobody was told of.
    pub(super) batch_start: u64,
    /// Events sent with the records before this one in this file: what a gap held.
    pub(super) events_before: u64,
    pub(super) sent_at: Timestamp,
    /// Letters: how often it was delivered.
    pub(super) receive_count: u32,
    /// Redriven: the letter's sequence number. Removals: the new message's.
    pub(super) origin: u64,
    pub(super) message_id: EventId,
}

impl Record {
    /// Events that this record adds to those ever sent.
    pub(super) fn sent_events(&self) -> u64 {
        if self.kind == RecordKind::Message { u64::from(self.events) } else { 0 }
    }

    /// How long it is with a project and a body.
    pub(super) fn length(project: &str, body: &[u8]) -> usize {
        PREFIX_BYTES + FIELDS_BYTES + project.len() + body.len()
    }

    /// Appends it to a buffer.
    pub(super) fn encode(&self, project: &str, body: &[u8], buffer: &mut Vec<u8>) {
        let start = buffer.len();
        // A project id has at most 64 bytes, and a message's size was checked before.
        let project = project.get(..project.len().min(255)).unwrap_or_default();
        let length = u32::try_from(FIELDS_BYTES + project.len() + body.len()).unwrap_or(u32::MAX);
        buffer.extend(RECORD_MAGIC);
        buffer.extend(length.to_le_bytes());
        buffer.extend([0; 8]);
        buffer.extend([self.kind as u8, u8::try_from(project.len()).unwrap_or(u8::MAX), 0, 0]);
        buffer.extend(self.events.to_le_bytes());
        for number in [self.sequence, self.batch_start, self.events_before] {
            buffer.extend(number.to_le_bytes());
        }
        buffer.extend(self.sent_at.0.to_le_bytes());
        buffer.extend(self.receive_count.to_le_bytes());
        buffer.extend([0; 4]);
        buffer.extend(self.origin.to_le_bytes());
        buffer.extend(self.message_id.0);
        buffer.extend(project.as_bytes());
        buffer.extend(body);
        let sealed = buffer.get(start + PREFIX_BYTES..).unwrap_or_default();
        let checksum = xxh3_64_with_seed(sealed, u64::from(length));
        if let Some(slot) = buffer.get_mut(start + 8..start + PREFIX_BYTES) {
            slot.copy_from_slice(&checksum.to_le_bytes());
        }
    }

    /// Reads a whole record; `None` if it is damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &str, &[u8])> {
        let (length, checksum) = prefix(bytes)?;
        let sealed = bytes.get(PREFIX_BYTES..)?;
        if sealed.len() != length || xxh3_64_with_seed(sealed, length as u64) != checksum {
            return None;
        }
        let mut fields = Fields(sealed);
        let [kind, project_length, _, _] = fields.take()?;
        let kind = match kind {
            1 => RecordKind::Message,
            2 => RecordKind::Redriven,
            3 => RecordKind::Letter,
            4 => RecordKind::Removal,
            _ => return None,
        };
        let events = fields.u32()?;
        let (sequence, batch_start, events_before) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let sent_at = Timestamp(i64::from_le_bytes(fields.take()?));
        let receive_count = fields.u32()?;
        fields.u32()?;
        let origin = fields.u64()?;
        let message_id = EventId(fields.take()?);
        let (project, body) = fields.0.split_at_checked(usize::from(project_length))?;
        let record =
            Self { kind, sequence, events, batch_start, events_before, sent_at, receive_count, origin, message_id };
        Some((record, std::str::from_utf8(project).ok()?, body))
    }
}

/// The length of a record's checksummed part and its checksum, if a record may begin here.
pub(super) fn prefix(bytes: &[u8]) -> Option<(usize, u64)> {
    let mut fields = Fields(bytes);
    if fields.take::<4>()? != RECORD_MAGIC {
        return None;
    }
    let length = usize::try_from(fields.u32()?).ok()?;
    (length >= FIELDS_BYTES).then_some((length, fields.u64()?))
}

/// Numbers, one after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
