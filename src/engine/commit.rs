//! Group commit: a batch goes to the disk, and what follows when it is there.

use std::sync::Arc;

use super::aside::UNWRITABLE_PAUSE_MS;
use super::core::Core;
use super::group::{Entry, Group, Wait};
use super::message::{Answer, NotChanged, Output};
use crate::attempt::Payload;
use crate::clock::Now;
use crate::conflict::First;
use crate::error::{Error, Kind};
use crate::event::{Accepted, Event, Kept};
use crate::inbound::Flags;
use crate::store::{Batch, Durable, NewRow, Op, Receipt, Refused};

impl<R> Core<R> {
    /// Sends what has gathered on its way to the disk.
    pub(super) fn drained(&mut self, now: Now) {
        if let Some(batch) = self.groups.take(now) {
            self.out.push(Output::Store(batch));
        }
    }

    /// A batch is durable: obey its settings, answer who waits, send its events.
    pub(super) fn stored(&mut self, now: Now, receipt: &Durable<Receipt>) {
        let Some((batch, group)) = self.groups.landed() else {
            return;
        };
        let spoiled = self.set_aside(now, &batch, receipt.get());
        for (lane, due_ms) in group.lines {
            // what could not be changed is still due, and would be read again at once
            self.note_due(now, lane, if spoiled { due_ms.max(now.steady_ms + UNWRITABLE_PAUSE_MS) } else { due_ms });
        }
        for (position, op) in batch.ops.iter().enumerate() {
            if let (Op::Replay(replayed), None) = (op, refused_at(receipt.get(), position)) {
                self.replayed(now, replayed);
            }
        }
        for wait in group.waits {
            match wait {
                Wait::Events(reply, entries) => {
                    let answers = entries.into_iter().map(|entry| self.settle(now, &batch, receipt, entry)).collect();
                    self.out.push(Output::Reply(reply, Answer::Events(answers)));
                }
                Wait::News(entry) => {
                    let _ = self.settle(now, &batch, receipt, entry); // nobody asked
                }
                Wait::Change(reply, position, told) => {
                    let refused = position.and_then(|position| refused_at(receipt.get(), position));
                    if let (None, Some(position)) = (&refused, position) {
                        self.obey(now, &batch.ops[position]);
                    }
                    let answer = match refused {
                        None => Ok(receipt.vouch(())),
                        Some(Refused::Unwritable(_)) => Err(NotChanged::Failed(not_written())),
                        Some(refused) => Err(NotChanged::Refused(refused)),
                    };
                    self.out.push(Output::Reply(reply, Answer::Changed(answer)));
                    if let Some(entry) = told {
                        let _ = self.settle(now, &batch, receipt, entry); // a change that was refused is not told
                    }
                }
            }
        }
        for &turn in &receipt.get().turns {
            self.turn(now, turn);
        }
    }

    /// What one event of a request came to.
    fn settle(
        &mut self,
        now: Now,
        batch: &Batch,
        receipt: &Durable<Receipt>,
        entry: Entry,
    ) -> Result<Durable<Accepted>, Error> {
        match entry {
            Entry::Refused(error) => Err(error),
            Entry::Repeat(once, first) => match self.recent.get(&once).filter(|(event, _)| *event == first) {
                Some((event, request)) if request == once.request => {
                    Ok(receipt.vouch(Accepted { event, body: Kept::AsFirst }))
                }
                Some(_) => Err(key_reused()),
                None => Err(uid_taken()),
            },
            Entry::New { position, lanes, wrapped, urgent } => {
                let Some(row) = batch.ops[position].event() else {
                    return Err(Error::internal("an event's place holds no event"));
                };
                let event = row.event.id;
                let Some(refused) = refused_at(receipt.get(), position) else {
                    self.counters.accepted += 1;
                    let contradicted = contradicted_at(receipt.get(), position);
                    if let Some(due_ms) = row.event.deliver_at_ms() {
                        for (lane, _) in lanes {
                            self.note_due(now, lane, due_ms);
                        }
                    } else {
                        let payload = payload(&row.event, contradicted);
                        self.enqueue(now, event, payload, (&lanes, urgent));
                    }
                    let body = match contradicted {
                        Some(_) => Kept::Conflicting,
                        None if wrapped => Kept::Wrapped(row.event.body.clone()),
                        None => Kept::AsSent,
                    };
                    return Ok(receipt.vouch(Accepted { event, body }));
                };
                self.withdraw(row);
                match refused {
                    Refused::Repeated(event) | Refused::Duplicate(event) => {
                        Ok(receipt.vouch(Accepted { event, body: Kept::AsFirst }))
                    }
                    Refused::Held { conflict, first, is_new } => {
                        if is_new {
                            self.conflict_held(now, &row.event, conflict, first);
                        }
                        Ok(receipt.vouch(Accepted { event: first.event, body: Kept::Held(conflict) }))
                    }
                    Refused::Full(max) => Err(too_many_held(max)),
                    Refused::Stale => Err(Error::conflict("it does not wait any more: it was released or discarded")),
                    Refused::KeyReused => Err(key_reused()),
                    Refused::Unwritable(_) => Err(not_written()),
                    _ => Err(uid_taken()),
                }
            }
        }
    }

