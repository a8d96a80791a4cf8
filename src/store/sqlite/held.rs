//! What a source holds back until an Admin decides: kept, released and discarded.

use rusqlite::{Connection, OptionalExtension, params};

use super::kept::json;
use super::{Writing, audit};
use crate::conflict::{First, Held};
use crate::event::Release;
use crate::id::{ConflictId, EventId, Id, floor_at};
use crate::inbound::Flags;
use crate::quarantine::{Kind, Quarantined};
use crate::repetition::{self, Before, JUDGED_MAX, Verdict};
use crate::source::Dedup;
use crate::store::tail::half;
use crate::store::{CONFLICTS_MAX, FORGET_ROWS_MAX, HELD_MS, NewRow, QUARANTINED_MAX, Refused, trail};

type Sql<T> = rusqlite::Result<T>;

/// Whoever hears of a conflict is being told. Refused: that was done.
pub(super) fn tell(db: &Connection, conflict: ConflictId) -> Sql<Option<Refused>> {
    let mut sql = db.prepare_cached("update conflict set told = 1 where id = ?1 and told = 0")?;
    Ok((sql.execute((conflict.value(),))? == 0).then_some(Refused::Stale))
}

/// The conflict that this event is, when it came before and was held back; it is counted there.
pub(super) fn known(work: &mut Writing<'_>, row: &NewRow, dedup: &Dedup, came: &[u8]) -> Sql<Option<ConflictId>> {
    let Some(arrival) = &row.event.arrival else {
        return Ok(None);
    };
    let of_key = "from conflict where source = ?1 and hash = ?2 and dedup_key = ?3 and event_type = ?4";
    let key = (arrival.source.value(), half(&dedup.key), &arrival.dedup_key, &row.event.event_type);
    let mut sql = work.db.prepare_cached(&format!("select id {of_key} and twin = ?5"))?;
    let (source, hash, dedup_key, event_type) = key;
    let twin = sql.query_row((source, hash, dedup_key, event_type, dedup.twin), |row| row.get::<_, i64>(0));
    let mut known = twin.optional()?;
    if known.is_none() {
        let sql = format!("select id, twin, fingerprint, body {of_key} order by id desc limit {JUDGED_MAX}");
        let mut sql = work.db.prepare_cached(&sql)?;
        let mut found = sql.query(key)?;
        while let (None, Some(held)) = (known, found.next()?) {
            let fingerprint = held.get_ref(2)?.as_blob_or_null()?;
            let payload = Some(held.get_ref(3)?.as_blob()?).filter(|_| fingerprint.is_none());
            let before = Before { twin: held.get_ref(1)?.as_blob()?, fingerprint, payload };
            if repetition::judge(came, dedup.twin, before) == Verdict::Repetition {
                known = Some(held.get(0)?);
            }
        }
    }
    if let Some(id) = known {
        work.db.prepare_cached("update conflict set count = count + 1 where id = ?1")?.execute((id,))?;
        work.tally.of(arrival.source).duplicates += 1;
    }
    Ok(known.map(ConflictId::new))
}

/// Holds an event back that contradicts another. Refused: always; as held, or since too many are.
pub(super) fn hold(
    work: &mut Writing<'_>,
    row: &NewRow,
    dedup: &Dedup,
    (first, flags): (First, Flags),
) -> Sql<Refused> {
    let event = &row.event;
    let Some(arrival) = &event.arrival else {
        return Ok(Refused::Stale);
    };
    let mut sql = work.db.prepare_cached(
        "select count(*) from conflict indexed by conflict_by_source where source = ?1 and state = 0",
    )?;
    if sql.query_row((arrival.source.value(),), |row| row.get::<_, usize>(0))? >= CONFLICTS_MAX {
        return Ok(Refused::Full(CONFLICTS_MAX));
    }
    let conflict = ConflictId::new(event.id.value());
    let mut sql = work.db.prepare_cached(
        "insert into conflict (id, source, application, first, event_type, dedup_key, hash, twin, flags, count, headers, body)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11)",
    )?;
    sql.execute(params![
        conflict.value(),
        arrival.source.value(),
        event.application.value(),
        first.event.value(),
        event.event_type,
        arrival.dedup_key,
        half(&dedup.key),
        &dedup.twin[..],
        flags.0,
        (!arrival.headers.is_empty()).then(|| json(&arrival.headers)),
        &event.body[..]
    ])?;
    work.tally.of(arrival.source).conflicts += 1;
    Ok(Refused::Held { conflict, first, is_new: true })
}

