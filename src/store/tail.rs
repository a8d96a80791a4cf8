//! The keys of the newest inbound events, which wait in memory and go into a store's index thousands at a time.
//!
//! Keys come in random order: one by one, each would cost the index a page; thousands at a time, in its order, they share
//! its pages. Until then the arrival itself, on disk with its event, is what a start reads a key back from.

use std::collections::{BTreeSet, HashMap};

use crate::id::{EventId, WebhookId};

/// A commit leaves fewer inbound events behind than this whose keys are not indexed. So many are half a megabyte of
/// memory, a commit that takes 20 to 40 ms longer, and 5 ms of a start, which reads their arrivals back.
pub(super) const TAIL_MAX: usize = 16_384;

/// A line of the index: half of a key's hash, and an event that came under it.
pub(super) type Line = (i64, EventId);

/// The half of a hash that is indexed. It may err: whether it is the key, and the body, is for the arrival to say.
pub(super) fn half(hash: &[u8; 16]) -> i64 {
    i64::from_be_bytes(hash[..8].try_into().expect("eight of sixteen"))
}

/// What an event is found by: half of its key's hash, and half of its webhook-id where that is another.
pub(super) type Halves = [Option<i64>; 2];

/// What an event is found by that has this half of a key's hash, and this webhook-id.
pub(super) fn halves(key: Option<i64>, named: Option<WebhookId>) -> Halves {
    [key, named.map(|named| named.half()).filter(|&half| key != Some(half))]
}

/// Lines, found by their half of a hash: nearly always one, the newest, is under it.
#[derive(Default)]
struct Lines {
    newest: HashMap<i64, EventId>,
    older: BTreeSet<Line>,
}

impl Lines {
    /// The event is newer than all before it.
    fn insert(&mut self, (hash, event): Line) {
        if let Some(before) = self.newest.insert(hash, event) {
            self.older.insert((hash, before));
        }
    }

    /// The events from `since` on under this half of a hash.
    fn find(&self, hash: i64, since: EventId) -> impl Iterator<Item = EventId> {
        let newest = self.newest.get(&hash).copied().filter(|&event| event >= since);
        let older = newest.map(|newest| self.older.range((hash, since)..(hash, newest)));
        older.into_iter().flatten().map(|(_, event)| *event).chain(newest)
    }

    /// All, the newest of each half of a hash last.
    fn iter(&self) -> impl Iterator<Item = Line> {
        self.older.iter().copied().chain(self.newest.iter().map(|(&hash, &event)| (hash, event)))
    }

    fn clear(&mut self) {
        self.newest.clear();
        self.older.clear();
    }
}

/// What is not in the index, as of the last commit.
pub(super) struct Tail {
    max: usize,
    lines: Lines,
    /// Inbound events since the index was last written, those without a key too.
    arrived: usize,
    /// The newest inbound event.
    newest: EventId,
}

/// What a transaction adds to a tail. Dropped with a transaction that fails, it leaves no trace.
#[derive(Default)]
pub(super) struct Added {
    lines: Lines,
    arrived: usize,
    newest: EventId,
    /// It put the tail, as it was before it, into the index.
    flushed: bool,
}

impl Tail {
    /// The tail behind an index that holds the keys of all events up to `indexed`. `later` are the arrivals after it in
    /// their order, and what each is found by. A commit leaves fewer than `max` behind.
    pub(super) fn new(max: usize, indexed: EventId, later: impl IntoIterator<Item = (EventId, Halves)>) -> Self {
        let mut tail = Self { max, lines: Lines::default(), arrived: 0, newest: indexed };
        for (event, halves) in later {
            tail.arrived += 1;
            tail.newest = tail.newest.max(event);
            halves.into_iter().flatten().for_each(|hash| tail.lines.insert((hash, event)));
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
        self.lines.find(hash, since).chain(added.lines.find(hash, since)).collect()
    }

    /// Takes an event whose arrival is written, and says whether its lines wait. Those of an event which is not newer
    /// than all others must be indexed at once, since a start would not look for it.
    pub(super) fn add(&self, added: &mut Added, event: EventId, halves: Halves) -> bool {
        if event <= self.newest.max(added.newest) {
            return false;
        }
        added.arrived += 1;
        added.newest = event;
        halves.into_iter().flatten().for_each(|hash| added.lines.insert((hash, event)));
        true
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
    pub(super) fn flush(&self, added: &mut Added) -> Option<(Vec<Line>, EventId)> {
        if self.arrived(added) == 0 {
            return None;
        }
        let waiting = (!added.flushed).then_some(&self.lines);
        let mut lines: Vec<_> = waiting.into_iter().chain([&added.lines]).flat_map(Lines::iter).collect();
        lines.sort_unstable();
        *added = Added { flushed: true, newest: added.newest, ..Added::default() };
        Some((lines, self.newest.max(added.newest)))
    }

    /// Takes up what a transaction added, now that it stands.
    pub(super) fn committed(&mut self, added: Added) {
        self.arrived = self.arrived(&added);
        if added.flushed {
            self.lines.clear();
        }
        let Lines { newest, older } = added.lines;
        older.into_iter().chain(newest).for_each(|line| self.lines.insert(line));
        self.newest = self.newest.max(added.newest);
    }
}
