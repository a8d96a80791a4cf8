//! The brief idempotency keys of the last 15 minutes: a map that is rebuilt from the store at start.

use std::collections::{HashMap, VecDeque};

use crate::event::Once;
use crate::id::EventId;
use crate::store::{BRIEF_KEY_MS, RECENT_KEYS_MAX};

/// Brief keys and the events they became.
#[derive(Debug, Default)]
pub(super) struct RecentKeys {
    events: HashMap<[u8; 16], (EventId, [u8; 16])>,
    order: VecDeque<([u8; 16], EventId, i64)>,
    /// When the map was last too full for a key; until 15 minutes later keys go to the index, which is asked too.
    full_ms: Option<i64>,
}

impl RecentKeys {
    /// The event a key became, and the hash of what was asked; keys past their time are forgotten first.
    pub(super) fn find(&mut self, once: &Once, now_ms: i64) -> Option<(EventId, [u8; 16])> {
        while self.order.front().is_some_and(|(.., at_ms)| now_ms - at_ms > BRIEF_KEY_MS) {
            let (key, event, _) = self.order.pop_front().expect("looked at just now");
            self.forget(key, event);
        }
        self.get(once)
    }

    /// The event a key became, and the hash of what was asked.
    pub(super) fn get(&self, once: &Once) -> Option<(EventId, [u8; 16])> {
        self.events.get(&once.key).copied()
    }

    /// Whether keys may be kept here; when not, the index must keep them like a caller's own.
    pub(super) fn has_room(&mut self, now_ms: i64) -> bool {
        if self.events.len() >= RECENT_KEYS_MAX {
            self.full_ms = Some(now_ms);
        }
        self.full_ms.is_none_or(|full_ms| now_ms - full_ms > BRIEF_KEY_MS)
    }

    /// Keeps a key.
    pub(super) fn keep(&mut self, once: &Once, event: EventId, now_ms: i64) {
        self.events.insert(once.key, (event, once.request));
        self.order.push_back((once.key, event, now_ms));
    }

    /// Lets a key go whose event was refused.
    pub(super) fn drop(&mut self, once: &Once, event: EventId) {
        self.forget(once.key, event);
    }

    /// A key that became another event since stays.
    fn forget(&mut self, key: [u8; 16], event: EventId) {
        if self.events.get(&key).is_some_and(|(kept, _)| *kept == event) {
            self.events.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn once(number: usize) -> Once {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        Once { key, request: [0; 16], brief: true }
    }

    #[test]
    fn a_full_map_sends_keys_to_the_index_until_they_would_all_be_old() {
        let mut recent = RecentKeys::default();
        for number in 0..RECENT_KEYS_MAX {
            recent.keep(&once(number), EventId::new(1), 0);
        }
        assert!(!recent.has_room(1_000));
        assert!(recent.find(&once(0), BRIEF_KEY_MS).is_some() && recent.find(&once(0), BRIEF_KEY_MS + 1).is_none());
        assert!(!recent.has_room(BRIEF_KEY_MS + 2) && recent.has_room(BRIEF_KEY_MS + 1_001));
    }
}
