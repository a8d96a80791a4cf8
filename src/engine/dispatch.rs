//! Dispatch: what may be sent is sent, application by application and lane by lane in turn; what does not fit in memory
//! is left to the disk.

use super::core::Core;
use super::flight::Fresh;
use super::group::KeyedLane;
use super::lane::WINDOW;
use super::message::Output;
use crate::attempt::{Lease, Order, Payload};
use crate::clock::Now;
use crate::delivery::BLOCKED_MS;
use crate::endpoint::State;
use crate::id::{EndpointId, EventId};
use crate::store::{DueSlice, Op};

/// A lane has at most this part of the slots that are still free, beside its first: who comes last finds some, too.
const SHARE_OF_FREE: usize = 64;
/// How long after activity the lanes are looked over, and how often while there is any.
pub(super) const SWEEP_MS: i64 = 1_000;

impl<R> Core<R> {
    /// Hands a durable event to its lanes; one that somebody waits for goes before all others.
    pub(super) fn enqueue(
        &mut self,
        now: Now,
        event: EventId,
        payload: Payload,
        (lanes, urgent): (&[KeyedLane], bool),
    ) {
        self.sweep_ms.get_or_insert(now.steady_ms + SWEEP_MS); // the mark moves on also past events that go nowhere
        if lanes.is_empty() {
            return;
        }
        self.payloads.keep(event, payload);
        for &(lane, key) in lanes {
            match key {
                None if urgent && self.lanes[lane].enabled() => self.wait_first(now, lane, event),
                key => self.wait(now, lane, event, key),
            }
        }
    }

    fn wait_first(&mut self, now: Now, lane: usize, event: EventId) {
        self.lanes.push_first(lane, Fresh { event, since_ms: now.steady_ms, key: None });
        self.knock(lane);
    }

    /// Somebody waits for an attempt: one is made now, also while the endpoint rests.
    pub(super) fn knock(&mut self, lane: usize) {
        self.lanes[lane].breaker.knock();
        self.lanes[lane].put_off.knock();
        self.unthrottle(lane);
    }

