//! The queue on disk: durable before `send` returns, and still there after a crash.
//!
//! ```text
//! 00000000000000000001.segment   messages, appended; deleted when all are acknowledged
//! 00000000000000000001.marks     what was acknowledged and how often each was delivered
//! 0000000001.letters             dead letters
//! totals                         what deleted segments held: the rest of "events ever sent", by project
//! *.damaged                      set aside by a start that found damage; never deleted
//! lock                           keeps a second process out
//! ```
//!
//! One thread writes; all sends that wait for it are written together and answered by one fdatasync. Bodies are read
//! back when they are delivered: a message that waits costs about a hundred bytes of memory, however large it is
//! (`examples/disk_open.rs`). After a failed write or fsync the file's end is not trusted: the senders are told, and the
//! next send goes to a new file.

// What it stands on: the operator's words and the file system.
pub mod files;
mod settings;
#[cfg(feature = "conformance")]
pub mod simulated;

// How files look and how they are read.
mod format;
mod read;
mod scan;

// One kind of file each.
mod letters;
mod marks;
mod totals;

// From files to memory, and from callers to files.
mod recovery;
mod shared;
mod state;
mod writer;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use event_model::ProjectId;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

pub use settings::DiskSettings;

use crate::backlog::{Taken, Tally};
use crate::clock::{Clock, SystemClock};
use crate::dead_letter::DeadLetter;
use crate::queue::{Delivery, Outgoing, ProjectStats, Queue, QueueError, QueueStats, Receipt};
use crate::wait::wait_for_first;
use files::{Files, Folder, SegmentFile};
use format::Record;
use marks::{ACKNOWLEDGED, Marks};
use recovery::{check_versions, recover, unavailable};
use shared::Shared;
use state::{Place, State};
use writer::{Command, SendRequest, Writer};

/// When trying again makes sense after the queue was full: a drain takes a second or two.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The queue. Dropping it waits for what is being written.
pub struct DiskQueue {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Given back after the thread has ended.
    _lock: Box<dyn Send + Sync>,
}

/// Messages on their way to a consumer and where their bodies are.
type TakenWithFiles = Vec<(Taken<Place>, Arc<dyn SegmentFile>)>;

/// The marks of some segments, to be written.
type MarksToWrite = BTreeMap<u64, (Arc<Mutex<Marks>>, Vec<(u64, u32)>)>;

impl DiskQueue {
    /// Opens the queue of a folder, which is made if it is not there. Reads all that waits, so it may take a second.
    ///
    /// # Errors
    /// [`QueueError::Newer`] before anything is written; [`QueueError::Unavailable`] if another process has it or the
    /// file system fails.
    pub fn open(path: impl AsRef<Path>, settings: DiskSettings) -> Result<Self, QueueError> {
        let path = path.as_ref();
        let at_path = |error: io::Error| QueueError::Unavailable(format!("{}: {error}", path.display()));
        let folder = Folder::open(path).map_err(at_path)?;
        Self::open_with(Arc::new(folder), settings, Arc::new(SystemClock::default()))
    }

