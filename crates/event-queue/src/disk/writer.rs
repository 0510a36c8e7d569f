//! The thread that writes: all sends that wait are written together, and one fdatasync answers them all.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use event_model::ProjectId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::RETRY_AFTER;
use super::files::{SegmentFile, write_all};
use super::format::{FileKind, HEADER_BYTES, Header, Record, RecordKind};
use super::letters::{self, LettersWriter};
use super::marks::Marks;
use super::recovery::{marks_name, segment_name};
use super::shared::Shared;
use super::state::{Place, Segment};
use super::totals::Totals;
use crate::backlog::{Entry, ProjectNumber};
use crate::queue::{Outgoing, QueueError};
use crate::sent::Sent;

/// One write is not larger than this, so that the first sender of a group does not wait for a hundred others.
const GROUP_BYTES: u64 = 8 << 20;
/// A larger buffer is given back after use.
const KEPT_BUFFER_BYTES: usize = 16 << 20;

/// From so many senders in a group on, the next group waits a moment for them to come again.
const PAUSE_FROM_SENDERS: usize = 8;
/// It never waits longer for them.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// The group of sends that was answered last.
#[derive(Clone, Copy)]
struct LastGroup {
    /// How many senders there were when it was durable: those in it and those that waited for the next one.
    senders: usize,
    took: Duration,
    ended: Instant,
}

/// What the thread is asked to do.
pub(super) enum Command {
    Send(SendRequest),
    /// Put these dead letters back.
    Redrive(Vec<u64>, oneshot::Sender<Result<usize, QueueError>>),
    /// End the file that is written to.
    Cut(oneshot::Sender<u64>),
    /// Write the files of dead letters anew.
    CompactLetters(oneshot::Sender<Result<bool, QueueError>>),
    /// There is something to make durable, to bury or to delete.
    Tidy,
    Stop,
}

/// One call of `send`.
pub(super) struct SendRequest {
    pub(super) messages: Vec<Outgoing>,
    /// What was reserved for it.
    pub(super) bytes: u64,
    pub(super) answer: oneshot::Sender<Result<(), QueueError>>,
}

/// The thread's own things.
pub(super) struct Writer {
    shared: Arc<Shared>,
    totals: Totals,
    letters: LettersWriter,
    next_sequence: u64,
    active: Option<Active>,
    buffer: Vec<u8>,
    /// Dead letters that still lie in their segments.
    to_bury: Vec<u64>,
    /// Letters that are messages again on disk, but whose removal is not written yet.
    half_redriven: Vec<(u64, u64, Entry<Place>)>,
    /// When acknowledgements must be durable.
    marks_due: Option<Instant>,
    last_group: Option<LastGroup>,
}

/// The segment that is written to.
struct Active {
    first_sequence: u64,
    file: Arc<dyn SegmentFile>,
    end: u64,
    events: u64,
}

/// A record on its way into the active segment.
struct Pending<'a> {
    record: Record,
    project: Option<&'a ProjectId>,
    body: &'a [u8],
}

