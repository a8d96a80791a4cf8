//! Durable state: one write that carries every transition, and reads that each answer a whole question.

use bytes::Bytes;

use crate::application::{Application, ApplicationRef};
use crate::attempt::Attempt;
use crate::delivery::{Delivery, Due};
use crate::endpoint::{Endpoint, Health, State};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::{Event, Once};
use crate::event_type::EventType;
use crate::id::{ApplicationId, AttemptId, EndpointId, EnvironmentId, EventId, KeyId};
use crate::key::Key;

#[cfg(feature = "sim")]
pub mod memory;
pub mod sqlite;

/// How long a caller's own `Idempotency-Key` is remembered: 24 h.
pub const KEY_MS: i64 = 86_400_000;
/// How long a key that an SDK made up is remembered: 15 min.
pub const BRIEF_KEY_MS: i64 = 900_000;
/// How many brief keys are kept in memory; more are kept in the index like a caller's own.
pub const RECENT_KEYS_MAX: usize = 262_144;
/// How many rows one [`Op::Forget`] deletes from each table, so that it never holds the writer up.
pub const FORGET_ROWS_MAX: usize = 500;
/// How many rows a filtered list looks at before it answers with what it has.
pub const SCAN_ROWS_MAX: usize = 10_000;

/// A value that is on disk. Only a store makes one, after the sync returned: "acknowledged" means holding this.
#[derive(Debug)]
pub struct Durable<T>(T);

impl<T> Durable<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Speaks for `value`, which stands on the same commit.
    pub fn vouch<U>(&self, value: U) -> Durable<U> {
        Durable(value)
    }
}

/// All that becomes durable together, in this order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// When it was put together, by the wall clock, in ms since 1970.
    pub wall_ms: i64,
    /// The transitions.
    pub ops: Vec<Op>,
}

/// One transition. A refused one changes nothing and leaves the rest of its batch alone.
#[derive(Clone, Debug)]
pub enum Op {
    /// An event is accepted. Refused: its key or uid is known.
    Event(NewRow),
    /// An attempt ended.
    Tried(Box<Tried>),
    /// A delivery that nobody tried leaves memory: from now on the disk knows when it is due.
    Park(Due),
    /// A person wants a delivery attempted now.
    Resend {
        /// What.
        event: EventId,
        /// Where to.
        endpoint: EndpointId,
        /// When: now, on the steady scale.
        due_ms: i64,
    },
    /// Up to `count` waiting deliveries of a deleted endpoint end as canceled.
    Cancel {
        /// The deleted endpoint.
        endpoint: EndpointId,
        /// At most so many.
        count: usize,
    },
    /// All deliveries of events below `mark` have rows; ids up to `last_id` are used.
    Mark {
        /// Where recovery begins.
        mark: EventId,
        /// The highest id handed out.
        last_id: i64,
    },
    /// What an endpoint's attempts came to; with a state, the engine disables it.
    Health {
        /// Which.
        endpoint: EndpointId,
        /// Its health from now on.
        health: Health,
        /// Its state from now on, when that changes.
        state: Option<State>,
    },
    /// A setting changes. Refused: a name is taken, it changed meanwhile, or the request was answered before.
    Setting(Box<Setting>),
    /// Idempotency keys past their time go, at most 500 of each kind.
    Forget,
}

/// An accepted event with what only its row knows.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// The event.
    pub event: Event,
    /// Where it goes, packed by `fan_out::pack`.
    pub fan_out: Vec<u8>,
    /// Its idempotency key.
    pub once: Option<Once>,
}

/// An attempt that ended, and what it made of its delivery.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What was to be delivered.
    pub event: EventId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The attempt.
    pub attempt: Attempt,
    /// The state from now on.
    pub delivery: Delivery,
    /// The delivery's line in the due index until now; `None` when it has no row yet.
    pub was_due_ms: Option<i64>,
}

/// A change of settings and the answer that a retry of its request will get.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What changes.
    pub change: Change,
    /// Kept under the request's idempotency key.
    pub answer: Option<Answer>,
}

