//! What is erased: the payloads of events, the responses that attempts brought.

use rusqlite::{Connection, params};

use super::Writing;
use super::delivery::move_due;
use crate::delivery::Status;
use crate::id::{ApplicationId, AttemptId, EndpointId, EventId, Id};
use crate::store::EXPUNGED;

type Sql<T> = rusqlite::Result<T>;

/// Erases payloads, on the pages of the file too.
pub(super) fn events(work: &mut Writing<'_>, application: ApplicationId, events: &[EventId]) -> Sql<()> {
    // without it the bytes would stand on freed pages until something else is written there
    work.db.pragma_update(None, "secure_delete", true)?;
    let erased = events.iter().try_for_each(|&id| event(work, application, id));
    work.db.pragma_update(None, "secure_delete", false)?;
    erased
}

/// Erases a payload; what still waits for it is canceled.
fn event(work: &mut Writing<'_>, application: ApplicationId, event: EventId) -> Sql<()> {
    let db = work.db;
    let mut sql = db.prepare_cached("update event set payload = x'' where id = ?1 and application = ?2")?;
    if sql.execute((event.value(), application.value()))? == 0 {
        return Ok(());
    }
    let mut sql = db.prepare_cached(
        "insert into event_extra (event, expunged) values (?1, 1) on conflict do update set expunged = 1",
    )?;
    sql.execute((event.value(),))?;
    let mut sql =
        db.prepare_cached("select endpoint, due_ms, status from delivery where event = ?1 and due_ms is not null")?;
    let found = sql.query_map((event.value(),), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let waiting: Vec<(i64, i64, i64)> = found.collect::<Sql<_>>()?;
    for (endpoint, due_ms, status) in waiting {
        let status = if status == Status::Pending as i64 {
            work.hours.moved(event, EndpointId::new(endpoint), Status::Pending, Status::Canceled);
            Status::Canceled as i64
        } else {
            status
        };
        let mut sql =
            db.prepare_cached("update delivery set status = ?3, due_ms = null where event = ?1 and endpoint = ?2")?;
        sql.execute(params![event.value(), endpoint, status])?;
        move_due(db, event.value(), endpoint, Some(due_ms), None)?;
    }
    Ok(())
}

/// Erases the response that an attempt brought.
pub(super) fn attempt(db: &Connection, event: EventId, attempt: AttemptId) -> Sql<()> {
    db.pragma_update(None, "secure_delete", true)?;
    let erased = response(db, event, attempt);
    db.pragma_update(None, "secure_delete", false)?;
    erased
}

fn response(db: &Connection, event: EventId, attempt: AttemptId) -> Sql<()> {
    let mut sql = db.prepare_cached("update delivery set response = ?3 where event = ?1 and attempt = ?2")?;
    if sql.execute(params![event.value(), attempt.value(), EXPUNGED])? == 0 {
        let mut sql = db.prepare_cached("update attempt set response = ?3 where id = ?2 and event = ?1")?;
        sql.execute(params![event.value(), attempt.value(), EXPUNGED])?;
    }
    Ok(())
}
