//! The ledger: what clients asked, were told, and saw arrive, kept outside the product; it says what must not be. It knows
//! the promises and nothing of the core's insides; `closing` is the last look when all is quiet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::disk::ID_KEY;
use crate::application::{Application, ApplicationRef};
use crate::clock::Now;
use crate::endpoint::{Endpoint, State};
use crate::event::Once;
use crate::id::{AttemptId, EndpointId, EventId, IdText};
use crate::ordering::OrderKey;
use crate::store::Store as _;
use crate::store::memory::Memory;

mod accepting;
mod arriving;
mod books;
mod closing;
mod commits;
mod news;
mod sending;
mod standing;
mod turns;

use arriving::Arrivals;
pub(super) use books::{ApplicationBook, EndpointBook};
use news::{Hearing, News};
use standing::Standing;

/// The event types and channels of the simulated world.
pub(super) const EVENT_TYPES: [&str; 3] = ["payment.succeeded", "payment.failed", "account.updated"];
pub(super) const CHANNELS: [&str; 2] = ["north", "south"];

/// How long an attempt that never left the machine puts others off, at the most.
const PUT_OFF_MS_MAX: i64 = 10_000;

/// An event as a client would describe it.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) application: usize,
    pub(super) event_type: &'static str,
    pub(super) channel: Option<usize>,
    pub(super) once: Option<Once>,
    pub(super) uid: Option<usize>,
    /// For this endpoint alone, whatever its filters say.
    pub(super) only: Option<usize>,
    /// It comes in by a source's door: its repetition is found by what it says.
    pub(super) inbound: bool,
    pub(super) body: Bytes,
}

impl Draft {
    /// Whether asking twice must not make two events of it.
    pub(super) fn is_safe(&self) -> bool {
        self.once.is_some() || self.uid.is_some() || self.inbound
    }
}

/// An event that a client wants, and what came of that.
pub(super) struct Want {
    pub(super) draft: Draft,
    /// Endpoints, as bits: those it has to go to, and those it may go to.
    must: u64,
    may: u64,
    /// The same of endpoints where it has to wait its turn, and where it may have to.
    turn_must: u64,
    turn_may: u64,
    /// Requests for it that are on their way; since when, and how often the wall clock had jumped by then.
    tries: u32,
    tried_ms: i64,
    tried_jumps: u32,
    /// The client was told that it is accepted, or that it exists.
    pub(super) settled: bool,
    /// The client does not ask again.
    pub(super) given_up: bool,
}

struct EventBook {
    id: EventId,
    want: usize,
    deliveries: std::ops::Range<usize>,
    /// Deliveries without a row.
    rowless: u32,
    /// When the core was told that it is durable; the far future before, the far past after a restart.
    told_ms: i64,
}

struct DeliveryBook {
    event: usize,
    endpoint: usize,
    /// What the running process must know of it, and what a restart would.
    standing: Standing,
    durable: Standing,
    /// The key under which it waits its turn, and since when that has ended.
    key: Option<OrderKey>,
    ended_ms: i64,
    /// An attempt is on the wire, and others of its key wait for its end.
    flying: bool,
    in_turn: bool,
    /// Ended attempts that are not on disk yet, oldest first, and who hears of them.
    unsaved: Vec<(Standing, Option<Hearing>)>,
    row: bool,
    sends: u32,
    /// Acknowledged resends need so many.
    sends_min: u32,
}

/// An idempotency key that became an event.
struct KeyBook {
    at_ms: i64,
    jumps: u32,
    event: usize,
    brief: bool,
}

