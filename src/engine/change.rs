//! Changes: settings pass through the core in the order of their commits, so that what was acknowledged is obeyed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chains::Chains;
use super::core::Core;
use super::message::{Answer, NotChanged, Output};
use super::outage::NOBODY;
use crate::application::Application;
use crate::audit::By;
use crate::clock::Now;
use crate::endpoint::{Endpoint, Health, State};
use crate::error::Error;
use crate::id::{ApplicationId, EndpointId, EventId};
use crate::store::{Change, Erased, Op, Setting};

impl<R> Core<R> {
    /// Puts a setting into the next commit; it is obeyed once that is made.
    pub(super) fn change(&mut self, now: Now, setting: Setting, reply: R) {
        let skipped = match setting.change {
            Change::Skip(endpoint, event) => self.before_skip(now, endpoint, event),
            _ => None,
        };
        let told = self.announce_change(now, &setting.change);
        self.groups.wait_change(reply, Some(Op::Setting(Box::new(setting))), told);
        if let Some(lane) = skipped {
            self.groups.line(lane, now.steady_ms);
        }
    }

    /// Makes a delivery due now; one that is on its way, or about to be, needs nothing.
    pub(super) fn resend(&mut self, now: Now, (event, endpoint): (EventId, EndpointId), by: By, reply: R) {
        let Some(lane) = self.lanes.find(endpoint) else {
            let answer = Answer::Changed(Err(NotChanged::Failed(Error::not_found())));
            self.out.push(Output::Reply(reply, answer));
            return;
        };
        let here = &mut self.lanes[lane];
        if here.flies(event) || here.waits(event) {
            self.groups.wait_change(reply, None, None);
            return;
        }
        here.let_go(&[event]);
        here.settle(event);
        self.groups.wait_change(reply, Some(Op::Resend { event, endpoint, due_ms: now.steady_ms, by }), None);
        self.groups.line(lane, now.steady_ms);
    }

    /// Obeys what somebody asked for, once it is durable.
    pub(super) fn obey(&mut self, now: Now, op: &Op) {
        match op {
            Op::Setting(setting) => self.obey_setting(now, setting),
            Op::Resend { endpoint, .. } => {
                if let Some(lane) = self.lanes.find(*endpoint) {
                    self.knock(lane);
                }
            }
            _ => {}
        }
    }

    fn obey_setting(&mut self, now: Now, setting: &Setting) {
        match &setting.change {
            Change::Application(application) => self.obey_application(now, application),
            Change::Endpoint(endpoint) => self.obey_endpoint(now, endpoint.clone()),
            Change::Replay(replay) => self.take_replay(now, replay),
            Change::Source(source, application) => {
                if let Some(application) = application {
                    self.obey_application(now, application);
                }
                if source.deleted {
                    self.close(now, source.application);
                }
            }
            Change::Expunge(application, events) => self.obey_expunge(*application, events),
            Change::Erased(erased) => self.obey_erased(erased),
            Change::Skip(endpoint, event) => self.obey_skip(*endpoint, *event),
            Change::Environment(environment) => self.directory.settle(environment),
            Change::EventType(_)
            | Change::Catalogue(_)
            | Change::EventTypes(_)
            | Change::EventTypeGone(..)
            | Change::Validation(..)
            | Change::ExpungeAttempt(..)
            | Change::Task(_)
            | Change::EndTokens(_)
            | Change::Key(_)
            | Change::People(_)
            | Change::Revoke { .. }
            | Change::Resources(_)
            | Change::Discard(..)
            | Change::Answered
            | Change::Consumer(_) => {}
        }
    }

    fn obey_application(&mut self, now: Now, application: &Application) {
        if !application.deleted {
            self.directory.put(now.steady_ms, application);
            self.obey_settings(application);
            return;
        }
        self.close(now, application.id);
    }

    /// Its endpoints carry the names of its headers, and ask anew whether its rate holds them back.
    fn obey_settings(&mut self, application: &Application) {
        let lanes = self.directory.lanes_mut(application.id).map_or_else(Vec::new, |lanes| lanes.clone());
        for lane in lanes {
            let endpoint = &mut self.lanes[lane].endpoint;
            if endpoint.wire != application.wire {
                Arc::make_mut(endpoint).wire = application.wire;
            }
            self.unthrottle(lane);
        }
    }

