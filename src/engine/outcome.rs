//! Outcomes: an attempt ended; what that makes of its delivery, its lane, its endpoint.

use std::sync::Arc;

use rand::Rng as _;

use super::announce::{FAILING_ATTEMPT, News};
use super::core::Core;
use super::flight::Flight;
use super::group::Told;
use crate::attempt::{Answer, Attempt, Cause, Lease, Outcome, Report};
use crate::clock::Now;
use crate::delivery::{Delivery, Status};
use crate::endpoint::State;
use crate::ordering::OrderKey;
use crate::providers;
use crate::store::{Op, Tried};

impl<R> Core<R> {
    /// Writes an attempt down; a report under a lease that nobody holds any more is dropped.
    pub(super) fn done(&mut self, now: Now, lease: Lease, report: &Report) {
        let Some(lane) = self.lanes.find(lease.endpoint) else {
            return;
        };
        let Some(flight) = self.lanes[lane].land(lease.attempt) else {
            return;
        };
        self.free_slot(lane);
        self.sweep_ms.get_or_insert(now.steady_ms + super::dispatch::SWEEP_MS);
        if self.was_none(now, lane, &flight, report) {
            return self.put_off(now, lane, &flight);
        }
        let outcome = report.outcome();
        if outcome == Outcome::Success {
            self.counters.delivered += 1;
        } else {
            self.counters.failed += 1;
        }
        let attempt = self.attempt(lane, &flight, report);
        let delivery = self.next_state(now, lane, &flight, outcome);
        let was_due_ms = flight.line_ms;
        let told = news(flight.delivery.status, &delivery, outcome).and_then(|news| {
            let endpoint = Arc::clone(&self.lanes[lane].endpoint);
            self.announce(now, news, &endpoint, Some((flight.event, report.webhook_id, &attempt)))
        });
        let goes_on =
            |key: &OrderKey| outcome == Outcome::Success && self.lanes[lane].chains.is_first(*key, flight.event);
        let (event, endpoint) = (flight.event, lease.endpoint);
        match flight.key {
            Some(key) if goes_on(&key) => {
                self.write(now, lane, Tried { event, endpoint, attempt, delivery, was_due_ms, key: None }, told);
                self.go_on(lane, key);
            }
            key => {
                self.write(now, lane, Tried { event, endpoint, attempt, delivery, was_due_ms, key }, told);
                if let Some(key) = key {
                    self.give_turn(now, lane, event, key);
                    if delivery.status != Status::Pending {
                        self.groups.flush(now); // somebody may wait for that
                    }
                }
            }
        }
        self.judge(now, lane, report, outcome);
        self.make_ready(lane);
        self.want(now, lane);
        self.seek(now, lane);
    }

    fn next_state(&mut self, now: Now, lane: usize, flight: &Flight, outcome: Outcome) -> Delivery {
        let endpoint = &self.lanes[lane].endpoint;
        let ladder = endpoint.handling.ladder(providers::ladder(endpoint.provider, &self.ladder));
        let delivery = flight.delivery.after(outcome, &ladder, now.steady_ms, self.rng.random());
        let sooner = |due_ms| now.steady_ms + (due_ms - now.steady_ms) / self.speed;
        let delivery = Delivery { due_ms: delivery.due_ms.map(sooner), ..delivery };
        let deleted = self.lanes[lane].endpoint.state == State::Deleted;
        if deleted && delivery.status == Status::Pending {
            return Delivery { status: Status::Canceled, due_ms: None, ..delivery };
        }
        delivery
    }

    fn attempt(&self, lane: usize, flight: &Flight, report: &Report) -> Attempt {
        Attempt {
            id: flight.attempt,
            started_ms: report.started_ms,
            duration_ms: report.duration_ms,
            url: self.lanes[lane].endpoint.url.clone(),
            status_code: report.status_code(),
            response: report.text(),
            trigger: flight.delivery.trigger,
        }
    }