/// One changed object, whole.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new environment.
    Environment(Environment),
    /// A new or changed application.
    Application(Application),
    /// A new endpoint (revision 1), or one changed from the revision before.
    Endpoint(Endpoint),
    /// A new event type; an archived one of that name comes back.
    EventType(EventType),
    /// A new key.
    Key(Key),
    /// A key stops working.
    Revoke {
        /// Which.
        key: KeyId,
        /// When, in ms since 1970.
        at_ms: i64,
    },
}

/// An answer given, kept for the retry of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The key, and the hash of what was asked.
    pub once: Once,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// A commit that was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitFailed {
    /// Nothing of it stands (disk full, lock held): it may be tried again later.
    NotDone(String),
    /// It may stand or not (a failed sync): the process must end, recovery decides.
    Unknown(String),
}

/// What a commit did not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Positions in the batch, ascending, and why each was refused.
    pub refused: Vec<(usize, Refused)>,
}

/// Why one transition was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The same request became this event before.
    Repeated(EventId),
    /// The key was used with another body.
    KeyReused,
    /// The uid or name is taken.
    Taken,
    /// It changed meanwhile: read again.
    Stale,
    /// The same request got this answer before.
    Answered(Answer),
}

/// All that the engine needs to begin.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The key of the public ids.
    pub id_key: [u8; 16],
    /// The highest id that may be in use.
    pub last_id: i64,
    /// Where recovery begins.
    pub mark: EventId,
    /// All environments.
    pub environments: Vec<Environment>,
    /// Applications that live.
    pub applications: Vec<Application>,
    /// Endpoints that live, and deleted ones with deliveries still to be canceled.
    pub endpoints: Vec<Endpoint>,
    /// Each endpoint with lines in the due index, and when its earliest is due.
    pub due: Vec<(EndpointId, i64)>,
    /// The brief keys of the last 15 minutes, the newest [`RECENT_KEYS_MAX`] at most.
    pub recent_keys: Vec<(EventId, Once)>,
}

/// Events from the mark on whose deliveries have no rows yet.
#[derive(Clone, Debug, Default)]
pub struct Unwritten {
    /// The deliveries, in the order of their events.
    pub deliveries: Vec<(EventId, Vec<EndpointId>)>,
    /// Where the next slice begins; `None` at the end.
    pub next: Option<EventId>,
}

/// A slice of one endpoint's due index.
#[derive(Clone, Debug, Default)]
pub struct DueSlice {
    /// In order of due time.
    pub due: Vec<Due>,
    /// When the first line that is not in the slice is due.
    pub next_ms: Option<i64>,
}

/// What waits on disk, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Lines of the due index.
    pub waiting: u64,
    /// The oldest event among them.
    pub oldest: Option<EventId>,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// Go on behind this one.
    pub after: Option<K>,
    /// Highest first.
    pub descending: bool,
    /// At most so many.
    pub limit: usize,
}

/// What a list of events or attempts is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these types; empty for all.
    pub event_types: Vec<String>,
    /// Events on this channel.
    pub channel: Option<String>,
    /// Ids below this one.
    pub below: Option<i64>,
    /// Ids above this one.
    pub above: Option<i64>,
    /// Attempts that succeeded, or that did not.
    pub succeeded: Option<bool>,
    /// Attempts whose status is in this hundred (200 for 2xx, 0 for none).
    pub status_class: Option<u16>,
    /// Attempts at this endpoint.
    pub endpoint: Option<EndpointId>,
}

/// A list answer.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// What was found, in the order asked for.
    pub rows: Vec<T>,
    /// Whether the list ended.
    pub done: bool,
    /// Where a filtered list stopped looking, when that is not its last row.
    pub stopped_at: Option<i64>,
}

/// An attempt with what it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// What was to be delivered.
    pub event: EventId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The attempt.
    pub attempt: Attempt,
}