    /// What was read of the due index and is canceled on disk is not sent.
    fn obey_expunge(&mut self, application: ApplicationId, events: &[EventId]) {
        let lanes = self.directory.lanes_mut(application).map_or_else(Vec::new, |lanes| lanes.clone());
        for lane in lanes {
            self.lanes[lane].call_off(events);
        }
    }

    fn obey_skip(&mut self, endpoint: EndpointId, event: EventId) {
        if let Some(lane) = self.lanes.find(endpoint) {
            self.lanes[lane].call_off(&[event]);
        }
    }

    /// The same for many applications.
    fn obey_erased(&mut self, erased: &Erased) {
        let mut events = BTreeMap::<ApplicationId, Vec<EventId>>::new();
        for &(application, event) in &erased.events {
            events.entry(application).or_default().push(event);
        }
        for (application, events) in events {
            self.obey_expunge(application, &events);
        }
    }

    /// A deleted application's endpoints are deleted with it.
    fn close(&mut self, now: Now, application: ApplicationId) {
        for lane in self.directory.remove(application) {
            let deleted = Endpoint { state: State::Deleted, ..Endpoint::clone(&self.lanes[lane].endpoint) };
            self.replace(now, lane, deleted);
        }
    }

    fn obey_endpoint(&mut self, now: Now, endpoint: Endpoint) {
        let Some(lane) = self.lanes.find(endpoint.id) else {
            let application = endpoint.application;
            let lane = self.open(endpoint);
            if let Some(lanes) = self.directory.lanes_mut(application) {
                lanes.push(lane);
            }
            return;
        };
        if endpoint.state == State::Deleted
            && let Some(lanes) = self.directory.lanes_mut(endpoint.application)
        {
            lanes.retain(|&other| other != lane);
        }
        self.replace(now, lane, endpoint);
    }

    /// Gives a lane its endpoint's new settings.
    fn replace(&mut self, now: Now, lane: usize, endpoint: Endpoint) {
        let here = &mut self.lanes[lane];
        // its application's, whatever whoever changed it had read
        let endpoint = Endpoint { wire: here.endpoint.wire, ..endpoint };
        let before = (here.endpoint.state, here.enabled());
        if endpoint.state == State::Deleted {
            self.replays.remove(&lane); // the store calls it off with the same commit
            self.outage.leave(self.lanes[lane].host);
            self.lanes[lane].host = NOBODY;
        }
        let known = &self.lanes[lane].endpoint;
        let is_another =
            (&endpoint.url, &endpoint.headers, &endpoint.secrets) != (&known.url, &known.headers, &known.secrets);
        if endpoint.url != known.url && self.lanes[lane].host != NOBODY {
            self.outage.leave(self.lanes[lane].host);
            self.lanes[lane].host = self.outage.host(&endpoint.url);
        }
        self.lanes[lane].heed(now.steady_ms, endpoint);
        self.unthrottle(lane);
        if is_another {
            self.probe_anew(now, lane);
        }
        let here = &mut self.lanes[lane];
        if before == (here.endpoint.state, here.enabled()) {
            return;
        }
        if here.enabled() {
            here.health = Health::default();
            self.note_due(now, lane, now.steady_ms);
        } else {
            self.halt(now, lane);
        }
        if self.lanes[lane].endpoint.state == State::Deleted {
            self.lanes[lane].chains = Chains::default(); // nobody of them has a turn any more
        }
    }

    /// Sends nothing more: what waits in memory is left to the disk. A deleted endpoint's deliveries are canceled there.
    pub(super) fn halt(&mut self, now: Now, lane: usize) {
        while let Some(fresh) = self.lanes.pop_fresh(lane, true) {
            self.park(now, lane, fresh);
        }
        for key in self.lanes[lane].chains.in_memory(None) {
            self.write_chain(now, lane, key);
        }
        let here = &mut self.lanes[lane];
        here.clear_backlog();
        if let Some(timer_ms) = here.timer_ms.take() {
            self.due.remove(&(timer_ms, lane));
        }
        self.note_due(now, lane, now.steady_ms);
    }
}
