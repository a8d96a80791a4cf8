//! Replays: how one is kept, what there is to make again, and making it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::delivery::move_due;
use super::kept::json;
use super::list::by_id;
use super::rows::{self, id, number, parse};
use super::{Writing, chain, taken};
use crate::delivery::{BLOCKED_MS, Standing};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::fan_out;
use crate::id::{EndpointId, EnvironmentId, EventId, Id, TaskId};
use crate::ordering::{OrderKey, Ordering};
use crate::replay::{Kind, Replay, State};
use crate::secret::Sealer;
use crate::store::{Listed, Page, Refused, ReplayCount, Replayable, Replayed, damaged};

type Sql<T> = rusqlite::Result<T>;

const REPLAY: &str = "id, environment, application, endpoint, kind, state, first, last, wanted, position, total, done, delivered, updated_ms";
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
        delivered: row.get(12)?,
        updated_ms: row.get(13)?,
    })
}

/// Keeps a new one, or changes the state of one that runs. Refused: another runs at this endpoint, or it has ended;
/// one of what waits gives its place to the new one.
pub(super) fn put(db: &Connection, replay: &Replay) -> Sql<Option<Refused>> {
    let known = db.prepare_cached("select 1 from replay where id = ?1")?.exists((replay.id.value(),))?;
    let changed = if known {
        db.prepare_cached("update replay set state = ?2, updated_ms = ?3 where id = ?1 and state = 0")?
            .execute(params![replay.id.value(), replay.state as i64, replay.updated_ms])?
    } else {
        if replay.state == State::Running {
            db.prepare_cached(
                "update replay set state = 2, updated_ms = ?2 where endpoint = ?1 and state = 0 and kind = 3",
            )?
            .execute((replay.endpoint.value(), replay.updated_ms))?;
        }
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
    let Replayed { replay, position, done, .. } = replayed;
    let mut sql = work
        .db
        .prepare_cached("update replay set position = ?2, state = ?3, updated_ms = ?4 where id = ?1 and state = 0")?;
    let state = if *done { State::Finished } else { State::Running };
    if sql.execute(params![replay.value(), position.value(), state as i64, work.wall_ms])? == 0 {
        return Ok(());
    }
    let (mut made, mut delivered) = (0_u64, 0_u64);
    for &(event, key) in &replayed.events {
        if let Made::Again { delivered: before } = again(work, replayed, event, key)? {
            (made, delivered) = (made + 1, delivered + u64::from(before));
        }
    }
    let mut sql =
        work.db.prepare_cached("update replay set done = done + ?2, delivered = delivered + ?3 where id = ?1")?;
    sql.execute((replay.value(), made, delivered)).map(|_| ())
}

/// What became of one delivery of a slice.
enum Made {
    /// It is due now; whether it had been delivered before.
    Again { delivered: bool },
    /// It stays as it is: nobody tried it yet, or it waits for others of its key, or it was delivered meanwhile.
    No,
}

/// Makes one delivery due.
fn again(work: &mut Writing<'_>, replayed: &Replayed, event: EventId, order_key: Option<OrderKey>) -> Sql<Made> {
    let &Replayed { endpoint, kind, due_ms, .. } = replayed;
    let (db, key) = (work.db, (event.value(), endpoint.value()));
    let mut sql =
        db.prepare_cached("select status, attempts, due_ms from delivery where event = ?1 and endpoint = ?2")?;
    let before = sql
        .query_row(key, |row| Ok((rows::standing(row, 0)?, row.get::<_, u32>(1)?, row.get::<_, Option<i64>>(2)?)))
        .optional()?;
    if let Some((standing, _, Some(was_due_ms))) = before.filter(|(standing, ..)| standing.waits()) {
        if standing == Standing::Pending || was_due_ms >= BLOCKED_MS {
            return Ok(Made::No);
        }
        sooner(db, key, kind, (was_due_ms, due_ms.min(was_due_ms)))?;
        return Ok(Made::Again { delivered: false });
    }
    let delivered = matches!(before, Some((Standing::Success, ..)));
    if delivered && replayed.spares_delivered {
        return Ok(Made::No);
    }
    let due_ms = match order_key {
        Some(order_key) => chain::join(work, endpoint, order_key, event, due_ms)?,
        None => due_ms,
    };
    let order_key = order_key.map(OrderKey::value);
    if let Some((before, attempts, was_due_ms)) = before {
        // one that has ended was tried, but for one that was canceled before
        let after = if attempts > 0 { Standing::Sending } else { Standing::Pending };
        work.counted.moved(event, endpoint, before, after);
        if delivered {
            taken::keep(work, event, endpoint)?;
        }
        let mut sql = db.prepare_cached(
            "update delivery set status = 1, step = 0, due_ms = ?3, trigger = 0, order_key = ?4 where event = ?1 and endpoint = ?2",
        )?;
        sql.execute((key.0, key.1, due_ms, order_key))?;
        move_due(db, key.0, key.1, was_due_ms, Some(due_ms))?;
    } else {
        work.counted.add(event, endpoint);
        let mut sql = db.prepare_cached(
            "insert into delivery (event, endpoint, status, attempts, step, due_ms, trigger, order_key) values (?1, ?2, 1, 0, 0, ?3, 0, ?4)",
        )?;
        sql.execute((key.0, key.1, due_ms, order_key))?;
        move_due(db, key.0, key.1, None, Some(due_ms))?;
    }
    Ok(Made::Again { delivered })
}

/// What waits for a retry is due sooner, on the step where it stands or with its whole ladder.
fn sooner(db: &Connection, key: (i64, i64), kind: Kind, (from_ms, to_ms): (i64, i64)) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "update delivery set due_ms = ?3, step = iif(?4, step, 0) where event = ?1 and endpoint = ?2",
    )?;
    sql.execute((key.0, key.1, to_ms, kind == Kind::Waiting))?;
    move_due(db, key.0, key.1, Some(from_ms), Some(to_ms))
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
    let events = events.into_iter().map(|Again { event, waits, .. }| {
        // what waits has its place among those of its key, if it has one
        let key = if waits { None } else { order_key(db, &endpoint, event)? };
        Ok((event, key))
    });
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
    events: Vec<Again>,
    position: EventId,
    done: bool,
}

