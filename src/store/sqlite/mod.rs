//! SQLite: one file of state, one writer with group commit, readers that never wait for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use self::damage::Damage;
pub use self::look::Purpose;
use self::minute::Homes;
use self::noting::Noting;
use self::owner::Owner;
pub use self::owner::{Claim, disown};
use self::remembered::{Added, Remembered};
use self::taken::Takers;
use super::counted::Counted;
use super::tally::Tally;
use super::{
    Answer, AttemptRow, AttemptsOf, Backlog, Batch, Chain, DeliveryRow, DueSlice, Durable, Filter, Listed, Opening,
    Page, Reach, Receipt, ReplayCount, Replayable, Store, Unwritten,
};
use crate::application::{Application, ApplicationRef};
use crate::attempt::Payload;
use crate::count::Counts;
use crate::delivery::Delivery;
use crate::endpoint::Endpoint;
use crate::environment::{Environment, Validation};
use crate::error::Result;
use crate::event::{Event, Once};
use crate::event_type::EventType;
use crate::id::{ApplicationId, AttemptId, EndpointId, EnvironmentId, EventId, SourceId, TaskId};
use crate::inbound::RefusedRequest;
use crate::key::Key;
use crate::ordering::OrderKey;
use crate::replay::Replay;
use crate::resource::Resource;
use crate::secret::Sealer;
use crate::source::{Source, SourceRef, SourceStats};
use crate::token::Ended;

mod across;
mod application;
mod around;
mod arrival;
mod audit;
mod background;
mod beside;
mod brand;
mod chain;
mod check;
mod commit;
mod copy;
mod count;
mod damage;
mod delivery;
mod event;
mod event_type;
mod expunge;
mod fault;
mod forget;
mod hasten;
mod held;
mod inbox;
mod judge;
mod kept;
mod list;
mod look;
mod minute;
mod noting;
mod open;
mod own;
mod owner;
mod place;
mod read;
mod reading;
mod refusal;
mod remembered;
mod replay;
mod resend;
mod resource;
mod rows;
mod seal;
mod search;
mod setting;
mod source;
mod taken;
mod token;
mod unwritable;
mod user;
mod vacuum;
mod waiting;

pub use check::{Found, Part, Said, check};
pub use copy::{Step, check_free, copy};
pub use vacuum::vacuum;
pub use waiting::{Waiting, waiting};

/// A database file, open for one writer and any number of readers.
pub struct Sqlite {
    path: PathBuf,
    sealer: Sealer,
    readers: Mutex<Vec<Connection>>,
    damage: Damage,
    /// Stands last, so that it is closed last: then its log is copied into the file and goes.
    writer: Mutex<Writer>,
    /// Whether it was closed before its time: nobody opens it again.
    ended: AtomicBool,
    /// The lock of whoever serves it; goes after whatever it locks.
    owner: Option<Arc<Owner>>,
}

/// The one connection that writes, and what it need not ask the file for.
struct Writer {
    connection: Connection,
    homes: Homes,
    takers: Takers,
    remembered: Remembered,
    /// Whether the log may still hold what was erased.
    unscrubbed: bool,
    /// What is noted beside the file, when this process owns it.
    noting: Option<Noting>,
}

/// A transaction at work.
struct Writing<'a> {
    db: &'a Connection,
    sealer: &'a Sealer,
    /// The batch's moment.
    wall_ms: i64,
    steady_ms: i64,
    /// What it adds to its sources' rows; written before it ends.
    tally: Tally,
    /// What it adds to counts; written before it ends.
    counted: Counted,
    /// Where it may change whose turn it is.
    turns: BTreeSet<(EndpointId, OrderKey)>,
    homes: &'a mut Homes,
    takers: &'a mut Takers,
    remembered: &'a Remembered,
    /// What it adds to that when it is committed.
    added: Added,
    /// Whether it erases anything.
    erases: bool,
    /// What counts it, when it is to be counted.
    counts: Option<&'a Noting>,
}

impl Sqlite {
    /// Opens or creates the file and brings its schema up to date.
    ///
    /// Takes no lock: a command beside a server opens it so. Error, for the operator: a newer schema, another program's
    /// database, a SQLite before 3.51.3, a network file system, another key, or whatever the system says.
    pub fn open(path: &Path, sealer: Sealer) -> Result<Self> {
        let path = place::real(path);
        let connection = open::writer(&path)?;
        token::make_key(&connection, &sealer)?;
        seal::check_key(&connection, &sealer, &path)?;
        let (takers, remembered) = (Takers::load(&connection)?, Remembered::load(&connection)?);
        let writer = Writer { connection, homes: Homes::default(), takers, remembered, unscrubbed: true, noting: None };
        Ok(Self {
            path,
            sealer,
            readers: Mutex::new(Vec::new()),
            damage: Damage::default(),
            writer: Mutex::new(writer),
            ended: AtomicBool::new(false),
            owner: None,
        })
    }
}