    /// Opens it on other files and another clock.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(files: Arc<dyn Files>, settings: DiskSettings, clock: Arc<dyn Clock>) -> Result<Self, QueueError> {
        check_versions(files.as_ref())?;
        let lock = files.lock().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => QueueError::Unavailable("another process has the queue open".to_owned()),
            _ => unavailable(error),
        })?;
        // Whoever had the lock until now may have been a newer version.
        check_versions(files.as_ref())?;
        let instance = RandomState::new().build_hasher().finish();
        let recovered = recover(files.as_ref(), &settings, instance).map_err(unavailable)?;
        let (commands, received) = mpsc::channel();
        let shared = Arc::new(Shared {
            files,
            settings,
            clock,
            state: Mutex::new(recovered.state),
            changed: Notify::new(),
            tidy_wanted: AtomicBool::new(false),
            commands,
            free_space: Mutex::new(None),
        });
        let writer = Writer::new(shared.clone(), recovered.totals, recovered.letters, recovered.next_sequence);
        let thread = std::thread::Builder::new().name("event-queue".to_owned()).spawn(move || writer.run(&received));
        shared.ask_to_tidy();
        Ok(Self { shared, thread: Some(thread.map_err(unavailable)?), _lock: lock })
    }

    /// Up to `max` dead letters, oldest first.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if they cannot be read.
    pub async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let shared = self.shared.clone();
        let sequences: Vec<u64> = self.dead_sequences().into_iter().take(max).collect();
        blocking(move || {
            let mut letters = Vec::with_capacity(sequences.len());
            for sequence in sequences {
                let Some((file, entry)) = shared.dead_letter(sequence) else { continue };
                let stored =
                    read::read_message(file.as_ref(), entry.body.offset, entry.body.length).map_err(unavailable)?;
                letters.push(DeadLetter {
                    sequence,
                    message_id: stored.record.message_id,
                    project: stored.project,
                    events: entry.events,
                    receive_count: entry.receive_count,
                    sent_at: entry.sent_at,
                    body: stored.body,
                });
            }
            Ok(letters)
        })
        .await?
    }

    /// The sequence numbers of all dead letters, oldest first: what [`Self::redrive`] wants.
    #[must_use]
    pub fn dead_sequences(&self) -> Vec<u64> {
        let mut state = self.shared.state.lock();
        state.backlog.expire(self.shared.clock.monotonic());
        state.backlog.dead().keys().copied().collect()
    }

    /// Puts dead letters back at the end of the queue, durably, with no deliveries counted; returns how many there
    /// were.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] or [`QueueError::Full`]: they are dead letters still, or come back after a restart.
    pub async fn redrive(&self, sequences: &[u64]) -> Result<usize, QueueError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Redrive(sequences.to_vec(), answer);
        self.shared.commands.send(command).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Ends the file that is written to. Returns a cut: what was sent until now lies in files before it, which are deleted
    /// one by one as soon as all of their messages are acknowledged or dead.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if the queue has stopped.
    pub async fn cut(&self) -> Result<u64, QueueError> {
        let (answer, answered) = oneshot::channel();
        self.shared.commands.send(Command::Cut(answer)).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())
    }

    /// Whether there are files of messages from before a cut.
    #[must_use]
    pub fn holds_before(&self, cut: u64) -> bool {
        self.shared.state.lock().segments.range(..cut).next().is_some()
    }

    /// Writes the files of dead letters anew without those that were put back. `false`: some of these still wait, so that
    /// their letters have to stay for now.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] or [`QueueError::Full`]; nothing is lost by it.
    pub async fn compact_letters(&self) -> Result<bool, QueueError> {
        let (answer, answered) = oneshot::channel();
        self.shared.commands.send(Command::CompactLetters(answer)).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    fn take(&self, max: usize, visibility: Duration) -> (TakenWithFiles, Option<Duration>) {
        let mut state = self.shared.state.lock();
        let taken = state.backlog.take(max, visibility, self.shared.clock.monotonic());
        let with_file = |taken: Taken<Place>| state.file(taken.sequence, taken.body).map(|file| (taken, file));
        let taken = taken.into_iter().filter_map(with_file).collect();
        let deadline = state.backlog.next_deadline();
        drop(state);
        self.tidy_if_needed();
        (taken, deadline)
    }

    fn tidy_if_needed(&self) {
        let state = self.shared.state.lock();
        let needed = state.backlog.has_newly_dead() || state.has_empty_segment();
        drop(state);
        if needed {
            self.shared.ask_to_tidy();
        }
    }

    async fn write_marks(&self, marks: MarksToWrite) -> Result<(), QueueError> {
        if marks.is_empty() {
            return Ok(());
        }
        let shared = self.shared.clone();
        blocking(move || write_marks(&shared, &marks)).await?.map_err(unavailable)
    }
}

