//! The simulator's store: ordered maps that mean, operation by operation, what the SQLite tables mean.

use std::sync::{Mutex, MutexGuard};

use super::{
    Answer, AttemptRow, AttemptsOf, Backlog, Batch, Chain, CommitFailed, DeliveryRow, DueSlice, Durable, Filter,
    Listed, Opening, Page, Reach, Receipt, ReplayCount, Replayable, Store, Unwritten, uid_hash,
};
use crate::application::{Application, ApplicationRef};
use crate::attempt::Payload;
use crate::conflict;
use crate::count::Counts;
use crate::delivery::Delivery;
use crate::endpoint::{Endpoint, State};
use crate::environment::{Environment, Validation};
use crate::error::Result;
use crate::event::{Event, Once};
use crate::event_type::EventType;
use crate::id::{ApplicationId, AttemptId, EndpointId, EnvironmentId, EventId, SourceId, TaskId};
use crate::inbound::RefusedRequest;
use crate::key::Key;
use crate::replay::Replay;
use crate::resource::Resource;
use crate::source::{Source, SourceRef, SourceStats, token_hash};
use crate::token::Ended;

mod across;
mod application;
mod arrival;
mod audit;
mod background;
mod chain;
mod commit;
mod count;
mod delivery;
mod expunge;
mod hasten;
mod held;
mod inbox;
mod list;
mod minute;
mod read;
mod refusal;
mod replay;
mod setting;
mod source;
mod tables;
mod user;

use tables::{AnswerRow, EventRow, FirstRow, KeyRow, Tables};

/// A store without a disk: whatever was committed stands until the value is dropped, whatever was not never happened.
pub struct Memory {
    tables: Mutex<Tables>,
}

impl Memory {
    /// An empty store whose public ids are made with this key. A commit leaves the keys of fewer than `tail_max` inbound
    /// events behind that are not indexed; with 1 each is indexed as it comes.
    #[must_use]
    pub fn new(id_key: [u8; 16], tail_max: usize) -> Self {
        let tables = Tables::new(id_key, tail_max);
        Self { tables: Mutex::new(tables) }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("no panic while held")
    }
}

impl Store for Memory {
    fn commit(&self, batch: &Batch) -> Result<Durable<Receipt>, CommitFailed> {
        commit::commit(&mut self.tables(), batch).map(Durable)
    }

    fn opening(&self, wall_ms: i64) -> Result<Opening> {
        Ok(read::opening(&self.tables(), wall_ms))
    }

    fn unwritten(&self, from: EventId, limit: usize) -> Result<Unwritten> {
        read::unwritten(&self.tables(), from, limit)
    }

