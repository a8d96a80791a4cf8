//! A lane: one endpoint's deliveries that wait for their first attempt or a retry, and those in flight.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::breaker::Breaker;
use super::chains::Chains;
use super::flight::{Flight, Fresh};
use super::outage::{Host, PutOff};
use super::pace::Pace;
use crate::attempt::{Answer, Outcome, Report};
use crate::delivery::{Delivery, Due};
use crate::endpoint::{Endpoint, Health, State};
use crate::id::{AttemptId, EventId};
use crate::ordering::OrderKey;
use crate::replay::Replay;

/// How many attempts one endpoint has in flight at first; how many more or less depends on how it answers.
const IN_FLIGHT_FIRST: usize = 16;
/// An answer that takes longer than this is no reason to send more at one time.
const FAST_MS: u32 = 1_000;
/// After so many failures in a row one attempt at a time probes the endpoint; each success doubles that again.
const FAILURES_UNTIL_PROBING: u32 = 5;
/// After so many failures in a row what waits is kept on disk instead of in memory.
const FAILURES_UNTIL_UNHEALTHY: u32 = 3;
/// How many first attempts of an unhealthy endpoint wait in memory; how many retries of any.
pub(super) const WINDOW: usize = 256;
/// An endpoint whose slots are all taken for longer than this is as good as failing.
const STALL_MS: i64 = 1_000;

/// A replay that runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) replay: Replay,
    /// Whether its next slice is on its way: being read, or being written.
    pub(super) busy: bool,
    /// Whether one delivery was sent to see how the endpoint does, where its last ones failed.
    pub(super) probed: bool,
}

/// One endpoint's deliveries.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that have nothing to do with one another")]
pub(super) struct Lane {
    pub(super) endpoint: Arc<Endpoint>,
    /// Its application's number in the rota.
    pub(super) sender: usize,
    /// The number of the host that its URL names.
    pub(super) host: Host,
    pub(super) health: Health,
    pub(super) fresh: VecDeque<Fresh>,
    /// What waits for others of its key.
    pub(super) chains: Chains,
    /// Read from the due index; the lines stay on disk until their outcome.
    pub(super) backlog: VecDeque<Due>,
    pub(super) flights: Vec<Flight>,
    /// Deliveries whose lines are about to change on disk, and how often still: what a read shows of them is old.
    pub(super) settling: BTreeMap<EventId, u32>,
    /// Whether a read of its due index is on its way.
    pub(super) loading: bool,
    /// When its earliest line that is not in memory is due.
    pub(super) next_due_ms: Option<i64>,
    /// Its entry in the core's timers.
    pub(super) timer_ms: Option<i64>,
    /// Its entry among the lanes that a rate or their breaker holds back.
    pub(super) throttled_ms: Option<i64>,
    /// Whether it stands among the lanes that may send.
    pub(super) queued: bool,
    /// Failing or stalled: its waiting deliveries do not hold publishers up.
    pub(super) unhealthy: bool,
    failures: u32,
    slots: usize,
    pace: Pace,
    pub(super) breaker: Breaker,
    /// How local failures put it off.
    pub(super) put_off: PutOff,
    /// Whether a rate or its breaker holds it back: what waits for it does not hold publishers up.
    throttled: bool,
    /// Whether the last flight came from the backlog, for taking turns when there is one slot.
    last_was_retry: bool,
}

impl Lane {
    /// An endpoint's, with nothing to do.
    pub(super) fn new(endpoint: Endpoint, sender: usize, host: Host) -> Self {
        let slots_max = endpoint.handling.in_flight_max();
        Self {
            sender,
            host,
            health: endpoint.health,
            endpoint: Arc::new(endpoint),
            fresh: VecDeque::new(),
            chains: Chains::default(),
            backlog: VecDeque::new(),
            flights: Vec::new(),
            settling: BTreeMap::new(),
            loading: false,
            next_due_ms: None,
            timer_ms: None,
            throttled_ms: None,
            queued: false,
            unhealthy: false,
            failures: 0,
            slots: IN_FLIGHT_FIRST.min(slots_max),
            pace: Pace::default(),
            breaker: Breaker::default(),
            put_off: PutOff::default(),
            throttled: false,
            last_was_retry: false,
        }
    }

