//! Reading a file of records from end to end: what is whole, and what is not.

use std::collections::HashMap;
use std::io;

use event_model::ProjectId;

use super::files::SegmentFile;
use super::format::{HEADER_BYTES, PREFIX_BYTES, RECORD_MAGIC, Record, prefix};
use crate::sent::Sent;

/// How much is read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A whole record and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) record: Record,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) body_bytes: u32,
    /// Its project's place in [`Scanned::projects`].
    project: u32,
}

/// A range of bytes in which no whole record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Events in it, if whole records before and after say so.
    pub(super) events: u64,
}

/// All of a file.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) records: Vec<Found>,
    pub(super) gaps: Vec<Gap>,
    pub(super) length: u64,
    pub(super) projects: Projects,
}

/// The projects of a file's records: each name once.
#[derive(Debug, Default)]
pub(super) struct Projects {
    places: HashMap<String, u32>,
    ids: Vec<Option<ProjectId>>,
}

impl Projects {
    fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        self.ids.push(ProjectId::parse(name));
        self.places.insert(name.to_owned(), place);
        place
    }
}

impl Scanned {
    /// Whose events a record carries; `None` where it does not say.
    pub(super) fn project(&self, found: &Found) -> Option<&ProjectId> {
        self.projects.ids.get(found.project as usize)?.as_ref()
    }

    /// Events that were made durable and are not readable any more: those of gaps before the last batch.
    pub(super) fn lost_events(&self) -> u64 {
        let last_batch = self.records.iter().map(|found| found.record.batch_start).max().unwrap_or(0);
        self.gaps.iter().filter(|gap| gap.start < last_batch).map(|gap| gap.events).sum()
    }

    /// Events of the records.
    pub(super) fn sent(&self) -> Sent {
        let mut sent = Sent::default();
        self.records.iter().for_each(|found| sent.add(self.project(found), found.record.sent_events()));
        sent
    }

    /// Where the rest of the file begins, if that rest is all that is not whole.
    pub(super) fn torn_tail(&self) -> Option<u64> {
        match self.gaps.as_slice() {
            [gap] if gap.end == self.length && gap.start >= HEADER_BYTES => Some(gap.start),
            _ => None,
        }
    }
}

/// Reads all records behind the header. `max_record` bounds how far a damaged length may reach.
pub(super) fn scan(file: &dyn SegmentFile, max_record: usize) -> io::Result<Scanned> {
    let length = file.length()?;
    let mut window = Window { file, length, start: 0, bytes: Vec::new() };
    let mut scanned = Scanned { length, ..Scanned::default() };
    let mut offset = HEADER_BYTES.min(length);
    let mut gap_start = None;
    let mut events_so_far = 0;
    while offset < length {
        if let Some((found, total)) = record_at(&mut window, offset, max_record, &mut scanned.projects)? {
            if let Some(start) = gap_start.take() {
                let events = found.record.events_before.saturating_sub(events_so_far);
                scanned.gaps.push(Gap { start, end: offset, events });
            }
            events_so_far = found.record.events_before + found.record.sent_events();
            scanned.records.push(found);
            offset += total;
        } else {
            gap_start.get_or_insert(offset);
            offset = next_magic(&mut window, offset + 1)?;
        }
    }
    if let Some(start) = gap_start {
        scanned.gaps.push(Gap { start, end: length, events: 0 });
    }
    Ok(scanned)
}

fn record_at(
    window: &mut Window<'_>,
    offset: u64,
    max_record: usize,
    projects: &mut Projects,
) -> io::Result<Option<(Found, u64)>> {
    let Some((rest, _)) = window.get(offset, PREFIX_BYTES)?.and_then(prefix) else { return Ok(None) };
    let total = PREFIX_BYTES + rest;
    if total > max_record {
        return Ok(None);
    }
    let Some((record, name, body)) = window.get(offset, total)?.and_then(Record::decode) else { return Ok(None) };
    let small = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let project = projects.place(name);
    let found = Found { record, offset, length: small(total), body_bytes: small(body.len()), project };
    Ok(Some((found, u64::from(found.length))))
}

/// The next offset at which a record may begin, or the end.
fn next_magic(window: &mut Window<'_>, mut offset: u64) -> io::Result<u64> {
    while offset < window.length {
        let some = usize::try_from(window.length - offset).unwrap_or(usize::MAX).min(WINDOW_BYTES);
        let Some(bytes) = window.get(offset, some)? else { break };
        let found = bytes.windows(RECORD_MAGIC.len()).position(|four| four == RECORD_MAGIC);
        if let Some(place) = found {
            return Ok(offset + u64::try_from(place).unwrap_or(u64::MAX));
        }
        if some <= RECORD_MAGIC.len() {
            break;
        }
        // The magic may straddle the end of what was searched.
        offset += u64::try_from(some - (RECORD_MAGIC.len() - 1)).unwrap_or(u64::MAX);
    }
    Ok(window.length)
}

/// A part of the file in memory.
struct Window<'a> {
    file: &'a dyn SegmentFile,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// Bytes of the file, `None` if it ends before.
    fn get(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let count_bytes = u64::try_from(count).unwrap_or(u64::MAX);
        if offset.saturating_add(count_bytes) > self.length {
            return Ok(None);
        }
        let end = self.start + u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        if offset < self.start || offset + count_bytes > end {
            let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            self.bytes.resize(left.min(count.max(WINDOW_BYTES)), 0);
            self.start = offset;
            self.file.read_at(&mut self.bytes, offset)?;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from.saturating_add(count)))
    }
}
