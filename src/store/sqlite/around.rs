//! What the engine reads, around what is damaged: row by row, so that what cannot be read keeps nothing else from going on.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, params};

use super::damage::{self, Damage};
use super::fault::is_damage;
use super::read;
use super::replay;
use super::rows::{self, DELIVERY};
use crate::attempt::Payload;
use crate::delivery::{Delivery, Due};
use crate::error::Result;
use crate::fan_out::{self, Keyed};
use crate::id::{EndpointId, EventId, Id as _};
use crate::ordering::OrderKey;
use crate::replay::Replay;
use crate::secret::Sealer;
use crate::store::{Backlog, DueSlice, ReplayCount, Replayable, Unwritten, damaged};

/// What was on a page that cannot be read is looked for again after this, in case it was put right: a minute.
const LOOK_AGAIN_MS: i64 = 60_000;

/// What is sent of events; `None` where it cannot be read.
pub(super) fn payloads((db, damage): (&Connection, &Damage), events: &[EventId]) -> Result<Vec<Option<Payload>>> {
    let one = |&event: &EventId| {
        let place = format!("the payload of event {}", event.value());
        Ok(damage.pass_over(place, read::payload(db, event))?.flatten())
    };
    events.iter().map(one).collect()
}

/// As [`read::unwritten`], event by event: what an index says of those that cannot be read goes on without them.
pub(super) fn unwritten(db: &Connection, damage: &Damage, from: EventId, limit: usize) -> Result<Unwritten> {
    // the table itself cannot be walked over a page that is damaged, its narrowest index can
    let mut sql =
        db.prepare("select id from event indexed by event_by_application where id >= ?1 order by id limit ?2")?;
    let found = sql.query_map(params![from.value(), limit], |row| row.get(0))?;
    let events: Vec<i64> = found.collect::<rusqlite::Result<_>>()?;
    let mut slice = Unwritten::default();
    for event in &events {
        let missing = damage.pass_over(format!("event {event}"), missing(db, *event))?.unwrap_or_default();
        if !missing.is_empty() {
            slice.deliveries.push((EventId::new(*event), missing));
        }
    }
    slice.next = events.last().filter(|_| events.len() == limit).map(|last| EventId::new(last + 1));
    Ok(slice)
}

/// The deliveries of an event that have no row.
fn missing(db: &Connection, event: i64) -> Result<Vec<Keyed>> {
    let mut sql = db.prepare_cached("select fan_out from event where id = ?1")?;
    let fan_out: Vec<u8> = sql.query_row((event,), |row| row.get(0))?;
    let mut has_row = db.prepare_cached("select 1 from delivery where event = ?1 and endpoint = ?2")?;
    let mut missing = Vec::new();
    let all = fan_out::unpack_keyed(&fan_out).ok_or_else(|| damaged("a fan-out that was never packed"))?;
    for keyed in all {
        if !has_row.exists((event, keyed.0.value()))? {
            missing.push(keyed);
        }
    }
    Ok(missing)
}

/// How many events one slice of a replay looks at, at most, where they are looked at one by one.
const LOOK_MAX: usize = 1_000;

/// As [`replay::replayable`], event by event.
pub(super) fn replayable(
    (db, sealer, damage): (&Connection, &Sealer, &Damage),
    replay: &Replay,
    limit: usize,
) -> Result<Replayable> {
    let events = of_replay(db, replay, LOOK_MAX)?;
    let mut found = Replayable { events: Vec::new(), position: replay.last, done: events.len() < LOOK_MAX };
    for event in &events {
        let alone = alone(replay, *event);
        let read = replay::replayable(db, sealer, &alone, 1);
        let read = damage.pass_over(format!("event {event} of a replay"), read)?;
        found.events.extend(read.into_iter().flat_map(|read| read.events));
        if found.events.len() == limit {
            return Ok(Replayable { position: alone.last, done: false, ..found });
        }
    }
    if let Some(last) = events.last().filter(|_| !found.done) {
        found.position = EventId::new(last + 1);
    }
    Ok(found)
}

/// As [`replay::count`], event by event.
pub(super) fn replay_count(
    (db, sealer, damage): (&Connection, &Sealer, &Damage),
    replay: &Replay,
) -> Result<ReplayCount> {
    let mut sum = ReplayCount { all: 0, delivered: 0 };
    for event in of_replay(db, replay, usize::MAX >> 1)? {
        let read = replay::count(db, sealer, &alone(replay, event));
        if let Some(count) = damage.pass_over(format!("event {event} of a replay"), read)? {
            sum = ReplayCount { all: sum.all + count.all, delivered: sum.delivered + count.delivered };
        }
    }
    Ok(sum)
}