/// Whether something that is held back still waits for an Admin.
pub(super) fn waits(db: &Connection, held: Held) -> Sql<bool> {
    let (table, id) = place(held);
    db.prepare_cached(&format!("select 1 from {table} where id = ?1 and state = 0"))?.exists((id,))
}

/// What was held back is an event now, or was one before.
pub(super) fn released(work: &mut Writing<'_>, release: &Release, event: EventId) -> Sql<()> {
    let (table, id) = place(release.held);
    keep_fingerprint(work.db, release.held)?;
    let sql = format!("update {table} set state = 1, event = ?2, headers = null, body = x'' where id = ?1");
    work.db.prepare_cached(&sql)?.execute((id, event.value()))?;
    let deed = trail::released(work, release.by, release.held, event)?;
    audit::tell(work, release.by, &deed)
}

/// What was held back is not wanted, or past its time: its bytes go from the pages of the file. Refused: none waits.
pub(super) fn discard(work: &mut Writing<'_>, all: &[Held]) -> Sql<Option<Refused>> {
    work.erases = true;
    work.db.pragma_update(None, "secure_delete", true)?;
    let discarded = all.iter().try_fold(0, |count, &held| Ok(count + discard_one(work.db, held)?));
    work.db.pragma_update(None, "secure_delete", false)?;
    discarded.map(|count| (count == 0).then_some(Refused::Stale))
}

fn discard_one(db: &Connection, held: Held) -> Sql<usize> {
    if !waits(db, held)? {
        return Ok(0);
    }
    let (table, id) = place(held);
    keep_fingerprint(db, held)?;
    let sql = format!("update {table} set state = 2, headers = null, body = x'' where id = ?1");
    db.prepare_cached(&sql)?.execute((id,))
}

/// What comes again is known by it once the bytes are gone.
fn keep_fingerprint(db: &Connection, held: Held) -> Sql<()> {
    let Held::Conflict(id) = held else {
        return Ok(());
    };
    let mut sql = db.prepare_cached("select twin, body from conflict where id = ?1")?;
    let print = sql.query_row((id.value(),), |row| {
        let (twin, body) = (row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
        Ok(repetition::fingerprint(body, twin))
    })?;
    let mut sql = db.prepare_cached("update conflict set fingerprint = ?2 where id = ?1")?;
    sql.execute((id.value(), print.as_ref().map(|print| &print[..]))).map(drop)
}

fn place(held: Held) -> (&'static str, i64) {
    match held {
        Held::Conflict(id) => ("conflict", id.value()),
        Held::Quarantined(number) => ("quarantine", number),
    }
}

/// Keeps a body that was not understood once; above the limit it is counted alone. Refused: an Admin has decided.
pub(super) fn quarantine(work: &mut Writing<'_>, quarantined: &Quarantined) -> Sql<Option<Refused>> {
    let Quarantined { source, sha256, first_ms, count, kind, reason, headers, body } = quarantined;
    let mut sql = work.db.prepare_cached(
        "update quarantine set count = count + ?3 where source = ?1 and sha256 = ?2 returning state > 0",
    )?;
    let mut known = sql.query((source.value(), &sha256[..], count))?;
    if let Some(row) = known.next()? {
        return Ok(row.get::<_, bool>(0)?.then_some(Refused::Stale));
    }
    work.tally.of(*source).quarantined += 1;
    let mut sql = work.db.prepare_cached(
        "insert into quarantine (source, sha256, first_ms, count, reason, body, kind, headers)
         select ?1, ?2, ?3, ?4, ?5, ?6, ?8, ?9
         where (select count(*) from quarantine where source = ?1 and state = 0) < ?7",
    )?;
    sql.execute(params![
        source.value(),
        &sha256[..],
        first_ms,
        count,
        reason,
        &body[..],
        QUARANTINED_MAX,
        kind.map(Kind::code),
        (!headers.is_empty()).then(|| json(headers))
    ])?;
    Ok(None)
}

/// Forgets what was decided so long ago that nothing of it comes again.
pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let before_ms = wall_ms - HELD_MS;
    let mut sql = db.prepare_cached(
        "delete from conflict where id in (select id from conflict where id < ?1 and state > 0 order by id limit ?2)",
    )?;
    sql.execute((floor_at(before_ms), FORGET_ROWS_MAX))?;
    let mut sql = db.prepare_cached(
        "delete from quarantine where id in
         (select id from quarantine where state > 0 and first_ms < ?1 order by first_ms, id limit ?2)",
    )?;
    sql.execute((before_ms, FORGET_ROWS_MAX)).map(drop)
}
