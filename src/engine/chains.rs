//! Chains: one lane's deliveries of one key, made one after the other.
//!
//! A chain is in memory whole, and nobody of it has a row; or it is on disk whole, and the store says whose turn it is.
//! It begins in memory and stays there while one attempt after the other succeeds; anything else puts it on disk. So a
//! crash never lets a delivery begin whose predecessor's end it undoes: a success cannot be undone at the receiver.

use std::collections::{BTreeMap, VecDeque};

use super::flight::Fresh;
use crate::id::EventId;
use crate::ordering::OrderKey;

/// The deliveries of one key that have not ended.
#[derive(Debug)]
enum Chain {
    /// In memory: the first waits for a slot or is on its way, the others wait for it.
    Memory { head: EventId, waiting: VecDeque<Fresh> },
    /// On disk, or about to be: whose attempt is in memory, and how many operations of it are on their way.
    Disk { head: Option<EventId>, writing: u32 },
}

/// Where a new delivery of a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody is before it.
    First,
    /// Behind others in memory.
    Behind,
    /// Behind others on disk; or nobody knows, and the store will say.
    OnDisk,
}

/// One lane's chains.
#[derive(Debug, Default)]
pub(super) struct Chains {
    by_key: BTreeMap<OrderKey, Chain>,
    /// How many deliveries wait behind others in memory.
    waiting: usize,
    /// There may be chains on disk that are not here.
    unsure: bool,
    /// How many operations of chains were ever put into a commit, and how many of them are on their way.
    written: u64,
    writing: usize,
    /// What `written` was when a read began that may show all chains there are.
    asked: Option<u64>,
}

impl Chains {
    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many deliveries wait behind others in memory.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether this delivery waits behind another in memory.
    pub(super) fn holds(&self, event: EventId) -> bool {
        self.waiting > 0
            && self.by_key.values().any(|chain| match chain {
                Chain::Memory { waiting, .. } => waiting.iter().any(|fresh| fresh.event == event),
                Chain::Disk { .. } => false,
            })
    }

    /// Where a new delivery of this key stands.
    pub(super) fn place(&self, key: OrderKey) -> Place {
        match self.by_key.get(&key) {
            Some(Chain::Memory { .. }) => Place::Behind,
            None if !self.unsure => Place::First,
            Some(Chain::Disk { .. }) | None => Place::OnDisk,
        }
    }

    /// Begins a chain in memory.
    pub(super) fn begin(&mut self, key: OrderKey, head: EventId) {
        self.by_key.insert(key, Chain::Memory { head, waiting: VecDeque::new() });
    }

    /// Lets a delivery wait in memory behind those of its key.
    pub(super) fn push(&mut self, key: OrderKey, fresh: Fresh) {
        if let Some(Chain::Memory { waiting, .. }) = self.by_key.get_mut(&key) {
            waiting.push_back(fresh);
            self.waiting += 1;
        }
    }

    /// Whether the chain is in memory.
    pub(super) fn is_in_memory(&self, key: OrderKey) -> bool {
        matches!(self.by_key.get(&key), Some(Chain::Memory { .. }))
    }

    /// Whether this delivery is the first of a chain in memory.
    pub(super) fn is_first(&self, key: OrderKey, event: EventId) -> bool {
        matches!(self.by_key.get(&key), Some(Chain::Memory { head, .. }) if *head == event)
    }

    /// The first of a chain in memory succeeded: takes the next one out of it, or forgets the chain.
    pub(super) fn next(&mut self, key: OrderKey) -> Option<Fresh> {
        let Some(Chain::Memory { head, waiting }) = self.by_key.get_mut(&key) else {
            return None;
        };
        if let Some(next) = waiting.pop_front() {
            *head = next.event;
            self.waiting -= 1;
            return Some(next);
        }
        self.by_key.remove(&key);
        None
    }

    /// A chain leaves memory: gives its first and those behind it; `None` when it is not there.
    pub(super) fn leave(&mut self, key: OrderKey) -> Option<(EventId, VecDeque<Fresh>)> {
        if !self.is_in_memory(key) {
            return None;
        }
        match self.by_key.insert(key, Chain::Disk { head: None, writing: 0 }) {
            Some(Chain::Memory { head, waiting }) => {
                self.waiting -= waiting.len();
                Some((head, waiting))
            }
            _ => None,
        }
    }

    /// Chains in memory; with a time, those whose first in waiting came then or before.
    pub(super) fn in_memory(&self, until_ms: Option<i64>) -> Vec<OrderKey> {
        let meant = |chain: &Chain| match (chain, until_ms) {
            (Chain::Memory { waiting, .. }, Some(until_ms)) => {
                waiting.front().is_some_and(|fresh| fresh.since_ms <= until_ms)
            }
            (chain, _) => matches!(chain, Chain::Memory { .. }),
        };
        self.by_key.iter().filter(|(_, chain)| meant(chain)).map(|(key, _)| *key).collect()
    }

    /// Some chain in memory with deliveries that wait.
    pub(super) fn crowded(&self) -> Option<OrderKey> {
        let meant = |chain: &Chain| matches!(chain, Chain::Memory { waiting, .. } if !waiting.is_empty());
        self.by_key.iter().find(|(_, chain)| meant(chain)).map(|(key, _)| *key)
    }