/// The books.
pub(super) struct Ledger {
    /// This moment: virtual time, and what the process's clocks say.
    pub(super) at_ms: i64,
    pub(super) now: Now,
    pub(super) wrong: Option<String>,
    pub(super) applications: Vec<ApplicationBook>,
    pub(super) endpoints: Vec<EndpointBook>,
    pub(super) wants: Vec<Want>,
    /// How often the wall clock jumped so far.
    pub(super) jumps: u32,
    /// Whether an attempt never left the machine, and what is to be told of that.
    cut: bool,
    outages: Vec<usize>,
    /// Since when the process serves, and the disk writes; `None` while it does not.
    pub(super) ready_since_ms: i64,
    pub(super) disk_since_ms: Option<i64>,
    /// Some batch of this process was not stored.
    pub(super) disk_failed: bool,
    /// How late a thing may be on an idle endpoint: what disk, reads and timers may cost in this seed.
    slack_ms: i64,
    late_ms: i64,
    endpoint_numbers: BTreeMap<EndpointId, usize>,
    event_numbers: BTreeMap<EventId, usize>,
    events: Vec<EventBook>,
    deliveries: Vec<DeliveryBook>,
    /// The deliveries of each key of an endpoint, in the order of their events.
    chains: BTreeMap<(usize, OrderKey), Vec<usize>>,
    keys: BTreeMap<[u8; 16], KeyBook>,
    /// Keys under which different things are asked.
    mixed_keys: BTreeSet<[u8; 16]>,
    /// Who hears of a change that was asked for, by its endpoint, its revision, and what is told of it.
    changes: BTreeMap<(EndpointId, i64, &'static str), Hearing>,
    /// What the batch that is being written says, and has to tell of.
    news: Vec<News>,
    text: IdText,
    /// The events of the uids, by application.
    uids: BTreeMap<(usize, usize), usize>,
    /// What became of inbound wants.
    arrivals: Arrivals,
    /// The first event with a delivery that has no row, and the first that the core was not told of.
    rowless_from: usize,
    untold_from: usize,
    last_lease: AttemptId,
}

impl Ledger {
    pub(super) fn new(now: Now, options: &super::faults::Options) -> Self {
        Self {
            at_ms: 0,
            now,
            wrong: None,
            applications: Vec::new(),
            endpoints: Vec::new(),
            wants: Vec::new(),
            jumps: 0,
            cut: false,
            outages: Vec::new(),
            ready_since_ms: now.steady_ms,
            disk_since_ms: Some(now.steady_ms),
            disk_failed: false,
            slack_ms: 3 * (options.commit_ms + options.read_ms + options.late_ms) + 10 * options.busy_ms + 300,
            late_ms: options.late_ms,
            endpoint_numbers: BTreeMap::new(),
            event_numbers: BTreeMap::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            chains: BTreeMap::new(),
            keys: BTreeMap::new(),
            mixed_keys: BTreeSet::new(),
            changes: BTreeMap::new(),
            news: Vec::new(),
            text: IdText::new(ID_KEY),
            uids: BTreeMap::new(),
            arrivals: Arrivals::default(),
            rowless_from: 0,
            untold_from: 0,
            last_lease: AttemptId::default(),
        }
    }

    /// Writes the first wrong down; what follows from it is of no interest.
    pub(super) fn blame(&mut self, wrong: String) {
        self.wrong.get_or_insert(wrong);
    }

    /// An endpoint that exists, or will when its creation is answered.
    pub(super) fn add_endpoint(&mut self, seen: Endpoint, unborn: bool) -> usize {
        let number = self.endpoints.len();
        let now_ms = self.now.steady_ms;
        self.endpoint_numbers.insert(seen.id, number);
        self.endpoints.push(EndpointBook {
            seen,
            unborn,
            changes: 0,
            in_flight: 0,
            gone: false,
            doubtful: None,
            quiet_since_ms: now_ms,
            readable_since_ms: now_ms,
            enabled_since_ms: now_ms,
            good_since_ms: now_ms,
            silent: 0,
            silent_ms: i64::MIN,
            put_off_ms: i64::MIN,
            begun_ms: VecDeque::new(),
        });
        number
    }

    /// Events that a client may ask to have sent again: accepted ones with somewhere to go.
    pub(super) fn pick_delivery(&self, number: usize) -> Option<(EventId, EndpointId)> {
        let delivery = self.deliveries.get(number % self.deliveries.len().max(1))?;
        let event = &self.events[delivery.event];
        let acked = self.wants[event.want].settled && event.told_ms < i64::MAX;
        acked.then(|| (event.id, self.endpoints[delivery.endpoint].seen.id))
    }

    fn delivery_number(&self, event: EventId, endpoint: EndpointId) -> Option<usize> {
        let event = &self.events[*self.event_numbers.get(&event)?];
        let endpoint = *self.endpoint_numbers.get(&endpoint)?;
        event.deliveries.clone().find(|&number| self.deliveries[number].endpoint == endpoint)
    }

