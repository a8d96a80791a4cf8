//! Reads of one thing, and what recovery and the lanes ask for.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::is_damage;
use super::rows::{self, APPLICATION, ARRIVAL, DELIVERY, ENDPOINT, EVENT, EVENT_TYPE, EVENTS, SOURCE, TALLY};
use super::{chain, damage, inbox, replay};
use crate::application::{Application, ApplicationRef};
use crate::attempt::Payload;
use crate::delivery::Due;
use crate::endpoint::Endpoint;
use crate::environment::{Environment, Validation};
use crate::error::Result;
use crate::event::{Event, Once};
use crate::event_type::EventType;
use crate::fan_out;
use crate::id::{self, ApplicationId, EndpointId, EnvironmentId, EventId, Id, SourceId};
use crate::inbound::Refusal;
use crate::key::Key;
use crate::ordering::OrderKey;
use crate::provider::Provider;
use crate::secret::Sealer;
use crate::source::{Source, SourceRef, SourceStats};
use crate::store::{
    BRIEF_KEY_MS, Backlog, DueSlice, Opening, RECENT_KEYS_MAX, Reach, SVIX_PLAY, Unwritten, damaged, uid_hash,
};

type Sql<T> = rusqlite::Result<T>;

pub(super) fn opening(db: &Connection, sealer: &Sealer, wall_ms: i64) -> Result<Opening> {
    let (id_key, mark, last_id, alive_ms): ([u8; 16], i64, i64, Option<i64>) =
        db.query_row("select id_key, mark, last_id, alive_ms from engine", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    let highest = highest_id(db)?;
    let environments = environments(db)?;
    let applications =
        all(db, &format!("select {APPLICATION} from application where deleted = 0 order by id"), rows::application)?;
    let due = match due_heads(db) {
        Err(error) if damage::is_of(&error) => due_heads_one_by_one(db)?,
        due => due?,
    };
    let sql = format!(
        "select {ENDPOINT} from endpoint where state < 4 or exists (select 1 from due where due.endpoint = endpoint.id) order by id"
    );
    let endpoints = all(db, &sql, |row| rows::endpoint(row, sealer))?;
    let recent_keys = recent_keys(db, wall_ms)?;
    let (chains, more_chains) = chain::known(db)?;
    let sources = all(db, "select id, provider from source where deleted = 0 order by id", |row| {
        Ok((SourceId::new(row.get(0)?), rows::number(row, 1, Provider::from_number)?))
    })?;
    Ok(Opening {
        id_key,
        token_key: super::token::key(db, sealer)?,
        last_id: last_id.max(highest),
        mark: EventId::new(mark),
        environments,
        applications,
        endpoints,
        answered: super::count::answered(db, wall_ms)?,
        due,
        chains,
        more_chains,
        recent_keys,
        sources,
        replays: replay::running(db)?,
        untold: inbox::untold(db)?,
        alive_ms,
    })
}

pub(super) fn environments(db: &Connection) -> Result<Vec<Environment>> {
    all(db, "select id, name from environment order by id", |row| {
        Ok(Environment { id: EnvironmentId::new(row.get(0)?), name: row.get(1)? })
    })
}

pub(super) fn validation(db: &Connection, environment: EnvironmentId) -> Result<Validation> {
    let mut sql = db.prepare_cached("select schema_validation from environment where id = ?1")?;
    let found =
        sql.query_row((environment.value(),), |row| rows::number(row, 0, Validation::from_number)).optional()?;
    Ok(found.unwrap_or_default())
}

/// The highest id that any row has.
fn highest_id(db: &Connection) -> Result<i64> {
    Ok(db.query_row(
        "select max(coalesce((select max(id) from event), 0), coalesce((select max(id) from attempt), 0),
         coalesce((select max(id) from application), 0), coalesce((select max(id) from endpoint), 0),
         coalesce((select max(id) from environment), 0), coalesce((select max(id) from key), 0),
         coalesce((select max(id) from source), 0), coalesce((select max(id) from conflict), 0), coalesce((select max(id) from replay), 0), coalesce((select max(id) from task), 0),
         coalesce((select max(first) from (select (select max(attempt) from delivery
             where delivery.endpoint = endpoint.id and attempt is not null) as first from endpoint)), 0))",
        (),
        |row| row.get(0),
    )?)
}

