//! A folder in memory that fails, lies and loses power: what the queue's crash tests run on.
//!
//! It keeps two versions of everything: what a program sees, and what is durable. A power cut leaves the durable one
//! plus any part of the rest: single sectors of files, a prefix of the changes to names. As on Linux, what was written
//! before a failed sync is never made durable by a later one.

#![allow(clippy::indexing_slicing, reason = "a test double: a wrong index is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::files::{Files, SegmentFile};

const SECTOR: usize = 512;

/// What changes files, for faults and crash points. Reading never fails here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new file.
    Create,
    /// Bytes into a file.
    Write,
    /// A file made durable.
    Sync,
    /// A file cut.
    Truncate,
    /// A new name.
    Rename,
    /// A file deleted.
    Remove,
    /// Names made durable.
    SyncDirectory,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// `kill -9`: what was written is there, durable or not.
    Kill,
    /// Only what is durable is surely there. The seed decides about the rest.
    PowerCut(u64),
}

/// The folder. Clones are one folder.
#[derive(Clone)]
pub struct SimulatedFiles {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Clone, Default)]
struct Inner {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes to names since they were made durable.
    changes: Vec<Change>,
    contents: BTreeMap<u64, Content>,
    next_content: u64,
    free_bytes: Option<u64>,
    operations: u64,
    dies_at: Option<u64>,
    dead: bool,
    locked: bool,
    failures: Vec<(Operation, String, io::ErrorKind)>,
    lies: Vec<(Operation, String)>,
    short_writes: bool,
}

#[derive(Clone)]
enum Change {
    Add(String, u64),
    Move(String, String),
    Remove(String),
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

/// What an operation does.
enum Verdict {
    Apply,
    /// The process ends in the middle of it.
    Die,
    /// It says that it has worked, and has not.
    Lie,
}

impl Default for SimulatedFiles {
    fn default() -> Self {
        Self { inner: Arc::new(Mutex::new(Inner::default())) }
    }
}

impl SimulatedFiles {
    /// The next operation of this kind on a file whose name ends so fails, once.
    pub fn fail_next(&self, operation: Operation, suffix: &str, error: io::ErrorKind) {
        self.inner.lock().failures.push((operation, suffix.to_owned(), error));
    }

    /// From now on this operation on files whose names end so does nothing and says that it did.
    pub fn lie_about(&self, operation: Operation, suffix: &str) {
        self.inner.lock().lies.push((operation, suffix.to_owned()));
    }

    /// Writes take half of what they are given.
    pub fn write_short(&self) {
        self.inner.lock().short_writes = true;
    }

    /// The process dies in the middle of the operation that comes after this many more.
    pub fn die_after(&self, operations: u64) {
        let mut inner = self.inner.lock();
        inner.dies_at = Some(inner.operations + operations);
    }

    /// How many operations there have been.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.inner.lock().operations
    }

    /// Sets what the file system says is free.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.inner.lock().free_bytes = Some(bytes);
    }

    /// All names and lengths.
    #[must_use]
    pub fn listing(&self) -> BTreeMap<String, usize> {
        let inner = self.inner.lock();
        inner.names.iter().map(|(name, id)| (name.clone(), inner.contents[id].bytes.len())).collect()
    }

    /// Turns bits over in a file, durably.
    pub fn damage(&self, name: &str, offset: usize) {
        let mut inner = self.inner.lock();
        let id = inner.names[name];
        if let Some(content) = inner.contents.get_mut(&id) {
            content.bytes[offset] ^= 0xff;
            if let Some(byte) = content.durable.get_mut(offset) {
                *byte ^= 0xff;
            }
        }
    }

    /// Ends the process that uses this folder: for it, everything fails from now on. What the next process finds is
    /// returned, without faults and lies.
    #[must_use]
    pub fn crash(&self, crash: Crash) -> Self {
        let mut inner = self.inner.lock();
        inner.dead = true;
        let mut next = inner.clone();
        next.dead = false;
        next.locked = false;
        next.dies_at = None;
        next.short_writes = false;
        next.failures.clear();
        next.lies.clear();
        if let Crash::PowerCut(seed) = crash {
            next.cut_power(&mut fastrand::Rng::with_seed(seed));
        }
        Self { inner: Arc::new(Mutex::new(next)) }
    }
}

impl Inner {
    fn begin(&mut self, operation: Operation, name: &str) -> io::Result<Verdict> {
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        if self.dies_at == Some(self.operations) {
            self.dead = true;
            return Ok(Verdict::Die);
        }
        self.operations += 1;
        let hit = |(of, suffix): (Operation, &str)| of == operation && name.ends_with(suffix);
        if let Some(place) = self.failures.iter().position(|(of, suffix, _)| hit((*of, suffix))) {
            let (_, _, kind) = self.failures.remove(place);
            if operation == Operation::Sync
                && let Some(content) = self.names.get(name).and_then(|id| self.contents.get_mut(id))
            {
                content.dirty.clear();
            }
            return Err(io::Error::new(kind, "injected"));
        }
        if self.lies.iter().any(|(of, suffix)| hit((*of, suffix))) {
            return Ok(Verdict::Lie);
        }
        Ok(Verdict::Apply)
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.changes.push(change);
    }