/// Whose attempts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptsOf {
    /// An event's.
    Event(EventId),
    /// An endpoint's.
    Endpoint(EndpointId),
}

/// The store: SQLite, PostgreSQL, or the simulator's. Calls block; each failure is [`crate::error::Kind::Internal`].
pub trait Store: Send + Sync + 'static {
    /// Makes a batch durable, all of it or nothing.
    fn commit(&self, batch: &Batch) -> Result<Durable<Receipt>, CommitFailed>;

    /// All that the engine needs to begin; `wall_ms` decides which brief keys still count.
    fn opening(&self, wall_ms: i64) -> Result<Opening>;
    /// Deliveries without rows, of events from `from` on; looks at no more than `limit` events.
    fn unwritten(&self, from: EventId, limit: usize) -> Result<Unwritten>;
    /// One endpoint's lines due at `until_ms` or before, `limit` at most.
    fn due(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<DueSlice>;
    /// How many lines the due index holds, and the oldest event among them.
    fn backlog(&self) -> Result<Backlog>;
    /// The bodies of events, checked against their SHA-256; `None` where one is missing or damaged.
    fn bodies(&self, events: &[EventId]) -> Result<Vec<Option<Bytes>>>;
    /// All keys, revoked ones too.
    fn keys(&self) -> Result<Vec<Key>>;
    /// The answer kept under a key, when it is not past its time.
    fn answer(&self, once: &Once, wall_ms: i64) -> Result<Option<Answer>>;

    /// A living application.
    fn application(&self, environment: EnvironmentId, application: &ApplicationRef) -> Result<Option<Application>>;
    /// Living applications.
    fn applications(&self, environment: EnvironmentId, page: Page<ApplicationId>) -> Result<Listed<Application>>;
    /// A living endpoint, by id.
    fn endpoint(&self, application: ApplicationId, endpoint: EndpointId) -> Result<Option<Endpoint>>;
    /// A living endpoint, by uid.
    fn endpoint_by_uid(&self, application: ApplicationId, uid: &str) -> Result<Option<Endpoint>>;
    /// Living endpoints.
    fn endpoints(&self, application: ApplicationId, page: Page<EndpointId>) -> Result<Listed<Endpoint>>;
    /// An event type.
    fn event_type(&self, environment: EnvironmentId, name: &str) -> Result<Option<EventType>>;
    /// Event types by name; archived ones when asked for.
    fn event_types(&self, environment: EnvironmentId, page: Page<String>, archived: bool) -> Result<Listed<EventType>>;
    /// An event, by id.
    fn event(&self, application: ApplicationId, event: EventId) -> Result<Option<Event>>;
    /// An event, by uid.
    fn event_by_uid(&self, application: ApplicationId, uid: &str) -> Result<Option<Event>>;
    /// Events; their bodies are left out unless `bodies`.
    fn events(
        &self,
        application: ApplicationId,
        page: Page<EventId>,
        filter: &Filter,
        bodies: bool,
    ) -> Result<Listed<Event>>;
    /// Attempts.
    fn attempts(&self, of: AttemptsOf, page: Page<AttemptId>, filter: &Filter) -> Result<Listed<AttemptRow>>;
    /// An event's deliveries that have rows.
    fn deliveries(&self, event: EventId) -> Result<Vec<(EndpointId, Delivery)>>;
}

/// The hash under which a caller's event id is kept.
pub(crate) fn uid_hash(application: ApplicationId, uid: &str) -> [u8; 16] {
    use crate::id::Id as _;
    crate::event::hash16(&[&application.value().to_be_bytes(), uid.as_bytes()].concat())
}

/// The bucket of keys of a moment.
pub(crate) fn day(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(86_400_000)
}

/// How long a key is remembered.
pub(crate) fn key_lives_ms(brief: bool) -> i64 {
    if brief { BRIEF_KEY_MS } else { KEY_MS }
}

/// The error of a row that the schema's checks should have made impossible.
pub(crate) fn damaged(what: &str) -> Error {
    Error::internal(format!("the database is damaged: {what}"))
}