/// Jumps from endpoint to endpoint along the index, whatever stands between.
fn due_heads(db: &Connection) -> Result<Vec<(EndpointId, i64)>> {
    let mut sql =
        db.prepare("select endpoint, due_ms from due where endpoint > ?1 order by endpoint, due_ms limit 1")?;
    let mut heads: Vec<(EndpointId, i64)> = Vec::new();
    loop {
        let last = heads.last().map_or(-1, |(endpoint, _)| endpoint.value());
        match sql.query_row((last,), |row| Ok((EndpointId::new(row.get(0)?), row.get(1)?))).optional()? {
            Some(head) => heads.push(head),
            None => return Ok(heads),
        }
    }
}

/// Asks for each endpoint by itself. One whose line cannot be read is due at once: then its lines are read around that.
fn due_heads_one_by_one(db: &Connection) -> Result<Vec<(EndpointId, i64)>> {
    let endpoints: Vec<EndpointId> =
        all(db, "select id from endpoint order by id", |row| row.get(0).map(EndpointId::new))?;
    let mut sql = db.prepare("select min(due_ms) from due where endpoint = ?1")?;
    let mut heads = Vec::new();
    for endpoint in endpoints {
        match sql.query_row((endpoint.value(),), |row| row.get::<_, Option<i64>>(0)) {
            Ok(due_ms) => heads.extend(due_ms.map(|due_ms| (endpoint, due_ms))),
            Err(error) if is_damage(&error) => heads.push((endpoint, 0)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(heads)
}

pub(super) fn backlog(db: &Connection) -> Result<Backlog> {
    Ok(db.query_row("select count(*), min(event) from due", (), |row| {
        Ok(Backlog { waiting: row.get(0)?, oldest: row.get::<_, Option<i64>>(1)?.map(EventId::new) })
    })?)
}

fn recent_keys(db: &Connection, wall_ms: i64) -> Result<Vec<(EventId, Once)>> {
    let mut sql =
        db.prepare("select event, hash, request from recent_key where event >= ?1 order by event desc limit ?2")?;
    let found = sql.query_map(params![id::floor_at(wall_ms - BRIEF_KEY_MS), RECENT_KEYS_MAX], |row| {
        Ok((EventId::new(row.get(0)?), Once { key: row.get(1)?, request: row.get(2)?, brief: true }))
    })?;
    let mut keys: Vec<_> = found.collect::<Sql<_>>()?;
    keys.reverse();
    Ok(keys)
}

fn all<T>(db: &Connection, sql: &str, read: impl FnMut(&rusqlite::Row<'_>) -> Sql<T>) -> Result<Vec<T>> {
    let mut statement = db.prepare(sql)?;
    let found = statement.query_map((), read)?;
    Ok(found.collect::<Sql<_>>()?)
}

pub(super) fn unwritten(db: &Connection, from: EventId, limit: usize) -> Result<Unwritten> {
    let mut sql = db.prepare_cached("select id, fan_out from event where id >= ?1 order by id limit ?2")?;
    let mut has_row = db.prepare_cached("select 1 from delivery where event = ?1 and endpoint = ?2")?;
    let mut found = sql.query(params![from.value(), limit])?;
    let mut slice = Unwritten::default();
    let mut seen = 0;
    while let Some(row) = found.next()? {
        let id: i64 = row.get(0)?;
        seen += 1;
        slice.next = (seen == limit).then(|| EventId::new(id + 1));
        let endpoints = fan_out::unpack_keyed(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)
            .ok_or_else(|| damaged("a fan-out that was never packed"))?;
        let mut missing = Vec::new();
        for endpoint in endpoints {
            if !has_row.exists(params![id, endpoint.0.value()])? {
                missing.push(endpoint);
            }
        }
        if !missing.is_empty() {
            slice.deliveries.push((EventId::new(id), missing));
        }
    }
    Ok(slice)
}

pub(super) fn due(db: &Connection, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<DueSlice> {
    let sql = format!(
        "select due.event, {}, iif(status = 1, order_key, null), status = 1 and order_key is not null and not exists
             (select 1 from chain where chain.endpoint = due.endpoint and key = order_key and chain.event = due.event)
         from due join delivery using (event, endpoint)
         where due.endpoint = ?1 order by due.due_ms, due.event limit ?2",
        DELIVERY.replace("due_ms", "due.due_ms")
    );
    let mut sql = db.prepare_cached(&sql)?;
    let mut found = sql.query(params![endpoint.value(), limit + 1])?;
    let mut slice = DueSlice::default();
    while let Some(row) = found.next()? {
        let delivery = rows::delivery(row, 1)?;
        let due_ms = delivery.due_ms.ok_or_else(|| damaged("a line of the due index without its time"))?;
        if due_ms > until_ms || slice.due.len() == limit {
            slice.next_ms = Some(due_ms);
            break;
        }
        let (key, joins) = (row.get::<_, Option<i64>>(6)?.map(OrderKey::new), row.get(7)?);
        slice.due.push(Due { event: EventId::new(row.get(0)?), endpoint, delivery, key, joins });
    }
    Ok(slice)
}

pub(super) fn payload(db: &Connection, event: EventId) -> Result<Option<Payload>> {
    let mut sql = db.prepare_cached(&format!("select sha256, payload, {ARRIVAL} from {EVENTS} where id = ?1"))?;
    Ok(sql.query_row((event.value(),), rows::payload).optional()?.flatten())
}

/// A key by id.
pub(super) const KEY_BY_ID: &str = "select id, environment, role, hash, hint, revoked_ms, application, rate, used_ms, name, expires_ms from key where id = ?1";

pub(super) fn keys(db: &Connection) -> Result<Vec<Key>> {
    all(
        db,
        "select id, environment, role, hash, hint, revoked_ms, application, rate, used_ms, name, expires_ms from key order by id",
        rows::key,
    )
}

pub(super) fn application(
    db: &Connection,
    environment: EnvironmentId,
    application: &ApplicationRef,
) -> Result<Option<Application>> {
    let found = match application {
        ApplicationRef::Id(id) => {
            let sql =
                format!("select {APPLICATION} from application where environment = ?1 and id = ?2 and deleted = 0");
            db.prepare_cached(&sql)?
                .query_row(params![environment.value(), id.value()], rows::application)
                .optional()?
        }
        ApplicationRef::Uid(uid) => {
            let sql =
                format!("select {APPLICATION} from application where environment = ?1 and uid = ?2 and deleted = 0");
            db.prepare_cached(&sql)?.query_row(params![environment.value(), uid], rows::application).optional()?
        }
    };
    Ok(found)
}

pub(super) fn endpoint(
    db: &Connection,
    sealer: &Sealer,
    application: ApplicationId,
    endpoint: EndpointId,
) -> Result<Option<Endpoint>> {
    let sql = format!("select {ENDPOINT} from endpoint where application = ?1 and id = ?2 and state < 4");
    let found = db
        .prepare_cached(&sql)?
        .query_row(params![application.value(), endpoint.value()], |row| rows::endpoint(row, sealer))
        .optional()?;
    Ok(found)
}

pub(super) fn application_lately(
    db: &Connection,
    environment: EnvironmentId,
    application: ApplicationId,
    since_ms: i64,
) -> Result<Option<Application>> {
    let sql = format!(
        "select {APPLICATION} from application where environment = ?1 and id = ?2 and (deleted = 0 or updated_ms > ?3)"
    );
    let ids = (environment.value(), application.value(), since_ms);
    Ok(db.prepare_cached(&sql)?.query_row(ids, rows::application).optional()?)
}

pub(super) fn endpoint_lately(
    db: &Connection,
    sealer: &Sealer,
    application: ApplicationId,
    endpoint: EndpointId,
    since_ms: i64,
) -> Result<Option<Endpoint>> {
    let sql = format!(
        "select {ENDPOINT} from endpoint where application = ?1 and id = ?2 and (state < 4 or updated_ms > ?3)"
    );
    let ids = (application.value(), endpoint.value(), since_ms);
    Ok(db.prepare_cached(&sql)?.query_row(ids, |row| rows::endpoint(row, sealer)).optional()?)
}

pub(super) fn endpoint_by_uid(
    db: &Connection,
    sealer: &Sealer,
    application: ApplicationId,
    uid: &str,
) -> Result<Option<Endpoint>> {
    let sql = format!("select {ENDPOINT} from endpoint where application = ?1 and uid = ?2 and state < 4");
    Ok(db
        .prepare_cached(&sql)?
        .query_row(params![application.value(), uid], |row| rows::endpoint(row, sealer))
        .optional()?)
}

pub(super) fn reach(db: &Connection, application: ApplicationId) -> Result<Reach> {
    let mut sql = db.prepare_cached(
        "select count(*), count(*) filter (where state = 0), count(*) filter (where not starts)
         from (select state, substr(url, 1, ?3) = ?2 as starts from endpoint where application = ?1 and state < 4)",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok(Reach { all: row.get(0)?, enabled: row.get(1)?, lasting: row.get(2)? });
    Ok(sql.query_row((application.value(), SVIX_PLAY, SVIX_PLAY.len()), read)?)
}

pub(super) fn event_type(db: &Connection, environment: EnvironmentId, name: &str) -> Result<Option<EventType>> {
    let sql = format!("select {EVENT_TYPE} from event_type where environment = ?1 and name = ?2");
    Ok(db.prepare_cached(&sql)?.query_row(params![environment.value(), name], rows::event_type).optional()?)
}

pub(super) fn event(db: &Connection, application: ApplicationId, event: EventId) -> Result<Option<Event>> {
    let sql = format!("select {EVENT}, payload from {EVENTS} where id = ?1 and application = ?2");
    Ok(db
        .prepare_cached(&sql)?
        .query_row(params![event.value(), application.value()], |row| rows::event(row, true))
        .optional()?)
}

pub(super) fn event_by_uid(db: &Connection, application: ApplicationId, uid: &str) -> Result<Option<Event>> {
    let mut sql = db.prepare_cached("select event from event_uid where hash = ?1")?;
    let found: Option<i64> = sql.query_row(params![&uid_hash(application, uid)[..]], |row| row.get(0)).optional()?;
    found.map_or(Ok(None), |id| event(db, application, EventId::new(id)))
}

pub(super) fn source(
    db: &Connection,
    sealer: &Sealer,
    environment: EnvironmentId,
    source: &SourceRef,
) -> Result<Option<Source>> {
    let column = if matches!(source, SourceRef::Id(_)) { "id" } else { "uid" };
    let sql = format!("select {SOURCE} from source where environment = ?1 and {column} = ?2 and deleted = 0");
    let mut sql = db.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| rows::source(row, sealer);
    let found = match source {
        SourceRef::Id(id) => sql.query_row((environment.value(), id.value()), read),
        SourceRef::Uid(uid) => sql.query_row((environment.value(), uid), read),
    };
    Ok(found.optional()?)
}

pub(super) fn source_by_token(db: &Connection, sealer: &Sealer, hash: &[u8; 16]) -> Result<Option<Source>> {
    let sql = format!(
        "select {SOURCE} from source where id = (select source from source_token where hash = ?1) and deleted = 0"
    );
    Ok(db.prepare_cached(&sql)?.query_row((&hash[..],), |row| rows::source(row, sealer)).optional()?)
}

pub(super) fn source_stats(db: &Connection, source: SourceId) -> Result<SourceStats> {
    let mut sql = db.prepare_cached(&format!("select {TALLY} from source_tally where source = ?1"))?;
    let row = sql.query_row((source.value(),), rows::tally).optional()?;
    let mut stats = row.unwrap_or_default().shown();
    let mut sql = db.prepare_cached("select reason, count from source_refusal where source = ?1")?;
    let mut found = sql.query((source.value(),))?;
    while let Some(row) = found.next()? {
        let reason: String = row.get(0)?;
        let reason = Refusal::parse(&reason).ok_or_else(|| damaged("a reason that is none"))?;
        stats.refused.insert(reason, row.get(1)?);
    }
    let mut sql = db.prepare_cached(
        "select count(*) from conflict indexed by conflict_by_source where source = ?1 and state = 0",
    )?;
    stats.held = sql.query_row((source.value(),), |row| row.get(0))?;
    Ok(stats)
}

pub(super) fn consumer(db: &Connection, application: ApplicationId, sink: &str, name: &str) -> Result<Option<EventId>> {
    let mut sql = db.prepare_cached("select place from consumer where application = ?1 and sink = ?2 and name = ?3")?;
    Ok(sql.query_row((application.value(), sink, name), |row| row.get(0).map(EventId::new)).optional()?)
}
