//! Turns: deliveries of one key to one endpoint begin in the order of their events, each when the one before has ended.

use super::standing::Kind;
use super::{Ledger, Want};
use crate::ordering::OrderKey;
use crate::sim::body::KEY_POINTER;
use crate::store::{Change, Setting};

impl Ledger {
    /// An event goes to an endpoint, under this key as its row says: the next delivery of that key.
    pub(super) fn line_up(&mut self, want: usize, endpoint: usize, key: Option<OrderKey>, body: &[u8]) {
        let right = OrderKey::of(KEY_POINTER, body);
        let Want { turn_must, turn_may, .. } = self.wants[want];
        let (must, may) = ((turn_must >> endpoint) & 1 == 1, (turn_may >> endpoint) & 1 == 1);
        if (must && key != right) || (key.is_some() && (key != right || !may)) {
            self.blame(format!("I14: endpoint {endpoint} got {key:?} from a body whose key is {right:?}"));
        }
        if let Some(key) = key {
            self.chains.entry((endpoint, key)).or_default().push(self.deliveries.len());
        }
    }

    /// Those before it in its chain, and all of its chain.
    fn chain(&self, delivery: usize) -> (&[usize], &[usize]) {
        let book = &self.deliveries[delivery];
        let all = book.key.and_then(|key| self.chains.get(&(book.endpoint, key))).map_or(&[][..], Vec::as_slice);
        (&all[..all.partition_point(|&other| other < delivery)], all)
    }

    /// A delivery is sent: those before it have ended, in a way that no crash undoes, and no other is on its way.
    pub(super) fn check_turn(&mut self, delivery: usize) {
        if self.deliveries[delivery].standing.kind != Kind::Waiting {
            return; // somebody asked for it again
        }
        let (before, all) = self.chain(delivery);
        let waits = before.iter().find(|&&other| {
            let other = &self.deliveries[other];
            let undone = other.durable.kind == Kind::Waiting && other.standing.kind != Kind::Succeeded;
            // a skip counts from its commit on: the index that is read shows the next one's turn
            undone || (other.standing.kind == Kind::Waiting && other.durable.kind != Kind::Canceled)
        });
        let flies = all.iter().find(|&&other| {
            let other = &self.deliveries[other];
            other.flying && other.in_turn
        });
        let event = |number: usize| self.events[self.deliveries[number].event].id;
        let wrong = match (waits, flies) {
            (Some(&other), _) => {
                format!("I14: {:?} was sent before {:?} of its key had ended", event(delivery), event(other))
            }
            (_, Some(&other)) => format!("I14: {:?} was sent beside {:?} of its key", event(delivery), event(other)),
            (None, None) => return,
        };
        self.blame(wrong);
    }

    fn skipped(&self, setting: &Setting) -> Option<usize> {
        let Change::Skip(endpoint, event) = setting.change else {
            return None;
        };
        self.delivery_number(event, endpoint)
    }

    /// A delivery was skipped on disk: it is not tried again.
    pub(super) fn skip_committed(&mut self, setting: &Setting) {
        let Some(delivery) = self.skipped(setting) else {
            return;
        };
        let now_ms = self.now.steady_ms;
        let book = &mut self.deliveries[delivery];
        if book.durable.kind == Kind::Waiting {
            (book.durable.kind, book.durable.manual) = (Kind::Canceled, false);
            book.ended_ms = now_ms; // the next one's turn begins, whatever a crash lets the engine hear of it
        }
    }

    /// The core hears of it; an attempt on its way goes on.
    pub(super) fn skip_told(&mut self, setting: &Setting) {
        let now_ms = self.now.steady_ms;
        let Some(delivery) = self.skipped(setting) else {
            return;
        };
        let book = &mut self.deliveries[delivery];
        if book.durable.kind == Kind::Canceled && book.standing.kind == Kind::Waiting {
            book.standing.kind = Kind::Canceled;
            book.standing.manual &= book.flying;
            book.ended_ms = now_ms;
        }
    }

    /// Since when it is its turn.
    pub(super) fn turn_since_ms(&self, delivery: usize) -> i64 {
        let (before, _) = self.chain(delivery);
        before.iter().map(|&other| self.deliveries[other].ended_ms).max().unwrap_or(i64::MIN)
    }
}