#[async_trait]
impl Queue for DiskQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        if messages.is_empty() {
            return Ok(());
        }
        let limit = self.shared.settings.max_message_bytes;
        if let Some(large) = messages.iter().find(|message| message.body.len() > limit) {
            return Err(QueueError::TooLarge { bytes: large.body.len(), limit });
        }
        let length = |message: &Outgoing| Record::length(message.project.as_str(), &message.body) as u64;
        let bytes = messages.iter().map(length).sum();
        self.shared.reserve(bytes)?;
        let (answer, answered) = oneshot::channel();
        let request = SendRequest { messages, bytes, answer };
        self.shared.commands.send(Command::Send(request)).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let clock = self.shared.clock.as_ref();
        let taken = wait_for_first(clock, &self.shared.changed, wait, || self.take(max, visibility)).await;
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let marks = {
            let state = self.shared.state.lock();
            group(&state, taken.iter().map(|(taken, _)| (taken.sequence, taken.receive_count)))
        };
        let shared = self.shared.clone();
        blocking(move || {
            // Before the consumer sees them: a message that kills its consumer must be counted, or it does so for ever.
            if let Err(error) = write_marks(&shared, &marks) {
                tracing::warn!(%error, "deliveries could not be counted");
            }
            taken.into_iter().filter_map(|(taken, file)| delivery(taken, file.as_ref())).collect()
        })
        .await
    }

    /// On an error they are gone for this process, and may be delivered again by the next one.
    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let marks = {
            let mut state = self.shared.state.lock();
            let removed = state.backlog.acknowledge(receipts, self.shared.clock.monotonic());
            for (sequence, _) in &removed {
                state.release(*sequence);
            }
            group(&state, removed.iter().map(|(sequence, _)| (*sequence, ACKNOWLEDGED)))
        };
        let written = self.write_marks(marks).await;
        self.tidy_if_needed();
        written
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.shared.state.lock().backlog.extend(receipts, visibility, self.shared.clock.monotonic());
        self.shared.changed.notify_waiters();
        self.tidy_if_needed();
        Ok(())
    }

    async fn release(&self, receipts: &[Receipt], delay: Duration) -> Result<bool, QueueError> {
        let marks = {
            let mut state = self.shared.state.lock();
            let counts = state.backlog.release(receipts, delay, self.shared.clock.monotonic());
            group(&state, counts.into_iter())
        };
        let written = self.write_marks(marks).await;
        self.shared.changed.notify_waiters();
        self.tidy_if_needed();
        written.map(|()| true)
    }

    async fn stats(&self) -> Result<QueueStats, QueueError> {
        let mut state = self.shared.state.lock();
        let stats = state.backlog.stats(self.shared.clock.monotonic(), self.shared.clock.wall());
        Ok(QueueStats { events_sent: Some(state.sent.total()), ..stats })
    }

    async fn project_stats(&self, project: &ProjectId) -> Result<Option<ProjectStats>, QueueError> {
        let mut state = self.shared.state.lock();
        state.backlog.expire(self.shared.clock.monotonic());
        let Tally { waiting, dead } = state.backlog.tally(project);
        Ok(Some(ProjectStats { sent: state.sent.of(project), waiting, dead }))
    }
}

impl Drop for DiskQueue {
    fn drop(&mut self) {
        drop(self.shared.commands.send(Command::Stop));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the queue's thread has failed");
        }
    }
}

fn stopped() -> QueueError {
    QueueError::Unavailable("the queue has stopped".to_owned())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, QueueError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| QueueError::Unavailable(error.to_string()))
}

/// Marks by segment. A message that is redriven lies in a segment again; a dead letter is not delivered.
fn group(state: &State, marks: impl Iterator<Item = (u64, u32)>) -> MarksToWrite {
    let mut grouped = MarksToWrite::new();
    for (sequence, value) in marks {
        if let Some((first, segment)) = state.segments.range(..=sequence).next_back() {
            let of_segment = grouped.entry(*first).or_insert_with(|| (segment.marks.clone(), Vec::new()));
            of_segment.1.push((sequence, value));
        }
    }
    grouped
}

/// Writes all that it can; the error is the last one. A mark that is not written means a delivery more after a restart.
fn write_marks(shared: &Shared, marks: &MarksToWrite) -> io::Result<()> {
    let mut result = Ok(());
    for (marks, entries) in marks.values() {
        result = marks.lock().append(shared.files.as_ref(), entries).and(result);
    }
    shared.ask_to_tidy();
    result
}

fn delivery(taken: Taken<Place>, file: &dyn SegmentFile) -> Option<Delivery> {
    match read::read_message(file, taken.body.offset, taken.body.length) {
        Ok(stored) => Some(Delivery {
            receipt: taken.receipt,
            message_id: stored.record.message_id,
            project: stored.project,
            events: Some(taken.events),
            receive_count: taken.receive_count,
            body: stored.body,
        }),
        // It stays hidden, is tried again after its timeout, and ends as a dead letter.
        Err(error) => {
            tracing::error!(%error, sequence = taken.sequence, "a message is unreadable");
            None
        }
    }
}