    /// Obeys its endpoint's new settings.
    pub(super) fn heed(&mut self, now_ms: i64, endpoint: Endpoint) {
        self.breaker.close();
        if endpoint.handling.throttle_rate != self.endpoint.handling.throttle_rate {
            self.pace.change(now_ms);
        }
        self.slots = self.slots.min(endpoint.handling.in_flight_max());
        self.endpoint = Arc::new(endpoint);
    }

    /// When local failures, its breaker and its own rate let it send again, in ms; `None` for now.
    pub(super) fn throttled_until(&self, now_ms: i64) -> Option<i64> {
        let rate_ms = self.endpoint.handling.throttle_rate.and_then(|_| self.pace.until(now_ms));
        self.breaker.until(now_ms).max(rate_ms).max(self.put_off.until(now_ms))
    }

    /// A rate or its breaker holds it back until then.
    pub(super) fn hold_back(&mut self, until_ms: i64) {
        self.throttled_ms = Some(until_ms);
        self.throttled = true;
    }

    /// One more was sent.
    fn spend(&mut self, now_ms: i64) {
        if let Some(rate) = self.endpoint.handling.throttle_rate {
            self.pace.spend(u32::from(rate), now_ms);
        }
        if self.waiting() < WINDOW / 2 {
            self.throttled = false;
        }
    }

    /// Whether its endpoint is delivered to.
    pub(super) fn enabled(&self) -> bool {
        self.endpoint.is_active()
    }

    /// Whether its due index is worth reading.
    pub(super) fn reads_due(&self) -> bool {
        self.enabled() || self.endpoint.state == State::Deleted
    }

    /// How many first attempts wait in memory.
    pub(super) fn waiting(&self) -> usize {
        self.fresh.len() + self.chains.waiting()
    }

    /// Whether one more first attempt may wait in memory.
    pub(super) fn takes_fresh(&self) -> bool {
        self.enabled() && (!self.unhealthy || self.waiting() < WINDOW)
    }

    /// Whether it has something to send and a slot for it.
    pub(super) fn may_send(&self) -> bool {
        let slots = if self.put_off.is_on() { 1 } else { self.slots };
        self.enabled() && self.flights.len() < slots && !(self.fresh.is_empty() && self.backlog.is_empty())
    }

    /// Whether this delivery is in memory, or about to change on disk.
    pub(super) fn holds(&self, event: EventId) -> bool {
        self.settling.contains_key(&event) || self.flies(event) || self.backlog.iter().any(|due| due.event == event)
    }

    /// Whether this delivery waits for its first attempt.
    pub(super) fn waits(&self, event: EventId) -> bool {
        self.fresh.iter().any(|fresh| fresh.event == event) || self.chains.holds(event)
    }

    /// The key of a delivery that is on its way or may be begun.
    pub(super) fn key_of(&self, event: EventId) -> Option<OrderKey> {
        let flight = self.flights.iter().find(|flight| flight.event == event).map(|flight| flight.key);
        let fresh = || self.fresh.iter().find(|fresh| fresh.event == event).map(|fresh| fresh.key);
        flight.or_else(fresh).flatten()
    }

    /// What was read of these deliveries is left to the disk.
    pub(super) fn let_go(&mut self, events: &[EventId]) {
        for due in self.backlog.iter().filter(|due| events.contains(&due.event)) {
            if let Some(key) = due.key {
                self.chains.put_back(key, due.event);
            }
        }
        self.backlog.retain(|due| !events.contains(&due.event));
    }

    /// Deliveries that were canceled on disk are not begun, and not tried again.
    pub(super) fn call_off(&mut self, events: &[EventId]) {
        self.let_go(events);
        for flight in self.flights.iter_mut().filter(|flight| events.contains(&flight.event)) {
            flight.delivery.cancel();
        }
    }

