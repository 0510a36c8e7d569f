//! What the queue knows in memory: where each message lies, which files there are and how much they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::files::SegmentFile;
use super::marks::Marks;
use crate::backlog::Backlog;
use crate::sent::Sent;

/// Where a message's record lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// First byte in its file.
    pub(super) offset: u64,
    /// Length of the whole record.
    pub(super) length: u32,
    /// The file of dead letters it lies in, by number; 0: its segment.
    pub(super) letters: u32,
}

/// A segment as long as it exists.
pub(super) struct Segment {
    pub(super) file: Arc<dyn SegmentFile>,
    pub(super) marks: Arc<Mutex<Marks>>,
    /// Bytes that it takes.
    pub(super) length: u64,
    /// Events that were sent in it.
    pub(super) sent: Sent,
    /// Messages in it that still need it.
    pub(super) live: u64,
    /// The highest sequence number in it.
    pub(super) last_sequence: u64,
    /// Nothing is written to it any more.
    pub(super) closed: bool,
}

/// A file of dead letters.
pub(super) struct LettersFile {
    pub(super) file: Arc<dyn SegmentFile>,
    pub(super) length: u64,
}

/// All of it, behind one lock that is never held during I/O.
pub(super) struct State {
    pub(super) backlog: Backlog<Place>,
    /// By first sequence number.
    pub(super) segments: BTreeMap<u64, Segment>,
    /// By number.
    pub(super) letters: BTreeMap<u32, LettersFile>,
    /// Events ever sent.
    pub(super) sent: Sent,
    /// Bytes of sends that are on their way to the disk.
    pub(super) reserved_bytes: u64,
    /// How many sends these are.
    pub(super) senders: usize,
}

impl State {
    /// Bytes that count against `max_bytes`.
    pub(super) fn used_bytes(&self) -> u64 {
        let segments: u64 = self.segments.values().map(|segment| segment.length).sum();
        let letters: u64 = self.letters.values().map(|letters| letters.length).sum();
        segments + letters + self.reserved_bytes
    }

    /// The segment that a sequence number belongs to.
    pub(super) fn segment(&self, sequence: u64) -> Option<&Segment> {
        self.segments.range(..=sequence).next_back().map(|(_, segment)| segment)
    }

    /// The file that a record lies in.
    pub(super) fn file(&self, sequence: u64, place: Place) -> Option<Arc<dyn SegmentFile>> {
        if place.letters == 0 {
            return self.segment(sequence).map(|segment| segment.file.clone());
        }
        self.letters.get(&place.letters).map(|letters| letters.file.clone())
    }

    /// A message does not need its segment any more.
    pub(super) fn release(&mut self, sequence: u64) {
        if let Some((_, segment)) = self.segments.range_mut(..=sequence).next_back() {
            segment.live = segment.live.saturating_sub(1);
        }
    }

    /// Whether a segment may be deleted.
    pub(super) fn has_empty_segment(&self) -> bool {
        self.segments.values().any(|segment| segment.closed && segment.live == 0)
    }
}
