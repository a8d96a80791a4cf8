//! Timers: what is due is read, what is old leaves memory, the mark moves on.

use super::core::Core;
use super::dispatch::SWEEP_MS;
use super::lane::WINDOW;
use crate::clock::Now;
use crate::delivery::{Delivery, Due};
use crate::store::Op;

/// A delivery that has no row after this long gets one, so that recovery never has far to go.
const UNWRITTEN_MS_MAX: i64 = 5_000;
/// How often idempotency keys past their time are dropped while there is work.
const FORGET_EVERY_MS: i64 = 10_000;

impl<R> Core<R> {
    /// Time passed: reads due indexes whose time has come, and looks the lanes over once a second.
    pub(super) fn tick(&mut self, now: Now) {
        while let Some((due_ms, lane)) = self.due.first().copied().filter(|(due_ms, _)| *due_ms <= now.steady_ms) {
            self.due.remove(&(due_ms, lane));
            self.lanes[lane].timer_ms = None;
            self.want(now, lane);
        }
        while let Some((_, lane)) = self.throttled.first().copied().filter(|(at_ms, _)| *at_ms <= now.steady_ms) {
            self.unthrottle(lane);
        }
        if let Some(lane) = self.outage.probe(now.steady_ms) {
            self.knock(lane);
        }
        if self.sweep_ms.is_some_and(|sweep_ms| sweep_ms <= now.steady_ms) {
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: Now) {
        for lane in self.lanes.numbers() {
            if self.lanes[lane].stalled(now.steady_ms) {
                self.lanes.set_unhealthy(lane, true);
            }
            self.spill(now, lane);
            self.write_flights(now, lane);
        }
        self.bound_chains();
        let mark = self.mark();
        if mark != self.marked && !self.recovering {
            self.marked = mark;
            self.groups.push(now, Op::Mark { mark, last_id: self.ids.last() });
        }
        if now.steady_ms - self.forgot_ms >= FORGET_EVERY_MS {
            self.forgot_ms = now.steady_ms;
            self.groups.push(now, Op::Forget);
        }
        self.seek_all(now);
        self.watch_outage(now);
        let busy = !self.open.is_empty() || self.in_flight > 0 || !self.replays.is_empty() || self.counters.outage;
        self.sweep_ms = busy.then_some(now.steady_ms + SWEEP_MS);
    }

    /// First attempts that wait too long, or too many of an unhealthy endpoint, leave memory.
    fn spill(&mut self, now: Now, lane: usize) {
        let old_ms = now.steady_ms - UNWRITTEN_MS_MAX;
        for fresh in self.lanes.take_old(lane, old_ms) {
            self.park(now, lane, fresh);
        }
        for key in self.lanes[lane].chains.in_memory(Some(old_ms)) {
            self.write_chain(now, lane, key);
        }
        while self.lanes[lane].unhealthy && self.lanes[lane].waiting() > WINDOW {
            if let Some(key) = self.lanes[lane].chains.crowded() {
                self.write_chain(now, lane, key);
            } else if let Some(fresh) = self.lanes.pop_fresh(lane, false) {
                self.park(now, lane, fresh);
            }
        }
    }

    /// First attempts that are on their way for too long get a row while they fly.
    fn write_flights(&mut self, now: Now, lane: usize) {
        let old_ms = now.steady_ms - UNWRITTEN_MS_MAX;
        for position in 0..self.lanes[lane].flights.len() {
            let here = &mut self.lanes[lane];
            let (endpoint, flight) = (here.endpoint.id, &mut here.flights[position]);
            if flight.line_ms.is_some() || flight.started_ms > old_ms {
                continue;
            }
            if let Some(key) = flight.key {
                self.write_chain(now, lane, key);
                continue;
            }
            flight.line_ms = Some(now.steady_ms);
            let (event, delivery) = (flight.event, Delivery::fresh(now.steady_ms));
            self.groups.push(now, Op::Park(Due { event, endpoint, delivery, key: None, joins: false }));
            self.written(event);
        }
    }
}
