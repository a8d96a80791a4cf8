//! Changes of settings, and the answers kept for retried requests.

use rusqlite::{Connection, OptionalExtension, params};

use super::kept::json;
use super::kept::{seal_headers, seal_secrets};
use super::{
    Writing, application, audit, background, chain, event_type, expunge, held, replay, resource, source, taken, token,
    user,
};
use crate::endpoint::{Endpoint, State};
use crate::error::Result;
use crate::event::Once;
use crate::id::{EventId, Id};
use crate::key::Key;
use crate::secret::Sealer;
use crate::store::{Answer, Change, Consumer, Refused, Setting, day, key_lives_ms, trail};

type Sql<T> = rusqlite::Result<T>;

pub(super) fn apply(work: &mut Writing<'_>, setting: &Setting) -> Sql<Option<Refused>> {
    let (db, wall_ms) = (work.db, work.wall_ms);
    if let Some(answer) = &setting.answer
        && let Some(refused) = known_answer(db, &answer.once, wall_ms)?
    {
        return Ok(Some(refused));
    }
    let deed = trail::deed(work, setting.by, &setting.change)?;
    let refused = change(work, &setting.change)?;
    if refused.is_some() {
        return Ok(refused);
    }
    if let Some(deed) = deed {
        audit::tell(work, setting.by, &deed)?;
    }
    if let Some(answer) = &setting.answer {
        keep_answer(db, answer, wall_ms)?;
    }
    Ok(None)
}

fn change(work: &mut Writing<'_>, change: &Change) -> Sql<Option<Refused>> {
    let (db, sealer) = (work.db, work.sealer);
    Ok(match change {
        Change::Environment(environment) => {
            let mut sql =
                db.prepare_cached("insert into environment (id, name) values (?1, ?2) on conflict do nothing")?;
            taken_if_none(sql.execute(params![environment.id.value(), environment.name])?)
        }
        Change::Application(application) => application::put(db, application)?,
        Change::Endpoint(endpoint) if endpoint.revision == 1 => {
            let refused = insert_endpoint(db, sealer, endpoint)?;
            if refused.is_none()
                && let Some(source) = application::source(db, endpoint.application)?
            {
                work.takers.add(endpoint.id, source);
            }
            refused
        }
        Change::Endpoint(endpoint) => {
            let refused = update_endpoint(db, sealer, endpoint)?;
            if refused.is_none() && endpoint.state == State::Deleted {
                replay::call_off(db, endpoint.id, endpoint.updated_ms)?;
            }
            refused
        }
        Change::EventType(event_type) => taken_if_none(event_type::revive(db, event_type)?),
        Change::EventTypes(event_types) => {
            event_types.iter().try_for_each(|event_type| event_type::put(db, event_type).map(drop)).map(|()| None)?
        }
        Change::EventTypeGone(environment, name) => {
            (event_type::delete(db, *environment, name)? == 0).then_some(Refused::Stale)
        }
        Change::Validation(environment, validation) => {
            let mut sql = db.prepare_cached("update environment set schema_validation = ?2 where id = ?1")?;
            sql.execute((environment.value(), i64::from(*validation as u8)))?;
            None
        }
        Change::Skip(endpoint, event) => chain::skip(work, *endpoint, *event)?,
        Change::Expunge(application, events) => {
            let events: Vec<_> = events.iter().map(|&event| (*application, event)).collect();
            expunge::events(work, &events).map(|()| None)?
        }
        Change::ExpungeAttempt(event, attempt) => expunge::attempt(work, *event, *attempt).map(|()| None)?,
        Change::Erased(erased) => background::erase(work, erased).map(|()| None)?,
        Change::Task(task) => background::put(db, task)?,
        Change::EndTokens(all) => all.iter().try_for_each(|ended| token::end(db, ended)).map(|()| None)?,
        Change::Catalogue(event_types) => {
            event_types.iter().try_for_each(|event_type| event_type::insert(db, event_type).map(drop)).map(|()| None)?
        }
        Change::Discard(_, all) => held::discard(work, all)?,
        Change::Source(source, application) => source::put(db, sealer, source, application.as_deref())?,
        Change::Replay(replay) => replay::put(db, replay)?,
        Change::Resources(resources) => resource::put(db, resources).map(|()| None)?,
        Change::Consumer(consumer) => put_consumer(work, consumer).map(|()| None)?,
        Change::Answered => None,
        Change::People(change) => user::change(db, change)?,
        Change::Key(key) => taken_if_none(insert_key(db, key)?),
        Change::Revoke { key, at_ms } => {
            let mut sql = db.prepare_cached("update key set revoked_ms = ?2 where id = ?1 and revoked_ms is null")?;
            taken_if_none(sql.execute(params![key.value(), at_ms])?)
        }
    })
}

/// A name or id that stood in the way left no row changed.
fn taken_if_none(changed: usize) -> Option<Refused> {
    (changed == 0).then_some(Refused::Taken)
}