    fn due(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<DueSlice> {
        Ok(read::due(&self.tables(), endpoint, until_ms, limit))
    }

    fn backlog(&self) -> Result<Backlog> {
        let tables = self.tables();
        let waiting = tables.due.len().try_into().unwrap_or(u64::MAX);
        Ok(Backlog { waiting, oldest: tables.due.iter().map(|(_, _, event)| *event).min() })
    }

    fn payloads(&self, events: &[EventId]) -> Result<Vec<Option<Payload>>> {
        let tables = self.tables();
        Ok(events.iter().map(|&event| read::payload(&tables, event)).collect())
    }

    fn keys(&self) -> Result<Vec<Key>> {
        Ok(self.tables().keys.values().cloned().collect())
    }

    fn ended_tokens(&self, application: ApplicationId) -> Result<Vec<Ended>> {
        Ok(self.tables().ended_tokens.values().filter(|row| row.application == application).cloned().collect())
    }

    fn environments(&self) -> Result<Vec<Environment>> {
        Ok(self.tables().environments.values().cloned().collect())
    }

    fn validation(&self, environment: EnvironmentId) -> Result<Validation> {
        Ok(self.tables().validations.get(&environment).copied().unwrap_or_default())
    }

    fn answer(&self, once: &Once, wall_ms: i64) -> Result<Option<Answer>> {
        Ok(setting::kept_answer(&self.tables(), once, wall_ms))
    }

    fn application(&self, environment: EnvironmentId, application: &ApplicationRef) -> Result<Option<Application>> {
        Ok(application::find(&self.tables(), environment, application))
    }

    fn application_lately(&self, of: EnvironmentId, id: ApplicationId, ms: i64) -> Result<Option<Application>> {
        Ok(application::lately(&self.tables(), of, id, ms))
    }

    fn applications(&self, environment: EnvironmentId, page: Page<ApplicationId>) -> Result<Listed<Application>> {
        let tables = self.tables();
        let shown = |row: &&Application| row.environment == environment && !row.deleted && row.source.is_none();
        Ok(list::page(tables.applications.values().filter(shown), &page, |row| row.id))
    }

    fn endpoint(&self, application: ApplicationId, endpoint: EndpointId) -> Result<Option<Endpoint>> {
        let tables = self.tables();
        let found = tables.endpoints.get(&endpoint);
        Ok(found.filter(|row| row.application == application && row.state != State::Deleted).cloned())
    }

    fn endpoint_lately(&self, application: ApplicationId, id: EndpointId, ms: i64) -> Result<Option<Endpoint>> {
        Ok(read::endpoint_lately(&self.tables(), application, id, ms))
    }

    fn endpoint_by_uid(&self, application: ApplicationId, uid: &str) -> Result<Option<Endpoint>> {
        let tables = self.tables();
        let mut living =
            tables.endpoints.values().filter(|row| row.application == application && row.state != State::Deleted);
        Ok(living.find(|row| row.uid.as_deref() == Some(uid)).cloned())
    }

    fn endpoints(&self, application: ApplicationId, page: Page<EndpointId>) -> Result<Listed<Endpoint>> {
        let tables = self.tables();
        let living =
            tables.endpoints.values().filter(|row| row.application == application && row.state != State::Deleted);
        Ok(list::page(living, &page, |row| row.id))
    }

    fn reach(&self, application: ApplicationId) -> Result<Reach> {
        Ok(read::reach(&self.tables(), application))
    }

    fn event_type(&self, environment: EnvironmentId, name: &str) -> Result<Option<EventType>> {
        Ok(self.tables().event_types.get(&(environment, name.to_owned())).cloned())
    }

    fn event_types(&self, environment: EnvironmentId, page: Page<String>, archived: bool) -> Result<Listed<EventType>> {
        Ok(list::event_types(&self.tables(), environment, &page, archived))
    }

    fn event(&self, application: ApplicationId, event: EventId) -> Result<Option<Event>> {
        let tables = self.tables();
        Ok(tables.events.get(&event).map(|row| &row.event).filter(|event| event.application == application).cloned())
    }

    fn event_by_uid(&self, application: ApplicationId, uid: &str) -> Result<Option<Event>> {
        let found = self.tables().event_uids.get(&uid_hash(application, uid)).copied();
        found.map_or(Ok(None), |event| self.event(application, event))
    }

    fn events(
        &self,
        application: ApplicationId,
        page: Page<EventId>,
        filter: &Filter,
        bodies: bool,
    ) -> Result<Listed<Event>> {
        Ok(list::events(&self.tables(), application, page, filter, bodies))
    }

    fn attempts(&self, of: AttemptsOf, page: Page<AttemptId>, filter: &Filter) -> Result<Listed<AttemptRow>> {
        Ok(list::attempts(&self.tables(), of, page, filter))
    }

    fn attempted(
        &self,
        endpoint: EndpointId,
        page: Page<EventId>,
        filter: &Filter,
        bodies: bool,
    ) -> Result<Listed<DeliveryRow>> {
        Ok(delivery::attempted(&self.tables(), endpoint, page, filter, bodies))
    }

    fn destinations(&self, event: EventId) -> Result<Vec<(EndpointId, Option<Delivery>)>> {
        Ok(delivery::destinations(&self.tables(), event))
    }

    fn counts(&self, endpoint: EndpointId, hours: (i64, i64)) -> Result<Counts> {
        Ok(count::counts(&self.tables(), endpoint, hours))
    }

    fn attempt_count(&self, application: ApplicationId, hours: (i64, i64)) -> Result<i64> {
        Ok(count::attempts(&self.tables(), application, hours))
    }

    fn chain_count(&self, endpoint: EndpointId) -> Result<u64> {
        Ok(chain::count(&self.tables(), endpoint))
    }

    fn chains(&self, endpoint: EndpointId, page: Page<i64>) -> Result<Listed<Chain>> {
        Ok(list::page(chain::all(&self.tables(), endpoint).iter(), &page, |row| row.key.value()))
    }

    fn deliveries(&self, event: EventId) -> Result<Vec<(EndpointId, Delivery)>> {
        Ok(delivery::deliveries(&self.tables(), event))
    }

    fn source(&self, environment: EnvironmentId, source: &SourceRef) -> Result<Option<Source>> {
        Ok(source::find(&self.tables(), environment, source))
    }

    fn source_by_token(&self, hash: &[u8; 16]) -> Result<Option<Source>> {
        let tables = self.tables();
        let opened = |row: &&Source| row.tokens.iter().any(|slot| token_hash(&slot.token) == *hash);
        Ok(source::living(&tables).find(opened).cloned())
    }

    fn sources(&self, environment: EnvironmentId, page: Page<SourceId>) -> Result<Listed<Source>> {
        let tables = self.tables();
        let shown = source::living(&tables).filter(|row| row.environment == environment);
        Ok(list::page(shown, &page, |row| row.id))
    }

    fn source_stats(&self, source: SourceId) -> Result<SourceStats> {
        let tables = self.tables();
        let mut stats = tables.tallies.get(&source).cloned().unwrap_or_default().shown();
        let waiting = tables.conflicts.values().map(|row| &row.conflict);
        stats.held = waiting.filter(|row| row.source == source && row.state == conflict::State::Waiting).count() as u64;
        Ok(stats)
    }

    fn refused(&self, source: SourceId, page: Page<i64>) -> Result<Listed<(i64, RefusedRequest)>> {
        let tables = self.tables();
        let own = tables.refusals.iter().filter(|(_, (of, _))| *of == source);
        let rows: Vec<_> = own.map(|(number, (_, request))| (*number, *request)).collect();
        Ok(list::page(rows.iter(), &page, |row| row.0))
    }

    fn replayable(&self, replay: &Replay, limit: usize) -> Result<Replayable> {
        Ok(replay::replayable(&self.tables(), replay, limit))
    }

    fn replay_count(&self, replay: &Replay) -> Result<ReplayCount> {
        Ok(replay::count(&self.tables(), replay))
    }

    fn replay(&self, environment: EnvironmentId, task: TaskId) -> Result<Option<Replay>> {
        Ok(self.tables().replays.get(&task).filter(|row| row.environment == environment).cloned())
    }

    fn replays(&self, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Replay>> {
        let tables = self.tables();
        let rows = tables.replays.values().filter(|row| row.environment == environment);
        Ok(list::page(rows, &page, |row| row.id))
    }

    fn resources(&self) -> Result<Vec<Resource>> {
        let tables = self.tables();
        let rows = tables.resources.iter().map(|((world, kind, id), value)| Resource {
            world: world.clone(),
            kind: kind.clone(),
            id: id.clone(),
            value: Some(value.clone()),
        });
        Ok(rows.collect())
    }

    fn consumer(&self, application: ApplicationId, sink: &str, name: &str) -> Result<Option<EventId>> {
        let key = (application, sink.to_owned(), name.to_owned());
        Ok(self.tables().consumers.get(&key).copied())
    }
}
