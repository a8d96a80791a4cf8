//! What is erased: the payloads of events, the responses that attempts brought.
//!
//! SQLite leaves old bytes on the pages they stood on until something else is written there; `secure_delete` overwrites
//! them, and [`Writer::scrub`] empties the log beside the file, which has copies of its pages.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::delivery::move_due;
use super::open::WRITER_WAIT;
use super::rows;
use super::{Writer, Writing, arrival, chain};
use crate::delivery::{BLOCKED_MS, Standing};
use crate::error::Result;
use crate::id::{ApplicationId, AttemptId, EndpointId, EventId, Id};
use crate::ordering::OrderKey;
use crate::store::EXPUNGED;

type Sql<T> = rusqlite::Result<T>;

/// A row of an event, but for its id and payload.
type Kept = (i64, String, Option<String>, Option<String>, Vec<u8>, Vec<u8>);

/// How many rows are moved together in one commit.
const PACK_ROWS: usize = 200;
/// How many erased rows stand between those that are moved together and the next payload that is kept. When SQLite
/// joins pages it leaves stale copies of what it moves, and looks at two pages on each side: at most some 200 rows.
const PACK_DISTANCE: usize = 512;

/// Erases payloads, on the pages of the file too.
pub(super) fn events(work: &mut Writing<'_>, events: &[(ApplicationId, EventId)]) -> Sql<()> {
    work.erases = true;
    work.db.pragma_update(None, "secure_delete", true)?;
    let erased = events.iter().try_for_each(|&(application, id)| event(work, application, id));
    work.db.pragma_update(None, "secure_delete", false)?;
    erased
}

/// Erases a payload; what still waits for it is canceled.
fn event(work: &mut Writing<'_>, application: ApplicationId, event: EventId) -> Sql<()> {
    let db = work.db;
    arrival::keep_fingerprint(db, event)?;
    let mut sql = db.prepare_cached("update event set payload = x'' where id = ?1 and application = ?2")?;
    if sql.execute((event.value(), application.value()))? == 0 {
        return Ok(());
    }
    let mut sql = db.prepare_cached(
        "insert into event_extra (event, expunged) values (?1, 1) on conflict do update set expunged = 1",
    )?;
    sql.execute((event.value(),))?;
    let mut sql = db.prepare_cached(
        "select endpoint, due_ms, order_key, status, attempts from delivery where event = ?1 and due_ms is not null",
    )?;
    let found =
        sql.query_map((event.value(),), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, rows::standing(row, 3)?)))?;
    let waiting: Vec<(i64, i64, Option<i64>, Standing)> = found.collect::<Sql<_>>()?;
    for (endpoint, due_ms, key, standing) in waiting {
        if standing.waits() {
            work.counted.moved(event, EndpointId::new(endpoint), standing, Standing::Canceled);
        }
        let mut sql = db.prepare_cached(
            "update delivery set status = iif(status = 1, 4, status), due_ms = null where event = ?1 and endpoint = ?2",
        )?;
        sql.execute(params![event.value(), endpoint])?;
        move_due(db, event.value(), endpoint, Some(due_ms), None)?;
        let endpoint = EndpointId::new(endpoint);
        match key.map(OrderKey::new) {
            Some(key) if due_ms == BLOCKED_MS => drop(chain::drop_out(db, endpoint, key, event)?),
            Some(key) => chain::leave(work, endpoint, key, event)?,
            None => {}
        }
    }
    Ok(())
}

/// Moves rows whose payloads are past their time together, so that the pages they leave are used again: a row that
/// only becomes shorter keeps its page. While a payload among them is kept they stay where they are.
pub(super) fn pack(work: &mut Writing<'_>) -> Sql<()> {
    let db = work.db;
    let mut sql = db.prepare_cached(
        "select id from event where id > (select packed from engine) and id < (select kept_from from engine)
         order by id limit ?1",
    )?;
    let found = sql.query_map((PACK_ROWS + PACK_DISTANCE,), |row| row.get(0))?;
    let rows: Vec<i64> = found.collect::<Sql<_>>()?;
    let Some(ready) = rows.len().checked_sub(PACK_DISTANCE).filter(|&ready| ready > 0) else {
        return Ok(());
    };
    if has_kept(db, (rows[0], rows[rows.len() - 1]))? {
        return Ok(());
    }
    db.prepare_cached("update engine set packed = ?1")?.execute((rows[ready - 1],))?;
    write_all_anew(db, &rows[..ready])
}