    /// Whether an endpoint still has its id: one that was never born may have lost it to another.
    pub(super) fn has_its_id(&self, number: usize) -> bool {
        self.endpoint_numbers.get(&self.endpoints[number].seen.id) == Some(&number)
    }

    /// Looks at an endpoint as the API shows it now, because a client was told of a change or the process is new.
    pub(super) fn refresh(&mut self, disk: &Memory, number: usize) {
        if !self.has_its_id(number) {
            return;
        }
        let book = &self.endpoints[number];
        let row = disk.endpoint(book.seen.application, book.seen.id).unwrap_or_default();
        let Some(row) = row else {
            self.endpoints[number].seen.state = State::Deleted;
            return;
        };
        let was = &book.seen;
        if !book.unborn && (was.state == State::Deleted || row.revision < was.revision) {
            let wrong = format!(
                "{:?} came back: {:?} at revision {}, now {:?} at {}",
                row.id, was.state, was.revision, row.state, row.revision
            );
            self.blame(wrong);
        }
        let now_ms = self.now.steady_ms;
        let book = &mut self.endpoints[number];
        if row.is_active() && (book.unborn || !book.seen.is_active()) {
            (book.enabled_since_ms, book.good_since_ms) = (now_ms, now_ms);
        }
        if row.state == State::Enabled {
            (book.gone, book.doubtful) = (false, None);
        }
        book.unborn = false;
        if book.seen.handling.throttle_rate != row.handling.throttle_rate {
            book.begun_ms.clear();
        }
        if book.seen.handling != row.handling {
            book.readable_since_ms = now_ms.max(book.readable_since_ms); // what its rate held back may go now
        }
        book.seen = row;
    }

    /// The process died: what was in flight or unsaved is gone.
    pub(super) fn crashed(&mut self) {
        self.outages.clear(); // what was not on disk is told anew, or not at all
        for endpoint in &mut self.endpoints {
            endpoint.begun_ms.clear();
        }
        for application in &mut self.applications {
            application.begun_ms.clear();
        }
        for delivery in &mut self.deliveries {
            delivery.standing = delivery.durable;
            delivery.flying = false;
            delivery.unsaved.clear();
        }
        for endpoint in &mut self.endpoints {
            (endpoint.in_flight, endpoint.changes) = (0, 0);
        }
        (self.disk_since_ms, self.disk_failed) = (Some(i64::MIN), false);
    }

    /// A new process has read the disk.
    pub(super) fn restarted(&mut self, disk: &Memory) {
        for number in 0..self.endpoints.len() {
            self.refresh(disk, number);
            let book = &mut self.endpoints[number];
            (book.quiet_since_ms, book.readable_since_ms) = (self.now.steady_ms, self.now.steady_ms);
            book.good_since_ms = book.good_since_ms.min(self.now.steady_ms);
        }
        for application in &mut self.applications {
            let Application { id, environment, .. } = application.seen;
            let row = disk.application(environment, &ApplicationRef::Id(id)).unwrap_or_default();
            application.deleted = row.is_none();
        }
        for event in &mut self.events[self.untold_from..] {
            event.told_ms = i64::MIN;
        }
        self.untold_from = self.events.len();
        self.held_known(true);
        self.last_lease = AttemptId::default();
        self.ready_since_ms = i64::MAX;
    }

    /// A process that stops in good order leaves nothing undone.
    pub(super) fn check_stopped(&mut self) {
        if let Some(book) = self.deliveries.iter().find(|book| book.flying || !book.unsaved.is_empty()) {
            let wrong = format!(
                "{:?} was in flight, or its outcome unsaved, when the process stopped",
                self.events[book.event].id
            );
            self.blame(wrong);
        }
    }

    /// An endpoint's due lines could not be read: what is due there is late for a reason.
    pub(super) fn read_failed(&mut self, endpoint: EndpointId, pause_ms: i64) {
        if let Some(&number) = self.endpoint_numbers.get(&endpoint) {
            self.endpoints[number].readable_since_ms = self.now.steady_ms + pause_ms;
        }
    }

    /// Recovery is over.
    pub(super) fn ready(&mut self) {
        self.ready_since_ms = self.now.steady_ms;
    }
}