    fn write(&mut self, now: Now, lane: usize, tried: Tried, told: Option<Told>) {
        if tried.was_due_ms.is_some() {
            self.lanes[lane].settle(tried.event);
        } else {
            self.written(tried.event);
        }
        let due_ms = tried.delivery.due_ms;
        self.groups.push(now, Op::Tried(Box::new(tried)));
        if let Some(due_ms) = due_ms {
            self.groups.line(lane, due_ms);
        }
        if let Some(told) = told {
            self.groups.tell(told);
        }
    }

    /// What the attempt says about the endpoint; our own failures say nothing.
    /// While a person's setting of it is on its way the engine does not switch it off: the next attempt will tell again.
    fn judge(&mut self, now: Now, lane: usize, report: &Report, outcome: Outcome) {
        if matches!(report.answer, Answer::Failure { cause: Cause::Internal, .. }) {
            return;
        }
        let succeeded = outcome == Outcome::Success;
        let unhealthy = self.lanes[lane].learn(report, now.steady_ms, self.speed);
        self.lanes.set_unhealthy(lane, unhealthy);
        let here = &mut self.lanes[lane];
        let (health, disable) = here.health.after(succeeded, now.steady_ms, self.speed);
        let state = match () {
            () if report.disables() => Some(State::Gone),
            () if disable => Some(State::Failing),
            () => None,
        }
        .filter(|_| here.enabled() && !self.groups.changes(&here.endpoint));
        if health == here.health && state.is_none() {
            return;
        }
        here.health = health;
        self.groups.push(now, Op::Health { endpoint: here.endpoint.id, health, state });
        if let Some(state) = state {
            let endpoint = Arc::clone(&self.lanes[lane].endpoint);
            let since_ms = health.failing_since_ms.unwrap_or(now.wall_ms);
            if let Some(told) = self.announce(now, News::Disabled(since_ms), &endpoint, None) {
                self.groups.tell(told);
            }
            let endpoint = Arc::make_mut(&mut self.lanes[lane].endpoint);
            endpoint.state = state;
            endpoint.revision += 1;
            self.halt(now, lane);
        }
    }
}

/// What an attempt makes of a delivery that is worth telling; `before` is how the delivery stood.
fn news(before: Status, delivery: &Delivery, outcome: Outcome) -> Option<News> {
    match delivery.status {
        Status::Failed if before == Status::Pending => Some(News::Exhausted),
        Status::Pending if delivery.attempts == FAILING_ATTEMPT => Some(News::Failing),
        Status::Success if outcome == Outcome::Success && before != Status::Success => {
            (delivery.attempts > FAILING_ATTEMPT).then_some(News::Recovered)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Trigger;

    #[test]
    fn the_fourth_failure_the_end_and_a_late_success_are_told_once_each() {
        let check = |before, status, attempts, outcome, told: Option<News>| {
            let delivery = Delivery { status, attempts, step: attempts, due_ms: None, trigger: Trigger::Scheduled };
            assert_eq!(news(before, &delivery, outcome), told, "{before:?} {status:?} {attempts}");
        };
        let retry = Outcome::Retry { asked_secs: None };
        let (success, pending, failed) = (Status::Success, Status::Pending, Status::Failed);
        for attempts in 1..10 {
            let told = (attempts == 4).then_some(News::Failing);
            check(pending, pending, attempts, retry, told);
            let told = (attempts > 4).then_some(News::Recovered);
            check(pending, success, attempts, Outcome::Success, told);
        }
        check(pending, failed, 10, retry, Some(News::Exhausted));
        check(failed, failed, 11, retry, None);
        check(failed, success, 12, Outcome::Success, Some(News::Recovered));
        check(success, success, 13, Outcome::Success, None);
        check(success, success, 14, retry, None);
        check(pending, Status::Canceled, 4, retry, None);
    }
}