/// Does the same behind what somebody asked for, so that the room is not taken until the time of all payloads is over:
/// of rows up to this one that were erased one after the other, those far enough from others. At the end of the table
/// nothing stands behind the last one.
pub(super) fn pack_behind(work: &mut Writing<'_>, (first, last): (EventId, EventId), done: bool) -> Sql<()> {
    let db = work.db;
    let mut before = db.prepare_cached("select id from event where id <= ?1 order by id desc limit 1 offset ?2")?;
    let mut at = |event: EventId| -> Sql<Option<i64>> {
        before.query_row((event.value(), PACK_DISTANCE), |row| row.get(0)).optional()
    };
    let from = at(first)?.unwrap_or(i64::MIN);
    let is_end = !db.prepare_cached("select 1 from event where id > ?1")?.exists((last.value(),))?;
    let Some(to) = (if done && is_end { Some(last.value()) } else { at(last)? }) else {
        return Ok(());
    };
    if has_kept(db, (from, last.value()))? {
        return Ok(());
    }
    let mut sql = db.prepare_cached("select id from event where id >= ?1 and id <= ?2 order by id limit ?3")?;
    let found = sql.query_map((from, to, PACK_ROWS + PACK_DISTANCE), |row| row.get(0))?;
    let rows: Vec<i64> = found.collect::<Sql<_>>()?;
    write_all_anew(db, &rows)
}

/// Whether a payload between these rows, or so near before them that its row may be moved too, is kept.
fn has_kept(db: &Connection, rows: (i64, i64)) -> Sql<bool> {
    let mut sql = db.prepare_cached(
        "select 1 from event left join event_extra on event_extra.event = event.id
         where id >= coalesce((select id from event where id < ?1 order by id desc limit 1 offset ?3), 0) and id <= ?2
         and coalesce(expunged, 0) = 0",
    )?;
    sql.exists((rows.0, rows.1, PACK_DISTANCE))
}

fn write_all_anew(db: &Connection, rows: &[i64]) -> Sql<()> {
    db.pragma_update(None, "secure_delete", true)?;
    let packed = rows.iter().try_for_each(|&row| write_anew(db, row));
    db.pragma_update(None, "secure_delete", false)?;
    packed
}

/// Deleting joins pages that have become empty enough.
fn write_anew(db: &Connection, event: i64) -> Sql<()> {
    let mut sql =
        db.prepare_cached("select application, event_type, channels, uid, sha256, fan_out from event where id = ?1")?;
    let kept: Kept = sql.query_row((event,), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    db.prepare_cached("delete from event where id = ?1")?.execute((event,))?;
    let mut sql = db.prepare_cached(
        "insert into event (id, application, event_type, channels, uid, sha256, fan_out, payload)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, x'')",
    )?;
    sql.execute((event, kept.0, kept.1, kept.2, kept.3, kept.4, kept.5)).map(|_| ())
}

/// Erases the response that an attempt brought.
pub(super) fn attempt(work: &mut Writing<'_>, event: EventId, attempt: AttemptId) -> Sql<()> {
    work.erases = true;
    work.db.pragma_update(None, "secure_delete", true)?;
    let erased = response(work.db, event, attempt);
    work.db.pragma_update(None, "secure_delete", false)?;
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

impl Writer {
    /// Copies the log into the file and empties it, when anything was erased since; waits for no reader.
    pub(super) fn scrub(&mut self) -> Result<bool> {
        if !self.unscrubbed {
            return Ok(true);
        }
        let db = &self.connection;
        db.busy_timeout(Duration::ZERO)?;
        let busy = db.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get::<_, bool>(0));
        db.busy_timeout(WRITER_WAIT)?;
        self.unscrubbed = busy?;
        Ok(!self.unscrubbed)
    }
}
