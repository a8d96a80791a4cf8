//! Durable state: one write that carries every transition, and reads that each answer a whole question.

use crate::application::{Application, ApplicationRef};
use crate::attempt::Payload;
use crate::conflict::Conflict;
use crate::count::Counts;
use crate::delivery::{Delivery, Due};
use crate::endpoint::Endpoint;
use crate::environment::{Environment, Validation};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Once};
use crate::event_type::EventType;
use crate::fan_out::Keyed;
use crate::id::{ApplicationId, AttemptId, EndpointId, EnvironmentId, EventId, SourceId, TaskId};
use crate::inbound::RefusedRequest;
use crate::key::Key;
use crate::ordering::OrderKey;
use crate::provider::Provider;
use crate::replay::Replay;
use crate::resource::Resource;
use crate::source::{Source, SourceRef, SourceStats};
use crate::token::Ended;

mod across;
mod background;
mod counted;
mod inbox;
mod list;
#[cfg(feature = "sim")]
pub mod memory;
mod people;
mod receipt;
pub mod sqlite;
mod tail;
mod tally;
mod trail;
mod write;

pub use across::{
    Across, Found, Overview, SEARCHED_BYTES_MAX, SEARCHED_ROWS_MAX, Search, TROUBLED_MAX, Troubled, WORST_MAX, Worst,
};
pub use background::{Background, Erased};
pub use counted::COUNT_MINUTES;
pub use inbox::{Inbox, REASONS_MAX};
pub use list::{
    AttemptRow, AttemptsOf, Chain, DeliveryRow, Filter, LOOKED_UP_ROWS_MAX, Listed, Page, Reach, SCAN_ROWS_MAX,
    SVIX_PLAY,
};
pub use people::{People, PeopleChange};
pub use receipt::{CommitFailed, Receipt, Refused, Turn};
pub use trail::Audit;
pub use write::{Answer, Batch, Change, Consumer, NewRow, Op, Replayed, Setting, Tried, Turned};

const DAY_MS: i64 = 86_400_000;
/// How long a caller's own `Idempotency-Key` is remembered: 24 h.
pub const KEY_MS: i64 = DAY_MS;
/// How long a key that an SDK made up is remembered: 15 min.
pub const BRIEF_KEY_MS: i64 = 900_000;
/// How many brief keys are kept in memory; more are kept in the index like a caller's own.
pub const RECENT_KEYS_MAX: usize = 262_144;
/// How many keys of ordered deliveries a start reads; of endpoints beyond that it knows that there are more.
pub const CHAINS_MAX: usize = 16_384;
/// How many rows one [`Op::Forget`] deletes from each table, so that it never holds the writer up.
pub const FORGET_ROWS_MAX: usize = 500;
/// How many bodies a source keeps in quarantine; more are counted and not kept.
pub const QUARANTINED_MAX: usize = 1_000;
/// How many of the requests that a source's door turned away are remembered, the last ones: enough to see who errs, and
/// no log of people's addresses.
pub const LAST_REFUSED_MAX: usize = 20;
/// How many conflicts of a source wait for an Admin; more are not taken, so that their sender tries again.
pub const CONFLICTS_MAX: usize = 10_000;
/// How long what was released or discarded is known when it comes again: as long as any source remembers.
pub(crate) const HELD_MS: i64 = crate::source::DEDUP_DAYS_MAX as i64 * DAY_MS;
/// What stands where a response was erased.
pub(crate) const EXPUNGED: &[u8] = b"EXPUNGED";
/// How long counts are kept: 91 days, in hours.
pub const COUNT_HOURS: i64 = 91 * 24;
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

/// All that the engine needs to begin.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The key of the public ids.
    pub id_key: [u8; 16],
    /// The key that signs tokens.
    pub token_key: [u8; 32],
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
    /// Endpoints that took something in this hour or the one before.
    pub answered: Vec<EndpointId>,
    /// Each endpoint with lines in the due index, and when its earliest is due.
    pub due: Vec<(EndpointId, i64)>,
    /// The keys of endpoints' deliveries that wait for one another, [`CHAINS_MAX`] at most.
    pub chains: Vec<(EndpointId, OrderKey)>,
    /// Endpoints that have more of them.
    pub more_chains: Vec<EndpointId>,
    /// The brief keys of the last 15 minutes, the newest [`RECENT_KEYS_MAX`] at most.
    pub recent_keys: Vec<(EventId, Once)>,
    /// Sources that live.
    pub sources: Vec<(SourceId, Provider)>,
    /// Replays that run.
    pub replays: Vec<Replay>,
    /// Conflicts of which nobody was told who wants to hear of them, without their headers and bodies: those of the commits
    /// whose news was still on its way.
    pub untold: Vec<Conflict>,
    /// When the server was last known to live, in ms since 1970.
    pub alive_ms: Option<i64>,
}

