//! Asking: clients publish, repeat themselves, and make something of the answers.

use rand::Rng as _;

use super::body::{body_of, respelled};
use super::clients::Ask;
use super::door;
use super::ledger::{CHANNELS, Draft};
use super::queue::Happening;
use super::world::World;
use crate::application::{Application, ApplicationRef};
use crate::audit::By;
use crate::digest;
use crate::engine::message::{Answer, Input};
use crate::error::{Error, Kind};
use crate::event::{Accepted, NewEvent, Once};
use crate::id::Id as _;
use crate::store::Durable;

/// How often one request is sent at most.
const TRIES_MAX: u32 = 4;

impl World {
    /// Plans what is published, and when.
    pub(super) fn plan_events(&mut self) {
        let span_ms = self.options.span_ms;
        let mut burst_ms = 0;
        let mut left = self.options.events;
        while left > 0 {
            let count = self.clients.rng.random_range(1..=self.options.batch).min(left);
            left -= count;
            let wants = (0..count).map(|_| self.plan_want()).collect();
            let request = self.clients.request(Ask::Publish(wants));
            if self.clients.rng.random_ratio(1, self.options.burst) {
                burst_ms = self.clients.rng.random_range(0..span_ms);
            }
            let at_ms = self.at_ms + burst_ms + self.clients.rng.random_range(0..20);
            self.queue.put(at_ms, Happening::Ask(request));
        }
    }

    fn plan_want(&mut self) -> usize {
        let draft = self.clients.draft(&self.options, self.ledger.wants.len());
        self.ledger.want(draft)
    }

    /// A request reaches the process, or finds nobody there.
    pub(super) fn ask(&mut self, number: usize) {
        if !self.ready || self.clients.requests[number].open {
            let wait_ms = self.clients.rng.random_range(100..5_000);
            self.queue.put(self.at_ms + wait_ms, Happening::Ask(number));
            return;
        }
        self.trace.note(self.at_ms, "ask: request", (number.try_into().unwrap_or(0), 0));
        let request = &mut self.clients.requests[number];
        request.open = true;
        let input = match &mut request.ask {
            Ask::Publish(wants) => {
                let wants = wants.clone();
                Input::Accept { events: wants.into_iter().map(|want| self.new_event(want)).collect(), reply: number }
            }
            Ask::Change(setting, endpoints) => {
                for &endpoint in &*endpoints {
                    self.ledger.endpoints[endpoint].changes += 1;
                }
                self.ledger.asked_to_change(&setting.change);
                Input::Change { setting: setting.clone(), reply: number }
            }
            Ask::Resend(event, endpoint, expected) => {
                *expected = self.ledger.asked_again(*event, *endpoint);
                Input::Resend { event: *event, endpoint: *endpoint, by: By::server(), reply: number }
            }
        };
        self.step(input);
    }

    fn new_event(&mut self, want: usize) -> NewEvent {
        self.ledger.asked(want);
        let draft = &self.ledger.wants[want].draft;
        let Application { id: application, environment, .. } = self.ledger.applications[draft.application].seen;
        let by_uid = want.is_multiple_of(3);
        // providers spell what they repeat as they like
        let way = usize::try_from(self.at_ms).unwrap_or_default() + want;
        let body = if draft.inbound { respelled(want, way) } else { draft.body.clone() };
        let sha256 = digest::sha256(&body);
        let (arrival, dedup) = draft.inbound.then(|| door::came_in(want, draft.event_type, sha256)).unzip();
        NewEvent {
            environment,
            application: if by_uid {
                ApplicationRef::Uid(application.value().to_string())
            } else {
                ApplicationRef::Id(application)
            },
            event_type: draft.event_type.to_owned(),
            channels: draft.channel.map(|channel| CHANNELS[channel].to_owned()).into_iter().collect(),
            uid: draft.uid.map(|uid| format!("u{uid}")),
            extra: None,
            sha256,
            body,
            once: draft.once,
            wrapped: false,
            only: draft.only.map(|endpoint| self.ledger.endpoints[endpoint].seen.id),
            arrival,
            dedup,
            released: None,
        }
    }

