//! Applications: how one is made, changed and closed.

use rusqlite::{Connection, OptionalExtension, params};

use super::kept::json;
use crate::application::Application;
use crate::id::{ApplicationId, Id, SourceId};
use crate::store::Refused;

type Sql<T> = rusqlite::Result<T>;

/// Makes or changes a living application; its deletion closes its endpoints and is final.
pub(super) fn put(db: &Connection, application: &Application) -> Sql<Option<Refused>> {
    let mut sql = db.prepare_cached("select deleted, provider from application where id = ?1")?;
    let before: Option<(bool, i64)> =
        sql.query_row((application.id.value(),), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let provider = i64::from(application.provider as u8);
    match before {
        None => insert(db, application),
        Some((true, _)) => Ok(Some(Refused::Stale)),
        Some((false, was)) if was != provider && is_in_use(db, application.id)? => Ok(Some(Refused::Fixed)),
        Some((false, _)) => update(db, application),
    }
}

fn insert(db: &Connection, application: &Application) -> Sql<Option<Refused>> {
    let Application { id, environment, uid, name, metadata, provider, source, updated_ms, deleted, .. } = application;
    let mut sql = db.prepare_cached(
        "insert into application (id, environment, uid, name, metadata, updated_ms, deleted, provider, source, throttle_rate, wire)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) on conflict do nothing",
    )?;
    let inserted = sql.execute(params![
        id.value(),
        environment.value(),
        uid,
        name,
        json(metadata),
        updated_ms,
        deleted,
        i64::from(*provider as u8),
        source.map(SourceId::value),
        application.throttle_rate,
        i64::from(application.wire as u8)
    ])?;
    Ok((inserted == 0).then_some(Refused::Taken))
}

/// Whose events it receives stays as it was made.
fn update(db: &Connection, application: &Application) -> Sql<Option<Refused>> {
    let Application { id, environment, uid, name, metadata, provider, updated_ms, deleted, .. } = application;
    let mut sql = db.prepare_cached(
        "update or ignore application set uid = ?3, name = ?4, metadata = ?5, updated_ms = ?6, deleted = ?7,
         provider = ?8, throttle_rate = ?9, wire = ?10 where id = ?1 and environment = ?2",
    )?;
    let updated = sql.execute(params![
        id.value(),
        environment.value(),
        uid,
        name,
        json(metadata),
        updated_ms,
        deleted,
        i64::from(*provider as u8),
        application.throttle_rate,
        i64::from(application.wire as u8)
    ])?;
    if *deleted && updated > 0 {
        close_endpoints(db, *id, *updated_ms)?;
    }
    Ok((updated == 0).then_some(Refused::Taken))
}

/// Whether it has events or endpoints, which fix its provider.
fn is_in_use(db: &Connection, application: ApplicationId) -> Sql<bool> {
    let mut sql = db.prepare_cached(
        "select exists (select 1 from event where application = ?1)
         or exists (select 1 from endpoint where application = ?1 and state < 4)",
    )?;
    sql.query_row((application.value(),), |row| row.get(0))
}

/// Deletes one for its source's sake, unless it is deleted already.
pub(super) fn delete(db: &Connection, application: ApplicationId, updated_ms: i64) -> Sql<()> {
    let mut sql =
        db.prepare_cached("update application set deleted = 1, updated_ms = ?2 where id = ?1 and deleted = 0")?;
    if sql.execute((application.value(), updated_ms))? > 0 {
        close_endpoints(db, application, updated_ms)?;
    }
    Ok(())
}

/// Its endpoints are deleted with it, and what is made again for them is called off.
fn close_endpoints(db: &Connection, application: ApplicationId, updated_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "update endpoint set state = 4, revision = revision + 1, updated_ms = ?2 where application = ?1 and state < 4",
    )?;
    sql.execute((application.value(), updated_ms))?;
    db.prepare_cached("update replay set state = 2, updated_ms = ?2 where application = ?1 and state = 0")?
        .execute((application.value(), updated_ms))
        .map(|_| ())
}

/// The source whose events it receives.
pub(super) fn source(db: &Connection, application: ApplicationId) -> Sql<Option<SourceId>> {
    let mut sql = db.prepare_cached("select source from application where id = ?1 and source is not null")?;
    sql.query_row((application.value(),), |row| row.get(0).map(SourceId::new)).optional()
}