/// Events from the mark on whose deliveries have no rows yet.
#[derive(Clone, Debug, Default)]
pub struct Unwritten {
    /// The deliveries, in the order of their events.
    pub deliveries: Vec<(EventId, Vec<Keyed>)>,
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

/// A slice of what a replay makes again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayable {
    /// The events, in their order, each with the key that its endpoint's ordering finds in it now.
    pub events: Vec<(EventId, Option<OrderKey>)>,
    /// All events below this one were looked at.
    pub position: EventId,
    /// Whether that is all.
    pub done: bool,
}

/// How many deliveries a replay makes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCount {
    /// All of them.
    pub all: u64,
    /// Those that had been delivered before.
    pub delivered: u64,
}

/// What waits on disk, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Lines of the due index.
    pub waiting: u64,
    /// The oldest event among them.
    pub oldest: Option<EventId>,
}

/// The store: SQLite, PostgreSQL, or the simulator's. Calls block; each failure is [`crate::error::Kind::Internal`].
pub trait Store: Across + Audit + Background + Inbox + People + Send + Sync + 'static {
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
    /// What is sent of events, each body checked against its SHA-256; `None` where one is missing or damaged.
    fn payloads(&self, events: &[EventId]) -> Result<Vec<Option<Payload>>>;
    /// All keys, revoked ones too.
    fn keys(&self) -> Result<Vec<Key>>;
    /// Tokens of an application that end before their time.
    fn ended_tokens(&self, application: ApplicationId) -> Result<Vec<Ended>>;
    /// All environments.
    fn environments(&self) -> Result<Vec<Environment>>;
    /// What happens in an environment to events that their type's schema does not allow.
    fn validation(&self, environment: EnvironmentId) -> Result<Validation>;
    /// The answer kept under a key, when it is not past its time.
    fn answer(&self, once: &Once, wall_ms: i64) -> Result<Option<Answer>>;

    /// A living application.
    fn application(&self, environment: EnvironmentId, application: &ApplicationRef) -> Result<Option<Application>>;
    /// An application that lives, or was deleted after that moment.
    fn application_lately(&self, of: EnvironmentId, id: ApplicationId, ms: i64) -> Result<Option<Application>>;
    /// Living applications.
    fn applications(&self, environment: EnvironmentId, page: Page<ApplicationId>) -> Result<Listed<Application>>;
    /// A living endpoint, by id.
    fn endpoint(&self, application: ApplicationId, endpoint: EndpointId) -> Result<Option<Endpoint>>;
    /// An endpoint that lives, or was deleted after that moment.
    fn endpoint_lately(&self, application: ApplicationId, id: EndpointId, ms: i64) -> Result<Option<Endpoint>>;
    /// A living endpoint, by uid.
    fn endpoint_by_uid(&self, application: ApplicationId, uid: &str) -> Result<Option<Endpoint>>;
    /// Living endpoints.
    fn endpoints(&self, application: ApplicationId, page: Page<EndpointId>) -> Result<Listed<Endpoint>>;
    /// How many living endpoints an application has, and of which kind.
    fn reach(&self, application: ApplicationId) -> Result<Reach>;
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
    /// Events attempted at an endpoint, by their first attempt there; `after` is an event that was. Their bodies are
    /// left out unless `bodies`.
    fn attempted(
        &self,
        endpoint: EndpointId,
        page: Page<EventId>,
        filter: &Filter,
        bodies: bool,
    ) -> Result<Listed<DeliveryRow>>;
    /// Where an event goes or went, in the order of the endpoints; `None` for a delivery that nobody tried or wrote
    /// down yet.
    fn destinations(&self, event: EventId) -> Result<Vec<(EndpointId, Option<Delivery>)>>;
    /// What an endpoint's deliveries and attempts came to in these hours since 1970, the last one included.
    fn counts(&self, endpoint: EndpointId, hours: (i64, i64)) -> Result<Counts>;
    /// How many attempts an application's endpoints, deleted ones too, had in these hours, the last one included.
    fn attempt_count(&self, application: ApplicationId, hours: (i64, i64)) -> Result<i64>;
    /// How many keys of an endpoint's deliveries have one that others wait for, or that failed and is tried again.
    fn chain_count(&self, endpoint: EndpointId) -> Result<u64>;
    /// Those keys, in the order of their numbers.
    fn chains(&self, endpoint: EndpointId, page: Page<i64>) -> Result<Listed<Chain>>;
    /// An event's deliveries that have rows.
    fn deliveries(&self, event: EventId) -> Result<Vec<(EndpointId, Delivery)>>;

    /// A living source.
    fn source(&self, environment: EnvironmentId, source: &SourceRef) -> Result<Option<Source>>;
    /// The living source that a token opens, or opened until its grace ended: the caller looks at the time.
    fn source_by_token(&self, hash: &[u8; 16]) -> Result<Option<Source>>;
    /// Living sources.
    fn sources(&self, environment: EnvironmentId, page: Page<SourceId>) -> Result<Listed<Source>>;
    /// What a source's requests came to.
    fn source_stats(&self, source: SourceId) -> Result<SourceStats>;
    /// The last requests that a source's door turned away, by the order in which they came; the key is the row's number.
    fn refused(&self, source: SourceId, page: Page<i64>) -> Result<Listed<(i64, RefusedRequest)>>;
    /// The next deliveries that a replay makes again, `limit` at most.
    fn replayable(&self, replay: &Replay, limit: usize) -> Result<Replayable>;
    /// How many deliveries a replay makes again, from its position on.
    fn replay_count(&self, replay: &Replay) -> Result<ReplayCount>;
    /// A replay, ended or not.
    fn replay(&self, environment: EnvironmentId, task: TaskId) -> Result<Option<Replay>>;
    /// Replays.
    fn replays(&self, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Replay>>;
    /// All resources of the sandbox, none of them gone.
    fn resources(&self) -> Result<Vec<Resource>>;
    /// How long the log beside the database is, in bytes; 0 where there is none.
    fn log_bytes(&self) -> u64 {
        0
    }
    /// The places of the database that could not be read since the start, each once, 20 at most.
    fn damages(&self) -> Vec<String> {
        Vec::new()
    }
    /// How far a poller has come; `None` when it has taken nothing.
    fn consumer(&self, application: ApplicationId, sink: &str, name: &str) -> Result<Option<EventId>>;
}

