//! The core: takes what happened, decides what is to be done; does no I/O, reads no clock, draws no lots of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::directory::Directory;
use super::group::Groups;
use super::lane::Run;
use super::lanes::Lanes;
use super::message::{Counters, Input, Output};
use super::outage::Outage;
use super::payloads::Payloads;
use super::recent::RecentKeys;
use super::rota::Rota;
use crate::clock::Now;
use crate::endpoint::Endpoint;
use crate::id::{EventId, Id, IdSource, IdText};
use crate::retry::{self, Ladder};

/// How many attempts run at one time, over all endpoints.
pub const IN_FLIGHT_MAX: usize = 4_096;

/// The engine's state between two steps.
pub struct Core<R> {
    pub(super) ids: Arc<IdSource>,
    /// How ids are written where the engine itself tells of them.
    pub(super) text: IdText,
    pub(super) rng: SmallRng,
    /// How many times faster waits pass than written: 1, but for the sandbox.
    pub(super) speed: i64,
    /// When a failed delivery is tried again, where neither its endpoint nor its provider says so.
    pub(super) ladder: Ladder,
    pub(super) directory: Directory,
    pub(super) lanes: Lanes,
    /// Lanes that may send, application by application in turn.
    pub(super) rota: Rota,
    /// Lanes that have their share of the slots, and how much that was.
    pub(super) crowded: BTreeSet<usize>,
    pub(super) crowded_share: usize,
    /// When lanes want their due index read: (`due_ms`, lane).
    pub(super) due: BTreeSet<(i64, usize)>,
    /// When lanes that a rate or their breaker holds back may send again: (`at_ms`, lane).
    pub(super) throttled: BTreeSet<(i64, usize)>,
    /// What is known of outages of our own.
    pub(super) outage: Outage,
    /// Replays that run, by their endpoints' lanes.
    pub(super) replays: BTreeMap<usize, Run>,
    /// Events with deliveries that have no row yet, and how many.
    pub(super) open: BTreeMap<EventId, u32>,
    pub(super) recent: RecentKeys,
    pub(super) payloads: Payloads,
    pub(super) groups: Groups<R>,
    pub(super) in_flight: usize,
    /// How many attempts run at one time.
    pub(super) slots: usize,
    pub(super) counters: Counters,
    /// When the lanes are looked over again; `None` while nothing is in memory.
    pub(super) sweep_ms: Option<i64>,
    /// Recovery has more to find: until then the mark stays where it is.
    pub(super) recovering: bool,
    /// The last event that may be of a process before: recovery finds no others.
    pub(super) inherited: EventId,
    /// The mark as last written, and when keys were last forgotten.
    pub(super) marked: EventId,
    /// The earliest event with a delivery that could not be written: recovery is to find it.
    pub(super) unwritable: Option<EventId>,
    pub(super) forgot_ms: i64,
    /// Whether nothing more is sent.
    pub(super) held: bool,
    pub(super) out: Vec<Output<R>>,
}

impl<R> Core<R> {
    /// An engine that knows nothing yet; `recover.rs` tells it what the store holds.
    pub(super) fn empty(ids: Arc<IdSource>, text: IdText, seed: u64) -> Self {
        Self {
            ids,
            text,
            rng: SmallRng::seed_from_u64(seed),
            speed: 1,
            ladder: retry::STANDARD.clone(),
            directory: Directory::default(),
            lanes: Lanes::default(),
            rota: Rota::default(),
            crowded: BTreeSet::new(),
            crowded_share: 0,
            due: BTreeSet::new(),
            throttled: BTreeSet::new(),
            outage: Outage::default(),
            replays: BTreeMap::new(),
            open: BTreeMap::new(),
            recent: RecentKeys::default(),
            payloads: Payloads::default(),
            groups: Groups::default(),
            in_flight: 0,
            slots: IN_FLIGHT_MAX,
            counters: Counters::default(),
            sweep_ms: None,
            recovering: true,
            inherited: EventId::new(i64::MAX),
            marked: EventId::new(0),
            unwritable: None,
            forgot_ms: 0,
            held: false,
            out: Vec::new(),
        }
    }

