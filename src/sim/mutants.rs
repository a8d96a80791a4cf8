//! Planted mutants: each distorts one message between the core and its world; the ledger must find every one.
//!
//! They stand at the seam, so that the engine holds no switches; the store is told to lose what it holds. Two are named as equivalent: no promise depends on
//! what they take away, so they must not be found.

use std::sync::Arc;

use crate::attempt::Order;
use crate::clock::Now;
use crate::delivery::{Delivery, Status};
use crate::endpoint::State;
use crate::engine::message::Input;
use crate::fan_out;
use crate::handling::Handling;
use crate::id::{EndpointId, EventId, Id as _};
use crate::store::memory::Memory;
use crate::store::{Batch, Change, DueSlice, Durable, Op, Opening, Receipt, Unwritten};

use super::receivers::Brought;

macro_rules! mutants {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A planted fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $variant,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

mutants! {
    /// The core hears that a batch is durable before it is.
    AckBeforeSync = "ack-before-sync",
    /// After a crash nobody looks for deliveries without rows.
    LostRecovery = "lost-recovery",
    /// After a crash the due index is forgotten.
    LostDueHeads = "lost-due-heads",
    /// After a crash one endpoint is forgotten.
    LostEndpoint = "lost-endpoint",
    /// After a crash the brief keys are forgotten.
    LostBriefKeys = "lost-brief-keys",
    /// Each attempt carries an id of its own.
    IdPerAttempt = "id-per-attempt",
    /// A switched-off endpoint is off on disk alone.
    DisableIgnored = "disable-ignored",
    /// A deleted endpoint is deleted on disk alone.
    DeleteIgnored = "delete-ignored",
    /// A changed URL is changed on disk alone.
    PatchIgnored = "patch-ignored",
    /// A paused endpoint is paused on disk alone.
    PauseIgnored = "pause-ignored",
    /// An endpoint's rate is changed on disk alone.
    RateIgnored = "rate-ignored",
    /// How many attempts an endpoint takes at one time is changed on disk alone.
    FlightsIgnored = "flights-ignored",
    /// A 410 is a failure like any other.
    GoneIgnored = "gone-ignored",
    /// Attempts end four seconds earlier than they do, and so the next begins.
    EarlyRetry = "early-retry",
    /// Attempts end an hour later than they do.
    LateRetry = "late-retry",
    /// Recovery begins behind events that still need it.
    MarkTooFar = "mark-too-far",
    /// Recovery always begins where it once began.
    MarkStands = "mark-stands",
    /// A read of the due index loses a line.
    DroppedDueLine = "dropped-due-line",
    /// A read of the due index is told twice.
    SliceTwice = "slice-twice",
    /// A delivery that leaves memory is not written down.
    ForgottenPark = "forgotten-park",
    /// A request goes out twice.
    DoubleSend = "double-send",
    /// An outcome is not written down.
    LostOutcome = "lost-outcome",
    /// Idempotency keys are not looked at.
    KeyIgnored = "key-ignored",
    /// Callers' event ids are not looked at.
    UidIgnored = "uid-ignored",
    /// What makes a repeated inbound event the same is not looked at.
    DuplicateIgnored = "duplicate-ignored",
    /// Another body under the key of an inbound event is taken for a repetition.
    ConflictIgnored = "conflict-ignored",
    /// After a crash the inbound events are forgotten whose keys waited for the index.
    LostTail = "lost-tail",
    /// The keys of inbound events are not in the index when they no longer wait for it.
    LostIndex = "lost-index",
    /// What the store refused is taken for done.
    RefusalIgnored = "refusal-ignored",
    /// One endpoint of several is left out.
    FanOutMissingOne = "fan-out-missing-one",
    /// `Retry-After` is not read.
    RetryAfterIgnored = "retry-after-ignored",
    /// The body is not the one that was accepted.
    BodyChanged = "body-changed",
    /// A deleted endpoint's deliveries are not canceled.
    CancelIgnored = "cancel-ignored",
    /// The ladder ends after three attempts.
    LadderCut = "ladder-cut",
    /// A resend is acknowledged and not written down.
    ResendDropped = "resend-dropped",
    /// A delivery that leaves memory forgets whom it waits for.
    TurnForgotten = "turn-forgotten",
    /// After a crash it is forgotten which keys have deliveries that others wait for.
    LostChains = "lost-chains",
    /// Whose turn it is after a commit is not told.
    LostTurns = "lost-turns",
    /// A slot is given back when the request goes out, not when its answer comes.
    SlotFreedEarly = "slot-freed-early",
    /// Equivalent: a report is told twice. A lease ends with its first report, the second finds nobody.
    ReportTwice = "report-twice",
    /// Equivalent: keys past their time are never deleted. What is past its time is not looked at.
    ForgetIgnored = "forget-ignored",
}

impl Mutant {
    /// The mutant of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
    }

    /// What is left of a handling that is not looked at.
    fn ignores(self, handling: &Handling) -> Handling {
        let mut left = handling.clone();
        match self {
            Self::PauseIgnored => left.paused = false,
            Self::RateIgnored => left.throttle_rate = None,
            Self::FlightsIgnored => left.max_in_flight = None,
            _ => {}
        }
        left
    }

    /// Why it cannot be found, for those that change nothing a promise depends on.
    #[must_use]
    pub fn equivalent(self) -> Option<&'static str> {
        match self {
            Self::ReportTwice => Some("a lease ends with its first report"),
            Self::ForgetIgnored => Some("a key past its time is not looked at, deleted or not"),
            _ => None,
        }
    }
}

