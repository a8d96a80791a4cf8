//! Replays: how one is kept, what there is to make again, and making it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::kept::json;
use super::list::by_id;
use super::rows::{self, id, number, parse};
use super::{Writing, chain, taken};
use crate::delivery::Status;
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::fan_out;
use crate::id::{EndpointId, EnvironmentId, EventId, Id, TaskId};
use crate::ordering::{OrderKey, Ordering};
use crate::replay::{Kind, Replay, State};
use crate::secret::Sealer;
use crate::store::{Listed, Page, Refused, Replayable, Replayed, damaged};

type Sql<T> = rusqlite::Result<T>;

const REPLAY: &str =
    "id, environment, application, endpoint, kind, state, first, last, wanted, position, total, done, updated_ms";
/// How many events one slice looks at, at most.
const LOOK_MAX: usize = 5_000;

fn replay(row: &Row<'_>) -> Sql<Replay> {
    Ok(Replay {
        id: id(row, 0)?,
        environment: id(row, 1)?,
        application: id(row, 2)?,
        endpoint: id(row, 3)?,
        kind: number(row, 4, Kind::from_number)?,
        state: number(row, 5, State::from_number)?,
        first: id(row, 6)?,
        last: id(row, 7)?,
        wanted: parse(row, 8)?,
        position: id(row, 9)?,
        total: row.get(10)?,
        done: row.get(11)?,
        updated_ms: row.get(12)?,
    })
}

/// Keeps a new one, or changes the state of one that runs. Refused: another runs at this endpoint, or it has ended.
pub(super) fn put(db: &Connection, replay: &Replay) -> Sql<Option<Refused>> {
    let known = db.prepare_cached("select 1 from replay where id = ?1")?.exists((replay.id.value(),))?;
    let changed = if known {
        db.prepare_cached("update replay set state = ?2, updated_ms = ?3 where id = ?1 and state = 0")?
            .execute(params![replay.id.value(), replay.state as i64, replay.updated_ms])?
    } else {
        db.prepare_cached(
            "insert into replay (id, environment, application, endpoint, kind, state, first, last, wanted, position, total, done, updated_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) on conflict do nothing",
        )?
        .execute(params![
            replay.id.value(),
            replay.environment.value(),
            replay.application.value(),
            replay.endpoint.value(),
            replay.kind as i64,
            replay.state as i64,
            replay.first.value(),
            replay.last.value(),
            json(&replay.wanted),
            replay.position.value(),
            replay.total,
            replay.done,
            replay.updated_ms
        ])?
    };
    Ok((changed == 0).then_some(Refused::Taken))
}

/// A deleted endpoint's replay is called off.
pub(super) fn call_off(db: &Connection, endpoint: EndpointId, wall_ms: i64) -> Sql<()> {
    db.prepare_cached("update replay set state = 2, updated_ms = ?2 where endpoint = ?1 and state = 0")?
        .execute((endpoint.value(), wall_ms))
        .map(|_| ())
}

/// Makes a slice's deliveries due; one that was called off meanwhile makes none.
pub(super) fn make(work: &mut Writing<'_>, replayed: &Replayed) -> Sql<()> {
    let Replayed { replay, endpoint, events, position, done, due_ms } = replayed;
    let db = work.db;
    let mut sql = db.prepare_cached(
        "update replay set position = ?2, done = done + ?3, state = ?4, updated_ms = ?5 where id = ?1 and state = 0",
    )?;
    let state = if *done { State::Finished } else { State::Running };
    if sql.execute(params![replay.value(), position.value(), events.len(), state as i64, work.wall_ms])? == 0 {
        return Ok(());
    }
    for &(event, key) in events {
        again(work, (event, *endpoint), key, *due_ms)?;
    }
    Ok(())
}

