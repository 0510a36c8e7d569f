//! What deleted segments held: the part of "events ever sent" that no other file remembers.
//!
//! An entry is, in units of 32 bytes that end with zeros:
//!
//! ```text
//! first sequence 8 | last sequence 8 | events of unknown projects 8 | bytes of the list 4 | reserved 4 |
//! XXH3-64 of these 32 and of the list 8 | list: (length of the name 1 | name | events 8) for each project
//! ```
//!
//! A segment is deleted only after its entry is durable; a segment whose entry is there has nothing to deliver any
//! more. The entries' space is written when the file is made, so that deleting works on a full disk, where it is needed
//! most. Version 1 knew no projects: its entries were 24 bytes of numbers and their checksum.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use event_model::ProjectId;
use xxhash_rust::xxh3::xxh3_64;

use super::files::{Files, SegmentFile, write_all};
use super::format::{Fields, FileKind, HEADER_BYTES, Header};
use crate::sent::Sent;

/// The file's name.
pub(super) const NAME: &str = "totals";
/// Its name while it is written anew.
const NEW_NAME: &str = "totals.new";
/// The first version that says whose events they were.
const WITH_PROJECTS: u32 = 2;
const UNIT_BYTES: usize = 32;
/// The fields before the list.
const FIELDS_BYTES: usize = 40;
/// Least space for entries, in units.
const UNITS: usize = 4_096;

/// The open file.
pub(super) struct Totals {
    file: Arc<dyn SegmentFile>,
    units: usize,
    units_used: usize,
    /// Segments by first sequence number that may be deleted and are not known to be, durably.
    retired: HashSet<u64>,
    sent: Sent,
    last_sequence: u64,
    /// It was written by a version that lays its entries out otherwise.
    old: bool,
}

impl Totals {
    /// Reads the file, or makes it. It is written anew if half of it is used.
    pub(super) fn open(files: &dyn Files) -> io::Result<Self> {
        let file = match files.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => write_anew(files, UNITS, &[])?,
            other => other?,
        };
        let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
        file.read_at(&mut bytes, 0)?;
        let entries = bytes.get(usize::try_from(HEADER_BYTES).unwrap_or(usize::MAX)..).unwrap_or_default();
        let version = Header::version(&bytes).unwrap_or(WITH_PROJECTS);
        let mut totals = Self {
            file,
            units: entries.len() / UNIT_BYTES,
            units_used: 0,
            retired: HashSet::new(),
            sent: Sent::default(),
            last_sequence: 0,
            old: version < WITH_PROJECTS,
        };
        totals.read(entries);
        // The file of a killed process may not be durable yet.
        totals.file.sync()?;
        Ok(totals)
    }

    fn read(&mut self, entries: &[u8]) {
        let mut rest = entries;
        let mut place = 0;
        while let Some((unit, _)) = rest.split_at_checked(UNIT_BYTES) {
            let found = if self.old { decode_old(unit) } else { decode(rest) };
            let units = match &found {
                Some(entry) => entry.units,
                None => 1,
            };
            if found.is_some() || unit.iter().any(|byte| *byte != 0) {
                self.units_used = place + units;
            }
            match found {
                // The same segment twice: its first entry was written, but not known to be durable.
                Some(entry) if self.retired.insert(entry.first) => {
                    self.sent.merge(&entry.sent);
                    self.last_sequence = self.last_sequence.max(entry.last);
                }
                Some(_) => {}
                None if unit.iter().all(|byte| *byte == 0) => {}
                None => tracing::warn!(unit = place, "a torn entry of the queue's totals is passed over"),
            }
            place += units;
            rest = rest.get(units * UNIT_BYTES..).unwrap_or_default();
        }
    }

    /// Events of all deleted segments.
    pub(super) fn sent(&self) -> &Sent {
        &self.sent
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
    pub(super) fn retire(&mut self, files: &dyn Files, first: u64, last: u64, sent: &Sent) -> io::Result<()> {
        let entry = encode(first, last, sent);
        let units = entry.len() / UNIT_BYTES;
        if self.units_used + units > self.units {
            self.compact(files, units)?;
        }
        let offset = HEADER_BYTES + (self.units_used * UNIT_BYTES) as u64;
        write_all(self.file.as_ref(), &entry, offset)?;
        self.file.sync()?;
        self.units_used += units;
        if self.retired.insert(first) {
            self.sent.merge(sent);
            self.last_sequence = self.last_sequence.max(last);
        }
        Ok(())
    }

    /// A segment's files have been removed.
    pub(super) fn deleted(&mut self, first: u64) {
        self.retired.remove(&first);
    }

    /// All retired segments' files have been removed. Adds all entries up if they take much room.
    pub(super) fn all_deleted(&mut self, files: &dyn Files) -> io::Result<()> {
        self.retired.clear();
        if self.old || self.units_used > self.units / 2 { self.compact(files, 0) } else { Ok(()) }
    }

    /// Writes one entry for all that there are, with room for many more.
    fn compact(&mut self, files: &dyn Files, room: usize) -> io::Result<()> {
        // A segment must be gone for good before the entry that voids it is.
        if !self.retired.is_empty() {
            return Err(io::Error::other("a retired segment could not be deleted yet"));
        }
        files.sync_directory()?;
        let sum = if self.last_sequence > 0 { encode(0, self.last_sequence, &self.sent) } else { Vec::new() };
        let used = sum.len() / UNIT_BYTES;
        self.units = UNITS.max(4 * (used + room));
        self.file = write_anew(files, self.units, &sum)?;
        self.units_used = used;
        self.old = false;
        Ok(())
    }
}