/// The seam: passes every message on, distorted when a mutant is planted.
pub(super) struct Mutation {
    mutant: Option<Mutant>,
}

impl Mutation {
    pub(super) fn new(mutant: Option<Mutant>) -> Self {
        Self { mutant }
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
                let ignored = mutant.ignores(&endpoint.handling);
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

    pub(super) fn batch(&self, batch: Arc<Batch>) -> Arc<Batch> {
        let Some(mutant) = self.mutant else {
            return batch;
        };
        let mut batch = Batch::clone(&batch);
        batch.ops.iter_mut().for_each(|op| distort(mutant, op));
        Arc::new(batch)
    }

    pub(super) fn receipt(&self, receipt: Option<Durable<Receipt>>) -> Option<Durable<Receipt>> {
        let receipt = receipt?;
        let Receipt { mut refused, mut turns } = receipt.get().clone();
        match self.mutant {
            Some(Mutant::RefusalIgnored) => refused.clear(),
            Some(Mutant::LostTurns) => turns.clear(),
            _ => {}
        }
        Some(receipt.vouch(Receipt { refused, turns }))
    }

    /// The store was opened, and tells what it holds.
    pub(super) fn start(&self, memory: &Memory) {
        if self.is(Mutant::LostTail) {
            memory.lose_tail();
        }
    }

    /// The store wrote a batch.
    pub(super) fn committed(&self, memory: &Memory) {
        if self.is(Mutant::LostIndex) {
            memory.lose_index();
        }
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
            Some(Mutant::LostBriefKeys) => opening.recent_keys.clear(),
            Some(Mutant::LostEndpoint) => {
                opening.endpoints.pop();
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
            Some(Mutant::RetryAfterIgnored) => brought.retry_after_secs = None,
            Some(Mutant::EarlyRetry) => now.steady_ms -= 4_000,
            Some(Mutant::LateRetry) => now.steady_ms += 3_600_000,
            _ => {}
        }
        (now, brought)
    }
}

/// Takes an operation's place in its batch and does nothing.
fn nothing() -> Op {
    Op::Cancel { endpoint: EndpointId::new(0), count: 0 }
}

fn distort(mutant: Mutant, op: &mut Op) {
    match (mutant, op) {
        (Mutant::ForgottenPark, op @ Op::Park(_))
        | (Mutant::CancelIgnored, op @ Op::Cancel { .. })
        | (Mutant::ForgetIgnored, op @ Op::Forget)
        | (Mutant::ResendDropped, op @ Op::Resend { .. }) => *op = nothing(),
        (Mutant::TurnForgotten, Op::Park(due)) => due.key = None,
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
