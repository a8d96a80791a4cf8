//! Sending: what is on the wire, whether it may be, and what each attempt makes of its delivery.

use std::collections::VecDeque;

use super::news::worth_telling;
use super::standing::Kind;
use super::{Ledger, PUT_OFF_MS_MAX};
use crate::attempt::{Cause, Lease, Order};
use crate::endpoint::State;
use crate::id::EventId;
use crate::sim::receivers::Brought;

/// An endpoint that did well less than this ago is not switched off for failing: 5 days.
const FAILING_MS_MIN: i64 = 5 * 86_400_000;
/// The longest that a delivery may go without a row: 5 s of waiting, 5 s of flying, a sweep each.
const ROWLESS_MS_MAX: i64 = 13_000;

impl Ledger {
    /// A request goes out; gives the number of its endpoint.
    pub(in crate::sim) fn sent(&mut self, wire: &Order) -> Option<usize> {
        let Lease { event, endpoint, attempt } = wire.lease;
        if attempt <= self.last_lease {
            self.blame(format!("{attempt:?} began after {:?}", self.last_lease));
        }
        self.last_lease = self.last_lease.max(attempt);
        let Some(delivery) = self.delivery_number(event, wire.endpoint.id).filter(|_| endpoint == wire.endpoint.id)
        else {
            self.blame(format!(
                "I5, I11: {event:?} was sent to {:?}, where no accepted event of that id goes",
                wire.endpoint.id
            ));
            return None;
        };
        let book = &self.deliveries[delivery];
        let (standing, flying, target) = (book.standing, book.flying, book.endpoint);
        let body = wire.payload.as_ref().map(|payload| &payload.body);
        if body != Some(&self.wants[self.events[book.event].want].draft.body) {
            self.blame(format!("I5: {event:?} was sent with another body: {body:?}"));
        }
        self.check_name(wire);
        if flying {
            self.blame(format!("I4: {event:?} was sent to {endpoint:?} while an attempt of it was on its way"));
        }
        if standing.kind != Kind::Waiting && !standing.manual {
            self.blame(format!("I4: {event:?} was sent to {endpoint:?} again, though it is final: {standing:?}"));
        }
        self.check_endpoint(wire, target);
        self.check_turn(delivery);
        self.check_time(delivery);
        self.check_rate(target);
        let book = &mut self.deliveries[delivery];
        book.flying = true;
        book.in_turn = book.standing.kind == Kind::Waiting;
        book.sends += 1;
        self.endpoints[target].in_flight += 1;
        Some(target)
    }

    fn check_endpoint(&mut self, wire: &Order, target: usize) {
        let book = &self.endpoints[target];
        let in_flight_max = book.seen.handling.in_flight_max();
        let wrong = if !book.seen.is_active() || book.unborn {
            format!("I7: {:?} was sent to {:?}, which is {:?}", wire.lease.event, wire.lease.endpoint, book.seen.state)
        } else if book.gone {
            format!("I7: {:?} was sent to {:?}, which said 410", wire.lease.event, wire.lease.endpoint)
        } else if book.in_flight >= in_flight_max {
            format!("I8: more than {in_flight_max} attempts in flight to {:?}", wire.lease.endpoint)
        } else if wire.endpoint.url != book.seen.url {
            format!("I7: {:?} was sent to {}, which is {} by now", wire.lease.event, wire.endpoint.url, book.seen.url)
        } else {
            return;
        };
        self.blame(wrong);
    }

    /// No second sees more attempts begin than the rate of the endpoint or of its application allows.
    fn check_rate(&mut self, target: usize) {
        let now_ms = self.now.steady_ms;
        let book = &mut self.endpoints[target];
        let (endpoint, application) = (book.seen.id, book.seen.application);
        let own =
            book.seen.handling.throttle_rate.map(u32::from).and_then(|rate| above(rate, &mut book.begun_ms, now_ms));
        let all = self.applications.iter_mut().find(|book| book.seen.id == application);
        let all = all.and_then(|book| above(book.seen.throttle_rate?, &mut book.begun_ms, now_ms));
        if let Some(wrong) = own.or(all) {
            self.blame(format!("{wrong}, at {endpoint:?} or all of {application:?}"));
        }
    }

    /// Never early; late only when disk, clock or lane have a reason.
    fn check_time(&mut self, delivery: usize) {
        let book = &self.deliveries[delivery];
        let (standing, event) = (book.standing, &self.events[book.event]);
        let endpoint = &self.endpoints[book.endpoint];
        let application = self.applications.iter().find(|book| book.seen.id == endpoint.seen.application);
        let now_ms = self.now.steady_ms;
        if now_ms < standing.earliest_ms {
            let early_ms = standing.earliest_ms - now_ms;
            return self.blame(format!(
                "I9: {:?} was sent to {:?} {early_ms} ms early: {standing:?}",
                event.id, endpoint.seen.id
            ));
        }
        let first = standing.attempts == 0 && !standing.manual;
        let Some(disk_since_ms) = self.disk_since_ms.filter(|_| endpoint.in_flight == 0) else {
            return;
        };
        let due_ms = if first { event.told_ms.max(standing.latest_ms) } else { standing.latest_ms };
        let reasons_ms = [
            due_ms,
            endpoint.quiet_since_ms,
            endpoint.readable_since_ms,
            endpoint.enabled_since_ms,
            endpoint.free_again_ms(),
            endpoint.rested_ms(),
            endpoint.put_off_ms,
            application.map_or(i64::MIN, |book| book.free_again_ms(self.endpoints.len())),
            self.ready_since_ms,
            disk_since_ms,
            self.turn_since_ms(delivery),
        ];
        let free_ms = reasons_ms.into_iter().fold(i64::MIN, i64::max);
        if now_ms.saturating_sub(free_ms) > self.slack_ms {
            let late_ms = now_ms - free_ms;
            self.blame(format!(
                "I9: {:?} was sent to idle {:?} {late_ms} ms late: {standing:?}",
                event.id, endpoint.seen.id
            ));
        }
    }