/// The hash under which a caller's event id is kept.
pub(crate) fn uid_hash(application: ApplicationId, uid: &str) -> [u8; 16] {
    use crate::id::Id as _;
    crate::digest::hash16(&[&application.value().to_be_bytes(), uid.as_bytes()].concat())
}

/// The bucket of keys of a moment.
pub(crate) fn day(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(DAY_MS)
}

/// The week of a moment.
pub(crate) fn week(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(7 * DAY_MS)
}

/// The bucket of inbound events of a moment: four weeks. Each one that counts costs a look, so they are few.
pub(crate) fn month(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(28 * DAY_MS)
}

/// The earliest id of an event that came less than `days` ago.
pub(crate) fn first_remembered(days: u32, wall_ms: i64) -> EventId {
    use crate::id::Id as _;
    EventId::new(crate::id::floor_at(wall_ms - i64::from(days) * DAY_MS + 1))
}

/// How long a key is remembered.
pub(crate) fn key_lives_ms(brief: bool) -> i64 {
    if brief { BRIEF_KEY_MS } else { KEY_MS }
}

/// A log longer than this is held back by somebody who reads: 256 MiB. It begins anew after 32 MiB, and what a burst
/// adds meanwhile is cut off at 128.
pub const LOG_HELD_BYTES: u64 = 256 * 1_024 * 1_024;
/// How many damaged places are remembered and told of.
pub(crate) const DAMAGES_MAX: usize = 20;
/// The code of what cannot be read because bytes on the disk are not what was written.
pub(crate) const DAMAGED: &str = "damaged";

/// The error of a row that the schema's checks should have made impossible.
pub(crate) fn damaged(what: &str) -> Error {
    Error::new(Kind::Internal, DAMAGED, format!("the database is damaged: {what}"))
}
