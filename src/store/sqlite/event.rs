//! An event's row, and the keys that make its repetition the same request.

use rusqlite::{Connection, OptionalExtension, params};

use super::delivery::insert_untried;
use super::rows::optional_list;
use super::{Writing, arrival, held};
use crate::delivery::Delivery;
use crate::event::Once;
use crate::fan_out;
use crate::id::{EventId, Id};
use crate::store::{KEY_MS, NewRow, Receipt, Refused, day, uid_hash};

type Sql<T> = rusqlite::Result<T>;

/// Writes an accepted event down. Refused: another has its key or its id, or what it was made of no longer waits.
pub(super) fn insert(
    work: &mut Writing<'_>,
    (position, row): (usize, &NewRow),
    receipt: &mut Receipt,
) -> Sql<Option<Refused>> {
    let NewRow { event, once, released, .. } = row;
    if let Some(once) = once.filter(|once| !once.brief)
        && let Some(refused) = known_key(work.db, &once, work.wall_ms)?
    {
        return Ok(Some(refused));
    }
    if let Some(release) = released
        && !held::waits(work.db, release.held)?
    {
        return Ok(Some(Refused::Stale));
    }
    let mut came = None;
    if let Some(arrival) = &event.arrival {
        match arrival::admit(work, row, arrival)? {
            Ok(admitted) => came = Some((arrival, admitted)),
            Err(refused) => {
                if let (Some(release), Refused::Duplicate(before)) = (released, &refused) {
                    held::released(work, release, *before)?;
                }
                return Ok(Some(refused));
            }
        }
    }
    if let Some(uid) = &event.uid {
        let mut sql =
            work.db.prepare_cached("insert into event_uid (hash, event) values (?1, ?2) on conflict do nothing")?;
        if sql.execute(params![&uid_hash(event.application, uid)[..], event.id.value()])? == 0 {
            return Ok(Some(Refused::Taken));
        }
    }
    if let Some(once) = once {
        keep_key(work.db, event.id, once, work.wall_ms)?;
    }
    insert_row(work.db, row)?;
    work.counted.accept(row);
    if let Some((arrival, admitted)) = came {
        arrival::insert(work, row, arrival, &admitted)?;
        receipt.conflicts.extend(admitted.first.map(|first| (position, first, admitted.flags)));
    }
    if let Some(release) = released {
        held::released(work, release, event.id)?;
    }
    Ok(None)
}

fn keep_key(db: &Connection, event: EventId, once: &Once, wall_ms: i64) -> Sql<()> {
    if once.brief {
        let mut sql = db.prepare_cached("insert into recent_key (event, hash, request) values (?1, ?2, ?3)")?;
        sql.execute(params![event.value(), &once.key[..], &once.request[..]])?;
    } else {
        let mut sql = db.prepare_cached("insert into event_key (day, hash, event, request, at_ms) values (?1, ?2, ?3, ?4, ?5) on conflict do update set event = excluded.event, request = excluded.request, at_ms = excluded.at_ms")?;
        sql.execute(params![day(wall_ms), &once.key[..], event.value(), &once.request[..], wall_ms])?;
    }
    Ok(())
}

fn insert_row(db: &Connection, row: &NewRow) -> Sql<()> {
    let event = &row.event;
    let mut sql = db.prepare_cached(
        "insert into event (id, application, event_type, channels, uid, sha256, fan_out, payload) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let channels = optional_list(&event.channels);
    sql.execute(params![
        event.id.value(),
        event.application.value(),
        event.event_type,
        channels,
        event.uid,
        &event.sha256[..],
        row.fan_out,
        &event.body[..]
    ])?;
    if let Some(extra) = &event.extra {
        let mut sql = db.prepare_cached(
            "insert into event_extra (event, tags, keep_until_ms, deliver_at_ms) values (?1, ?2, ?3, ?4)",
        )?;
        let tags = optional_list(&extra.tags);
        sql.execute(params![event.id.value(), tags, extra.keep_until_ms, extra.deliver_at_ms])?;
    }
    if let Some(due_ms) = event.deliver_at_ms() {
        // what is delivered later has its rows from the beginning
        for (endpoint, key) in fan_out::unpack_keyed(&row.fan_out).unwrap_or_default() {
            insert_untried(db, (event.id, endpoint), &Delivery::fresh(due_ms), key)?;
        }
    }
    Ok(())
}

/// Whether a caller's own key was used within its 24 hours. Tomorrow counts too: a clock may be set back over midnight.
fn known_key(db: &Connection, once: &Once, wall_ms: i64) -> Sql<Option<Refused>> {
    let mut sql = db.prepare_cached(
        "select event, request from event_key
         where day in (?1 - 1, ?1, ?1 + 1) and hash = ?2 and at_ms > ?3 order by day desc limit 1",
    )?;
    let found = sql
        .query_row(params![day(wall_ms), &once.key[..], wall_ms - KEY_MS], |row| {
            Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    Ok(found.map(
        |(event, request)| {
            if request == once.request { Refused::Repeated(EventId::new(event)) } else { Refused::KeyReused }
        },
    ))
}