impl Store for Sqlite {
    fn commit(&self, batch: &Batch) -> Result<Durable<Receipt>, super::CommitFailed> {
        let mut writer = self.writer.lock().expect("no panic while held");
        let receipt = unwritable::commit(&mut writer, (&self.sealer, &self.damage), batch)?;
        match self.owner.as_ref().and_then(|owner| owner.gone()) {
            Some(reason) => Err(super::CommitFailed::Unknown(reason.to_owned())),
            None => Ok(Durable(receipt)),
        }
    }

    fn opening(&self, wall_ms: i64) -> Result<Opening> {
        self.read_whole(|db| read::opening(db, &self.sealer, wall_ms))
    }

    fn unwritten(&self, from: EventId, limit: usize) -> Result<Unwritten> {
        self.read_whole(|db| match read::unwritten(db, from, limit) {
            Err(error) if damage::is_of(&error) => around::unwritten(db, &self.damage, from, limit),
            found => found,
        })
    }

    fn due(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<DueSlice> {
        self.read(|db| match read::due(db, endpoint, until_ms, limit) {
            Err(error) if damage::is_of(&error) => around::due(db, &self.damage, endpoint, until_ms, limit),
            slice => slice,
        })
    }

    fn backlog(&self) -> Result<Backlog> {
        self.read(|db| match read::backlog(db) {
            Err(error) if damage::is_of(&error) => around::backlog(db),
            backlog => backlog,
        })
    }

    fn payloads(&self, events: &[EventId]) -> Result<Vec<Option<Payload>>> {
        self.read(|db| around::payloads((db, &self.damage), events))
    }

    fn keys(&self) -> Result<Vec<Key>> {
        self.read(read::keys)
    }

    fn ended_tokens(&self, application: ApplicationId) -> Result<Vec<Ended>> {
        self.read(|db| token::ended(db, application))
    }

    fn environments(&self) -> Result<Vec<Environment>> {
        self.read(read::environments)
    }

    fn validation(&self, environment: EnvironmentId) -> Result<Validation> {
        self.read(|db| read::validation(db, environment))
    }

    fn answer(&self, once: &Once, wall_ms: i64) -> Result<Option<Answer>> {
        self.read(|db| setting::answer(db, once, wall_ms))
    }

    fn application(&self, environment: EnvironmentId, application: &ApplicationRef) -> Result<Option<Application>> {
        self.read(|db| read::application(db, environment, application))
    }

    fn application_lately(&self, of: EnvironmentId, id: ApplicationId, ms: i64) -> Result<Option<Application>> {
        self.read(|db| read::application_lately(db, of, id, ms))
    }

    fn applications(&self, environment: EnvironmentId, page: Page<ApplicationId>) -> Result<Listed<Application>> {
        self.read(|db| list::applications(db, environment, page))
    }

    fn endpoint(&self, application: ApplicationId, endpoint: EndpointId) -> Result<Option<Endpoint>> {
        self.read(|db| read::endpoint(db, &self.sealer, application, endpoint))
    }

    fn endpoint_lately(&self, application: ApplicationId, id: EndpointId, ms: i64) -> Result<Option<Endpoint>> {
        self.read(|db| read::endpoint_lately(db, &self.sealer, application, id, ms))
    }

    fn endpoint_by_uid(&self, application: ApplicationId, uid: &str) -> Result<Option<Endpoint>> {
        self.read(|db| read::endpoint_by_uid(db, &self.sealer, application, uid))
    }

    fn endpoints(&self, application: ApplicationId, page: Page<EndpointId>) -> Result<Listed<Endpoint>> {
        self.read(|db| list::endpoints(db, &self.sealer, application, page))
    }

    fn reach(&self, application: ApplicationId) -> Result<Reach> {
        self.read(|db| read::reach(db, application))
    }

    fn event_type(&self, environment: EnvironmentId, name: &str) -> Result<Option<EventType>> {
        self.read(|db| read::event_type(db, environment, name))
    }

    fn event_types(&self, environment: EnvironmentId, page: Page<String>, archived: bool) -> Result<Listed<EventType>> {
        self.read(|db| list::event_types(db, environment, &page, archived))
    }

    fn event(&self, application: ApplicationId, event: EventId) -> Result<Option<Event>> {
        self.read(|db| read::event(db, application, event))
    }

    fn event_by_uid(&self, application: ApplicationId, uid: &str) -> Result<Option<Event>> {
        self.read(|db| read::event_by_uid(db, application, uid))
    }

    fn events(
        &self,
        application: ApplicationId,
        page: Page<EventId>,
        filter: &Filter,
        bodies: bool,
    ) -> Result<Listed<Event>> {
        self.read(|db| list::events((db, &self.damage), application, page, filter, bodies))
    }

    fn attempts(&self, of: AttemptsOf, page: Page<AttemptId>, filter: &Filter) -> Result<Listed<AttemptRow>> {
        self.read(|db| list::attempts(db, of, page, filter))
    }

    fn attempted(
        &self,
        endpoint: EndpointId,
        page: Page<EventId>,
        filter: &Filter,
        bodies: bool,
    ) -> Result<Listed<DeliveryRow>> {
        self.read(|db| delivery::attempted(db, endpoint, page, filter, bodies))
    }

    fn destinations(&self, event: EventId) -> Result<Vec<(EndpointId, Option<Delivery>)>> {
        self.read(|db| delivery::destinations(db, event))
    }

    fn counts(&self, endpoint: EndpointId, hours: (i64, i64)) -> Result<Counts> {
        self.read(|db| count::counts(db, endpoint, hours))
    }

    fn attempt_count(&self, application: ApplicationId, hours: (i64, i64)) -> Result<i64> {
        self.read(|db| count::attempts(db, application, hours))
    }

    fn chain_count(&self, endpoint: EndpointId) -> Result<u64> {
        self.read(|db| chain::count(db, endpoint))
    }

    fn chains(&self, endpoint: EndpointId, page: Page<i64>) -> Result<Listed<Chain>> {
        self.read(|db| chain::list(db, endpoint, page))
    }

    fn deliveries(&self, event: EventId) -> Result<Vec<(EndpointId, Delivery)>> {
        self.read(|db| delivery::deliveries(db, event))
    }

    fn source(&self, environment: EnvironmentId, source: &SourceRef) -> Result<Option<Source>> {
        self.read(|db| read::source(db, &self.sealer, environment, source))
    }

    fn source_by_token(&self, hash: &[u8; 16]) -> Result<Option<Source>> {
        self.read(|db| read::source_by_token(db, &self.sealer, hash))
    }

    fn sources(&self, environment: EnvironmentId, page: Page<SourceId>) -> Result<Listed<Source>> {
        self.read(|db| list::sources(db, &self.sealer, environment, page))
    }

    fn source_stats(&self, source: SourceId) -> Result<SourceStats> {
        self.read(|db| read::source_stats(db, source))
    }

    fn refused(&self, source: SourceId, page: Page<i64>) -> Result<Listed<(i64, RefusedRequest)>> {
        self.read(|db| refusal::list(db, source, page))
    }

    fn replayable(&self, replay: &Replay, limit: usize) -> Result<Replayable> {
        self.read(|db| match replay::replayable(db, &self.sealer, replay, limit) {
            Err(error) if damage::is_of(&error) => around::replayable((db, &self.sealer, &self.damage), replay, limit),
            found => found,
        })
    }

    fn replay_count(&self, replay: &Replay) -> Result<ReplayCount> {
        self.read(|db| match replay::count(db, &self.sealer, replay) {
            Err(error) if damage::is_of(&error) => around::replay_count((db, &self.sealer, &self.damage), replay),
            count => count,
        })
    }

    fn replay(&self, environment: EnvironmentId, task: TaskId) -> Result<Option<Replay>> {
        self.read(|db| replay::read(db, environment, task))
    }

    fn replays(&self, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Replay>> {
        self.read(|db| replay::list(db, environment, page))
    }

    fn resources(&self) -> Result<Vec<Resource>> {
        self.read(resource::all)
    }

    fn log_bytes(&self) -> u64 {
        beside::length(&beside::log_of(&self.path))
    }

    fn damages(&self) -> Vec<String> {
        self.damage.places()
    }

    fn consumer(&self, application: ApplicationId, sink: &str, name: &str) -> Result<Option<EventId>> {
        self.read(|db| read::consumer(db, application, sink, name))
    }
}
