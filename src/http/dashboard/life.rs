//! An event's life, as its page tells it: where it goes, and every attempt.

use super::visit::Visit;
use crate::application::Application;
use crate::delivery::Delivery;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::http::api::event::meant;
use crate::http::state::Api;
use crate::id::{AttemptId, EndpointId};
use crate::store::{AttemptRow, AttemptsOf, Filter, Page};

/// How many endpoints are shown, and how many attempts, the newest.
const LEGS_MAX: usize = 50;
const ATTEMPTS_MAX: usize = 100;

/// An event and all that happened to it.
pub(super) struct Life {
    /// Whose it is.
    pub(super) application: Application,
    /// The event.
    pub(super) event: Event,
    /// Its deliveries.
    pub(super) legs: Vec<Leg>,
    /// Whether there are more, or earlier attempts.
    pub(super) more: bool,
}

/// An event's way to one endpoint.
pub(super) struct Leg {
    /// Which endpoint.
    pub(super) id: EndpointId,
    /// The endpoint, unless it is deleted.
    pub(super) endpoint: Option<Endpoint>,
    /// Where the delivery stands; `None` when nobody tried it yet.
    pub(super) delivery: Option<Delivery>,
    /// Its attempts, the first one first.
    pub(super) attempts: Vec<AttemptRow>,
}

impl Life {
    /// Reads the event in the path. Error: 404, also for another environment's, and to a customer
    /// for another application's.
    pub(super) async fn read(api: &Api, visit: &Visit) -> Result<Self> {
        let (environment, text) = (visit.call.caller.environment, visit.call.param("msg").to_owned());
        let (own, ids) = (visit.call.caller.application(), api.engine.text().clone());
        let read = api.read(move |store| {
            let mut owned = None;
            for id in meant(store, &ids, &text)? {
                let owner = store.owner(environment, id)?;
                owned = owner.filter(|owner| own.is_none_or(|own| own == owner.id)).map(|owner| (owner, id));
                if owned.is_some() {
                    break;
                }
            }
            let Some((application, id)) = owned else {
                return Ok(None);
            };
            let Some(event) = store.event(application.id, id)? else {
                return Ok(None);
            };
            let page = Page { after: None::<AttemptId>, descending: true, limit: ATTEMPTS_MAX };
            let mut listed = store.attempts(AttemptsOf::Event(id), page, &Filter::default())?;
            listed.rows.reverse();
            let attempts = listed.rows;
            let destinations = store.destinations(id)?;
            let more = destinations.len() > LEGS_MAX || !listed.done;
            let leg = |(endpoint, delivery)| {
                let attempts = attempts.iter().filter(|row| row.endpoint == endpoint).cloned().collect();
                Ok(Leg { id: endpoint, endpoint: store.endpoint(application.id, endpoint)?, delivery, attempts })
            };
            let legs = destinations.into_iter().take(LEGS_MAX).map(leg).collect::<Result<_>>()?;
            Ok(Some(Self { application, event, legs, more }))
        });
        read.await?.ok_or_else(Error::not_found)
    }

    /// The attempt with this id, and its way; without one, the newest.
    pub(super) fn attempt(&self, wanted: Option<AttemptId>) -> Option<(&Leg, &AttemptRow)> {
        let all = self.legs.iter().flat_map(|leg| leg.attempts.iter().map(move |row| (leg, row)));
        all.filter(|(_, row)| wanted.is_none_or(|wanted| wanted == row.attempt.id))
            .max_by_key(|(_, row)| row.attempt.id)
    }
}