    /// All that was read is left to the disk.
    pub(super) fn clear_backlog(&mut self) {
        for due in self.backlog.drain(..) {
            if let Some(key) = due.key {
                self.chains.put_back(key, due.event);
            }
        }
    }

    /// Whether an attempt of this delivery is on its way.
    pub(super) fn flies(&self, event: EventId) -> bool {
        self.flights.iter().any(|flight| flight.event == event)
    }

    /// The line of this delivery is about to change on disk, once more.
    pub(super) fn settle(&mut self, event: EventId) {
        *self.settling.entry(event).or_default() += 1;
    }

    /// Takes the next delivery off its queue and gives it a slot.
    pub(super) fn take_off(&mut self, attempt: AttemptId, now_ms: i64) -> Option<&Flight> {
        if !self.may_send() {
            return None;
        }
        let retry = self.turn_of_retry();
        let flight = if retry {
            let due = self.backlog.pop_front()?;
            Flight {
                event: due.event,
                attempt,
                started_ms: now_ms,
                since_ms: now_ms,
                delivery: due.delivery,
                line_ms: due.delivery.due_ms,
                key: due.key,
                retry,
            }
        } else {
            let fresh = self.fresh.pop_front()?;
            Flight {
                event: fresh.event,
                attempt,
                started_ms: now_ms,
                since_ms: fresh.since_ms,
                delivery: Delivery::fresh(now_ms),
                line_ms: None,
                key: fresh.key,
                retry,
            }
        };
        self.last_was_retry = retry;
        self.spend(now_ms);
        self.flights.push(flight);
        self.flights.last()
    }

    /// Retries have a quarter of the slots while first attempts wait, and all of them otherwise.
    fn turn_of_retry(&self) -> bool {
        if self.backlog.is_empty() || self.fresh.is_empty() {
            return self.fresh.is_empty();
        }
        let share = self.slots / 4;
        if share == 0 {
            return !self.last_was_retry;
        }
        self.flights.iter().filter(|flight| flight.retry).count() < share
    }

    /// Gives the slot of an attempt back; `None` when nobody flies under that id.
    pub(super) fn land(&mut self, attempt: AttemptId) -> Option<Flight> {
        let position = self.flights.iter().position(|flight| flight.attempt == attempt)?;
        Some(self.flights.swap_remove(position))
    }

    /// Learns from an attempt; gives whether the lane is unhealthy now.
    ///
    /// While all its slots are in use a fast success earns one more, or twice as many below the number it began with;
    /// a receiver that asks for less gets half.
    pub(super) fn learn(&mut self, report: &Report, now_ms: i64, speed: i64) -> bool {
        let slots_max = self.endpoint.handling.in_flight_max();
        match report.answer {
            Answer::Response { .. } => self.breaker.close(),
            Answer::Failure { .. } => self.breaker.failed(now_ms, speed),
        }
        if report.outcome() == Outcome::Success {
            self.failures = 0;
            let more =
                if self.slots < IN_FLIGHT_FIRST { (self.slots * 2).min(IN_FLIGHT_FIRST) } else { self.slots + 1 };
            let earned = self.slots < IN_FLIGHT_FIRST || (report.duration_ms <= FAST_MS && self.is_full());
            if earned {
                self.slots = more.min(slots_max);
            }
            return self.throttled;
        }
        self.failures += 1;
        if report.asks_for_less() {
            self.slots = (self.slots / 2).max(1);
        }
        if self.failures >= FAILURES_UNTIL_PROBING {
            self.slots = 1;
        }
        self.unhealthy || self.failures >= FAILURES_UNTIL_UNHEALTHY
    }

    /// Whether all slots but the one just given back are in use, and more would be.
    fn is_full(&self) -> bool {
        self.flights.len() + 1 >= self.slots && !(self.fresh.is_empty() && self.backlog.is_empty())
    }

    /// Whether all slots have been taken for too long.
    pub(super) fn stalled(&self, now_ms: i64) -> bool {
        let oldest_ms = self.flights.iter().map(|flight| flight.started_ms).min();
        self.flights.len() >= self.slots && oldest_ms.is_some_and(|started_ms| now_ms - started_ms > STALL_MS)
    }
}
