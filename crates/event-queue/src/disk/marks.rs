//! What happened to a segment's messages: a log beside it, one entry for each acknowledgement and each delivery.
//!
//! An entry is 16 bytes: place of the message in its segment 4 | how often delivered 4 ([`ACKNOWLEDGED`]: done) |
//! XXH3-64 of these 8, seeded with the segment. It is written at once, so a killed process loses nothing, and made
//! durable within a second: what a power cut takes away is delivered again, which the lake's duplicate check absorbs.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::files::{Files, SegmentFile, write_all};
use super::format::{Fields, FileKind, HEADER_BYTES, Header, HeaderCheck};

/// In place of a number of deliveries: the message is done.
pub(super) const ACKNOWLEDGED: u32 = u32::MAX;

const ENTRY_BYTES: usize = 16;

/// The log of one segment. Its file is made when it has something to say.
pub(super) struct Marks {
    first_sequence: u64,
    name: String,
    file: Option<Arc<dyn SegmentFile>>,
    end: u64,
    unsynced: bool,
    /// Its name may not be durable yet.
    new: bool,
}

impl Marks {
    /// Of a new segment.
    pub(super) fn new(first_sequence: u64, name: String) -> Self {
        Self { first_sequence, name, file: None, end: HEADER_BYTES, unsynced: false, new: false }
    }

    /// Reads what is there: by message the newest entry, since a delivery can be taken back, but an acknowledgement
    /// cannot. A damaged entry is passed over.
    pub(super) fn load(&mut self, files: &dyn Files) -> io::Result<HashMap<u64, u32>> {
        let file = match files.open(&self.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
            other => other?,
        };
        let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
        file.read_at(&mut bytes, 0)?;
        let header = usize::try_from(HEADER_BYTES).unwrap_or(usize::MAX);
        let entries = bytes.get(header..).unwrap_or_default();
        let whole = entries.len() / ENTRY_BYTES * ENTRY_BYTES;
        if !matches!(Header::check(&bytes, FileKind::Marks), HeaderCheck::Good(_)) {
            write_all(file.as_ref(), &self.header(), 0)?;
        }
        let mut marks = HashMap::new();
        for entry in entries.chunks_exact(ENTRY_BYTES) {
            if let Some((place, value)) = self.decode(entry) {
                let sequence = self.first_sequence + u64::from(place);
                let known = marks.entry(sequence).or_insert(value);
                if *known != ACKNOWLEDGED {
                    *known = value;
                }
            }
        }
        self.end = HEADER_BYTES + u64::try_from(whole).unwrap_or(u64::MAX);
        self.file = Some(file);
        self.unsynced = true;
        Ok(marks)
    }

    /// Appends entries of (sequence, value). After an error they count as not written; the next ones take their place.
    pub(super) fn append(&mut self, files: &dyn Files, entries: &[(u64, u32)]) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => {
                let file = files.create(&self.name)?;
                self.new = true;
                self.file = Some(file.clone());
                write_all(file.as_ref(), &self.header(), 0)?;
                file
            }
        };
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for (sequence, value) in entries {
            let place = u32::try_from(sequence.saturating_sub(self.first_sequence)).unwrap_or(u32::MAX);
            let fields = [place.to_le_bytes(), value.to_le_bytes()].concat();
            bytes.extend(&fields);
            bytes.extend(xxh3_64_with_seed(&fields, self.first_sequence).to_le_bytes());
        }
        write_all(file.as_ref(), &bytes, self.end)?;
        self.end += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.unsynced = true;
        Ok(())
    }

    /// Hands out what is to be made durable, and whether the name is too.
    pub(super) fn take_unsynced(&mut self) -> Option<(Arc<dyn SegmentFile>, bool)> {
        let file = self.file.clone()?;
        let new = std::mem::take(&mut self.new);
        std::mem::take(&mut self.unsynced).then_some((file, new))
    }

    fn header(&self) -> Vec<u8> {
        Header { kind: FileKind::Marks, first_sequence: self.first_sequence, lost_events: 0 }.encode()
    }

    fn decode(&self, entry: &[u8]) -> Option<(u32, u32)> {
        let sealed = entry.get(..8)?;
        let mut fields = Fields(entry);
        let (place, value) = (fields.u32()?, fields.u32()?);
        (fields.u64()? == xxh3_64_with_seed(sealed, self.first_sequence)).then_some((place, value))
    }
}
