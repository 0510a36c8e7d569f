//! From the files of a folder to the queue's state: after a clean stop, a killed process, a power cut or damage.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::files::{Files, SegmentFile, write_all};
use super::format::{FileKind, HEADER_BYTES, Header, HeaderCheck, Record, RecordKind, VERSION};
use super::letters::{self, LettersWriter, LiveLetter, LoadedLetters};
use super::marks::{ACKNOWLEDGED, Marks};
use super::read::read_record;
use super::scan::{Found, Scanned, scan};
use super::settings::DiskSettings;
use super::state::{Place, Segment, State};
use super::totals::{self, Totals};
use crate::backlog::{Backlog, Entry, ProjectNumber};
use crate::queue::QueueError;

const SEGMENT_SUFFIX: &str = ".segment";
const MARKS_SUFFIX: &str = ".marks";
const NEW_SUFFIX: &str = ".new";
const DAMAGED_SUFFIX: &str = ".damaged";

/// What a folder held.
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) totals: Totals,
    pub(super) letters: LettersWriter,
    pub(super) next_sequence: u64,
}

pub(super) fn segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}{SEGMENT_SUFFIX}")
}

pub(super) fn marks_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}{MARKS_SUFFIX}")
}

/// Fails if a file was written by a newer version. Writes nothing.
pub(super) fn check_versions(files: &dyn Files) -> Result<(), QueueError> {
    let newest = || -> io::Result<Option<u32>> {
        let mut newest = None;
        for name in files.list()? {
            if !is_ours(&name) {
                continue;
            }
            let file = files.open(&name)?;
            let mut bytes = vec![0; usize::try_from(file.length()?.min(HEADER_BYTES)).unwrap_or(0)];
            file.read_at(&mut bytes, 0)?;
            if let HeaderCheck::Newer(version) = Header::check(&bytes, FileKind::Segment) {
                newest = newest.max(Some(version));
            }
        }
        Ok(newest)
    };
    match newest().map_err(unavailable)? {
        Some(found) => Err(QueueError::Newer { found, supported: VERSION }),
        None => Ok(()),
    }
}

fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(NEW_SUFFIX).unwrap_or(name);
    name == totals::NAME || [SEGMENT_SUFFIX, MARKS_SUFFIX, letters::SUFFIX].iter().any(|end| name.ends_with(end))
}

pub(super) fn unavailable(error: io::Error) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

/// Reads everything, repairs what can be, and makes durable what the page cache alone may hold.
pub(super) fn recover(files: &dyn Files, settings: &DiskSettings, instance: u64) -> io::Result<Recovered> {
    finish_renames(files)?;
    let mut totals = Totals::open(files)?;
    let names = files.list()?;
    let mut firsts: Vec<u64> = numbers(&names, SEGMENT_SUFFIX);
    firsts.sort_unstable();
    firsts.retain(|first| !totals.is_retired(*first));
    let alive: HashSet<u64> = firsts.iter().copied().collect();
    for first in numbers::<u64>(&names, SEGMENT_SUFFIX).into_iter().filter(|first| !alive.contains(first)) {
        files.remove(&segment_name(first))?;
    }
    for first in numbers::<u64>(&names, MARKS_SUFFIX).into_iter().filter(|first| !alive.contains(first)) {
        files.remove(&marks_name(first))?;
    }
    files.sync_directory()?;
    totals.all_deleted(files)?;

    let max_record = settings.max_record_bytes();
    let mut letter_numbers: Vec<u32> = numbers(&names, letters::SUFFIX);
    letter_numbers.sort_unstable();
    let mut writer = LettersWriter::new(letter_numbers.last().copied().unwrap_or(0) + 1);
    let mut letters = letters::load(files, &letter_numbers, max_record)?;

    let mut next_sequence = totals.last_sequence().max(letters.live.keys().next_back().copied().unwrap_or(0));
    let mut state = State {
        backlog: Backlog::new(instance, settings.max_receives),
        segments: BTreeMap::new(),
        letters: BTreeMap::new(),
        sent: totals.sent().clone(),
        reserved_bytes: 0,
        senders: 0,
    };
    let mut redriven = HashSet::new();
    // One after the other: of a segment that is done only an entry for each message that waits stays in memory.
    for first in &firsts {
        let is_last = firsts.last() == Some(first);
        let Some(loaded) = load_segment(files, *first, is_last, max_record)? else { continue };
        finish_redrives(files, &loaded, &mut letters, &mut writer)?;
        redriven.extend(loaded.redriven_letters());
        let segment = enter(files, *first, loaded, &letters, &mut state)?;
        next_sequence = next_sequence.max(segment.last_sequence);
        state.sent.merge(&segment.sent);
        state.segments.insert(*first, segment);
    }
    files.sync_directory()?;
    // Only now that all marks are durable: a letter is what kept its message in a segment from being delivered.
    letters.compact(files, &mut writer, |letter| redriven.contains(&letter))?;
    for (sequence, LiveLetter { file, found, project }) in &letters.live {
        let place = Place { offset: found.offset, length: found.length, letters: *file };
        let project = state.backlog.number_of(project.as_ref());
        state.backlog.insert_dead(*sequence, entry(found, found.record.receive_count, project, place));
    }
    state.letters = letters.files;
    Ok(Recovered { state, totals, letters: writer, next_sequence: next_sequence + 1 })
}

