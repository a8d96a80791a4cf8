//! Recovery: an engine that goes on where the store says the last one stopped.

use std::sync::Arc;

use super::core::Core;
use super::dispatch::SWEEP_MS;
use crate::clock::Now;
use crate::delivery::{Delivery, Due};
use crate::endpoint::State;
use crate::id::{EventId, Id as _, IdSource, IdText};
use crate::store::{Op, Opening, Unwritten};

impl<R> Core<R> {
    /// Takes what the store holds. What it does not say (deliveries without rows) comes as [`super::message::Input::Found`].
    pub fn recover(ids: Arc<IdSource>, opening: Opening, seed: u64, now: Now) -> Self {
        let mut core = Self::empty(ids, IdText::new(opening.id_key), seed);
        for environment in &opening.environments {
            core.directory.settle(environment);
        }
        for application in &opening.applications {
            core.directory.put(now.steady_ms, application);
        }
        for endpoint in opening.endpoints {
            let (application, living) = (endpoint.application, endpoint.state != State::Deleted);
            let lane = core.open(endpoint);
            if let Some(lanes) = core.directory.lanes_mut(application).filter(|_| living) {
                lanes.push(lane);
            }
        }
        for endpoint in opening.answered {
            if let Some(lane) = core.lanes.find(endpoint) {
                core.outage.answered_before(now.steady_ms, core.lanes[lane].host);
            }
        }
        for (endpoint, due_ms) in opening.due {
            if let Some(lane) = core.lanes.find(endpoint) {
                // what is to be canceled waits for no time
                let deleted = core.lanes[lane].endpoint.state == State::Deleted;
                core.note_due(now, lane, if deleted { now.steady_ms } else { due_ms });
            }
        }
        for (endpoint, key) in opening.chains {
            if let Some(lane) = core.lanes.find(endpoint) {
                core.lanes[lane].chains.know(key);
            }
        }
        for endpoint in opening.more_chains {
            if let Some(lane) = core.lanes.find(endpoint) {
                core.lanes[lane].chains.forget();
            }
        }
        for replay in &opening.replays {
            core.take_replay(now, replay);
        }
        for (event, once) in opening.recent_keys {
            core.recent.keep(&once, event, event.time_ms());
        }
        for conflict in &opening.untold {
            core.conflict_untold(now, conflict);
        }
        core.inherited = EventId::new(opening.last_id);
        core.marked = opening.mark;
        core.forgot_ms = now.steady_ms;
        core
    }

    /// Queues deliveries that nobody tried, or whose outcome was lost with the crash.
    pub(super) fn found(&mut self, now: Now, unwritten: Unwritten) {
        if unwritten.next.is_none() {
            self.recovering = false;
            self.sweep_ms.get_or_insert(now.steady_ms + SWEEP_MS);
        }
        let inherited = self.inherited; // what was told since then is known here
        for (event, endpoints) in unwritten.deliveries.into_iter().filter(|(event, _)| *event <= inherited) {
            if let Ok(count @ 1..) = u32::try_from(endpoints.len()) {
                self.open.insert(event, count);
            }
            for (endpoint, key) in endpoints {
                if let Some(lane) = self.lanes.find(endpoint) {
                    self.wait(now, lane, event, key);
                    continue;
                }
                let delivery = Delivery::fresh(now.steady_ms);
                self.groups.push(now, Op::Park(Due { event, endpoint, delivery, key: None, joins: false }));
                self.groups.push(now, Op::Cancel { endpoint, count: 1 });
                self.written(event);
            }
        }
    }
}
