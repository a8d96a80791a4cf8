//! Taking: which inbound events somebody has taken, an endpoint of their source or a poller.
//!
//! An event is processed once one of its deliveries is a success, or its arrival says so. The arrival is written only
//! when a poller takes the event, and when a delivery that was a success no longer is one: so what an endpoint takes at
//! the first attempt costs its arrival nothing.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::Writing;
use crate::delivery::{Standing, Status};
use crate::id::{ApplicationId, EndpointId, EventId, Id, SourceId};
use crate::store::Tried;

type Sql<T> = rusqlite::Result<T>;

/// How many inbound events are known to be untaken without asking the file: a third of a megabyte.
const FRESH_MAX: usize = 16_384;

/// Who takes inbound events, and which wait for it.
pub(super) struct Takers {
    /// The endpoints of sources' applications, by whose they are; perhaps some that came to nothing.
    endpoints: HashMap<EndpointId, SourceId>,
    /// Inbound events that nobody has taken, of those that came lately; perhaps some that came to nothing.
    fresh: HashSet<EventId>,
}

impl Takers {
    pub(super) fn load(db: &Connection) -> Sql<Self> {
        let mut sql = db.prepare(
            "select endpoint.id, application.source from application
             cross join endpoint on endpoint.application = application.id where application.source is not null",
        )?;
        let found = sql.query_map((), |row| Ok((EndpointId::new(row.get(0)?), SourceId::new(row.get(1)?))))?;
        Ok(Self { endpoints: found.collect::<Sql<_>>()?, fresh: HashSet::new() })
    }

    /// A source's application has a new endpoint.
    pub(super) fn add(&mut self, endpoint: EndpointId, source: SourceId) {
        self.endpoints.insert(endpoint, source);
    }

    /// An inbound event came in.
    pub(super) fn arrived(&mut self, event: EventId) {
        if self.fresh.len() >= FRESH_MAX {
            self.fresh.clear(); // the file knows them all
        }
        self.fresh.insert(event);
    }
}

/// A delivery, which stood so before, stands otherwise now: its event may be processed by that.
pub(super) fn moved(work: &mut Writing<'_>, tried: &Tried, before: Standing) -> Sql<()> {
    let Some(source) = work.takers.endpoints.get(&tried.endpoint).copied() else {
        return Ok(());
    };
    let (was_taken, is_taken) = (before == Standing::Success, tried.delivery.status == Status::Success);
    if was_taken && !is_taken {
        keep(work, tried.event, tried.endpoint)?;
    }
    if is_taken && !was_taken && waited(work, tried.event, tried.endpoint)? {
        work.tally.of(source).processed += 1;
    }
    Ok(())
}

/// A delivery is a success no longer: its arrival keeps that the event was taken.
pub(super) fn keep(work: &Writing<'_>, event: EventId, endpoint: EndpointId) -> Sql<()> {
    if !work.takers.endpoints.contains_key(&endpoint) {
        return Ok(());
    }
    work.db.prepare_cached("update arrival set processed = 1 where event = ?1")?.execute((event.value(),)).map(|_| ())
}

/// Whether an event is inbound and nobody took it before this endpoint.
fn waited(work: &mut Writing<'_>, event: EventId, endpoint: EndpointId) -> Sql<bool> {
    if work.takers.fresh.remove(&event) {
        return Ok(true);
    }
    let mut sql = work.db.prepare_cached(
        "select processed = 0 and not exists
             (select 1 from delivery where event = ?1 and endpoint <> ?2 and status = ?3)
         from arrival where event = ?1",
    )?;
    let key = params![event.value(), endpoint.value(), Status::Success as i64];
    Ok(sql.query_row(key, |row| row.get(0)).optional()?.unwrap_or(false))
}

/// A poller took an application's events, those behind `after` up to `until`.
pub(super) fn between(work: &mut Writing<'_>, application: ApplicationId, after: EventId, until: EventId) -> Sql<()> {
    let mut sql = work.db.prepare_cached(
        "update arrival set processed = 1
         where event in (select id from event where application = ?1 and id > ?2 and id <= ?3) and processed = 0
             and not exists (select 1 from delivery where delivery.event = arrival.event and status = ?4)
         returning source, event",
    )?;
    let key = params![application.value(), after.value(), until.value(), Status::Success as i64];
    let mut taken = sql.query(key)?;
    while let Some(row) = taken.next()? {
        work.takers.fresh.remove(&EventId::new(row.get(1)?));
        work.tally.of(SourceId::new(row.get(0)?)).processed += 1;
    }
    Ok(())
}