    /// An attempt ended, and the core hears of it.
    pub(in crate::sim) fn ended(&mut self, lease: Lease, brought: Brought) {
        let Some(delivery) = self.delivery_number(lease.event, lease.endpoint) else {
            return;
        };
        let now_ms = self.now.steady_ms;
        let book = &mut self.deliveries[delivery];
        let (number, before) = (book.endpoint, book.standing.kind);
        let seen = &self.endpoints[number].seen;
        let (application, deleted) = (seen.application, seen.state == State::Deleted);
        book.flying = false;
        if brought.cause == Cause::Local && brought.status == 0 && book.standing.kind != Kind::Canceled {
            return self.was_none(number);
        }
        book.standing = book.standing.after(brought, now_ms, deleted);
        if before == Kind::Waiting && book.standing.kind != Kind::Waiting {
            book.ended_ms = now_ms;
        }
        let standing = book.standing;
        let hearing = worth_telling(before, &standing).map(|news| self.hearing(application, news, None));
        self.deliveries[delivery].unsaved.push((standing, hearing));
        let endpoint = &mut self.endpoints[number];
        endpoint.in_flight -= 1;
        if endpoint.in_flight == 0 {
            endpoint.quiet_since_ms = now_ms;
        }
        if brought.status == 0 && brought.cause == Cause::Internal {
            return;
        }
        if (200..300).contains(&brought.status) {
            (endpoint.good_since_ms, endpoint.silent) = (now_ms, 0);
            return;
        }
        endpoint.silent = if brought.status == 0 { endpoint.silent + 1 } else { 0 };
        endpoint.silent_ms = now_ms;
        if endpoint.seen.state == State::Enabled {
            let failing = now_ms - endpoint.good_since_ms >= FAILING_MS_MIN || self.jumps > 0;
            endpoint.gone |= brought.status == 410 && endpoint.changes == 0;
            if failing || brought.status == 410 {
                let doubtful = endpoint.doubtful;
                self.endpoints[number].doubtful = Some(self.hearing(application, "endpoint.disabled", doubtful));
            }
        }
    }

    /// An attempt never left the machine: it was none, and the next may wait for a while.
    fn was_none(&mut self, number: usize) {
        let now_ms = self.now.steady_ms;
        let endpoint = &mut self.endpoints[number];
        endpoint.in_flight -= 1;
        endpoint.put_off_ms = now_ms + PUT_OFF_MS_MAX;
        if endpoint.in_flight == 0 {
            endpoint.quiet_since_ms = now_ms;
        }
        self.cut = true;
    }

    /// The engine switched an endpoint off: whether it had a reason.
    pub(super) fn check_switched_off(&mut self, number: usize, state: State) {
        let book = &self.endpoints[number];
        if !book.gone && book.doubtful.is_none() {
            let wrong = format!("{:?} was switched off as {state:?} without a reason", book.seen.id);
            self.blame(wrong);
        }
    }

    /// A client asks for one more attempt; gives how many there must be when that is acknowledged.
    pub(in crate::sim) fn asked_again(&self, event: EventId, endpoint: crate::id::EndpointId) -> Option<(usize, u32)> {
        let delivery = self.delivery_number(event, endpoint)?;
        let book = &self.deliveries[delivery];
        Some((delivery, book.sends + u32::from(!book.flying)))
    }

    /// That was acknowledged.
    pub(in crate::sim) fn will_send_again(&mut self, (delivery, sends_min): (usize, u32)) {
        let book = &mut self.deliveries[delivery];
        book.sends_min = book.sends_min.max(sends_min);
    }

    /// The oldest event that memory alone knows something of must be young: recovery never has far to go.
    pub(in crate::sim) fn check_oldest(&mut self, oldest: Option<EventId>) {
        let Some(event) = oldest.and_then(|event| self.event_numbers.get(&event)).map(|&event| &self.events[event])
        else {
            return;
        };
        let since_ms = event.told_ms.max(self.ready_since_ms);
        let age_ms = self.now.steady_ms.saturating_sub(since_ms);
        if age_ms > ROWLESS_MS_MAX + 4 * self.late_ms {
            self.blame(format!("I13: {:?} has deliveries without rows after {age_ms} ms", event.id));
        }
    }
}

/// One more attempt began; whether that is more than so many a second, but for what a late timer catches up with.
fn above(rate: u32, begun_ms: &mut VecDeque<i64>, now_ms: i64) -> Option<String> {
    begun_ms.push_back(now_ms);
    while begun_ms.front().is_some_and(|&begun_ms| begun_ms <= now_ms - 1_000) {
        begun_ms.pop_front();
    }
    let most = usize::try_from(rate + rate / 50 + 2).unwrap_or(usize::MAX);
    (begun_ms.len() > most).then(|| format!("{} attempts in a second at a rate of {rate}", begun_ms.len()))
}