fn write_anew(files: &dyn Files, units: usize, entries: &[u8]) -> io::Result<Arc<dyn SegmentFile>> {
    match files.remove(NEW_NAME) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = files.create(NEW_NAME)?;
    let mut bytes = Header { kind: FileKind::Totals, first_sequence: 0, lost_events: 0 }.encode();
    let length = bytes.len() + units * UNIT_BYTES;
    bytes.extend(entries);
    bytes.resize(length, 0);
    write_all(file.as_ref(), &bytes, 0)?;
    file.sync()?;
    files.rename(NEW_NAME, NAME)?;
    files.sync_directory()?;
    Ok(file)
}

/// What one entry says.
struct TotalsEntry {
    first: u64,
    last: u64,
    sent: Sent,
    units: usize,
}

fn encode(first: u64, last: u64, sent: &Sent) -> Vec<u8> {
    let mut list = Vec::new();
    for (project, events) in sent.projects() {
        // A project id has at most 64 bytes.
        let name = project.as_str().as_bytes();
        list.push(u8::try_from(name.len()).unwrap_or(0));
        list.extend(name);
        list.extend(events.to_le_bytes());
    }
    let list_bytes = u32::try_from(list.len()).unwrap_or(u32::MAX);
    let numbers = [first.to_le_bytes(), last.to_le_bytes(), sent.unknown().to_le_bytes()].concat();
    let fields = [numbers.as_slice(), &list_bytes.to_le_bytes(), &[0; 4]].concat();
    let mut entry = fields.clone();
    entry.extend(checksum(&fields, &list).to_le_bytes());
    entry.extend(list);
    entry.resize(entry.len().next_multiple_of(UNIT_BYTES), 0);
    entry
}

fn checksum(fields: &[u8], list: &[u8]) -> u64 {
    xxh3_64(&[fields, list].concat())
}

fn decode(bytes: &[u8]) -> Option<TotalsEntry> {
    let mut numbers = Fields(bytes);
    let (first, last, unknown) = (numbers.u64()?, numbers.u64()?, numbers.u64()?);
    let list_bytes = usize::try_from(numbers.u32()?).ok()?;
    numbers.u32()?;
    let sealed = numbers.u64()?;
    let list = numbers.0.get(..list_bytes)?;
    // Zeros are no entry: an entry has a last sequence number.
    if last == 0 || checksum(bytes.get(..32)?, list) != sealed {
        return None;
    }
    let mut sent = Sent::default();
    sent.add(None, unknown);
    let mut rest = Fields(list);
    while let Some([length]) = rest.take() {
        let (name, after) = rest.0.split_at_checked(usize::from(length))?;
        rest.0 = after;
        let project = std::str::from_utf8(name).ok().and_then(ProjectId::parse);
        sent.add(project.as_ref(), rest.u64()?);
    }
    Some(TotalsEntry { first, last, sent, units: (FIELDS_BYTES + list_bytes).div_ceil(UNIT_BYTES) })
}

fn decode_old(unit: &[u8]) -> Option<TotalsEntry> {
    let mut fields = Fields(unit);
    let (first, last, events) = (fields.u64()?, fields.u64()?, fields.u64()?);
    if last == 0 || fields.u64()? != xxh3_64(unit.get(..24)?) {
        return None;
    }
    let mut sent = Sent::default();
    sent.add(None, events);
    Some(TotalsEntry { first, last, sent, units: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written_whole_or_not_at_all() {
        let mut sent = Sent::default();
        sent.add(None, 5);
        for name in ["shop", "blog", &"p".repeat(64)] {
            sent.add(ProjectId::parse(name).as_ref(), 7);
        }
        let bytes = encode(3, 9, &sent);
        assert_eq!(bytes.len() % UNIT_BYTES, 0);
        let entry = decode(&bytes).unwrap();
        assert_eq!((entry.first, entry.last, entry.sent, entry.units * UNIT_BYTES), (3, 9, sent, bytes.len()));
        for place in 0..40 {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(decode(&damaged).is_none(), "byte {place}");
        }
        assert!(decode(&[0; 64]).is_none());
    }

    #[test]
    fn an_entry_of_the_first_version_is_of_unknown_projects() {
        let fields = [1_u64.to_le_bytes(), 4_u64.to_le_bytes(), 11_u64.to_le_bytes()].concat();
        let entry = decode_old(&[fields.as_slice(), &xxh3_64(&fields).to_le_bytes()].concat()).unwrap();
        assert_eq!((entry.first, entry.last, entry.sent.unknown(), entry.sent.total()), (1, 4, 11, 11));
        assert_eq!(entry.sent.of(&ProjectId::parse("shop").unwrap()), None);
    }
}