/// One delivery that is meant.
struct Again {
    event: EventId,
    /// Whether it waits for a retry.
    waits: bool,
    /// Whether it has been delivered.
    delivered: bool,
}

fn find(db: &Connection, sealer: &Sealer, replay: &Replay, limit: usize) -> Result<Found> {
    if replay.kind.is_of_open() { open(db, replay, limit) } else { fitting(db, sealer, replay, limit) }
}

/// What of an index a replay means: those that have not succeeded. One that waits does so for a retry, not for others
/// of its key, and its last attempt failed.
fn of_open(kind: Kind) -> String {
    let ended = if kind == Kind::Recover { "status = 2 or " } else { "" };
    format!(
        "endpoint = ?1 and status in (1, 2) and event >= ?2 and event < ?3
         and ({ended}(status = 1 and attempts > 0 and due_ms < {BLOCKED_MS} and {LAST_CODE} not between 200 and 299))
         and not exists (select 1 from event_extra where event_extra.event = delivery.event and expunged = 1)"
    )
}

/// Those that have not succeeded stand in an index of their own.
fn open(db: &Connection, replay: &Replay, limit: usize) -> Result<Found> {
    let sql = format!("select event, status = 1 from delivery where {} order by event limit ?4", of_open(replay.kind));
    let mut sql = db.prepare_cached(&sql)?;
    let (first, last) = (replay.position.value(), replay.last.value());
    let found = sql.query_map(params![replay.endpoint.value(), first, last, limit], |row| {
        Ok(Again { event: id(row, 0)?, waits: row.get(1)?, delivered: false })
    })?;
    let events: Vec<Again> = found.collect::<Sql<_>>()?;
    let done = events.len() < limit;
    let position = events.last().map_or(replay.last, |last| EventId::new(last.event.value() + 1));
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
        let stands = delivery(db, event, endpoint.id)?;
        let meant = match (replay.kind, stands) {
            (Kind::Missing, stands) => {
                let went = fan_out::unpack(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?)
                    .ok_or_else(|| damaged("a fan-out that was never packed"))?;
                !went.contains(&endpoint.id)
                    && fan_out::wants(&endpoint, &event_type, &channels)
                    && stands.is_none()
                    && passes(db, &endpoint, event)?
            }
            (_, Some(Stands { standing, code, due: true })) => replay.wanted.fits_delivery(standing, code),
            _ => false,
        };
        if meant {
            let standing = stands.map(|stands| stands.standing);
            let (waits, delivered) = (standing.is_some_and(Standing::waits), standing == Some(Standing::Success));
            events.push(Again { event, waits, delivered });
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

/// What the last attempt of a delivery was answered; 0 for nothing. The plus keeps the planner at the event's few attempts:
/// along those of the endpoint each delivery would cost a look at all of them.
const LAST_CODE: &str =
    "coalesce(iif(attempts > 1, (select status_code from attempt where attempt.event = delivery.event
     and +attempt.endpoint = delivery.endpoint order by id desc limit 1), status_code), 0)";

/// How a delivery stands, and what its last attempt was answered.
#[derive(Clone, Copy)]
struct Stands {
    standing: Standing,
    code: u16,
    /// Whether it ended, or waits for a retry: neither for its first attempt nor for others of its key.
    due: bool,
}

fn delivery(db: &Connection, event: EventId, endpoint: EndpointId) -> Result<Option<Stands>> {
    let mut sql = db.prepare_cached(&format!(
        "select status, attempts, {LAST_CODE}, status <> 1 or (attempts > 0 and due_ms < {BLOCKED_MS})
         from delivery where event = ?1 and endpoint = ?2"
    ))?;
    let found = sql.query_row((event.value(), endpoint.value()), |row| {
        Ok(Stands { standing: rows::standing(row, 0)?, code: row.get(2)?, due: row.get(3)? })
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

/// How many there are in all, and how many of them had been delivered.
pub(super) fn count(db: &Connection, sealer: &Sealer, replay: &Replay) -> Result<ReplayCount> {
    if replay.kind.is_of_open() {
        let sql = format!("select count(*) from delivery where {}", of_open(replay.kind));
        let mut sql = db.prepare_cached(&sql)?;
        let range = params![replay.endpoint.value(), replay.position.value(), replay.last.value()];
        return Ok(ReplayCount { all: sql.query_row(range, |row| row.get(0))?, delivered: 0 });
    }
    let (mut rest, mut counted) = (replay.clone(), ReplayCount::default());
    loop {
        let Found { events, position, done } = find(db, sealer, &rest, LOOK_MAX)?;
        counted.all += u64::try_from(events.len()).unwrap_or(u64::MAX);
        counted.delivered += events.iter().map(|found| u64::from(found.delivered)).sum::<u64>();
        rest.position = position;
        if done {
            return Ok(counted);
        }
    }
}
