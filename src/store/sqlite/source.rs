//! Sources: how one is made with its application, changed and closed.

use rusqlite::{Connection, OptionalExtension, params};

use super::kept::{json, seal_config, seal_tokens};
use super::{application, refusal};
use crate::application::Application;
use crate::id::{ApplicationId, Id};
use crate::secret::Sealer;
use crate::source::{Source, token_hash};
use crate::store::Refused;

type Sql<T> = rusqlite::Result<T>;

/// Makes or changes a source with all that hangs on it, or changes nothing.
pub(super) fn put(
    db: &Connection,
    sealer: &Sealer,
    source: &Source,
    application: Option<&Application>,
) -> Sql<Option<Refused>> {
    db.execute_batch("savepoint source")?;
    let refused =
        if source.revision == 1 { insert(db, sealer, source, application)? } else { update(db, sealer, source)? };
    if refused.is_some() {
        db.execute_batch("rollback to source")?;
    }
    db.execute_batch("release source")?;
    Ok(refused)
}

fn insert(
    db: &Connection,
    sealer: &Sealer,
    source: &Source,
    application: Option<&Application>,
) -> Sql<Option<Refused>> {
    let Some(application) = application else {
        return Ok(Some(Refused::Stale));
    };
    if let Some(refused) = application::put(db, application)? {
        return Ok(Some(refused));
    }
    let mut sql = db.prepare_cached(
        "insert into source (id, uid, name, metadata, provider, config, tokens, dedup_days, updated_ms, deleted, revision, environment, application)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) on conflict do nothing",
    )?;
    let inserted = sql.execute(params![
        source.id.value(),
        source.uid,
        source.name,
        json(&source.metadata),
        i64::from(source.provider as u8),
        seal_config(sealer, source),
        seal_tokens(sealer, source),
        source.config.dedup_days,
        source.updated_ms,
        source.deleted,
        source.revision,
        source.environment.value(),
        source.application.value()
    ])?;
    if inserted == 0 { Ok(Some(Refused::Taken)) } else { put_tokens(db, source) }
}

/// Where it lives and which application is its own stay as they were made.
fn update(db: &Connection, sealer: &Sealer, source: &Source) -> Sql<Option<Refused>> {
    let mut sql =
        db.prepare_cached("select application from source where id = ?1 and revision = ?2 - 1 and deleted = 0")?;
    let before: Option<i64> = sql.query_row((source.id.value(), source.revision), |row| row.get(0)).optional()?;
    let Some(application) = before else {
        return Ok(Some(Refused::Stale));
    };
    let mut sql = db.prepare_cached(
        "update or ignore source set uid = ?2, name = ?3, metadata = ?4, provider = ?5, config = ?6, tokens = ?7,
         dedup_days = ?8, updated_ms = ?9, deleted = ?10, revision = ?11 where id = ?1",
    )?;
    let updated = sql.execute(params![
        source.id.value(),
        source.uid,
        source.name,
        json(&source.metadata),
        i64::from(source.provider as u8),
        seal_config(sealer, source),
        seal_tokens(sealer, source),
        source.config.dedup_days,
        source.updated_ms,
        source.deleted,
        source.revision
    ])?;
    if updated == 0 {
        return Ok(Some(Refused::Taken));
    }
    if source.deleted {
        application::delete(db, ApplicationId::new(application), source.updated_ms)?;
        refusal::forget(db, source.id)?;
    }
    put_tokens(db, source)
}

/// Its tokens, and no others, lead to it from now on; none lead to a deleted one.
fn put_tokens(db: &Connection, source: &Source) -> Sql<Option<Refused>> {
    db.prepare_cached("delete from source_token where source = ?1")?.execute((source.id.value(),))?;
    let mut sql =
        db.prepare_cached("insert into source_token (hash, source) values (?1, ?2) on conflict do nothing")?;
    for slot in source.tokens.iter().filter(|_| !source.deleted) {
        if sql.execute((&token_hash(&slot.token)[..], source.id.value()))? == 0 {
            return Ok(Some(Refused::Taken));
        }
    }
    Ok(None)
}