/// Makes one delivery due; one that waits already stays as it is.
fn again(
    work: &mut Writing<'_>,
    (event, endpoint): (EventId, EndpointId),
    order_key: Option<OrderKey>,
    due_ms: i64,
) -> Sql<()> {
    let (db, key) = (work.db, (event.value(), endpoint.value()));
    let mut sql = db.prepare_cached("select status, due_ms from delivery where event = ?1 and endpoint = ?2")?;
    let before = sql
        .query_row(key, |row| Ok((number(row, 0, Status::from_number)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    if matches!(before, Some((Status::Pending, _))) {
        return Ok(());
    }
    let due_ms = match order_key {
        Some(order_key) => chain::join(work, endpoint, order_key, event, due_ms)?,
        None => due_ms,
    };
    let order_key = order_key.map(OrderKey::value);
    if let Some((before, was_due_ms)) = before {
        if let Some(was_due_ms) = was_due_ms {
            let mut sql = db.prepare_cached("delete from due where endpoint = ?1 and due_ms = ?2 and event = ?3")?;
            sql.execute((key.1, was_due_ms, key.0))?;
        }
        work.counted.moved(event, endpoint, before, Status::Pending);
        if before == Status::Success {
            taken::keep(work, event, endpoint)?;
        }
        let mut sql = db.prepare_cached(
            "update delivery set status = 1, step = 0, due_ms = ?3, trigger = 0, order_key = ?4 where event = ?1 and endpoint = ?2",
        )?;
        sql.execute((key.0, key.1, due_ms, order_key))?;
    } else {
        work.counted.add(event, endpoint);
        let mut sql = db.prepare_cached(
            "insert into delivery (event, endpoint, status, attempts, step, due_ms, trigger, order_key) values (?1, ?2, 1, 0, 0, ?3, 0, ?4)",
        )?;
        sql.execute((key.0, key.1, due_ms, order_key))?;
    }
    let mut sql =
        db.prepare_cached("insert into due (endpoint, due_ms, event) values (?1, ?2, ?3) on conflict do nothing")?;
    sql.execute((key.1, due_ms, key.0)).map(|_| ())
}

pub(super) fn running(db: &Connection) -> Result<Vec<Replay>> {
    let mut sql = db.prepare(&format!("select {REPLAY} from replay where state = 0 order by id"))?;
    Ok(sql.query_map((), replay)?.collect::<Sql<_>>()?)
}

pub(super) fn read(db: &Connection, environment: EnvironmentId, task: TaskId) -> Result<Option<Replay>> {
    let mut sql = db.prepare_cached(&format!("select {REPLAY} from replay where environment = ?1 and id = ?2"))?;
    Ok(sql.query_row((environment.value(), task.value()), replay).optional()?)
}

pub(super) fn list(db: &Connection, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Replay>> {
    let sql = format!("select {REPLAY} from replay where environment = ?1");
    by_id(db, &sql, environment.value(), page.numbers(), replay)
}

/// The next deliveries to make again, `limit` at most; looks at no more than [`LOOK_MAX`] events.
pub(super) fn replayable(db: &Connection, sealer: &Sealer, replay: &Replay, limit: usize) -> Result<Replayable> {
    let Found { events, position, done } = find(db, sealer, replay, limit)?;
    let endpoint = endpoint(db, sealer, replay.endpoint)?;
    let events = events.into_iter().map(|event| Ok((event, order_key(db, &endpoint, event)?)));
    Ok(Replayable { events: events.collect::<Result<_>>()?, position, done })
}

/// The key that the endpoint's ordering finds in an event now.
fn order_key(db: &Connection, endpoint: &Endpoint, event: EventId) -> Result<Option<OrderKey>> {
    if endpoint.handling.ordering == Ordering::None {
        return Ok(None);
    }
    Ok(endpoint.handling.order_key(&payload(db, event)?))
}

/// As [`Replayable`], without keys.
struct Found {
    events: Vec<EventId>,
    position: EventId,
    done: bool,
}

fn find(db: &Connection, sealer: &Sealer, replay: &Replay, limit: usize) -> Result<Found> {
    match replay.kind {
        Kind::Recover => failed(db, replay, limit),
        Kind::Bulk | Kind::Missing => fitting(db, sealer, replay, limit),
    }
}

/// Those that failed stand in an index of their own.
fn failed(db: &Connection, replay: &Replay, limit: usize) -> Result<Found> {
    let mut sql = db.prepare_cached(
        "select event from delivery where endpoint = ?1 and status = 2 and event >= ?2 and event < ?3
             and not exists (select 1 from event_extra where event_extra.event = delivery.event and expunged = 1)
         order by event limit ?4",
    )?;
    let (first, last) = (replay.position.value(), replay.last.value());
    let found = sql.query_map(params![replay.endpoint.value(), first, last, limit], |row| id(row, 0))?;
    let events: Vec<EventId> = found.collect::<Sql<_>>()?;
    let done = events.len() < limit;
    let position = events.last().map_or(replay.last, |last| EventId::new(last.value() + 1));
    Ok(Found { events, position: if done { replay.last } else { position }, done })
}

/// An application's events one by one: what each is, where it went, what became of that.
fn fitting(db: &Connection, sealer: &Sealer, replay: &Replay, limit: usize) -> Result<Found> {
    let endpoint = endpoint(db, sealer, replay.endpoint)?;
    let mut sql = db.prepare_cached(
        "select id, event_type, channels, fan_out, tags, coalesce(expunged, 0) from event
         left join event_extra on event_extra.event = event.id
         where application = ?1 and id >= ?2 and id < ?3 order by id limit ?4",
    )?;
    let (first, last) = (replay.position.value(), replay.last.value());
    let mut found = sql.query(params![replay.application.value(), first, last, LOOK_MAX])?;
    let (mut events, mut looked, mut position) = (Vec::new(), 0, replay.position);
    while let Some(row) = found.next()? {
        let event: EventId = id(row, 0)?;
        looked += 1;
        position = EventId::new(event.value() + 1);
        let (event_type, channels) = (row.get::<_, String>(1)?, rows::list(row, 2)?);
        let (tags, expunged) = (rows::list(row, 4)?, row.get::<_, bool>(5)?);
        if expunged || !replay.wanted.fits(&event_type, &channels, &tags) {
            continue;
        }
        let meant = match replay.kind {
            Kind::Missing => {
                let went = fan_out::unpack(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?)
                    .ok_or_else(|| damaged("a fan-out that was never packed"))?;
                !went.contains(&endpoint.id)
                    && fan_out::wants(&endpoint, &event_type, &channels)
                    && delivery(db, event, endpoint.id)?.is_none()
                    && passes(db, &endpoint, event)?
            }
            _ => delivery(db, event, endpoint.id)?
                .is_some_and(|(status, code)| status != Status::Pending && replay.wanted.fits_delivery(status, code)),
        };
        if meant {
            events.push(event);
            if events.len() == limit {
                return Ok(Found { events, position, done: false });
            }
        }
    }
    let done = looked < LOOK_MAX;
    Ok(Found { events, position: if done { replay.last } else { position }, done })
}

fn endpoint(db: &Connection, sealer: &Sealer, endpoint: EndpointId) -> Result<Endpoint> {
    let sql = format!("select {} from endpoint where id = ?1", rows::ENDPOINT);
    Ok(db.prepare_cached(&sql)?.query_row((endpoint.value(),), |row| rows::endpoint(row, sealer))?)
}

/// How a delivery stands, and what its last attempt was answered.
fn delivery(db: &Connection, event: EventId, endpoint: EndpointId) -> Result<Option<(Status, u16)>> {
    let mut sql = db.prepare_cached(
        "select status, iif(attempts > 1, (select status_code from attempt where attempt.event = delivery.event
             and attempt.endpoint = delivery.endpoint order by id desc limit 1), coalesce(status_code, 0))
         from delivery where event = ?1 and endpoint = ?2",
    )?;
    let found = sql.query_row((event.value(), endpoint.value()), |row| {
        Ok((number(row, 0, Status::from_number)?, row.get::<_, Option<u16>>(1)?.unwrap_or_default()))
    });
    Ok(found.optional()?)
}

fn passes(db: &Connection, endpoint: &Endpoint, event: EventId) -> Result<bool> {
    if endpoint.handling.filter.is_none() {
        return Ok(true);
    }
    Ok(fan_out::passes(endpoint, &payload(db, event)?))
}

fn payload(db: &Connection, event: EventId) -> Result<Vec<u8>> {
    let mut sql = db.prepare_cached("select payload from event where id = ?1")?;
    Ok(sql.query_row((event.value(),), |row| row.get(0))?)
}

/// How many there are in all.
pub(super) fn count(db: &Connection, sealer: &Sealer, replay: &Replay) -> Result<u64> {
    if replay.kind == Kind::Recover {
        let mut sql = db.prepare_cached(
            "select count(*) from delivery where endpoint = ?1 and status = 2 and event >= ?2 and event < ?3
                 and not exists (select 1 from event_extra where event_extra.event = delivery.event and expunged = 1)",
        )?;
        let range = params![replay.endpoint.value(), replay.position.value(), replay.last.value()];
        return Ok(sql.query_row(range, |row| row.get(0))?);
    }
    let (mut rest, mut count) = (replay.clone(), 0_usize);
    loop {
        let Found { events, position, done } = find(db, sealer, &rest, LOOK_MAX)?;
        count += events.len();
        rest.position = position;
        if done {
            return Ok(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