    fn cut_power(&mut self, random: &mut fastrand::Rng) {
        let survived = random.usize(..=self.changes.len());
        let mut names = std::mem::take(&mut self.durable_names);
        for change in &self.changes[..survived] {
            apply(&mut names, change);
        }
        self.changes.clear();
        self.durable_names = names.clone();
        self.names = names;
        for content in self.contents.values_mut() {
            content.cut_power(random);
        }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &Change) {
    match change {
        Change::Add(name, id) => drop(names.insert(name.clone(), *id)),
        Change::Remove(name) => drop(names.remove(name)),
        Change::Move(from, to) => {
            if let Some(id) = names.remove(from) {
                names.insert(to.clone(), id);
            }
        }
    }
}

impl Content {
    fn sync(&mut self) {
        self.durable.resize(self.bytes.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(&self.bytes, &mut self.durable, sector);
        }
    }

    fn cut_power(&mut self, random: &mut fastrand::Rng) {
        let (short, long) = (self.bytes.len().min(self.durable.len()), self.bytes.len().max(self.durable.len()));
        let length = match random.u8(..3) {
            0 => self.durable.len(),
            1 => self.bytes.len(),
            _ => random.usize(short..=long),
        };
        self.durable.resize(length, 0);
        for sector in std::mem::take(&mut self.dirty) {
            if random.bool() {
                copy_sector(&self.bytes, &mut self.durable, sector);
            }
        }
        self.bytes = self.durable.clone();
    }
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

fn died<T>() -> io::Result<T> {
    Err(io::Error::other("the process is dead"))
}

impl Files for SimulatedFiles {
    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let mut inner = self.inner.lock();
        match inner.begin(Operation::Create, name)? {
            Verdict::Die => died(),
            Verdict::Apply | Verdict::Lie if inner.names.contains_key(name) => Err(io::ErrorKind::AlreadyExists.into()),
            Verdict::Apply | Verdict::Lie => {
                let id = inner.next_content;
                inner.next_content += 1;
                inner.contents.insert(id, Content::default());
                inner.change(Change::Add(name.to_owned(), id));
                Ok(Arc::new(SimulatedFile { folder: self.clone(), name: name.to_owned(), id }))
            }
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let inner = self.inner.lock();
        if inner.dead {
            return died();
        }
        let id = *inner.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimulatedFile { folder: self.clone(), name: name.to_owned(), id }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let inner = self.inner.lock();
        if inner.dead { died() } else { Ok(inner.names.keys().cloned().collect()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        match inner.begin(Operation::Rename, from)? {
            Verdict::Die => died(),
            Verdict::Lie => Ok(()),
            Verdict::Apply if !inner.names.contains_key(from) => Err(io::ErrorKind::NotFound.into()),
            Verdict::Apply => {
                inner.change(Change::Move(from.to_owned(), to.to_owned()));
                Ok(())
            }
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        if !inner.dead && !inner.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        match inner.begin(Operation::Remove, name)? {
            Verdict::Die => died(),
            Verdict::Lie => Ok(()),
            Verdict::Apply => {
                inner.change(Change::Remove(name.to_owned()));
                Ok(())
            }
        }
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut inner = self.inner.lock();
        match inner.begin(Operation::SyncDirectory, "")? {
            Verdict::Die => died(),
            Verdict::Lie => Ok(()),
            Verdict::Apply => {
                inner.durable_names = inner.names.clone();
                inner.changes.clear();
                Ok(())
            }
        }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.inner.lock().free_bytes.unwrap_or(u64::MAX))
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let mut inner = self.inner.lock();
        if std::mem::replace(&mut inner.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Unlock(self.clone())))
    }
}

struct Unlock(SimulatedFiles);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.inner.lock().locked = false;
    }
}

struct SimulatedFile {
    folder: SimulatedFiles,
    /// As it was opened; it may have been renamed since.
    name: String,
    id: u64,
}

impl SimulatedFile {
    fn with<T>(&self, change: impl FnOnce(&mut Content) -> T) -> T {
        let mut inner = self.folder.inner.lock();
        change(inner.contents.entry(self.id).or_default())
    }

    fn begin(&self, operation: Operation) -> io::Result<Verdict> {
        let mut inner = self.folder.inner.lock();
        let name = inner.names.iter().find(|(_, id)| **id == self.id).map(|(name, _)| name.clone());
        inner.begin(operation, &name.unwrap_or_else(|| self.name.clone()))
    }
}

impl SegmentFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.with(|content| content.bytes.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.folder.inner.lock().dead {
            return died();
        }
        self.with(|content| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.bytes.len());
            let found = content.bytes[start..].get(..buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(found);
            Ok(())
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let verdict = self.begin(Operation::Write)?;
        let short = self.folder.inner.lock().short_writes || matches!(verdict, Verdict::Die);
        let count = if short { bytes.len().div_ceil(2) } else { bytes.len() };
        if matches!(verdict, Verdict::Lie) {
            return Ok(count);
        }
        self.with(|content| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start + count;
            if content.bytes.len() < end {
                content.bytes.resize(end, 0);
            }
            content.bytes[start..end].copy_from_slice(&bytes[..count]);
            content.dirty.extend(start / SECTOR..=(end.max(1) - 1) / SECTOR);
        });
        if matches!(verdict, Verdict::Die) { died() } else { Ok(count) }
    }

    fn sync(&self) -> io::Result<()> {
        match self.begin(Operation::Sync)? {
            Verdict::Die => died(),
            Verdict::Lie => Ok(()),
            Verdict::Apply => {
                self.with(Content::sync);
                Ok(())
            }
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        match self.begin(Operation::Truncate)? {
            Verdict::Die => died(),
            Verdict::Lie => Ok(()),
            Verdict::Apply => {
                self.with(|content| content.bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX)));
                Ok(())
            }
        }
    }
}
