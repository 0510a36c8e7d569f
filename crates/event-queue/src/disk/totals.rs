//! What deleted segments held: the part of "events ever sent" that no other file remembers.
//!
//! A slot is 32 bytes: first sequence 8 | last sequence 8 | events 8 | XXH3-64 of these 24. A segment is deleted only
//! after its slot is durable; a segment whose slot is there has nothing to deliver any more. The slots' space is
//! written when the file is made, so that deleting works on a full disk, where it is needed most.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::files::{Files, SegmentFile, write_all};
use super::format::{Fields, FileKind, HEADER_BYTES, Header};

/// The file's name.
pub(super) const NAME: &str = "totals";
/// Its name while it is written anew.
const NEW_NAME: &str = "totals.new";
const SLOT_BYTES: u64 = 32;
const SLOTS: u64 = 2_048;

/// The open file.
pub(super) struct Totals {
    file: Arc<dyn SegmentFile>,
    slots_used: u64,
    /// Segments by first sequence number that may be deleted and are not known to be, durably.
    retired: HashSet<u64>,
    events: u64,
    last_sequence: u64,
}

impl Totals {
    /// Reads the file, or makes it. It is written anew if half of it is used.
    pub(super) fn open(files: &dyn Files) -> io::Result<Self> {
        let file = match files.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::write_anew(files, 0, 0)?,
            other => other?,
        };
        let mut totals = Self { file, slots_used: 0, retired: HashSet::new(), events: 0, last_sequence: 0 };
        let mut bytes = vec![0; usize::try_from(totals.file.length()?).unwrap_or(usize::MAX)];
        totals.file.read_at(&mut bytes, 0)?;
        let header = usize::try_from(HEADER_BYTES).unwrap_or(usize::MAX);
        let slot = usize::try_from(SLOT_BYTES).unwrap_or(usize::MAX);
        for (place, bytes) in (1_u64..).zip(bytes.get(header..).unwrap_or_default().chunks_exact(slot)) {
            if bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            totals.slots_used = place;
            match decode(bytes) {
                // The same segment twice: its first slot was written, but not known to be durable.
                Some((first, last, events)) if totals.retired.insert(first) => {
                    totals.events += events;
                    totals.last_sequence = totals.last_sequence.max(last);
                }
                Some(_) => {}
                None => tracing::warn!(slot = place, "a torn entry of the queue's totals is passed over"),
            }
        }
        // The file of a killed process may not be durable yet.
        totals.file.sync()?;
        Ok(totals)
    }

    /// Events of all deleted segments.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// The highest sequence number of a deleted segment.
    pub(super) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Whether this segment may be deleted.
    pub(super) fn is_retired(&self, first_sequence: u64) -> bool {
        self.retired.contains(&first_sequence)
    }

    /// Remembers a segment's events for good. After an error it must not be deleted yet; trying again is safe.
    pub(super) fn retire(&mut self, files: &dyn Files, first: u64, last: u64, events: u64) -> io::Result<()> {
        if self.slots_used >= SLOTS {
            self.compact(files)?;
        }
        write_all(self.file.as_ref(), &encode(first, last, events), HEADER_BYTES + self.slots_used * SLOT_BYTES)?;
        self.file.sync()?;
        self.slots_used += 1;
        if self.retired.insert(first) {
            self.events += events;
            self.last_sequence = self.last_sequence.max(last);
        }
        Ok(())
    }

    /// A segment's files have been removed.
    pub(super) fn deleted(&mut self, first: u64) {
        self.retired.remove(&first);
    }

    /// All retired segments' files have been removed. Adds all slots up if many are used.
    pub(super) fn all_deleted(&mut self, files: &dyn Files) -> io::Result<()> {
        self.retired.clear();
        if self.slots_used > SLOTS / 2 { self.compact(files) } else { Ok(()) }
    }

    fn compact(&mut self, files: &dyn Files) -> io::Result<()> {
        // A segment must be gone for good before the slot that voids it is.
        if !self.retired.is_empty() {
            return Err(io::Error::other("a retired segment could not be deleted yet"));
        }
        files.sync_directory()?;
        self.file = Self::write_anew(files, self.last_sequence, self.events)?;
        self.slots_used = 1;
        Ok(())
    }

    fn write_anew(files: &dyn Files, last_sequence: u64, events: u64) -> io::Result<Arc<dyn SegmentFile>> {
        match files.remove(NEW_NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = files.create(NEW_NAME)?;
        let mut bytes = Header { kind: FileKind::Totals, first_sequence: 0, lost_events: 0 }.encode();
        if last_sequence > 0 {
            bytes.extend(encode(0, last_sequence, events));
        }
        bytes.resize(usize::try_from(HEADER_BYTES + SLOTS * SLOT_BYTES).unwrap_or(usize::MAX), 0);
        write_all(file.as_ref(), &bytes, 0)?;
        file.sync()?;
        files.rename(NEW_NAME, NAME)?;
        files.sync_directory()?;
        Ok(file)
    }
}

fn encode(first: u64, last: u64, events: u64) -> Vec<u8> {
    let fields = [first.to_le_bytes(), last.to_le_bytes(), events.to_le_bytes()].concat();
    let checksum = xxh3_64(&fields).to_le_bytes();
    [fields.as_slice(), checksum.as_slice()].concat()
}

fn decode(slot: &[u8]) -> Option<(u64, u64, u64)> {
    let sealed = slot.get(..24)?;
    let mut fields = Fields(slot);
    let numbers = (fields.u64()?, fields.u64()?, fields.u64()?);
    (fields.u64()? == xxh3_64(sealed)).then_some(numbers)
}
