//! The files of dead letters: each process that needs one starts its own, and old ones are only read.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use event_model::ProjectId;

use super::files::{Files, SegmentFile, write_all};
use super::format::{FileKind, HEADER_BYTES, Header, Record, RecordKind};
use super::read::read_record;
use super::scan::{Found, scan};
use super::state::LettersFile;

/// How the files' names end.
pub(super) const SUFFIX: &str = ".letters";

/// A letter on its way into a file: its record, project and body.
pub(super) type Letter = (Record, String, Vec<u8>);

/// The file that letters are written to, if there is one yet.
pub(super) struct LettersWriter {
    next_number: u32,
    open: Option<(u32, Arc<dyn SegmentFile>, u64)>,
}

/// A letter that is to be kept.
pub(super) struct LiveLetter {
    /// The number of its file.
    pub(super) file: u32,
    pub(super) found: Found,
    pub(super) project: Option<ProjectId>,
}

/// What the files held at the start.
pub(super) struct LoadedLetters {
    pub(super) files: BTreeMap<u32, LettersFile>,
    /// By sequence number.
    pub(super) live: BTreeMap<u64, LiveLetter>,
    /// Letters that were put back, and as which message.
    pub(super) redriven: HashMap<u64, u64>,
    damaged: bool,
}

pub(super) fn name(number: u32) -> String {
    format!("{number:010}{SUFFIX}")
}

/// Reads all files of letters.
pub(super) fn load(files: &dyn Files, numbers: &[u32], max_record: usize) -> io::Result<LoadedLetters> {
    let mut loaded =
        LoadedLetters { files: BTreeMap::new(), live: BTreeMap::new(), redriven: HashMap::new(), damaged: false };
    for number in numbers {
        let file = files.open(&name(*number))?;
        let scanned = scan(file.as_ref(), max_record)?;
        if !scanned.gaps.is_empty() {
            // At the end it is a write that was cut off, and the message is still in its segment. Either way the
            // file stays as it is.
            tracing::warn!(file = name(*number), "a file of dead letters is not whole");
            loaded.damaged |= scanned.torn_tail().is_none();
        }
        for found in scanned.records.iter().copied() {
            match found.record.kind {
                RecordKind::Letter => {
                    let project = scanned.project(&found).cloned();
                    let letter = LiveLetter { file: *number, found, project };
                    loaded.live.entry(found.record.sequence).or_insert(letter);
                }
                RecordKind::Removal => {
                    loaded.redriven.insert(found.record.sequence, found.record.origin);
                }
                RecordKind::Message | RecordKind::Redriven => {}
            }
        }
        file.sync()?;
        loaded.files.insert(*number, LettersFile { file, length: scanned.length });
    }
    let redriven = &loaded.redriven;
    loaded.live.retain(|sequence, _| !redriven.contains_key(sequence));
    Ok(loaded)
}

impl LoadedLetters {
    /// Writes what is alive to one new file and deletes the old ones, if they hold much that is not. `keep` names
    /// the letters of which a segment still has a redriven copy: their removals stay.
    pub(super) fn compact(
        &mut self,
        files: &dyn Files,
        writer: &mut LettersWriter,
        keep: impl Fn(u64) -> bool,
    ) -> io::Result<()> {
        let all: u64 = self.files.values().map(|letters| letters.length).sum();
        let alive: u64 = self.live.values().map(|letter| u64::from(letter.found.length)).sum();
        let removals: Vec<(u64, u64)> = self.redriven.iter().map(|(from, to)| (*from, *to)).collect();
        let kept: Vec<(u64, u64)> = removals.into_iter().filter(|(from, _)| keep(*from)).collect();
        let header_bytes = HEADER_BYTES * u64::try_from(self.files.len()).unwrap_or(u64::MAX);
        let worthwhile = self.files.len() > 8 || all.saturating_sub(header_bytes) > 2 * alive;
        if self.files.is_empty() || !worthwhile || !kept.is_empty() {
            return Ok(());
        }
        self.rewrite(files, writer).map(drop)
    }

    /// Writes what is alive to one new file and deletes the old ones; `false`: one is damaged, and all stay as they are.
    pub(super) fn rewrite(&mut self, files: &dyn Files, writer: &mut LettersWriter) -> io::Result<bool> {
        if self.damaged {
            return Ok(false);
        }
        let mut letters = Vec::new();
        for LiveLetter { file, found, .. } in self.live.values() {
            let Some(old) = self.files.get(file) else { continue };
            let bytes = read_record(old.file.as_ref(), found.offset, found.length)?;
            let (record, project, body) = Record::decode(&bytes).ok_or(io::ErrorKind::InvalidData)?;
            letters.push((record, project.to_owned(), body.to_vec()));
        }
        let old: Vec<u32> = self.files.keys().copied().collect();
        if !letters.is_empty() {
            let places = writer.append(files, &letters)?;
            for (letter, (number, offset, length)) in self.live.values_mut().zip(places) {
                (letter.file, letter.found.offset, letter.found.length) = (number, offset, length);
            }
            if let Some((number, letters)) = writer.current() {
                self.files.insert(number, letters);
            }
        }
        // Oldest first: a removal is never older than its letter, so no letter comes back if this is cut off.
        for number in old {
            files.remove(&name(number))?;
            files.sync_directory()?;
            self.files.remove(&number);
        }
        Ok(true)
    }
}

impl LettersWriter {
    pub(super) fn new(next_number: u32) -> Self {
        Self { next_number, open: None }
    }

    /// What is written next goes to a new file.
    pub(super) fn end_file(&mut self) {
        self.open = None;
    }

    /// The file in use and its length.
    pub(super) fn current(&self) -> Option<(u32, LettersFile)> {
        let (number, file, length) = self.open.as_ref()?;
        Some((*number, LettersFile { file: file.clone(), length: *length }))
    }

    /// Makes letters durable; says for each the file, the offset and the length. After an error the file is not used
    /// any more.
    pub(super) fn append(&mut self, files: &dyn Files, letters: &[Letter]) -> io::Result<Vec<(u32, u64, u32)>> {
        let result = self.try_append(files, letters);
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn try_append(&mut self, files: &dyn Files, letters: &[Letter]) -> io::Result<Vec<(u32, u64, u32)>> {
        let (number, file, end) = match &self.open {
            Some((number, file, end)) => (*number, file.clone(), *end),
            None => {
                let number = self.next_number;
                self.next_number += 1;
                let file = files.create(&name(number))?;
                let header = Header { kind: FileKind::Letters, first_sequence: 0, lost_events: 0 };
                write_all(file.as_ref(), &header.encode(), 0)?;
                file.sync()?;
                files.sync_directory()?;
                (number, file, HEADER_BYTES)
            }
        };
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for (record, project, body) in letters {
            let start = bytes.len();
            Record { batch_start: end, events_before: 0, ..*record }.encode(project, body, &mut bytes);
            let length = u32::try_from(bytes.len() - start).unwrap_or(u32::MAX);
            places.push((number, end + u64::try_from(start).unwrap_or(u64::MAX), length));
        }
        write_all(file.as_ref(), &bytes, end)?;
        file.sync()?;
        self.open = Some((number, file, end + u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        Ok(places)
    }
}