    /// Opens a new endpoint's lane; gives its number.
    pub(super) fn open(&mut self, endpoint: Endpoint) -> usize {
        let sender = self.rota.enroll(endpoint.application);
        let host = self.outage.host(&endpoint.url);
        self.lanes.open(endpoint, sender, host)
    }

    /// Lets every wait of a ladder, and the days after which an endpoint is disabled, pass so many times faster.
    #[must_use]
    pub fn at_speed(self, speed: u32) -> Self {
        Self { speed: i64::from(speed.max(1)), ..self }
    }

    /// Sets the ladder of deliveries whose endpoint and provider have none of their own.
    #[must_use]
    pub fn with_ladder(self, ladder: Ladder) -> Self {
        Self { ladder, ..self }
    }

    /// Sets how many attempts run at one time: [`IN_FLIGHT_MAX`] at most, one at least.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        Self { slots: slots.clamp(1, IN_FLIGHT_MAX), ..self }
    }

    /// Takes one input; what follows from it waits in [`Self::outputs`].
    pub fn step(&mut self, now: Now, input: Input<R>) {
        match input {
            Input::Accept { events, reply } => self.accept(now, events, reply),
            Input::Change { setting, reply } => self.change(now, *setting, reply),
            Input::Record { op, reply } => self.groups.wait_change(reply, Some(*op), None),
            Input::Resend { event, endpoint, by, reply } => self.resend(now, (event, endpoint), by, reply),
            Input::Stored(receipt) => self.stored(now, &receipt),
            Input::NotStored(detail) => self.not_stored(now, &detail),
            Input::Loaded(endpoint, slice) => self.loaded(now, endpoint, slice),
            Input::Found(unwritten) => self.found(now, unwritten),
            Input::Replayable(replay, found) => self.replayable(now, &replay, found),
            Input::Done(lease, report) => self.done(now, lease, &report),
            Input::Tick => self.tick(now),
            Input::Drained => self.drained(now),
        }
        self.dispatch(now);
    }

    /// What is to be done, in this order.
    pub fn outputs(&mut self) -> std::vec::Drain<'_, Output<R>> {
        self.out.drain(..)
    }

    /// When the next [`Input::Tick`] is wanted, on the steady scale; `None` while nothing waits for time.
    pub fn wake_ms(&self) -> Option<i64> {
        let due = self.due.first().map(|(due_ms, _)| *due_ms);
        let throttled = self.throttled.first().map(|(at_ms, _)| *at_ms);
        [due, throttled, self.sweep_ms, self.outage.probe_ms(), self.groups.wake_ms()].into_iter().flatten().min()
    }

    /// Sends nothing from now on; what is in flight may end, and outcomes no longer linger.
    pub fn hold(&mut self) {
        self.held = true;
        self.groups.hurry();
    }

    /// Whether nothing is in flight, and nothing waits for the disk.
    pub fn idle(&self) -> bool {
        self.in_flight == 0 && self.groups.is_empty()
    }

    /// How many attempts are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Deliveries to healthy endpoints that wait in memory for their first attempt.
    pub fn waiting(&self) -> usize {
        self.lanes.waiting()
    }

    /// The oldest event with a delivery in memory that nobody wrote down yet.
    pub fn oldest(&self) -> Option<EventId> {
        self.open.first_key_value().map(|(event, _)| *event)
    }

    /// All deliveries of events below have rows.
    pub(super) fn mark(&self) -> EventId {
        let in_memory = self.oldest().unwrap_or_else(|| EventId::new(self.ids.last() + 1));
        self.unwritable.map_or(in_memory, |unwritable| unwritable.min(in_memory))
    }

    /// What the metrics show.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}