/// Makes an endpoint of a living application; one that was deleted meanwhile, or that has become another provider's,
/// takes none.
fn insert_endpoint(db: &Connection, sealer: &Sealer, endpoint: &Endpoint) -> Sql<Option<Refused>> {
    let (id, application, provider) =
        (endpoint.id.value(), endpoint.application.value(), i64::from(endpoint.provider as u8));
    if !db
        .prepare_cached("select 1 from application where id = ?1 and deleted = 0 and provider = ?2")?
        .exists((application, provider))?
    {
        return Ok(Some(Refused::Stale));
    }
    if let Some(endpoints_max) = endpoint.provider.endpoints_max().filter(|_| !endpoint.direct) {
        let mut sql =
            db.prepare_cached("select count(*) from endpoint where application = ?1 and state < 4 and direct = 0")?;
        if sql.query_row((application,), |row| row.get::<_, usize>(0))? >= endpoints_max {
            return Ok(Some(Refused::Full(endpoints_max)));
        }
    }
    let mut sql = db.prepare_cached(
        "insert into endpoint (id, application, uid, url, description, state, event_types, channels, headers, metadata, secrets, updated_ms, revision, provider, direct, handling)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, ?14, ?15) on conflict do nothing",
    )?;
    let changed = sql.execute(params![
        id,
        application,
        endpoint.uid,
        endpoint.url,
        endpoint.description,
        endpoint.state as i64,
        json(&endpoint.event_types),
        json(&endpoint.channels),
        seal_headers(sealer, endpoint),
        json(&endpoint.metadata),
        seal_secrets(sealer, endpoint),
        endpoint.updated_ms,
        provider,
        endpoint.direct,
        json(&endpoint.handling)
    ])?;
    Ok(taken_if_none(changed))
}

/// Whose it is, whose form it has and whether it is direct stay as they were made.
fn update_endpoint(db: &Connection, sealer: &Sealer, endpoint: &Endpoint) -> Sql<Option<Refused>> {
    let mut sql = db.prepare_cached(
        "update or ignore endpoint set uid = ?3, url = ?4, description = ?5, state = ?6, event_types = ?7, channels = ?8, headers = ?9, metadata = ?10,
         secrets = ?11, failing_since_ms = iif(?6 = 0 and state <> 0, null, failing_since_ms),
         clock_runs = iif(?6 = 0 and state <> 0, 0, clock_runs), updated_ms = ?12, handling = ?13, revision = ?2 where id = ?1 and revision = ?2 - 1",
    )?;
    let changed = sql.execute(params![
        endpoint.id.value(),
        endpoint.revision,
        endpoint.uid,
        endpoint.url,
        endpoint.description,
        endpoint.state as i64,
        json(&endpoint.event_types),
        json(&endpoint.channels),
        seal_headers(sealer, endpoint),
        json(&endpoint.metadata),
        seal_secrets(sealer, endpoint),
        endpoint.updated_ms,
        json(&endpoint.handling)
    ])?;
    if changed > 0 {
        return Ok(None);
    }
    let mut sql = db.prepare_cached("select revision from endpoint where id = ?1")?;
    let revision: Option<i64> = sql.query_row(params![endpoint.id.value()], |row| row.get(0)).optional()?;
    Ok(Some(if revision == Some(endpoint.revision - 1) { Refused::Taken } else { Refused::Stale }))
}

/// Moves a poller's place; what it has taken since the one before is processed.
fn put_consumer(work: &mut Writing<'_>, consumer: &Consumer) -> Sql<()> {
    let Consumer { application, sink, name, place, commits } = consumer;
    let key = (application.value(), sink, name);
    let mut sql =
        work.db.prepare_cached("select place from consumer where application = ?1 and sink = ?2 and name = ?3")?;
    let before: Option<i64> = sql.query_row(key, |row| row.get(0)).optional()?;
    let mut sql = work.db.prepare_cached(
        "insert into consumer (application, sink, name, place) values (?1, ?2, ?3, ?4)
         on conflict do update set place = excluded.place",
    )?;
    sql.execute((key.0, key.1, key.2, place.value()))?;
    if *commits {
        taken::between(work, *application, EventId::new(before.unwrap_or(0)), *place)?;
    }
    Ok(())
}

fn insert_key(db: &Connection, key: &Key) -> Sql<usize> {
    let mut sql = db.prepare_cached("insert into key (id, environment, role, hash, hint, revoked_ms, application, rate, used_ms, name, expires_ms) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) on conflict do nothing")?;
    sql.execute(params![
        key.id.value(),
        key.environment.value(),
        key.grant.role as i64,
        &key.hash[..],
        key.hint,
        key.revoked_ms,
        key.grant.application.map(Id::value),
        key.grant.rate,
        key.used_ms,
        key.grant.name,
        key.grant.expires_ms
    ])
}

fn known_answer(db: &Connection, once: &Once, wall_ms: i64) -> Sql<Option<Refused>> {
    let found = kept_answer(db, once, wall_ms)?;
    Ok(found
        .map(|answer| if answer.once.request == once.request { Refused::Answered(answer) } else { Refused::KeyReused }))
}

/// The answer kept under a key; whether it was to the same request is the caller's to compare.
pub(super) fn answer(db: &Connection, once: &Once, wall_ms: i64) -> Result<Option<Answer>> {
    Ok(kept_answer(db, once, wall_ms)?)
}

fn kept_answer(db: &Connection, once: &Once, wall_ms: i64) -> Sql<Option<Answer>> {
    let mut sql = db.prepare_cached(
        "select request, brief, status, body from answer
         where day in (?1 - 1, ?1, ?1 + 1) and hash = ?2 and at_ms > ?3 order by day desc limit 1",
    )?;
    let since_ms = wall_ms - key_lives_ms(once.brief);
    sql.query_row(params![day(wall_ms), &once.key[..], since_ms], |row| {
        let once = Once { key: once.key, request: row.get(0)?, brief: row.get(1)? };
        Ok(Answer { once, status: row.get(2)?, body: row.get::<_, Vec<u8>>(3)?.into() })
    })
    .optional()
}

fn keep_answer(db: &Connection, answer: &Answer, wall_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached("insert or replace into answer (day, hash, request, at_ms, brief, status, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let once = &answer.once;
    sql.execute(params![
        day(wall_ms),
        &once.key[..],
        &once.request[..],
        wall_ms,
        once.brief,
        answer.status,
        &answer.body[..]
    ])
    .map(|_| ())
}