impl Pending<'_> {
    fn project_text(&self) -> &str {
        self.project.map_or("", ProjectId::as_str)
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, totals: Totals, letters: LettersWriter, next_sequence: u64) -> Self {
        Self {
            shared,
            totals,
            letters,
            next_sequence,
            active: None,
            buffer: Vec::new(),
            to_bury: Vec::new(),
            half_redriven: Vec::new(),
            marks_due: None,
            last_group: None,
        }
    }

    /// Works until told to stop.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        let mut running = true;
        while running {
            let mut sends = Vec::new();
            let mut others = Vec::new();
            match self.next(commands) {
                Ok(command) => Self::sort(command, &mut sends, &mut others),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.sync_marks(),
            }
            let mut bytes: u64 = sends.iter().map(|request: &SendRequest| request.bytes).sum();
            while bytes < GROUP_BYTES
                && let Some(command) = self.more(commands, sends.len(), others.is_empty())
            {
                if let Command::Send(request) = &command {
                    bytes += request.bytes;
                }
                Self::sort(command, &mut sends, &mut others);
            }
            if !sends.is_empty() {
                let start = Instant::now();
                let senders = self.send(sends, bytes);
                self.last_group = Some(LastGroup { senders, took: start.elapsed(), ended: Instant::now() });
            }
            for command in others {
                match command {
                    Command::Send(_) => {}
                    Command::Redrive(letters, answer) => drop(answer.send(self.redrive(&letters))),
                    Command::Cut(answer) => {
                        self.close();
                        // Whoever has gone does not ask any more.
                        let _ = answer.send(self.next_sequence);
                    }
                    Command::CompactLetters(answer) => {
                        drop(answer.send(self.compact_letters().map_err(|error| answer_of(&error))));
                    }
                    Command::Tidy => self.tidy(),
                    Command::Stop => running = false,
                }
            }
            if self.marks_due.is_some_and(|due| due <= Instant::now()) {
                self.sync_marks();
                self.tidy_segments();
            }
        }
        self.sync_marks();
    }

    fn next(&self, commands: &Receiver<Command>) -> Result<Command, RecvTimeoutError> {
        match self.marks_due {
            Some(due) => commands.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Another command for the group of this round. Those who wait are taken at once. Senders that have just been
    /// answered mostly send again, and come a moment after those who waited meanwhile: without a pause for them half
    /// of all senders would always miss the sync that the other half gets. Few senders are never paused for.
    fn more(&self, commands: &Receiver<Command>, sends: usize, only_sends: bool) -> Option<Command> {
        if let Ok(command) = commands.try_recv() {
            return Some(command);
        }
        let waits_for =
            |last: &LastGroup| only_sends && sends > 0 && (PAUSE_FROM_SENDERS.max(sends + 1)..).contains(&last.senders);
        let last = self.last_group.filter(waits_for)?;
        let pause = (last.took / 4).min(LONGEST_PAUSE).checked_sub(last.ended.elapsed())?;
        commands.recv_timeout(pause).ok()
    }

    fn sort(command: Command, sends: &mut Vec<SendRequest>, others: &mut Vec<Command>) {
        match command {
            Command::Send(request) => sends.push(request),
            other => others.push(other),
        }
    }

    /// Makes all requests durable with one write and one sync, and answers them. Says how many senders there were.
    fn send(&mut self, requests: Vec<SendRequest>, bytes: u64) -> usize {
        let sent_at = self.shared.clock.wall();
        let messages = requests.iter().flat_map(|request| &request.messages);
        let pending: Vec<Pending<'_>> = messages
            .map(|message| Pending {
                record: Record {
                    kind: RecordKind::Message,
                    sequence: 0,
                    events: message.events,
                    batch_start: 0,
                    events_before: 0,
                    sent_at,
                    receive_count: 0,
                    origin: 0,
                    message_id: message.message_id,
                },
                project: Some(&message.project),
                body: &message.body,
            })
            .collect();
        let result = self.commit(&pending);
        let mut state = self.shared.state.lock();
        state.reserved_bytes = state.reserved_bytes.saturating_sub(bytes);
        let senders = state.senders;
        state.senders = senders.saturating_sub(requests.len());
        if let Ok(entries) = &result {
            let messages = requests.iter().flat_map(|request| &request.messages);
            for ((sequence, entry), message) in entries.iter().zip(messages) {
                state.sent.add(Some(&message.project), u64::from(entry.events));
                let project = state.backlog.number_of(Some(&message.project));
                state.backlog.insert(*sequence, Entry { project, ..entry.clone() });
            }
        }
        drop(state);
        if let Err(error) = &result {
            tracing::error!(%error, requests = requests.len(), "messages could not be made durable");
        }
        self.shared.changed.notify_waiters();
        for request in requests {
            let answer = result.as_ref().map(|_| ()).map_err(answer_of);
            // Nobody there any more: the client has gone, the message stays.
            drop(request.answer.send(answer));
        }
        senders
    }

    /// Appends records durably; says under which numbers and where. After an error the segment is not used any more.
    fn commit(&mut self, pending: &[Pending<'_>]) -> io::Result<Vec<(u64, Entry<Place>)>> {
        let bytes: usize = pending.iter().map(|one| Record::length(one.project_text(), one.body)).sum();
        let closing = self.shared.settings.closing_bytes();
        let is_full = |active: &Active| active.end > HEADER_BYTES && active.end + bytes as u64 > closing;
        if self.active.as_ref().is_some_and(is_full) {
            self.close();
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.open_segment()?,
        };
        let result = self.write(&mut active, pending);
        if result.is_ok() {
            self.active = Some(active);
        } else {
            self.abandon(&active);
        }
        result
    }

    fn write(&mut self, active: &mut Active, pending: &[Pending<'_>]) -> io::Result<Vec<(u64, Entry<Place>)>> {
        let mut entries = Vec::with_capacity(pending.len());
        let mut events = active.events;
        self.buffer.clear();
        for one in pending {
            let start = self.buffer.len();
            let sequence = self.next_sequence;
            self.next_sequence += 1;
            let record = Record { sequence, batch_start: active.end, events_before: events, ..one.record };
            record.encode(one.project_text(), one.body, &mut self.buffer);
            events += record.sent_events();
            let length = u32::try_from(self.buffer.len() - start).unwrap_or(u32::MAX);
            let bytes = u32::try_from(one.body.len()).unwrap_or(u32::MAX);
            let place = Place { offset: active.end + start as u64, length, letters: 0 };
            let Record { events, sent_at, .. } = record;
            // Its project's number is known only under the lock.
            let project = ProjectNumber::default();
            entries.push((sequence, Entry { events, bytes, receive_count: 0, project, sent_at, body: place }));
        }
        let written = write_all(active.file.as_ref(), &self.buffer, active.end).and_then(|()| active.file.sync());
        let length = self.buffer.len() as u64;
        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        written?;
        active.end += length;
        active.events = events;
        if let Some(segment) = self.shared.state.lock().segments.get_mut(&active.first_sequence) {
            segment.length = active.end;
            pending.iter().for_each(|one| segment.sent.add(one.project, one.record.sent_events()));
            segment.live += entries.len() as u64;
            segment.last_sequence = self.next_sequence - 1;
        }
        Ok(entries)
    }

    fn open_segment(&mut self) -> io::Result<Active> {
        // Whatever becomes of this attempt, the next one has another name.
        let first_sequence = self.next_sequence;
        self.next_sequence += 1;
        let name = segment_name(first_sequence);
        let file = self.shared.files.create(&name)?;
        let header = Header { kind: FileKind::Segment, first_sequence, lost_events: 0 };
        let written = write_all(file.as_ref(), &header.encode(), 0).and_then(|()| file.sync());
        if let Err(error) = written.and_then(|()| self.shared.files.sync_directory()) {
            // An empty file for each send while the disk is full would be litter. The next start removes it otherwise.
            drop(self.shared.files.remove(&name));
            return Err(error);
        }
        let segment = Segment {
            file: file.clone(),
            marks: Arc::new(Mutex::new(Marks::new(first_sequence, marks_name(first_sequence)))),
            length: HEADER_BYTES,
            sent: Sent::default(),
            live: 0,
            last_sequence: first_sequence,
            closed: false,
        };
        self.shared.state.lock().segments.insert(first_sequence, segment);
        Ok(Active { first_sequence, file, end: HEADER_BYTES, events: 0 })
    }

    fn close(&mut self) {
        if let Some(active) = self.active.take()
            && let Some(segment) = self.shared.state.lock().segments.get_mut(&active.first_sequence)
        {
            segment.closed = true;
        }
        self.tidy_segments();
    }

    /// After a failed write or sync nobody knows what the file's end holds. It is cut off if possible; if that fails
    /// too and the process ends, what turns out to be whole counts as sent.
    fn abandon(&self, active: &Active) {
        if let Err(error) = active.file.truncate(active.end) {
            tracing::warn!(%error, "the end of an abandoned segment could not be cut off");
        }
        let mut state = self.shared.state.lock();
        if let Some(segment) = state.segments.get_mut(&active.first_sequence) {
            segment.closed = true;
            segment.last_sequence = self.next_sequence - 1;
        }
    }

    fn tidy(&mut self) {
        self.shared.tidy_wanted.store(false, Ordering::Release);
        if self.marks_due.is_none() {
            self.marks_due = Some(Instant::now() + self.shared.settings.sync_marks_every);
        }
        self.to_bury.extend(self.shared.state.lock().backlog.take_newly_dead());
        self.tidy_segments();
    }

    /// Buries the dead and deletes segments that nobody needs. What fails is tried again with the next marks.
    fn tidy_segments(&mut self) {
        // Each on its own: a disk too full for a letter must still get rid of its segments.
        let results = [self.finish_redrives(), self.bury(), self.delete_empty()];
        for error in results.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "the queue could not be tidied");
            self.marks_due.get_or_insert(Instant::now() + self.shared.settings.sync_marks_every);
        }
    }

    /// Copies dead letters to their own file, so that their segments can be deleted.
    fn bury(&mut self) -> io::Result<()> {
        if self.to_bury.is_empty() {
            return Ok(());
        }
        let mut letters = Vec::new();
        let mut unreadable = Vec::new();
        for sequence in &self.to_bury {
            let Some((file, entry)) = self.shared.dead_letter(*sequence) else { continue };
            if entry.body.letters > 0 {
                continue;
            }
            match super::read::read_message(file.as_ref(), entry.body.offset, entry.body.length) {
                Ok(stored) => {
                    let receive_count = entry.receive_count;
                    let record = Record { kind: RecordKind::Letter, receive_count, origin: 0, ..stored.record };
                    let project = stored.project.map_or_else(String::new, |project| project.to_string());
                    letters.push((record, project, stored.body.to_vec()));
                }
                // It stays where it is, and its segment with it.
                Err(error) => {
                    tracing::error!(%error, sequence, "a dead letter is unreadable");
                    unreadable.push(*sequence);
                }
            }
        }
        if !letters.is_empty() {
            let places = self.letters.append(self.shared.files.as_ref(), &letters)?;
            let mut state = self.shared.state.lock();
            if let Some((number, file)) = self.letters.current() {
                state.letters.insert(number, file);
            }
            for ((record, ..), (number, offset, length)) in letters.iter().zip(places) {
                if let Some(entry) = state.backlog.dead_mut(record.sequence) {
                    entry.body = Place { offset, length, letters: number };
                }
                state.release(record.sequence);
            }
        }
        self.to_bury.clear();
        Ok(())
    }

    fn delete_empty(&mut self) -> io::Result<()> {
        let empty: Vec<(u64, u64, Sent)> = {
            let state = self.shared.state.lock();
            let segments = state.segments.iter().filter(|(_, segment)| segment.closed && segment.live == 0);
            segments.map(|(first, segment)| (*first, segment.last_sequence, segment.sent.clone())).collect()
        };
        for (first, last, sent) in empty {
            self.totals.retire(self.shared.files.as_ref(), first, last, &sent)?;
            self.shared.files.remove(&segment_name(first))?;
            match self.shared.files.remove(&marks_name(first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.totals.deleted(first);
            self.shared.state.lock().segments.remove(&first);
        }
        Ok(())
    }

    /// Writes the letters that are dead still to a new file and deletes the others, unless some of those that were put
    /// back are still in the queue.
    fn compact_letters(&mut self) -> io::Result<bool> {
        self.tidy();
        self.finish_redrives()?;
        let numbers: Vec<u32> = self.shared.state.lock().letters.keys().copied().collect();
        let max_record = self.shared.settings.max_record_bytes();
        let mut loaded = letters::load(self.shared.files.as_ref(), &numbers, max_record)?;
        let waits = |letter: u64| {
            let state = self.shared.state.lock();
            let message = loaded.redriven.get(&letter).copied().unwrap_or(u64::MAX);
            state.segment(message).is_some_and(|segment| segment.last_sequence >= message)
        };
        if loaded.redriven.keys().any(|letter| waits(*letter)) {
            return Ok(false);
        }
        self.letters.end_file();
        let done = loaded.rewrite(self.shared.files.as_ref(), &mut self.letters)?;
        let mut state = self.shared.state.lock();
        for (sequence, letter) in &loaded.live {
            if let Some(entry) = state.backlog.dead_mut(*sequence) {
                entry.body = Place { offset: letter.found.offset, length: letter.found.length, letters: letter.file };
            }
        }
        state.letters = loaded.files;
        Ok(done)
    }

    /// Makes acknowledgements durable. If that fails they may be delivered again after a power cut, no more.
    fn sync_marks(&mut self) {
        self.marks_due = None;
        let all: Vec<_> = self.shared.state.lock().segments.values().map(|segment| segment.marks.clone()).collect();
        let unsynced: Vec<_> = all.iter().filter_map(|marks| marks.lock().take_unsynced()).collect();
        let mut new_names = false;
        for (file, new) in unsynced {
            new_names |= new;
            if let Err(error) = file.sync() {
                tracing::warn!(%error, "acknowledgements are not durable");
            }
        }
        if new_names && let Err(error) = self.shared.files.sync_directory() {
            tracing::warn!(%error, "acknowledgements are not durable");
        }
    }

    /// Sends dead letters again. Their events were counted when they were sent first.
    fn redrive(&mut self, sequences: &[u64]) -> Result<usize, QueueError> {
        self.tidy();
        let mut stored = Vec::new();
        let known: Vec<u64> = self.half_redriven.iter().map(|(letter, ..)| *letter).collect();
        for sequence in sequences.iter().filter(|sequence| !known.contains(sequence)) {
            let Some((file, entry)) = self.shared.dead_letter(*sequence) else { continue };
            if entry.body.letters == 0 {
                return Err(QueueError::Unavailable("a dead letter could not be moved to its own file".to_owned()));
            }
            let message = super::read::read_message(file.as_ref(), entry.body.offset, entry.body.length);
            stored.push((*sequence, message.map_err(|error| answer_of(&error))?));
        }
        let pending: Vec<Pending<'_>> = stored
            .iter()
            .map(|(letter, message)| Pending {
                record: Record { kind: RecordKind::Redriven, origin: *letter, receive_count: 0, ..message.record },
                project: message.project.as_ref(),
                body: &message.body,
            })
            .collect();
        if !pending.is_empty() {
            let entries = self.commit(&pending).map_err(|error| answer_of(&error))?;
            let redriven = stored.iter().zip(entries);
            self.half_redriven.extend(redriven.map(|((letter, _), (sequence, entry))| (*letter, sequence, entry)));
        }
        let count = self.half_redriven.len();
        self.finish_redrives().map_err(|error| answer_of(&error))?;
        Ok(count)
    }

    /// Makes it durable that letters are messages again; only then are they delivered.
    fn finish_redrives(&mut self) -> io::Result<()> {
        if self.half_redriven.is_empty() {
            return Ok(());
        }
        let removal = |(letter, sequence, entry): &(u64, u64, Entry<Place>)| {
            let record = Record {
                kind: RecordKind::Removal,
                sequence: *letter,
                events: entry.events,
                batch_start: 0,
                events_before: 0,
                sent_at: entry.sent_at,
                receive_count: 0,
                origin: *sequence,
                message_id: event_model::EventId([0; 16]),
            };
            (record, String::new(), Vec::new())
        };
        let removals: Vec<_> = self.half_redriven.iter().map(removal).collect();
        self.letters.append(self.shared.files.as_ref(), &removals)?;
        let mut state = self.shared.state.lock();
        if let Some((number, file)) = self.letters.current() {
            state.letters.insert(number, file);
        }
        for (letter, sequence, entry) in self.half_redriven.drain(..) {
            let project = state.backlog.remove_dead(letter).map(|dead| dead.project).unwrap_or_default();
            state.backlog.insert(sequence, Entry { project, ..entry });
        }
        drop(state);
        self.shared.changed.notify_waiters();
        Ok(())
    }
}

/// What the caller is told about an error of the file system.
fn answer_of(error: &io::Error) -> QueueError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => QueueError::Full { retry_after: RETRY_AFTER },
        _ => QueueError::Unavailable(error.to_string()),
    }
}