    /// A request is answered.
    pub(super) fn reply(&mut self, number: usize, answer: Answer) {
        self.trace.note(self.at_ms, "reply: request", (number.try_into().unwrap_or(0), 0));
        self.clients.requests[number].open = false;
        match answer {
            Answer::Events(answers) => self.published(number, &answers),
            Answer::Changed(answer) => self.changed(number, &answer),
        }
    }

    fn published(&mut self, number: usize, answers: &[Result<Durable<Accepted>, Error>]) {
        let Ask::Publish(wants) = &self.clients.requests[number].ask else {
            return self.ledger.blame(format!("request {number} published nothing, and got an answer to that"));
        };
        let wants = wants.clone();
        if wants.len() != answers.len() {
            return self.ledger.blame(format!(
                "request {number} with {} events got {} answers",
                wants.len(),
                answers.len()
            ));
        }
        for (&want, answer) in wants.iter().zip(answers) {
            self.ledger.answered(want, answer);
        }
        if answers.iter().any(|answer| matches!(answer, Err(error) if error.kind == Kind::Overloaded)) {
            let wait_ms = self.clients.rng.random_range(500..3_000);
            return self.queue.put(self.at_ms + wait_ms, Happening::Ask(number));
        }
        if self.options.repeats && wants.len() < 50 && self.clients.rng.random_ratio(1, 4) {
            self.repeat(number, &wants);
        }
    }

    /// The client repeats what was answered, or uses its key for something else.
    fn repeat(&mut self, number: usize, wants: &[usize]) {
        let rng = &mut self.clients.rng;
        let patience_ms = [1_000, 600_000, 1_500_000, 90_000_000][rng.random_range(0..4)];
        let wait_ms = rng.random_range(0..patience_ms);
        let draft = self.ledger.wants[wants[0]].draft.clone();
        if let Some(once) = draft.once.filter(|_| rng.random_ratio(1, 4)) {
            let want = self.ledger.wants.len();
            let other = Once { request: [1; 16], ..once };
            self.ledger.want_under_used_key(Draft { once: Some(other), uid: None, body: body_of(want), ..draft });
            let request = self.clients.request(Ask::Publish(vec![want]));
            return self.queue.put(self.at_ms + wait_ms, Happening::Ask(request));
        }
        let request = &mut self.clients.requests[number];
        request.repeats += 1;
        let safe = |&want: &usize| self.ledger.wants[want].draft.is_safe();
        if request.repeats < TRIES_MAX && wants.iter().all(safe) {
            self.queue.put(self.at_ms + wait_ms, Happening::Ask(number));
        }
    }

    /// Sends the same request once more while the first is still on its way.
    pub(super) fn plan_twins(&mut self) {
        if !self.options.repeats {
            return;
        }
        for number in 0..self.clients.requests.len() {
            let Ask::Publish(wants) = &self.clients.requests[number].ask else {
                continue;
            };
            let safe = |&want: &usize| self.ledger.wants[want].draft.is_safe();
            if wants.len() < 50 && wants.iter().all(safe) && self.clients.rng.random_ratio(1, 5) {
                let twin = Ask::Publish(wants.clone());
                let twin = self.clients.request(twin);
                self.twins.push((number, twin));
            }
        }
    }

    /// The process is gone, and with it every answer that was still to come.
    pub(super) fn hang_up(&mut self) {
        for number in 0..self.clients.requests.len() {
            let request = &mut self.clients.requests[number];
            if !request.open {
                continue;
            }
            request.open = false;
            let again = match &request.ask {
                Ask::Publish(wants) => {
                    let again = self.clients.rng.random_ratio(9, 10);
                    for &want in wants {
                        self.ledger.broken_off(want);
                        self.ledger.wants[want].given_up |= !again;
                    }
                    again
                }
                // after a clock step back its id may be another's by now; a real client would get a new one
                Ask::Change(setting, _) => setting.answer.is_some() && self.options.jumps == 0,
                Ask::Resend(..) => false,
            };
            if again {
                let wait_ms = self.clients.rng.random_range(0..5_000);
                self.queue.put(self.at_ms + wait_ms, Happening::Ask(number));
            }
        }
    }
}