fn of_replay(db: &Connection, replay: &Replay, limit: usize) -> Result<Vec<i64>> {
    let mut sql = db.prepare_cached(
        "select id from event indexed by event_by_application where application = ?1 and id >= ?2 and id < ?3
         order by id limit ?4",
    )?;
    let bounds = params![replay.application.value(), replay.position.value(), replay.last.value(), limit];
    Ok(sql.query_map(bounds, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// What a replay means of one event.
fn alone(replay: &Replay, event: i64) -> Replay {
    Replay { position: EventId::new(event), last: EventId::new(event + 1), ..replay.clone() }
}

const ASCENDING: &str = "select due_ms, event from due where endpoint = ?1 and due_ms <= ?2 order by due_ms, event";
const DESCENDING: &str =
    "select due_ms, event from due where endpoint = ?1 and due_ms <= ?2 order by due_ms desc, event desc";

/// As [`read::due`], line by line, from the first on, and beyond a page that cannot be read from the last back. What
/// cannot be read stays where it is.
pub(super) fn due(db: &Connection, damage: &Damage, of: EndpointId, until_ms: i64, limit: usize) -> Result<DueSlice> {
    let mut slice = DueSlice::default();
    let mut passed = (i64::MIN, i64::MIN);
    let take = |slice: &mut DueSlice, (due_ms, event): Line| -> Result<bool> {
        if due_ms > until_ms || slice.due.len() == limit {
            slice.next_ms = Some(due_ms);
            return Ok(false);
        }
        let read = damage.pass_over(damage::delivery(event, of), delivery(db, of, (due_ms, event)))?;
        slice.due.extend(read.flatten());
        Ok(true)
    };
    let whole = walk(db, ASCENDING, (of.value(), i64::MAX), |line| {
        passed = line;
        take(&mut slice, line)
    })?;
    if whole {
        return Ok(slice);
    }
    damage.note(format!("the due index of endpoint {}", of.value()), &"database disk image is malformed");
    let mut beyond = VecDeque::new();
    walk(db, DESCENDING, (of.value(), until_ms), |line| {
        beyond.push_front(line);
        beyond.truncate(limit);
        Ok(line > passed)
    })?;
    for line in beyond.into_iter().filter(|line| *line > passed) {
        if !take(&mut slice, line)? {
            break;
        }
    }
    slice.next_ms.get_or_insert(until_ms + LOOK_AGAIN_MS);
    Ok(slice)
}

/// A line of the due index: when, and which event.
type Line = (i64, i64);

/// Gives line after line until `each` wants no more; gives whether no damage came first.
fn walk(db: &Connection, sql: &str, of: (i64, i64), mut each: impl FnMut(Line) -> Result<bool>) -> Result<bool> {
    let mut sql = db.prepare_cached(sql)?;
    let mut rows = sql.query(of)?;
    loop {
        match rows.next() {
            Ok(Some(row)) if each((row.get(0)?, row.get(1)?))? => {}
            Ok(_) => return Ok(true),
            Err(error) if is_damage(&error) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The delivery of one line.
fn delivery(db: &Connection, endpoint: EndpointId, (due_ms, event): Line) -> Result<Option<Due>> {
    let mut sql = db.prepare_cached(&format!(
        "select {DELIVERY}, iif(status = 1, order_key, null), status = 1 and order_key is not null and not exists
             (select 1 from chain where chain.endpoint = ?2 and key = order_key and chain.event = ?1)
         from delivery where event = ?1 and endpoint = ?2"
    ))?;
    let read = sql.query_row((event, endpoint.value()), |row| {
        let delivery = Delivery { due_ms: Some(due_ms), ..rows::delivery(row, 0)? };
        let (key, joins) = (row.get::<_, Option<i64>>(5)?.map(OrderKey::new), row.get(6)?);
        Ok(Due { event: EventId::new(event), endpoint, delivery, key, joins })
    });
    Ok(read.optional()?)
}

/// What waits, without lines on pages that cannot be read.
pub(super) fn backlog(db: &Connection) -> Result<Backlog> {
    let mut sql = db.prepare_cached("select id from endpoint")?;
    let endpoints: Vec<i64> = sql.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut backlog = Backlog::default();
    for endpoint in endpoints {
        let mut passed = None;
        let mut count = |line: Line| {
            backlog.waiting += 1;
            let event = EventId::new(line.1);
            backlog.oldest = Some(backlog.oldest.map_or(event, |oldest| oldest.min(event)));
            Ok(true)
        };
        let whole = walk(db, ASCENDING, (endpoint, i64::MAX), |line| {
            passed = Some(line);
            count(line)
        })?;
        if !whole {
            walk(
                db,
                DESCENDING,
                (endpoint, i64::MAX),
                |line| if Some(line) > passed { count(line) } else { Ok(false) },
            )?;
        }
    }
    Ok(backlog)
}