fn numbers<N: std::str::FromStr>(names: &[String], suffix: &str) -> Vec<N> {
    names.iter().filter_map(|name| name.strip_suffix(suffix)?.parse().ok()).collect()
}

fn entry(found: &Found, receive_count: u32, project: ProjectNumber, body: Place) -> Entry<Place> {
    let Record { events, sent_at, .. } = found.record;
    Entry { events, bytes: found.body_bytes, receive_count, project, sent_at, body }
}

/// A file that was being written anew takes its place if the old one is set aside already; else it is of no use.
fn finish_renames(files: &dyn Files) -> io::Result<()> {
    let names = files.list()?;
    for name in &names {
        let Some(place) = name.strip_suffix(NEW_SUFFIX).filter(|place| is_ours(place)) else { continue };
        if place.ends_with(SEGMENT_SUFFIX) && !names.iter().any(|name| name == place) {
            files.rename(name, place)?;
        } else {
            files.remove(name)?;
        }
    }
    files.sync_directory()
}

/// A segment as it lies in its file.
struct Loaded {
    file: Arc<dyn SegmentFile>,
    lost_events: u64,
    scanned: Scanned,
}

impl Loaded {
    fn redriven_letters(&self) -> impl Iterator<Item = u64> {
        let redriven = self.scanned.records.iter().filter(|found| found.record.kind == RecordKind::Redriven);
        redriven.map(|found| found.record.origin)
    }
}

/// Reads and repairs one segment; `None` if it never held anything.
fn load_segment(files: &dyn Files, first: u64, is_last: bool, max_record: usize) -> io::Result<Option<Loaded>> {
    let name = segment_name(first);
    let file = files.open(&name)?;
    let scanned = scan(file.as_ref(), max_record)?;
    let mut head = vec![0; usize::try_from(scanned.length.min(HEADER_BYTES)).unwrap_or(0)];
    file.read_at(&mut head, 0)?;
    let header = match Header::check(&head, FileKind::Segment) {
        HeaderCheck::Good(header) => Some(header),
        _ => None,
    };
    if scanned.length <= HEADER_BYTES && header.is_none_or(|header| header.lost_events == 0) {
        files.remove(&name)?;
        return Ok(None);
    }
    let lost_events = header.map_or(0, |header| header.lost_events);
    if header.is_some() && scanned.gaps.is_empty() {
        file.sync()?;
        return Ok(Some(Loaded { file, lost_events, scanned }));
    }
    if let (Some(_), true, Some(end)) = (header, is_last, scanned.torn_tail()) {
        tracing::info!(segment = name, bytes = scanned.length - end, "a write that was cut off is removed");
        file.truncate(end)?;
        file.sync()?;
        return Ok(Some(Loaded { file, lost_events, scanned: Scanned { gaps: Vec::new(), length: end, ..scanned } }));
    }
    salvage(files, first, file.as_ref(), lost_events, &scanned, max_record).map(Some)
}

