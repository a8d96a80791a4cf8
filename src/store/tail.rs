//! The keys of the newest inbound events, which wait in memory and go into a store's index thousands at a time.
//!
//! Keys come in random order: one by one, each would cost the index a page; thousands at a time, in its order, they share
//! its pages. Until then the arrival itself, on disk with its event, is what a start reads a key back from.

use std::collections::BTreeSet;

use crate::id::{EventId, Id as _};

/// A commit leaves fewer inbound events behind than this whose keys are not indexed. So many are half a megabyte of
/// memory, a commit that takes 20 to 40 ms longer, and 5 ms of a start, which reads their arrivals back.
pub(super) const TAIL_MAX: usize = 16_384;

/// A line of the index: half of a key's hash, and an event that came under it.
pub(super) type Line = (i64, EventId);

/// The half of a hash that is indexed. It may err: whether it is the key, and the body, is for the arrival to say.
pub(super) fn half(hash: &[u8; 16]) -> i64 {
    i64::from_be_bytes(hash[..8].try_into().expect("eight of sixteen"))
}

/// What is not in the index, as of the last commit.
pub(super) struct Tail {
    max: usize,
    lines: BTreeSet<Line>,
    /// Inbound events since the index was last written, those without a key too.
    arrived: usize,
    /// The newest inbound event.
    newest: EventId,
}

/// What a transaction adds to a tail. Dropped with a transaction that fails, it leaves no trace.
#[derive(Default)]
pub(super) struct Added {
    lines: BTreeSet<Line>,
    arrived: usize,
    newest: EventId,
    /// It put the tail, as it was before it, into the index.
    flushed: bool,
}

impl Tail {
    /// The tail behind an index that holds the keys of all events up to `indexed`. `later` are the arrivals after it,
    /// and the halves of their keys' hashes where they have keys. A commit leaves fewer than `max` behind.
    pub(super) fn new(max: usize, indexed: EventId, later: impl IntoIterator<Item = (EventId, Option<i64>)>) -> Self {
        let mut tail = Self { max, lines: BTreeSet::new(), arrived: 0, newest: indexed };
        for (event, hash) in later {
            tail.arrived += 1;
            tail.newest = tail.newest.max(event);
            tail.lines.extend(hash.map(|hash| (hash, event)));
        }
        tail
    }

    /// A commit leaves fewer behind.
    #[cfg(feature = "sim")]
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The events from `since` on that wait under this half of a hash, or did so until the transaction indexed them.
    pub(super) fn find(&self, added: &Added, hash: i64, since: EventId) -> Vec<EventId> {
        let under = (hash, since)..=(hash, EventId::new(i64::MAX));
        self.lines.range(under.clone()).chain(added.lines.range(under)).map(|(_, event)| *event).collect()
    }

    /// Takes an event whose arrival is written. Gives the line that must be indexed at once: that of an event which is not
    /// newer than all others, since a start would not look for it.
    pub(super) fn add(&self, added: &mut Added, event: EventId, hash: Option<i64>) -> Option<Line> {
        let line = hash.map(|hash| (hash, event));
        if event <= self.newest.max(added.newest) {
            return line;
        }
        added.arrived += 1;
        added.newest = event;
        added.lines.extend(line);
        None
    }

    /// Whether the index must be written before the transaction ends.
    pub(super) fn is_full(&self, added: &Added) -> bool {
        self.arrived(added) >= self.max
    }

    fn arrived(&self, added: &Added) -> usize {
        if added.flushed { added.arrived } else { self.arrived + added.arrived }
    }

    /// All lines that wait, in order, and the newest event: with them written, the index holds the keys of all events up
    /// to that one. `None` when nothing came since it was last written.
    pub(super) fn flush(&self, added: &mut Added) -> Option<(BTreeSet<Line>, EventId)> {
        if self.arrived(added) == 0 {
            return None;
        }
        let mut lines = std::mem::take(&mut added.lines);
        if !added.flushed {
            lines = &self.lines | &lines;
        }
        (added.flushed, added.arrived) = (true, 0);
        Some((lines, self.newest.max(added.newest)))
    }

    /// Takes up what a transaction added, now that it stands.
    pub(super) fn committed(&mut self, added: Added) {
        self.arrived = self.arrived(&added);
        if added.flushed {
            self.lines.clear();
        }
        self.lines.extend(added.lines);
        self.newest = self.newest.max(added.newest);
    }
}
