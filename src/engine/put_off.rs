//! Put off: an attempt that was none, since it never left this machine or nobody in the world answers. Its delivery goes
//! back to where it came from: no rung of its ladder is used, and nothing is held against its endpoint.

use serde_json::json;

use super::announce::time;
use super::core::Core;
use super::dispatch::SWEEP_MS;
use super::flight::{Flight, Fresh};
use super::message::Output;
use super::outage::{PutOff, Sign};
use crate::attempt::{Answer, Cause, Report};
use crate::clock::Now;
use crate::delivery::{Delivery, Due, Status};
use crate::store::Op;

impl<R> Core<R> {
    /// Whether an attempt was none. What it says of the world is remembered.
    pub(super) fn was_none(&mut self, now: Now, lane: usize, flight: &Flight, report: &Report) -> bool {
        let local = report.local();
        self.outage.local(now.steady_ms, (lane, self.lanes[lane].endpoint.application), local);
        // an address that others have a way past is its own endpoint's matter
        let is_its_own = report.found_no_route() && self.outage.is_alone(now.steady_ms, lane);
        let local = local.filter(|_| !is_its_own);
        let here = &mut self.lanes[lane];
        if local.is_some() {
            here.put_off.again(now.steady_ms, self.speed);
        } else {
            here.put_off = PutOff::default();
        }
        let sign = sign(report);
        if let Some(sign) = sign {
            let (host, application) = (here.host, here.endpoint.application);
            if self.outage.saw(now.steady_ms, host, application, sign) {
                for lane in self.outage.release().into_keys() {
                    self.knock(lane);
                }
            }
        }
        // one that was called off meanwhile has its end
        (local.is_some() || (sign == Some(Sign::Silence) && self.outage.is_silent()))
            && flight.delivery.status != Status::Canceled
    }

    /// The delivery waits where it waited before.
    pub(super) fn put_off(&mut self, now: Now, lane: usize, flight: &Flight) {
        self.counters.put_off += 1;
        self.sweep_ms.get_or_insert(now.steady_ms + SWEEP_MS);
        let &Flight { event, since_ms, delivery, line_ms, key, .. } = flight;
        let here = &mut self.lanes[lane];
        let (endpoint, enabled) = (here.endpoint.id, here.enabled());
        let fresh = Fresh { event, since_ms, key };
        match line_ms {
            None if enabled => self.lanes.push_first(lane, fresh),
            None => self.park(now, lane, fresh),
            Some(_) if enabled => {
                let delivery = Delivery { due_ms: line_ms, ..delivery };
                here.backlog.push_front(Due { event, endpoint, delivery, key, joins: false });
            }
            Some(_) => {
                if let Some(key) = key {
                    here.chains.put_back(key, event);
                }
                self.note_due(now, lane, now.steady_ms);
            }
        }
        self.make_ready(lane);
    }

    /// Looks whether attempts are put off still, and tells who hears of it, once when that lasts and once when it is over.
    pub(super) fn watch_outage(&mut self, now: Now) {
        for lane in self.outage.local_lanes() {
            let here = &self.lanes[lane];
            if here.fresh.is_empty() && here.backlog.is_empty() && here.flights.is_empty() {
                self.outage.local(now.steady_ms, (lane, here.endpoint.application), None); // nothing is left that could show its end
            }
        }
        self.counters.outage = self.outage.since_ms().is_some();
        let Some((lasts, cause)) = self.outage.news(now.steady_ms) else {
            return;
        };
        self.out.push(Output::Outage { lasts, cause: cause.detail });
        let event_type = if lasts { "server.outage.began" } else { "server.outage.ended" };
        let data = json!({ "at": time(now.wall_ms), "cause": cause.word });
        for hearer in self.directory.hearers() {
            if let Some(told) = self.news(now, hearer, event_type, &data) {
                self.groups.push(now, Op::Alive(now.wall_ms));
                self.groups.tell(told);
            }
        }
    }
}

/// What an attempt says of the world; nothing when it was not sent there.
fn sign(report: &Report) -> Option<Sign> {
    match report.answer {
        Answer::Response { .. } => Some(Sign::Answer),
        Answer::Failure { cause: Cause::Connect | Cause::Timeout | Cause::Unresolved, .. } => Some(Sign::Silence),
        Answer::Failure { cause: Cause::Tls | Cause::Protocol, .. } => Some(Sign::Odd),
        Answer::Failure { cause: Cause::Blocked | Cause::Internal | Cause::Local | Cause::NoRoute, .. } => None,
    }
}
