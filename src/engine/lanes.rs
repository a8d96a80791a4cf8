//! The lanes: one for each endpoint, and how much waits in all of them.

use std::collections::{HashMap, VecDeque};
use std::ops::{Index, IndexMut};

use super::flight::{Flight, Fresh};
use super::lane::Lane;
use super::outage::Host;
use crate::endpoint::Endpoint;
use crate::id::{AttemptId, EndpointId, EventId};
use crate::ordering::OrderKey;

/// All lanes, by a number that never changes while the process lives.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    all: Vec<Lane>,
    by_endpoint: HashMap<EndpointId, usize>,
    /// First attempts that wait in healthy lanes.
    waiting: usize,
}

impl Index<usize> for Lanes {
    type Output = Lane;

    fn index(&self, lane: usize) -> &Lane {
        &self.all[lane]
    }
}

impl IndexMut<usize> for Lanes {
    fn index_mut(&mut self, lane: usize) -> &mut Lane {
        &mut self.all[lane]
    }
}

impl Lanes {
    /// Opens a lane of this sender to this host; gives its number.
    pub(super) fn open(&mut self, endpoint: Endpoint, sender: usize, host: Host) -> usize {
        let lane = self.all.len();
        self.by_endpoint.insert(endpoint.id, lane);
        self.all.push(Lane::new(endpoint, sender, host));
        lane
    }

    /// The number of an endpoint's lane.
    pub(super) fn find(&self, endpoint: EndpointId) -> Option<usize> {
        self.by_endpoint.get(&endpoint).copied()
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> std::ops::Range<usize> {
        0..self.all.len()
    }

    /// First attempts that wait in healthy lanes.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Lets a first attempt wait in memory.
    pub(super) fn push_fresh(&mut self, lane: usize, fresh: Fresh) {
        let lane = &mut self.all[lane];
        if let Some(key) = fresh.key {
            lane.chains.begin(key, fresh.event);
        }
        lane.fresh.push_back(fresh);
        self.waiting += usize::from(!lane.unhealthy);
    }

    /// Lets a first attempt wait in memory before all others; it leaves memory with the one that it goes before.
    pub(super) fn push_first(&mut self, lane: usize, fresh: Fresh) {
        let lane = &mut self.all[lane];
        let since_ms = lane.fresh.front().map_or(fresh.since_ms, |next| next.since_ms.min(fresh.since_ms));
        lane.fresh.push_front(Fresh { since_ms, ..fresh });
        self.waiting += usize::from(!lane.unhealthy);
    }

    /// Lets a first attempt wait in memory for those of its key.
    pub(super) fn push_behind(&mut self, lane: usize, fresh: Fresh) {
        let lane = &mut self.all[lane];
        if let Some(key) = fresh.key {
            lane.chains.push(key, fresh);
            self.waiting += usize::from(!lane.unhealthy);
        }
    }

    /// The first of a chain in memory succeeded; who came next has waited longest.
    pub(super) fn next_of_chain(&mut self, lane: usize, key: OrderKey) {
        let lane = &mut self.all[lane];
        if let Some(next) = lane.chains.next(key) {
            lane.fresh.push_front(next);
        }
    }

    /// A chain leaves memory: its first, who stays where it is, and those behind it.
    pub(super) fn leave_chain(&mut self, lane: usize, key: OrderKey) -> Option<(EventId, VecDeque<Fresh>)> {
        let lane = &mut self.all[lane];
        let (first, behind) = lane.chains.leave(key)?;
        if !lane.unhealthy {
            self.waiting -= behind.len();
        }
        Some((first, behind))
    }

    /// Takes one first attempt out of memory.
    pub(super) fn take_fresh(&mut self, lane: usize, event: EventId) {
        self.take_where(lane, |fresh| fresh.event == event);
    }

    /// Takes first attempts out of memory that wait since then or longer.
    pub(super) fn take_old(&mut self, lane: usize, since_ms: i64) -> Vec<Fresh> {
        let ordered = self.all[lane].chains.len() > 0;
        if !ordered && self.all[lane].fresh.front().is_none_or(|fresh| fresh.since_ms > since_ms) {
            return Vec::new();
        }
        self.take_where(lane, |fresh| fresh.since_ms <= since_ms)
    }

    fn take_where(&mut self, lane: usize, is_meant: impl Fn(&Fresh) -> bool) -> Vec<Fresh> {
        let lane = &mut self.all[lane];
        let taken: Vec<Fresh> = lane.fresh.iter().filter(|fresh| is_meant(fresh)).copied().collect();
        lane.fresh.retain(|fresh| !is_meant(fresh));
        if !lane.unhealthy {
            self.waiting -= taken.len();
        }
        taken
    }

    /// Takes a first attempt from the front (the oldest) or the back out of memory.
    pub(super) fn pop_fresh(&mut self, lane: usize, front: bool) -> Option<Fresh> {
        let lane = &mut self.all[lane];
        let fresh = if front { lane.fresh.pop_front() } else { lane.fresh.pop_back() }?;
        self.waiting -= usize::from(!lane.unhealthy);
        Some(fresh)
    }

    /// Gives the next delivery of a lane its slot.
    pub(super) fn take_off(&mut self, lane: usize, attempt: AttemptId, now_ms: i64) -> Option<Flight> {
        let lane = &mut self.all[lane];
        let before = lane.fresh.len();
        let flight = lane.take_off(attempt, now_ms).cloned();
        if !lane.unhealthy {
            self.waiting -= before - lane.fresh.len();
        }
        flight
    }

    /// Marks a lane healthy or not; what waits there counts or does not from now on.
    pub(super) fn set_unhealthy(&mut self, lane: usize, unhealthy: bool) {
        let lane = &mut self.all[lane];
        if lane.unhealthy == unhealthy {
            return;
        }
        lane.unhealthy = unhealthy;
        if unhealthy {
            self.waiting -= lane.waiting();
        } else {
            self.waiting += lane.waiting();
        }
    }

    /// A delivery's line has changed on disk; a read on its way may still show the old one.
    pub(super) fn settled(&mut self, endpoint: EndpointId, event: EventId) {
        let Some(lane) = self.find(endpoint) else {
            return;
        };
        let lane = &mut self.all[lane];
        if let Some(changes) = lane.settling.get_mut(&event) {
            *changes = changes.saturating_sub(1);
            if *changes == 0 && !lane.loading {
                lane.settling.remove(&event);
            }
        }
    }
}
