//! Turns: deliveries of one key to one endpoint wait for one another, in memory or on disk.

use super::chains::Place;
use super::core::Core;
use super::dispatch::SWEEP_MS;
use super::flight::Fresh;
use crate::clock::Now;
use crate::delivery::{Delivery, Due};
use crate::id::{EndpointId, EventId};
use crate::ordering::OrderKey;
use crate::store::{Change, Op, Turn};

/// How many chains are remembered over all lanes; of what goes beyond, the store is asked.
const CHAINS_MAX: usize = 131_072;

impl<R> Core<R> {
    /// Lets a delivery wait for its first attempt: in memory, or on disk when the lane has no room, or when others of its
    /// key are there.
    pub(super) fn wait(&mut self, now: Now, lane: usize, event: EventId, key: Option<OrderKey>) {
        self.sweep_ms.get_or_insert(now.steady_ms + SWEEP_MS);
        let here = &self.lanes[lane];
        let place = key.map_or(Place::First, |key| here.chains.place(key));
        let fresh = Fresh { event, since_ms: now.steady_ms, key };
        match place {
            Place::First if here.takes_fresh() => {
                self.lanes.push_fresh(lane, fresh);
                self.make_ready(lane);
            }
            Place::Behind if here.takes_fresh() => self.lanes.push_behind(lane, fresh),
            _ => self.park(now, lane, fresh),
        }
    }

    /// Writes a delivery down that nobody tried: it leaves memory, the due index brings it back. Those before it in its
    /// chain are written down first, and those behind it then.
    pub(super) fn park(&mut self, now: Now, lane: usize, fresh: Fresh) {
        let Some(key) = fresh.key else {
            self.write_row(now, lane, fresh.event, None);
            return self.groups.line(lane, now.steady_ms);
        };
        if self.lanes[lane].chains.is_first(key, fresh.event) {
            let behind = self.lanes.leave_chain(lane, key).map(|(_, behind)| behind);
            self.write_row(now, lane, fresh.event, Some(key));
            self.write_behind(now, lane, behind.into_iter().flatten());
        } else {
            self.write_chain(now, lane, key);
            self.write_row(now, lane, fresh.event, Some(key));
        }
    }

    /// Writes all of a chain down that is in memory; an attempt on its way goes on.
    pub(super) fn write_chain(&mut self, now: Now, lane: usize, key: OrderKey) {
        let Some((head, behind)) = self.lanes.leave_chain(lane, key) else {
            return;
        };
        let here = &mut self.lanes[lane];
        if let Some(flight) = here.flights.iter_mut().find(|flight| flight.event == head) {
            flight.line_ms = Some(now.steady_ms);
            here.chains.keep(key, head);
        } else {
            self.lanes.take_fresh(lane, head);
        }
        self.write_row(now, lane, head, Some(key));
        self.write_behind(now, lane, behind);
    }

    fn write_behind(&mut self, now: Now, lane: usize, behind: impl IntoIterator<Item = Fresh>) {
        for fresh in behind {
            self.write_row(now, lane, fresh.event, fresh.key);
        }
    }

    fn write_row(&mut self, now: Now, lane: usize, event: EventId, key: Option<OrderKey>) {
        let here = &mut self.lanes[lane];
        if let Some(key) = key {
            here.chains.write(key);
        }
        let (endpoint, delivery) = (here.endpoint.id, Delivery::fresh(now.steady_ms));
        self.groups.push(now, Op::Park(Due { event, endpoint, delivery, key, joins: false }));
        self.written(event);
    }

    /// The time of a delivery with a key has come: it takes its place behind those that have theirs.
    pub(super) fn join(&mut self, now: Now, lane: usize, due: Due) {
        let Some(key) = due.key else {
            return;
        };
        self.write_chain(now, lane, key);
        let here = &mut self.lanes[lane];
        here.settle(due.event);
        here.chains.write(key);
        let delivery = Delivery { due_ms: Some(now.steady_ms), ..due.delivery };
        self.groups.push(now, Op::Park(Due { delivery, ..due }));
    }

    /// The first of a chain in memory succeeded: the next may go.
    pub(super) fn go_on(&mut self, lane: usize, key: OrderKey) {
        self.lanes.next_of_chain(lane, key);
        self.make_ready(lane);
    }

    /// An attempt ended otherwise, or its chain is on disk: the commit that writes it down says whose turn it is.
    pub(super) fn give_turn(&mut self, now: Now, lane: usize, event: EventId, key: OrderKey) {
        let behind = self.lanes.leave_chain(lane, key).map(|(_, behind)| behind);
        let here = &mut self.lanes[lane];
        here.chains.write(key);
        here.chains.put_back(key, event);
        self.write_behind(now, lane, behind.into_iter().flatten());
    }

    /// Whoever is skipped has a row by then, and is not begun any more; gives the lane.
    pub(super) fn before_skip(&mut self, now: Now, endpoint: EndpointId, event: EventId) -> Option<usize> {
        let lane = self.lanes.find(endpoint)?;
        if let Some(key) = self.lanes[lane].key_of(event) {
            self.write_chain(now, lane, key);
        }
        self.lanes[lane].let_go(&[event]);
        self.lanes[lane].settle(event);
        Some(lane)
    }

    /// An operation is durable, or will never be: what it says of a delivery is no longer on its way.
    pub(super) fn landed(&mut self, op: &Op) {
        match op {
            Op::Tried(tried) => {
                if tried.was_due_ms.is_some() {
                    self.lanes.settled(tried.endpoint, tried.event);
                }
                self.wrote(tried.endpoint, tried.key);
            }
            Op::Park(due) => {
                if due.joins {
                    self.lanes.settled(due.endpoint, due.event);
                }
                self.wrote(due.endpoint, due.key);
            }
            Op::Resend { event, endpoint, .. } => self.lanes.settled(*endpoint, *event),
            Op::Replay(replayed) => {
                for &(event, key) in &replayed.events {
                    self.lanes.settled(replayed.endpoint, event);
                    self.wrote(replayed.endpoint, key);
                }
            }
            Op::Setting(setting) => {
                if let Change::Skip(endpoint, event) = setting.change {
                    self.lanes.settled(endpoint, event);
                }
            }
            _ => {}
        }
    }

    fn wrote(&mut self, endpoint: EndpointId, key: Option<OrderKey>) {
        if let (Some(lane), Some(key)) = (self.lanes.find(endpoint), key) {
            self.lanes[lane].chains.wrote(key);
        }
    }

    /// The store says whose turn it is.
    pub(super) fn turn(&mut self, now: Now, (endpoint, key, event): Turn) {
        let Some(lane) = self.lanes.find(endpoint) else {
            return;
        };
        match event {
            Some(event) if !self.lanes[lane].flies(event) => self.note_due(now, lane, now.steady_ms),
            Some(_) => {}
            None => self.lanes[lane].chains.ended(key),
        }
    }

    /// Too many chains are remembered: lanes with more than their share forget what is on disk.
    pub(super) fn bound_chains(&mut self) {
        let lanes = self.lanes.numbers();
        let known: usize = lanes.clone().map(|lane| self.lanes[lane].chains.len()).sum();
        if known > CHAINS_MAX {
            let share = CHAINS_MAX / lanes.len().max(1);
            for lane in lanes.filter(|&lane| self.lanes[lane].chains.len() > share).collect::<Vec<_>>() {
                self.lanes[lane].chains.forget();
            }
        }
    }
}