    /// An event that was refused leaves no trace.
    fn withdraw(&mut self, row: &NewRow) {
        self.open.remove(&row.event.id);
        if let Some(once) = &row.once {
            self.recent.drop(once, row.event.id);
        }
    }

    /// Nothing of the batch stands: all who wait are told, those behind it too. The engine's own operations are kept;
    /// what somebody asked for, and was told has failed, is not.
    pub(super) fn not_stored(&mut self, now: Now, detail: &str) {
        let Some(groups) = self.groups.give_up() else {
            return;
        };
        let error = Error::new(
            Kind::Overloaded,
            "not_stored",
            format!("nothing could be written, so nothing was accepted ({detail}); try again"),
        );
        let mut kept = Group::default();
        for group in groups {
            let mut news = Vec::new();
            for wait in group.waits {
                let (reply, answer) = match wait {
                    Wait::News(entry) => {
                        news.push(entry);
                        continue;
                    }
                    Wait::Events(reply, entries) => {
                        (reply, Answer::Events(entries.iter().map(|_| Err(error.clone())).collect()))
                    }
                    Wait::Change(reply, ..) => (reply, Answer::Changed(Err(NotChanged::Failed(error.clone())))),
                };
                self.out.push(Output::Reply(reply, answer));
            }
            for (place, op) in group.ops.into_iter().enumerate() {
                match op {
                    Op::Event(row) => self.withdraw(&row),
                    Op::News(row) => match take_at(&mut news, place) {
                        Some(entry) => kept.tell((row, entry)),
                        None => self.withdraw(&row),
                    },
                    Op::Replay(replayed) => {
                        self.not_replayed(&replayed);
                        self.landed(&Op::Replay(replayed));
                    }
                    given_up @ (Op::Resend { .. } | Op::Setting(_)) => self.landed(&given_up),
                    Op::Turned(_)
                    | Op::Quarantine(_)
                    | Op::Alive(_)
                    | Op::Hasten { .. }
                    | Op::Used { .. }
                    | Op::Outage { .. } => {}
                    ours @ (Op::Tried(_)
                    | Op::Park(_)
                    | Op::Cancel { .. }
                    | Op::Mark { .. }
                    | Op::Health { .. }
                    | Op::ConflictTold(_)
                    | Op::Forget) => kept.ops.push(ours),
                }
            }
            kept.lines.extend(group.lines);
        }
        self.groups.keep(now, kept);
    }
}

/// What tells of an operation of ours at this place of a batch.
fn take_at(news: &mut Vec<Entry>, place: usize) -> Option<Entry> {
    let found = news.iter().position(|entry| matches!(entry, Entry::New { position, .. } if *position == place))?;
    Some(news.swap_remove(found))
}

pub(super) fn refused_at(receipt: &Receipt, position: usize) -> Option<Refused> {
    let found = receipt.refused.binary_search_by_key(&position, |(position, _)| *position).ok()?;
    Some(receipt.refused[found].1.clone())
}

/// Whom the event at this place of a batch contradicts, and what is odd about it by that.
fn contradicted_at(receipt: &Receipt, position: usize) -> Option<(First, Flags)> {
    let found = receipt.conflicts.binary_search_by_key(&position, |(position, ..)| *position).ok()?;
    let (_, first, flags) = receipt.conflicts[found];
    Some((first, flags))
}

/// What is sent of an event that was just written.
fn payload(event: &Event, contradicted: Option<(First, Flags)>) -> Payload {
    let mut arrival = event.arrival.clone();
    if let (Some(arrival), Some((first, flags))) = (&mut arrival, contradicted) {
        Arc::make_mut(arrival).contradict(first, flags);
    }
    Payload { body: event.body.clone(), arrival }
}

fn not_written() -> Error {
    Error::internal("the database refused to write it; the log says why")
}

fn too_many_held(max: usize) -> Error {
    let detail = format!("{max} conflicts of this source wait for an Admin; release or discard some");
    Error::new(Kind::Overloaded, "conflicts_full", detail)
}

fn key_reused() -> Error {
    Error::conflict("this Idempotency-Key was used with another body; choose a new key for a new request")
}

fn uid_taken() -> Error {
    Error::conflict("an event with this eventId exists already; it was accepted and is being delivered")
}