/// Writes what is readable to a new file and sets the damaged one aside.
fn salvage(
    files: &dyn Files,
    first: u64,
    damaged: &dyn SegmentFile,
    lost_before: u64,
    scanned: &Scanned,
    max_record: usize,
) -> io::Result<Loaded> {
    let lost_events = lost_before + scanned.lost_events();
    let mut bytes = Header { kind: FileKind::Segment, first_sequence: first, lost_events }.encode();
    let mut events_before = 0;
    for found in &scanned.records {
        let old = read_record(damaged, found.offset, found.length)?;
        let (record, project, body) = Record::decode(&old).ok_or(io::ErrorKind::InvalidData)?;
        Record { batch_start: HEADER_BYTES, events_before, ..record }.encode(project, body, &mut bytes);
        events_before += record.sent_events();
    }
    let name = segment_name(first);
    let (new_name, aside) = (format!("{name}{NEW_SUFFIX}"), free_name(files, &format!("{name}{DAMAGED_SUFFIX}"))?);
    let file = files.create(&new_name)?;
    write_all(file.as_ref(), &bytes, 0)?;
    file.sync()?;
    files.sync_directory()?;
    files.rename(&name, &aside)?;
    files.sync_directory()?;
    files.rename(&new_name, &name)?;
    files.sync_directory()?;
    let gap_bytes: u64 = scanned.gaps.iter().map(|gap| gap.end - gap.start).sum();
    tracing::error!(
        segment = name,
        kept_aside_as = aside,
        damaged_bytes = gap_bytes,
        lost_events,
        readable_messages = scanned.records.len(),
        "a segment of the queue is damaged: what is readable is delivered"
    );
    let scanned = scan(file.as_ref(), max_record)?;
    Ok(Loaded { file, lost_events, scanned })
}

fn free_name(files: &dyn Files, wanted: &str) -> io::Result<String> {
    let names = files.list()?;
    let candidates = (1..).map(|number| if number == 1 { wanted.to_owned() } else { format!("{wanted}.{number}") });
    let free = candidates.take(1_000).find(|candidate| !names.contains(candidate));
    free.ok_or_else(|| io::Error::other("too many damaged files: move them elsewhere"))
}

/// A letter whose new message is durable is a letter no more, even if nobody could say so in time.
fn finish_redrives(
    files: &dyn Files,
    segment: &Loaded,
    letters: &mut LoadedLetters,
    writer: &mut LettersWriter,
) -> io::Result<()> {
    let mut removals = Vec::new();
    for found in &segment.scanned.records {
        let Record { kind, origin, sequence, .. } = found.record;
        if kind == RecordKind::Redriven && letters.live.remove(&origin).is_some() {
            letters.redriven.insert(origin, sequence);
            let removal = Record { kind: RecordKind::Removal, sequence: origin, origin: sequence, ..found.record };
            removals.push((removal, String::new(), Vec::new()));
        }
    }
    if removals.is_empty() {
        return Ok(());
    }
    writer.append(files, &removals)?;
    if let Some((number, file)) = writer.current() {
        letters.files.insert(number, file);
    }
    Ok(())
}

/// Puts a segment's waiting messages into the backlog.
fn enter(
    files: &dyn Files,
    first: u64,
    loaded: Loaded,
    letters: &LoadedLetters,
    state: &mut State,
) -> io::Result<Segment> {
    let mut marks = Marks::new(first, marks_name(first));
    let known: HashMap<u64, u32> = marks.load(files)?;
    let (mut live, mut done) = (0, Vec::new());
    for found in &loaded.scanned.records {
        let Record { kind, sequence, origin, .. } = found.record;
        let receive_count = known.get(&sequence).copied().unwrap_or(0);
        if receive_count == ACKNOWLEDGED {
            continue;
        }
        let is_letter = letters.live.contains_key(&sequence) || letters.redriven.contains_key(&sequence);
        // A copy whose removal names another copy, or that a failed attempt left behind.
        let is_stale_copy =
            kind == RecordKind::Redriven && letters.redriven.get(&origin).is_some_and(|copy| *copy != sequence);
        if is_letter || is_stale_copy {
            done.push((sequence, ACKNOWLEDGED));
            continue;
        }
        live += 1;
        let place = Place { offset: found.offset, length: found.length, letters: 0 };
        let project = state.backlog.number_of(loaded.scanned.project(found));
        state.backlog.insert(sequence, entry(found, receive_count, project, place));
    }
    if !done.is_empty() {
        marks.append(files, &done)?;
    }
    if let Some((file, _)) = marks.take_unsynced() {
        file.sync()?;
    }
    let mut sent = loaded.scanned.sent();
    sent.add(None, loaded.lost_events);
    let last_sequence = loaded.scanned.records.iter().map(|found| found.record.sequence).max();
    Ok(Segment {
        length: loaded.scanned.length,
        sent,
        file: loaded.file,
        marks: Arc::new(Mutex::new(marks)),
        live,
        last_sequence: last_sequence.unwrap_or(first).max(first),
        closed: true,
    })
}