    /// An operation of a chain on disk is put into a commit.
    pub(super) fn write(&mut self, key: OrderKey) {
        (self.written, self.writing) = (self.written + 1, self.writing + 1);
        let chain = self.by_key.entry(key).or_insert(Chain::Disk { head: None, writing: 0 });
        if let Chain::Disk { writing, .. } = chain {
            *writing += 1;
        }
    }

    /// It is durable, or will never be.
    pub(super) fn wrote(&mut self, key: OrderKey) {
        self.writing = self.writing.saturating_sub(1);
        if let Some(Chain::Disk { writing, .. }) = self.by_key.get_mut(&key) {
            *writing = writing.saturating_sub(1);
        }
        if self.unsure {
            self.forget_idle(key);
        }
    }

    /// Takes a delivery whose turn it is by the store's word; false while another of its key is here.
    pub(super) fn take(&mut self, key: OrderKey, event: EventId) -> bool {
        match self.by_key.entry(key).or_insert(Chain::Disk { head: None, writing: 0 }) {
            Chain::Disk { head, .. } if head.is_none_or(|head| head == event) => {
                *head = Some(event);
                true
            }
            _ => false,
        }
    }

    /// Its attempt is on its way while its chain goes to the disk.
    pub(super) fn keep(&mut self, key: OrderKey, event: EventId) {
        if let Some(Chain::Disk { head, .. }) = self.by_key.get_mut(&key) {
            *head = Some(event);
        }
    }

    /// A delivery that had its turn is no longer in memory.
    pub(super) fn put_back(&mut self, key: OrderKey, event: EventId) {
        if let Some(Chain::Disk { head, .. }) = self.by_key.get_mut(&key)
            && *head == Some(event)
        {
            *head = None;
        }
    }

    /// The store says that nobody is left.
    pub(super) fn ended(&mut self, key: OrderKey) {
        self.forget_idle(key);
    }

    fn forget_idle(&mut self, key: OrderKey) {
        if matches!(self.by_key.get(&key), Some(Chain::Disk { head: None, writing: 0 })) {
            self.by_key.remove(&key);
        }
    }

    /// A chain that was on disk when the engine began.
    pub(super) fn know(&mut self, key: OrderKey) {
        self.by_key.insert(key, Chain::Disk { head: None, writing: 0 });
    }

    /// There are more chains on disk than are remembered: from now on the store is asked.
    pub(super) fn forget(&mut self) {
        self.unsure = true;
        self.by_key.retain(|_, chain| !matches!(chain, Chain::Disk { head: None, writing: 0 }));
    }

    /// A read of all that is on disk begins.
    pub(super) fn ask(&mut self) {
        self.asked = (self.writing == 0).then_some(self.written);
    }

    /// It came to its end, and all that it showed is here now.
    pub(super) fn saw_all(&mut self) {
        if self.asked == Some(self.written) {
            self.unsure = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id as _;

    const KEY: OrderKey = OrderKey::new(7);

    fn event(id: i64) -> EventId {
        EventId::new(id)
    }

    fn fresh(id: i64) -> Fresh {
        Fresh { event: event(id), since_ms: id, key: Some(KEY) }
    }

    #[test]
    fn a_chain_in_memory_gives_one_after_the_other_and_is_forgotten() {
        let mut chains = Chains::default();
        assert_eq!(chains.place(KEY), Place::First);
        chains.begin(KEY, event(1));
        assert_eq!(chains.place(KEY), Place::Behind);
        (2..4).for_each(|id| chains.push(KEY, fresh(id)));
        assert!(chains.waiting() == 2 && chains.holds(event(3)) && chains.is_first(KEY, event(1)));
        assert_eq!(chains.next(KEY).map(|next| next.event), Some(event(2)));
        assert_eq!(chains.next(KEY).map(|next| next.event), Some(event(3)));
        assert!(chains.next(KEY).is_none() && chains.waiting() == 0);
        assert_eq!((chains.place(KEY), chains.len()), (Place::First, 0));
    }

    #[test]
    fn a_chain_on_disk_is_remembered_until_the_store_says_that_it_ended() {
        let mut chains = Chains::default();
        chains.begin(KEY, event(1));
        chains.push(KEY, fresh(2));
        let (head, waiting) = chains.leave(KEY).expect("it was in memory");
        assert_eq!((head, waiting.len(), chains.waiting()), (event(1), 1, 0));
        chains.write(KEY);
        chains.ended(KEY);
        assert_eq!(chains.place(KEY), Place::OnDisk, "one more is on its way to the disk");
        chains.wrote(KEY);
        assert!(chains.take(KEY, event(2)) && !chains.take(KEY, event(3)));
        chains.ended(KEY);
        assert_eq!(chains.place(KEY), Place::OnDisk, "its attempt is here");
        chains.put_back(KEY, event(2));
        chains.ended(KEY);
        assert_eq!(chains.place(KEY), Place::First);
    }

    #[test]
    fn who_has_forgotten_something_asks_until_a_read_shows_all() {
        let mut chains = Chains::default();
        chains.know(KEY);
        chains.forget();
        assert_eq!((chains.len(), chains.place(KEY)), (0, Place::OnDisk));
        chains.write(KEY);
        chains.ask();
        chains.saw_all();
        assert_eq!(chains.place(OrderKey::new(8)), Place::OnDisk, "something was on its way when the read began");
        chains.wrote(KEY);
        chains.ask();
        chains.saw_all();
        assert_eq!(chains.place(OrderKey::new(8)), Place::First);
    }
}
