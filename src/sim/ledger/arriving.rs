//! Arriving: what comes in by the door becomes one event, however it is spelled; what contradicts it is held back or
//! flagged, and told once.

use std::collections::BTreeMap;

use serde_json::json;

use super::news::{Hearing, News};
use super::{Ledger, Want};
use crate::attempt::Order;
use crate::id::{ConflictId, EventId, WebhookId};
use crate::sim::door;
use crate::store::memory::Memory;
use crate::store::{Inbox as _, Refused};

/// What became of the wants that came in.
#[derive(Default)]
pub(super) struct Arrivals {
    /// Their events.
    pub(super) events: BTreeMap<usize, usize>,
    /// What they are called on the wire.
    names: BTreeMap<EventId, Option<WebhookId>>,
    /// Those that are held back.
    held: BTreeMap<ConflictId, HeldBook>,
    /// Those of which the core hears in this step.
    heard: Vec<ConflictId>,
}

struct HeldBook {
    want: usize,
    first: EventId,
    /// Who hears of it, once the core knows of it.
    hearing: Option<Hearing>,
    told: bool,
}

impl Ledger {
    /// An event that came in is on disk.
    pub(super) fn arrived(&mut self, want: usize, number: usize, event: EventId) {
        if let Some(first) = self.arrivals.events.insert(want, number) {
            let first = self.events[first].id;
            self.blame(format!("I3: the inbound want {want} became {first:?}, and now one more event"));
        }
        let rival = self.rival(want);
        if let Some(rival) = rival.filter(|_| door::holds(want)) {
            let first = self.events[rival].id;
            self.blame(format!("I16: want {want} contradicts {first:?}, and is delivered all the same"));
        }
        let named = rival.is_none().then(|| door::named(want, self.wants[want].draft.event_type));
        self.arrivals.names.insert(event, named);
    }

    /// The event that a want contradicts.
    fn rival(&self, want: usize) -> Option<usize> {
        let rival = door::rival(want);
        let is_alike = |want: usize| self.wants.get(want).map(|want| want.draft.event_type);
        self.arrivals.events.get(&rival).copied().filter(|_| is_alike(want) == is_alike(rival))
    }

    /// An event that came in is not one of its own.
    pub(super) fn arrival_refused(&mut self, want: usize, refused: &Refused) {
        let Refused::Held { conflict, first, is_new } = *refused else {
            return;
        };
        let rival = self.rival(want).map(|event| self.events[event].id);
        if rival != Some(first.event) || !door::holds(want) {
            self.blame(format!("I16: want {want} is held back, though it contradicts {rival:?} and not {first:?}"));
        }
        let known = self.arrivals.held.iter().find(|(_, book)| book.want == want).map(|(id, _)| *id);
        let right = if is_new { known.is_none() } else { known == Some(conflict) };
        if !right || self.arrivals.events.contains_key(&want) {
            self.blame(format!("I16: want {want} is held back as {conflict:?}, and was {known:?} before"));
        }
        if is_new {
            let book = HeldBook { want, first: first.event, hearing: None, told: false };
            self.arrivals.held.insert(conflict, book);
        }
    }

    /// The core hears of all that is held back, and tells who hears of it; so does one that begins.
    pub(super) fn held_known(&mut self, begins: bool) {
        let untold = self.arrivals.held.iter().filter(|(_, book)| !book.told && (begins || book.hearing.is_none()));
        self.arrivals.heard = untold.map(|(id, _)| *id).collect();
        self.ask_who_hears();
    }

    /// The core has heard, of other things too that were in the same commit: who hears may be another by that.
    pub(in crate::sim) fn held_heard(&mut self) {
        self.ask_who_hears();
        self.arrivals.heard.clear();
    }

    fn ask_who_hears(&mut self) {
        for conflict in self.arrivals.heard.clone() {
            let book = &self.arrivals.held[&conflict];
            let (want, before) = (book.want, book.hearing);
            let application = self.applications[self.wants[want].draft.application].seen.id;
            let mut hearing = self.hearing(application, "source.conflict", before);
            hearing.sure &= !self.hearers_change();
            if let Some(want) = hearing.want.filter(|_| !hearing.sure) {
                // whoever hears changes in the same commit, perhaps more than once: the core heard somewhere between
                let want = &mut self.wants[want];
                (want.must, want.may, want.turn_must, want.turn_may) = (0, u64::MAX, 0, u64::MAX);
            }
            if let Some(book) = self.arrivals.held.get_mut(&conflict) {
                book.hearing = Some(hearing);
            }
        }
    }

    /// It is on disk that whoever hears of a conflict is told.
    pub(super) fn conflict_told(&mut self, conflict: ConflictId) {
        let Some(book) = self.arrivals.held.get_mut(&conflict).filter(|book| !book.told) else {
            return self.blame(format!("I15: {conflict:?} is told, which is not held, or was told before"));
        };
        book.told = true;
        let (first, Some(hearing), want) = (book.first, book.hearing, book.want) else {
            return self.blame(format!("I15: {conflict:?} is told before the core can know of it"));
        };
        let Want { draft, .. } = &self.wants[want];
        let named = self.arrivals.names.get(&first).copied().flatten();
        let data = json!({
            "appId": self.text.of(self.applications[draft.application].seen.id),
            "sourceId": self.text.of(door::source_id()),
            "conflictId": self.text.of(conflict),
            "firstMsgId": self.text.webhook_id(first, named),
            "eventType": draft.event_type,
            "dedupKey": door::key(want),
        });
        self.news.push(News { hearing, data });
    }

    /// Whether a want is held back as this.
    pub(super) fn is_held_as(&self, want: usize, conflict: ConflictId) -> bool {
        self.arrivals.held.get(&conflict).is_some_and(|book| book.want == want)
    }

    /// An event goes out under the name that follows from what it is, or under its own id.
    pub(super) fn check_name(&mut self, wire: &Order) {
        let event = wire.lease.event;
        let sent = wire.payload.as_ref().and_then(|payload| payload.arrival.as_ref()?.webhook_id);
        let right = self.arrivals.names.get(&event).copied().flatten();
        if sent != right {
            self.blame(format!("I5: {event:?} was sent as {sent:?}, and is called {right:?}"));
        }
    }

    /// What is held back stays, and somebody was told.
    pub(super) fn close_held(&mut self, disk: &Memory) {
        let all: Vec<_> = self.arrivals.held.iter().map(|(id, book)| (*id, book.want, book.told)).collect();
        for (conflict, want, told) in all {
            if !told {
                self.blame(format!("I15: {conflict:?} is held back, and nobody was told"));
            }
            let kept = disk.conflict(door::source_id(), conflict).ok().flatten();
            if kept.is_none_or(|kept| crate::sim::body::want_of(&kept.body) != Some(want)) {
                self.blame(format!("I16: want {want} was held back as {conflict:?}, which is gone"));
            }
        }
    }

    /// Whether it may change who hears.
    fn hearers_change(&self) -> bool {
        self.endpoints.iter().any(|book| book.changes > 0 && self.hears(book.seen.application))
    }
}
