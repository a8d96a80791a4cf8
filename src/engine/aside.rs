//! What the store could not write is set aside: nothing of it is tried again before the next start, whose recovery finds
//! it.

use super::core::Core;
use crate::clock::Now;
use crate::id::{EventId, Id};
use crate::ordering::OrderKey;
use crate::store::{Batch, Op, Receipt, Refused, Replayed};

/// What is due and was in a batch with something unwritable is read after so long.
pub(super) const UNWRITABLE_PAUSE_MS: i64 = 10_000;

impl<R> Core<R> {
    /// Takes note of what has landed and of what could not be written; gives whether there was any of that.
    pub(super) fn set_aside(&mut self, now: Now, batch: &Batch, receipt: &Receipt) -> bool {
        let (mut spoiled, before) = (false, self.unwritable);
        let mut refused = receipt.refused.iter().peekable();
        for (position, op) in batch.ops.iter().enumerate() {
            match refused.next_if(|(at, _)| *at == position) {
                Some((_, Refused::Unwritable(_))) => {
                    spoiled = true;
                    self.unwritable(now, op);
                }
                _ => self.landed(op),
            }
        }
        if self.unwritable != before {
            self.lower_mark(now);
        }
        spoiled
    }

    fn unwritable(&mut self, now: Now, op: &Op) {
        self.counters.unwritable += 1;
        match op {
            // its line, if there is one, stays held: it is not read again
            Op::Tried(tried) => self.keep_for_recovery(tried.event),
            Op::Park(due) => self.keep_for_recovery(due.event),
            Op::Replay(replayed) => self.divide(now, replayed),
            Op::Resend { .. } | Op::Setting(_) => self.landed(op),
            _ => {}
        }
    }

    fn keep_for_recovery(&mut self, event: EventId) {
        self.unwritable = Some(self.unwritable.map_or(event, |other| other.min(event)));
    }

    /// The mark stays below an event whose delivery has no row.
    fn lower_mark(&mut self, now: Now) {
        let mark = self.mark();
        self.groups.lower_mark(mark);
        self.marked = mark;
        self.groups.push(now, Op::Mark { mark, last_id: self.ids.last() });
    }

    /// A slice of a replay is made again one by one; a single delivery that cannot be written is passed over.
    fn divide(&mut self, now: Now, replayed: &Replayed) {
        let whole = replayed.clone();
        self.landed(&Op::Replay(Box::new(whole)));
        let mut rest = match replayed.events.as_slice() {
            [] => return self.not_replayed(replayed),
            [_] => vec![Replayed { events: Vec::new(), ..replayed.clone() }],
            all => all.iter().map(|&event| alone(replayed, event)).collect(),
        };
        if let Some(last) = rest.last_mut() {
            (last.position, last.done) = (replayed.position, replayed.done);
        }
        for one in rest {
            self.groups.push(now, Op::Replay(Box::new(one)));
        }
    }
}

fn alone(replayed: &Replayed, (event, key): (EventId, Option<OrderKey>)) -> Replayed {
    let position = EventId::new(event.value() + 1);
    Replayed { events: vec![(event, key)], position, done: false, ..replayed.clone() }
}