    /// One delivery of the event has a row now, or will with the next commit.
    pub(super) fn written(&mut self, event: EventId) {
        if let Some(count) = self.open.get_mut(&event) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&event);
                self.payloads.drop(event);
            }
        }
    }

    /// Puts a lane among those that may send, when it may.
    pub(super) fn make_ready(&mut self, lane: usize) {
        let here = &mut self.lanes[lane];
        if !here.queued && here.throttled_ms.is_none() && here.may_send() {
            here.queued = true;
            self.rota.push(here.sender, lane);
        }
    }

    /// A rate or its breaker holds a lane back: until then it does not ask again.
    fn throttle(&mut self, lane: usize, until_ms: i64) {
        self.throttled.insert((until_ms, lane));
        self.lanes[lane].hold_back(until_ms);
        self.lanes.set_unhealthy(lane, true);
    }

    /// A lane asks anew whether something holds it back.
    pub(super) fn unthrottle(&mut self, lane: usize) {
        if let Some(until_ms) = self.lanes[lane].throttled_ms.take() {
            self.throttled.remove(&(until_ms, lane));
        }
        self.make_ready(lane);
    }

    /// Sends what may be sent, application by application and lane by lane in turn.
    pub(super) fn dispatch(&mut self, now: Now) {
        let may_send = !self.held && self.groups.has_room();
        while may_send && self.in_flight < self.slots {
            let Some(lane) = self.rota.next(self.slots - self.in_flight) else {
                return;
            };
            self.lanes[lane].queued = false;
            let application = self.lanes[lane].endpoint.application;
            let own_ms = self.lanes[lane].throttled_until(now.steady_ms);
            if let Some(until_ms) = own_ms.or_else(|| self.directory.turn(application, now.steady_ms)) {
                self.throttle(lane, until_ms);
                continue;
            }
            if self.outage.holds(lane, self.lanes[lane].host) {
                self.lanes.set_unhealthy(lane, true);
                continue;
            }
            if self.lanes[lane].flights.len() >= self.share() {
                self.crowded_share = self.share();
                self.crowded.insert(lane);
                continue;
            }
            let Some(flight) = self.lanes.take_off(lane, self.ids.next(now.wall_ms), now.steady_ms) else {
                continue;
            };
            self.directory.spend(application, now.steady_ms);
            let (endpoint, payload) = (self.lanes[lane].endpoint.clone(), self.payloads.get(flight.event));
            self.take_slot(lane, payload.as_ref().map_or(0, |payload| payload.body.len()));
            let lease = Lease { event: flight.event, endpoint: endpoint.id, attempt: flight.attempt };
            self.out.push(Output::Send(Order { lease, endpoint, payload }));
            self.sweep_ms.get_or_insert(now.steady_ms + SWEEP_MS);
            self.make_ready(lane);
            self.want(now, lane);
        }
    }

    /// How many slots one lane may have now.
    fn share(&self) -> usize {
        (self.slots.saturating_sub(self.in_flight) / SHARE_OF_FREE).max(1)
    }

    fn take_slot(&mut self, lane: usize, bytes: usize) {
        self.in_flight += 1;
        self.rota.take_slot(self.lanes[lane].sender, bytes);
    }

    /// A slot of this lane is free again; lanes that had their share look whether it has grown.
    pub(super) fn free_slot(&mut self, lane: usize) {
        self.in_flight -= 1;
        self.rota.free_slot(self.lanes[lane].sender);
        if self.share() > self.crowded_share {
            for lane in std::mem::take(&mut self.crowded) {
                self.make_ready(lane);
            }
        }
    }

    /// A lane has a line in the due index, due then; one that waits for another has no time of its own.
    pub(super) fn note_due(&mut self, now: Now, lane: usize, due_ms: i64) {
        if due_ms >= BLOCKED_MS {
            return;
        }
        let next_ms = &mut self.lanes[lane].next_due_ms;
        *next_ms = Some(next_ms.map_or(due_ms, |next_ms| next_ms.min(due_ms)));
        self.want(now, lane);
    }

    /// Reads a lane's due index when something is due and there is room for it; else sets its timer.
    pub(super) fn want(&mut self, now: Now, lane: usize) {
        let here = &mut self.lanes[lane];
        let Some(due_ms) = here.next_due_ms.filter(|_| !here.loading && here.reads_due()) else {
            return;
        };
        if due_ms > now.steady_ms {
            let set_ms = here.timer_ms.filter(|&timer_ms| timer_ms <= due_ms);
            if set_ms.is_none() {
                if let Some(timer_ms) = here.timer_ms.replace(due_ms) {
                    self.due.remove(&(timer_ms, lane));
                }
                self.due.insert((due_ms, lane));
            }
        } else if here.backlog.len() < WINDOW / 2 {
            here.loading = true;
            here.next_due_ms = None;
            let held = here.backlog.len() + here.flights.len() + here.settling.len();
            here.chains.ask();
            let endpoint = here.endpoint.id;
            // what is to be canceled waits for no time
            let until_ms = if here.endpoint.state == State::Deleted { BLOCKED_MS } else { now.steady_ms };
            self.out.push(Output::Load { endpoint, until_ms, limit: WINDOW + held });
        }
    }

    /// Takes what was read of a due index, but for what is in memory or about to change.
    pub(super) fn loaded(&mut self, now: Now, endpoint: EndpointId, slice: DueSlice) {
        let Some(lane) = self.lanes.find(endpoint) else {
            return;
        };
        let here = &mut self.lanes[lane];
        here.loading = false;
        let mut next_ms = slice.next_ms;
        match here.endpoint.state {
            State::Enabled if here.enabled() => {
                let mut joins = Vec::new();
                for due in slice.due {
                    if here.holds(due.event) {
                        continue;
                    }
                    if due.joins {
                        joins.push(due);
                    } else if due.key.is_none_or(|key| here.chains.take(key, due.event)) {
                        here.backlog.push_back(due);
                    }
                }
                for due in joins {
                    self.join(now, lane, due);
                }
                if next_ms.is_none() {
                    self.lanes[lane].chains.saw_all();
                }
            }
            State::Deleted if !slice.due.is_empty() => {
                self.groups.push(now, Op::Cancel { endpoint, count: slice.due.len() });
                self.groups.line(lane, now.steady_ms);
                // until that is done the next read would find the same lines
                next_ms = None;
            }
            State::Deleted => {}
            _ => here.next_due_ms = Some(now.steady_ms),
        }
        let here = &mut self.lanes[lane];
        here.settling.retain(|_, changes| *changes > 0);
        if let Some(next_ms) = next_ms {
            self.note_due(now, lane, next_ms);
        }
        self.want(now, lane);
        self.make_ready(lane);
        self.seek(now, lane);
    }
}
