//! Accepting: the only place that appends events.

use bytes::Bytes;

use super::core::Core;
use super::directory::Resident;
use super::group::Entry;
use crate::clock::Now;
use crate::digest::sha256;
use crate::environment;
use crate::error::{Error, Result};
use crate::event::{Event, NewEvent};
use crate::fan_out::{self, Keyed};
use crate::provider::Provider;
use crate::providers::{self, Fact};
use crate::store::NewRow;

impl<R> Core<R> {
    /// Gives a request's events their ids and endpoints, and puts them into the next commit together.
    pub(super) fn accept(&mut self, now: Now, events: Vec<NewEvent>, reply: R) {
        let mut rows = Vec::with_capacity(events.len());
        let admit = |event| self.admit(now, event, &mut rows).unwrap_or_else(Entry::Refused);
        let entries = events.into_iter().map(admit).collect();
        self.groups.wait_events(reply, rows, entries);
    }

    pub(super) fn admit(&mut self, now: Now, mut new: NewEvent, rows: &mut Vec<NewRow>) -> Result<Entry> {
        let Some((application, resident)) = self.directory.find(new.environment, &new.application) else {
            return Err(Error::not_found());
        };
        let provider = resident.provider;
        check_door(resident, &new)?;
        let wants = |lane: &usize| match new.only {
            Some(only) => self.lanes[*lane].endpoint.id == only,
            None => fan_out::wants(&self.lanes[*lane].endpoint, &new.event_type, &new.channels),
        };
        let mut numbers: Vec<usize> = resident.lanes.iter().copied().filter(wants).collect();
        check_type(resident, &new, numbers.iter().any(|&lane| self.lanes[lane].endpoint.direct))?;
        let wrapped = self.wrap(now, provider, &new)?;
        if let Some(body) = &wrapped {
            (new.sha256, new.body) = (sha256(body), body.clone());
        }
        if new.only.is_none() {
            let passes = |lane: &usize| fan_out::passes(&self.lanes[*lane].endpoint, &new.body);
            numbers.retain(passes);
        }
        let key = |lane: usize| self.lanes[lane].endpoint.handling.order_key(&new.body);
        let lanes: Vec<_> = numbers.into_iter().map(|lane| (lane, key(lane))).collect();
        let mut once = new.once;
        if let Some(brief) = once.as_mut().filter(|once| once.brief) {
            if let Some((first, _)) = self.recent.find(brief, now.steady_ms) {
                return Ok(Entry::Repeat(*brief, first));
            }
            brief.brief = self.recent.has_room(now.steady_ms);
        }
        let id = self.ids.next(now.wall_ms);
        if let Some(brief) = once.filter(|once| once.brief) {
            self.recent.keep(&brief, id, now.steady_ms);
        }
        let urgent = new.only.is_some();
        let later = new.extra.as_deref().is_some_and(|extra| extra.deliver_at_ms.is_some());
        if let Ok(count @ 1..) = u32::try_from(lanes.len())
            && !later
        {
            self.open.insert(id, count);
        }
        let endpoints: Vec<Keyed> = lanes.iter().map(|&(lane, key)| (self.lanes[lane].endpoint.id, key)).collect();
        let event = Event {
            id,
            application,
            event_type: new.event_type,
            channels: new.channels,
            uid: new.uid,
            extra: new.extra,
            body: new.body,
            sha256: new.sha256,
            arrival: new.arrival,
        };
        rows.push(NewRow { event, fan_out: fan_out::pack(&endpoints), once, dedup: new.dedup, released: new.released });
        Ok(Entry::New { position: rows.len() - 1, lanes, wrapped: wrapped.is_some(), urgent })
    }

    /// The bytes that the provider would send, once for all attempts; `None` for those that are sent as they are.
    fn wrap(&mut self, now: Now, provider: Provider, new: &NewEvent) -> Result<Option<Bytes>> {
        if provider == Provider::Standard || new.wrapped {
            return Ok(None);
        }
        let live = environment::is_live(new.environment);
        let fact = Fact { event_type: &new.event_type, payload: &new.body, live, at_ms: now.wall_ms };
        providers::wrap(provider, fact, &mut self.rng)
    }
}

/// What comes in through a source's door is the only thing that its application receives, but for examples.
fn check_door(resident: &Resident, new: &NewEvent) -> Result<()> {
    if resident.source.is_none() || new.arrival.is_some() || new.only.is_some() {
        return Ok(());
    }
    Err(Error::conflict("this application receives what comes in through its source; send events to its ingestUrl"))
}

/// A provider's rules of who is sent what. `direct` says whether the event goes to a URL of its own.
fn check_type(resident: &Resident, new: &NewEvent, direct: bool) -> Result<()> {
    let NewEvent { event_type, .. } = new;
    let provider = resident.provider;
    if provider == Provider::Standard {
        return Ok(());
    }
    if providers::goes_to_a_url(provider, event_type) && !direct {
        let detail = format!("`{event_type}` goes to no endpoint; name the one URL it is for in `url`");
        return Err(Error::field("url", detail));
    }
    providers::may_send(provider, event_type, &resident.metadata)
}
