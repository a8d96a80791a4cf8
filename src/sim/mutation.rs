//! The seam between the core and its world, where a planted mutant distorts what passes: so the engine holds no switches,
//! and the store is told to lose what it holds.

use std::sync::Arc;

use super::mutants::Mutant;
use super::receivers::Brought;
use crate::application::Application;
use crate::attempt::{Cause, Order};
use crate::clock::Now;
use crate::conflict::OnConflict;
use crate::delivery::{Delivery, Status};
use crate::endpoint::State;
use crate::engine::message::Input;
use crate::environment::MANAGEMENT_ID;
use crate::fan_out;
use crate::handling::Handling;
use crate::id::{EndpointId, EventId, Id as _};
use crate::store::memory::Memory;
use crate::store::{Batch, Change, DueSlice, Durable, NewRow, Op, Opening, Receipt, Store as _, Unwritten};

/// The seam: passes every message on, distorted when a mutant is planted.
pub(super) struct Mutation {
    mutant: Option<Mutant>,
    /// What is written one commit later than it should be.
    late: Vec<Op>,
    /// What was told last.
    told: Option<NewRow>,
}

impl Mutation {
    pub(super) fn new(mutant: Option<Mutant>) -> Self {
        Self { mutant, late: Vec::new(), told: None }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(super) fn tells_early(&self) -> bool {
        self.is(Mutant::AckBeforeSync)
    }

    pub(super) fn tells_slices_twice(&self) -> bool {
        self.is(Mutant::SliceTwice)
    }

    pub(super) fn tells_reports_twice(&self) -> bool {
        self.is(Mutant::ReportTwice)
    }

    pub(super) fn sends_twice(&self) -> bool {
        self.is(Mutant::DoubleSend)
    }

    pub(super) fn frees_slots_early(&self) -> bool {
        self.is(Mutant::SlotFreedEarly)
    }

    pub(super) fn input<R>(&self, input: &mut Input<R>) {
        match (self.mutant, input) {
            (Some(Mutant::KeyIgnored), Input::Accept { events, .. }) => {
                for event in events {
                    event.once = None;
                }
            }
            (Some(Mutant::UidIgnored), Input::Accept { events, .. }) => {
                for event in events {
                    event.uid = None;
                }
            }
            (Some(Mutant::DuplicateIgnored), Input::Accept { events, .. }) => {
                for event in events {
                    event.dedup = None;
                }
            }
            (Some(Mutant::ConflictIgnored), Input::Accept { events, .. }) => {
                for dedup in events.iter_mut().filter_map(|event| event.dedup.as_mut()) {
                    dedup.twin = [0; 16];
                }
            }
            (Some(Mutant::SpellingIgnored), Input::Accept { events, .. }) => {
                for event in events {
                    // what says itself, byte for byte, agrees with no other spelling
                    let said = serde_json::to_string(&String::from_utf8_lossy(&event.body)).unwrap_or_default();
                    event.dedup.iter_mut().for_each(|dedup| dedup.original = Some(said.clone().into()));
                }
            }
            (Some(Mutant::HoldIgnored), Input::Accept { events, .. }) => {
                for dedup in events.iter_mut().filter_map(|event| event.dedup.as_mut()) {
                    dedup.on_conflict = OnConflict::Deliver;
                }
            }
            (Some(mutant), Input::Change { setting, .. }) => {
                let Change::Endpoint(endpoint) = &mut setting.change else {
                    return;
                };
                let keeps = matches!(
                    (mutant, endpoint.state),
                    (Mutant::DisableIgnored, State::Disabled) | (Mutant::DeleteIgnored, State::Deleted)
                );
                if keeps && endpoint.revision > 1 {
                    endpoint.description = format!("{:?}", endpoint.state);
                    endpoint.state = State::Enabled;
                }
                let ignored = ignores(mutant, &endpoint.handling);
                if ignored != *endpoint.handling && endpoint.revision > 1 {
                    endpoint.description = serde_json::to_string(&endpoint.handling).unwrap_or_default();
                    *endpoint.handling = ignored;
                }
                if mutant == Mutant::PatchIgnored && endpoint.revision > 1 {
                    endpoint.description = std::mem::replace(&mut endpoint.url, "http://1".to_owned());
                }
            }
            _ => {}
        }
    }

    pub(super) fn batch(&mut self, batch: Arc<Batch>) -> Arc<Batch> {
        let Some(mutant) = self.mutant else {
            return batch;
        };
        let mut batch = Batch::clone(&batch);
        batch.ops.iter_mut().for_each(|op| distort(mutant, op));
        match mutant {
            Mutant::NewsBeforeCause => self.delay_causes(&mut batch.ops),
            Mutant::RefusalTold => tell_refusals(&mut batch.ops),
            _ => {}
        }
        Arc::new(batch)
    }

    pub(super) fn receipt(&self, receipt: Option<Durable<Receipt>>) -> Option<Durable<Receipt>> {
        let receipt = receipt?;
        let Receipt { mut refused, mut turns, mut conflicts } = receipt.get().clone();
        match self.mutant {
            Some(Mutant::RefusalIgnored) => refused.clear(),
            Some(Mutant::LostTurns) => turns.clear(),
            Some(Mutant::NameDoubled) => conflicts.clear(),
            _ => {}
        }
        Some(receipt.vouch(Receipt { refused, turns, conflicts }))
    }

    /// The store was opened, and tells what it holds; gives what is written before anything else.
    pub(super) fn start(&mut self, memory: &Memory, now: Now) -> Option<Batch> {
        self.late.clear();
        if self.is(Mutant::LostTail) {
            memory.lose_tail();
        }
        let mut row = self.told.take()?;
        row.event.id = EventId::new(memory.opening(now.wall_ms).ok()?.last_id + 1);
        Some(Batch { wall_ms: now.wall_ms, steady_ms: now.steady_ms, ops: vec![Op::News(row)] })
    }

    /// The store wrote a batch.
    pub(super) fn committed(&mut self, batch: &Batch, memory: &Memory) {
        match self.mutant {
            Some(Mutant::LostIndex) => memory.lose_index(),
            Some(Mutant::LostHeld) => memory.lose_held(),
            _ => {}
        }
        let last = batch.ops.iter().rfind(|op| matches!(op, Op::News(_)));
        if let Some(Op::News(row)) = last.filter(|_| self.is(Mutant::NewsTwice)) {
            self.told = Some(row.clone());
        }
    }

    /// Keeps back what is told of, for the next commit.
    fn delay_causes(&mut self, ops: &mut Vec<Op>) {
        let late = std::mem::take(&mut self.late);
        for place in 1..ops.len() {
            if let [Op::Tried(_), Op::News(_)] = &ops[place - 1..=place] {
                self.late.push(std::mem::replace(&mut ops[place - 1], nothing()));
            }
        }
        ops.extend(late);
    }

    pub(super) fn slice(&self, slice: &mut DueSlice) {
        if self.is(Mutant::DroppedDueLine) {
            slice.due.pop();
        }
    }

    pub(super) fn opening(&self, opening: &mut Opening) {
        match self.mutant {
            Some(Mutant::LostDueHeads) => opening.due.clear(),
            Some(Mutant::LostChains) => opening.chains.clear(),
            Some(Mutant::HeldUntold) => opening.untold.clear(),
            Some(Mutant::LostBriefKeys) => opening.recent_keys.clear(),
            Some(Mutant::LostEndpoint) => {
                opening.endpoints.pop();
            }
            Some(Mutant::NewsMisled) => {
                let hears = |row: &&mut Application| row.environment.value() == MANAGEMENT_ID;
                if let [one, other] = &mut opening.applications.iter_mut().filter(hears).collect::<Vec<_>>()[..] {
                    std::mem::swap(&mut one.uid, &mut other.uid);
                }
            }
            _ => {}
        }
    }

    pub(super) fn unwritten(&self, unwritten: &mut Unwritten) {
        if self.is(Mutant::LostRecovery) {
            unwritten.deliveries.clear();
        }
    }

    /// What goes out on the wire; the lease stays what it is.
    pub(super) fn wire(&self, wire: &mut Order) {
        if self.is(Mutant::IdPerAttempt) {
            wire.lease.event = EventId::new(wire.lease.event.value() + 1);
        }
        if self.is(Mutant::BodyChanged)
            && let Some(payload) = &mut wire.payload
        {
            payload.body = [&payload.body, &b" "[..]].concat().into();
        }
    }

    /// What an attempt brought, and when, as the core is told.
    pub(super) fn report(&self, mut now: Now, mut brought: Brought) -> (Now, Brought) {
        match self.mutant {
            Some(Mutant::GoneIgnored) if brought.status == 410 => brought.status = 500,
            Some(Mutant::LocalCounted) if brought.cause == Cause::Local => brought.cause = Cause::Connect,
            Some(Mutant::RetryAfterIgnored) => brought.retry_after_secs = None,
            Some(Mutant::EarlyRetry) => now.steady_ms -= 4_000,
            Some(Mutant::LateRetry) => now.steady_ms += 3_600_000,
            _ => {}
        }
        (now, brought)
    }
}

/// What is left of a handling that is not looked at.
fn ignores(mutant: Mutant, handling: &Handling) -> Handling {
    let mut left = handling.clone();
    match mutant {
        Mutant::PauseIgnored => left.paused = false,
        Mutant::RateIgnored => left.throttle_rate = None,
        Mutant::FlightsIgnored => left.max_in_flight = None,
        _ => {}
    }
    left
}

/// What tells of a change becomes an event like any other, which nothing refuses.
fn tell_refusals(ops: &mut [Op]) {
    for place in 1..ops.len() {
        if let [Op::Setting(_), Op::News(row)] = &ops[place - 1..=place] {
            ops[place] = Op::Event(row.clone());
        }
    }
}

/// Takes an operation's place in its batch and does nothing.
fn nothing() -> Op {
    Op::Cancel { endpoint: EndpointId::new(0), count: 0 }
}

fn distort(mutant: Mutant, op: &mut Op) {
    match (mutant, op) {
        (Mutant::ForgottenPark, op @ Op::Park(_))
        | (Mutant::NewsForgotten, op @ Op::News(_))
        | (Mutant::CancelIgnored, op @ Op::Cancel { .. })
        | (Mutant::ForgetIgnored, op @ Op::Forget)
        | (Mutant::ResendDropped, op @ Op::Resend { .. }) => *op = nothing(),
        (Mutant::TurnForgotten, Op::Park(due)) => due.key = None,
        (Mutant::NewsOfAnother, Op::News(row)) => {
            let body =
                String::from_utf8_lossy(&row.event.body).replace("\"endpointId\":\"ep_", "\"endpointId\":\"ep_0");
            row.event.body = body.into();
        }
        (Mutant::LostOutcome, op @ Op::Tried(_)) => {
            if matches!(op, Op::Tried(tried) if tried.attempt.id.value() % 8 == 0) {
                *op = nothing();
            }
        }
        (Mutant::MarkTooFar, Op::Mark { mark, last_id }) => *mark = EventId::new(*last_id + 1),
        (Mutant::MarkStands, Op::Mark { mark, .. }) => *mark = EventId::new(0),
        (Mutant::FanOutMissingOne, Op::Event(row)) => {
            let mut endpoints = fan_out::unpack_keyed(&row.fan_out).unwrap_or_default();
            if endpoints.len() > 1 {
                endpoints.pop();
            }
            row.fan_out = fan_out::pack(&endpoints);
        }
        (Mutant::LadderCut, Op::Tried(tried))
            if tried.delivery.status == Status::Pending && tried.delivery.attempts == 3 =>
        {
            tried.delivery = Delivery { status: Status::Failed, due_ms: None, ..tried.delivery };
        }
        (Mutant::PauseIgnored | Mutant::RateIgnored | Mutant::FlightsIgnored, Op::Setting(setting)) => {
            if let Change::Endpoint(endpoint) = &mut setting.change
                && let Ok(handling) = serde_json::from_str(&endpoint.description)
            {
                *endpoint.handling = handling;
            }
        }
        (Mutant::DisableIgnored | Mutant::DeleteIgnored | Mutant::PatchIgnored, Op::Setting(setting)) => {
            let Change::Endpoint(endpoint) = &mut setting.change else {
                return;
            };
            match (endpoint.description.as_str(), mutant) {
                ("", _) => {}
                (_, Mutant::DisableIgnored) => endpoint.state = State::Disabled,
                (_, Mutant::DeleteIgnored) => endpoint.state = State::Deleted,
                (url, _) => endpoint.url = url.to_owned(),
            }
        }
        _ => {}
    }
}
