//! Accepting: what an answer promises, and what a retry may come to.

use super::{CHANNELS, Draft, Ledger, Want};
use crate::endpoint::{Endpoint, State};
use crate::error::{Error, Kind};
use crate::event::{Accepted, Kept, Once};
use crate::ordering::Ordering;
use crate::store::{BRIEF_KEY_MS, Durable, KEY_MS};

/// How close to its end a key's time is no longer looked at, in ms.
const KEY_MARGIN_MS: i64 = 60_000;
impl Ledger {
    /// Opens the book of an event that a client wants; gives its number.
    pub(in crate::sim) fn want(&mut self, draft: Draft) -> usize {
        self.wants.push(Want {
            draft,
            must: 0,
            may: 0,
            turn_must: 0,
            turn_may: 0,
            tries: 0,
            tried_ms: 0,
            tried_jumps: 0,
            settled: false,
            given_up: false,
        });
        self.wants.len() - 1
    }

    /// Opens the book of an event that is asked for under another one's key.
    pub(in crate::sim) fn want_under_used_key(&mut self, draft: Draft) -> usize {
        self.mixed_keys.extend(draft.once.map(|once| once.key));
        self.want(draft)
    }

    /// A client asks for it now: this is who has to get it.
    pub(in crate::sim) fn asked(&mut self, number: usize) {
        let draft = &self.wants[number].draft;
        let application = self.applications[draft.application].seen.id;
        let (mut must, mut may) = (0, 0);
        let (mut turn_must, mut turn_may) = (0, 0);
        for (position, book) in self.endpoints.iter().enumerate() {
            let here = !book.unborn && book.seen.application == application;
            let (wanted, sure) = match draft.only {
                Some(only) => (only == position && book.seen.state != State::Deleted, true),
                None => (
                    book.seen.state == State::Enabled && filters_let_through(&book.seen, draft),
                    book.doubtful.is_none() && !book.gone,
                ),
            };
            if here && wanted {
                may |= 1 << position;
                must |= u64::from(sure) << position;
            }
            let ordered = book.seen.handling.ordering == Ordering::Key;
            turn_must |= u64::from(ordered && book.changes == 0) << position;
            turn_may |= u64::from(ordered || book.changes > 0) << position;
        }
        let want = &mut self.wants[number];
        if want.tries > 0 {
            (must, may) = (must & want.must, may | want.may);
            (turn_must, turn_may) = (turn_must & want.turn_must, turn_may | want.turn_may);
        } else {
            (want.tried_ms, want.tried_jumps) = (self.at_ms, self.jumps);
        }
        (want.must, want.may) = (must, may);
        (want.turn_must, want.turn_may) = (turn_must, turn_may);
        want.tries += 1;
    }

    /// A request for it broke off.
    pub(in crate::sim) fn broken_off(&mut self, number: usize) {
        self.wants[number].tries -= 1;
    }

    /// A client is answered.
    pub(in crate::sim) fn answered(&mut self, number: usize, answer: &Result<Durable<Accepted>, Error>) {
        self.wants[number].tries -= 1;
        match answer {
            Ok(accepted) => self.accepted(number, accepted.get()),
            Err(error) => self.refused(number, error),
        }
    }

    fn accepted(&mut self, number: usize, Accepted { event, body }: &Accepted) {
        self.wants[number].settled = true;
        if let Kept::Held(conflict) = body {
            if !self.is_held_as(number, *conflict) {
                self.blame(format!("I16: want {number} is said to be held back as {conflict:?}, and is not"));
            }
            return;
        }
        match self.event_numbers.get(event).map(|&event| self.events[event].want) {
            None => self.blame(format!("I1: {event:?} was acknowledged before it was on disk")),
            Some(want) if want != number && !self.same_request(want, number) => {
                self.blame(format!("I3: want {number} was answered with {event:?} of want {want}"));
            }
            Some(_) => {}
        }
    }

    /// Two wants under one key that ask the same.
    fn same_request(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.wants[one].draft.once, self.wants[other].draft.once);
        one.is_some_and(|one| other.is_some_and(|other| (one.key, one.request) == (other.key, other.request)))
    }

    fn refused(&mut self, number: usize, error: &Error) {
        let want = &self.wants[number].draft;
        let exists = want.uid.is_some_and(|uid| self.uids.contains_key(&(want.application, uid)));
        let reused = want.once.is_some_and(|once| self.mixed_keys.contains(&once.key));
        let right = match error.kind {
            Kind::Conflict => exists || reused,
            Kind::NotFound => self.applications[want.application].deleted,
            Kind::Overloaded => self.disk_failed,
            _ => false,
        };
        if !right {
            self.blame(format!("I3: want {number} was refused: {error}"));
        }
        self.wants[number].settled |= error.kind != Kind::Overloaded;
    }

    /// Whether the key still has to be known, with all clocks in order since.
    pub(super) fn remembered(&self, once: &Once) -> Option<usize> {
        let key = self.keys.get(&once.key)?;
        let life_ms = if key.brief { BRIEF_KEY_MS } else { KEY_MS };
        let holds = key.jumps == self.jumps && self.at_ms - key.at_ms < life_ms - KEY_MARGIN_MS;
        holds.then_some(key.event)
    }
}

/// Empty lists let all through; an endpoint with channels takes only events that share one.
fn filters_let_through(endpoint: &Endpoint, want: &Draft) -> bool {
    let by_type = endpoint.event_types.is_empty() || endpoint.event_types.iter().any(|name| name == want.event_type);
    let shared = |channel: usize| endpoint.channels.iter().any(|name| name == CHANNELS[channel]);
    by_type && (endpoint.channels.is_empty() || want.channel.is_some_and(shared))
}
