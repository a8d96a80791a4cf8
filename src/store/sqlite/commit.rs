//! The one write: a batch as one transaction, synced when it returns.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::delivery::{insert_untried, move_due};
use super::rows;
use super::{
    Added, Counted, Tally, Writer, Writing, arrival, audit, chain, count, event, hasten, held, minute, refusal, replay,
    resend, setting, taken,
};
use crate::audit::By;
use crate::delivery::Standing;
use crate::endpoint::{Health, State};
use crate::error::Result;
use crate::id::{EndpointId, EventId, Id};
use crate::ordering::OrderKey;
use crate::secret::Sealer;
use crate::store::{Batch, Op, Receipt, Refused, Tried, trail};

type Sql<T> = rusqlite::Result<T>;

/// Writes the first `count` operations of the batch but for those that are left out; after `Ok` they have reached the
/// disk, or nothing has if it was a trial.
pub(super) fn attempt(
    writer: &mut Writer,
    sealer: &Sealer,
    batch: &Batch,
    (count, left_out, trial): (usize, &[(usize, String)], bool),
) -> Result<Receipt, Failure> {
    let Writer { connection, homes, takers, remembered, unscrubbed, noting } = writer;
    let db = &*connection;
    let counted = noting.as_mut().is_some_and(|noting| noting.is_due(db, batch.steady_ms));
    let mut work = Writing {
        db,
        sealer,
        wall_ms: batch.wall_ms,
        steady_ms: batch.steady_ms,
        tally: Tally::default(),
        counted: Counted::default(),
        turns: BTreeSet::new(),
        homes,
        takers,
        remembered,
        added: Added::default(),
        erases: false,
        counts: noting.as_ref().filter(|_| counted),
    };
    let ops = &batch.ops[..count];
    let written = write(&mut work, ops, left_out);
    *unscrubbed |= work.erases;
    let added = work.added;
    let committed = written.and_then(|receipt| {
        let ended = if trial { Ok(0) } else { db.prepare_cached("commit").and_then(|mut sql| sql.execute(())) };
        ended.map(|_| receipt).map_err(|error| Failure { error, at: At::Commit })
    });
    if committed.is_ok() && !trial {
        remembered.committed(added);
        if let Some(noting) = noting {
            noting.committed(counted, batch.steady_ms);
        }
    } else if !db.is_autocommit() {
        // what cannot be rolled back was never committed; the next begin tells
        let _ = db.execute_batch("rollback");
    }
    committed
}

/// An error, and when it came.
pub(super) struct Failure {
    pub(super) error: rusqlite::Error,
    pub(super) at: At,
}

/// Where in a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Before any operation.
    Begin,
    /// At the operation in this place.
    Op(usize),
    /// After all of them, at what they add up to.
    Sums,
    /// At the commit statement: before it nothing stands, and only then it may.
    Commit,
}

fn write(work: &mut Writing<'_>, ops: &[Op], left_out: &[(usize, String)]) -> Result<Receipt, Failure> {
    let failed = |at| move |error| Failure { error, at };
    work.db.prepare_cached("begin immediate").and_then(|mut sql| sql.execute(())).map_err(failed(At::Begin))?;
    let mut receipt = Receipt::default();
    for (position, op) in ops.iter().enumerate() {
        let is_out = left_out.iter().find(|(out, _)| *out == position);
        let refused = match is_out.map(|(_, why)| Refused::Unwritable(why.clone())).or(receipt.untold(position, op)) {
            // who is left out may be above the mark
            None if matches!(op, Op::Mark { .. }) && !left_out.is_empty() => None,
            None => apply(work, (position, op), &mut receipt).map_err(failed(At::Op(position)))?,
            refused => refused,
        };
        receipt.refused.extend(refused.map(|refused| (position, refused)));
    }
    sums(work, &mut receipt).map_err(failed(At::Sums))?;
    Ok(receipt)
}

fn sums(work: &mut Writing<'_>, receipt: &mut Receipt) -> Sql<()> {
    work.remembered.flush_if_full(work.db, &mut work.added)?;
    arrival::write_tally(work)?;
    count::write(work)?;
    receipt.turns = chain::turns(work)?;
    if let Some(noting) = work.counts {
        noting.count(work.db)?;
    }
    Ok(())
}

fn apply(work: &mut Writing<'_>, (position, op): (usize, &Op), receipt: &mut Receipt) -> Sql<Option<Refused>> {
    let db = work.db;
    match op {
        Op::Event(row) | Op::News(row) => return event::insert(work, (position, row), receipt),
        Op::Tried(tried) => {
            let before = standing(db, tried)?;
            let tried = &tried.after(before);
            self::tried(db, tried)?;
            let since_ms = minute::since(db, tried, before)?;
            work.counted.tried(tried, before, since_ms);
            taken::moved(work, tried, before)?;
            if let Some(key) = tried.key {
                chain::tried(work, tried, key)?;
            }
        }
        Op::Park(due) => match due.key {
            Some(key) => chain::park(work, due, key)?,
            None => insert_untried(db, (due.event, due.endpoint), &due.delivery, None)?,
        },
        Op::Resend { event, endpoint, due_ms, by } => {
            resend::resend(work, *event, *endpoint, *due_ms)?;
            audit::tell(work, *by, &trail::resent(work, *by, (*event, *endpoint))?)?;
        }
        Op::Replay(replayed) => replay::make(work, replayed)?,
        Op::Cancel { endpoint, count } => cancel(work, *endpoint, *count)?,
        Op::Hasten { endpoint, ahead, waits_ms } => hasten::hasten(work, *endpoint, *ahead, waits_ms)?,
        Op::Mark { mark, last_id } => {
            db.prepare_cached("update engine set mark = ?1, last_id = ?2")?.execute(params![mark.value(), last_id])?;
        }
        Op::Health { endpoint, health, state } => {
            self::health(db, *endpoint, *health, *state)?;
            if let Some(state) = state
                && let Some(deed) = trail::given_up(work, *endpoint, *state)?
            {
                audit::tell(work, By::server(), &deed)?;
            }
        }
        Op::Setting(setting) => return setting::apply(work, setting),
        Op::Forget => {
            super::forget::forget(db, work.wall_ms)?;
            work.remembered.flush(db, &mut work.added)?;
        }
        Op::Used { key, at_ms } => {
            let mut sql = db.prepare_cached("update key set used_ms = max(coalesce(used_ms, 0), ?2) where id = ?1")?;
            sql.execute((key.value(), at_ms))?;
        }
        Op::Turned(turned) => refusal::turned(work, turned)?,
        Op::Quarantine(quarantined) => return held::quarantine(work, quarantined),
        Op::ConflictTold(conflict) => return held::tell(work.db, *conflict),
        Op::Alive(at_ms) => {
            db.prepare_cached("update engine set alive_ms = ?1")?.execute((at_ms,))?;
        }
        Op::Outage { source, since_ms, until_ms } => work.tally.of(*source).outage = Some((*since_ms, *until_ms)),
    }
    Ok(None)
}

/// A person may have disabled or deleted the endpoint meanwhile: that stands.
fn health(db: &Connection, endpoint: EndpointId, health: Health, state: Option<State>) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "update endpoint set failing_since_ms = ?2, clock_runs = ?3,
         state = iif(state = 0, coalesce(?4, state), state),
         revision = revision + (state = 0 and ?4 is not null) where id = ?1",
    )?;
    let state = state.map(|state| state as i64);
    sql.execute(params![endpoint.value(), health.failing_since_ms, health.clock_runs, state]).map(|_| ())
}

/// Where a delivery stood until this attempt; one without a row was pending.
fn standing(db: &Connection, tried: &Tried) -> Sql<Standing> {
    if tried.was_due_ms.is_none() && tried.delivery.attempts == 1 {
        return Ok(Standing::Pending);
    }
    let mut sql = db.prepare_cached("select status, attempts from delivery where event = ?1 and endpoint = ?2")?;
    let key = (tried.event.value(), tried.endpoint.value());
    Ok(sql.query_row(key, |row| rows::standing(row, 0)).optional()?.unwrap_or(Standing::Pending))
}

fn tried(db: &Connection, tried: &Tried) -> Sql<()> {
    let Tried { event, endpoint, attempt, delivery, was_due_ms, key } = tried;
    let (event, endpoint) = (event.value(), endpoint.value());
    let was_due_ms = match key {
        Some(_) if was_due_ms.is_some() => due_ms(db, event, endpoint)?,
        _ => *was_due_ms,
    };
    let state = (delivery.status as i64, delivery.attempts, delivery.step, delivery.due_ms, delivery.trigger as i64);
    if delivery.attempts == 1 {
        let mut sql = db.prepare_cached(
            "insert into delivery (event, endpoint, status, attempts, step, due_ms, trigger, attempt, started_ms, duration_ms, url, status_code, attempt_trigger, response)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             on conflict (event, endpoint) do update set status = excluded.status, attempts = excluded.attempts, step = excluded.step,
             due_ms = excluded.due_ms, trigger = excluded.trigger, attempt = excluded.attempt, started_ms = excluded.started_ms, duration_ms = excluded.duration_ms,
             url = excluded.url, status_code = excluded.status_code, attempt_trigger = excluded.attempt_trigger, response = excluded.response",
        )?;
        sql.execute(params![
            event,
            endpoint,
            state.0,
            state.1,
            state.2,
            state.3,
            state.4,
            attempt.id.value(),
            attempt.started_ms,
            attempt.duration_ms,
            attempt.url,
            attempt.status_code,
            attempt.trigger as i64,
            &attempt.response[..]
        ])?;
    } else {
        let mut sql = db.prepare_cached(
            "insert into attempt (id, event, endpoint, started_ms, duration_ms, url, status_code, trigger, response) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        sql.execute(params![
            attempt.id.value(),
            event,
            endpoint,
            attempt.started_ms,
            attempt.duration_ms,
            attempt.url,
            attempt.status_code,
            attempt.trigger as i64,
            &attempt.response[..]
        ])?;
        let mut sql = db.prepare_cached("update delivery set status = ?3, attempts = ?4, step = ?5, due_ms = ?6, trigger = ?7 where event = ?1 and endpoint = ?2")?;
        sql.execute(params![event, endpoint, state.0, state.1, state.2, state.3, state.4])?;
    }
    move_due(db, event, endpoint, was_due_ms, delivery.due_ms)
}

/// When a delivery is due that may have been canceled, or its turn given away, meanwhile.
fn due_ms(db: &Connection, event: i64, endpoint: i64) -> Sql<Option<i64>> {
    let mut sql = db.prepare_cached("select due_ms from delivery where event = ?1 and endpoint = ?2")?;
    Ok(sql.query_row((event, endpoint), |row| row.get(0)).optional()?.flatten())
}

/// Cancels what waits for a deleted endpoint, so many at most.
fn cancel(work: &mut Writing<'_>, endpoint: EndpointId, count: usize) -> Sql<()> {
    let db = work.db;
    let mut sql =
        db.prepare_cached("select due_ms, event from due where endpoint = ?1 order by due_ms, event limit ?2")?;
    let lines: Vec<(i64, i64)> =
        sql.query_map(params![endpoint.value(), count], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Sql<_>>()?;
    for (due_ms, event) in lines {
        let mut sql =
            db.prepare_cached("select status, attempts, order_key from delivery where event = ?1 and endpoint = ?2")?;
        let (standing, key): (Standing, Option<i64>) =
            sql.query_row((event, endpoint.value()), |row| Ok((rows::standing(row, 0)?, row.get(2)?)))?;
        if standing.waits() {
            work.counted.moved(EventId::new(event), endpoint, standing, Standing::Canceled);
        }
        if let Some(key) = key {
            chain::drop_out(db, endpoint, OrderKey::new(key), EventId::new(event))?;
        }
        db.prepare_cached(
            "update delivery set status = iif(status = 1, 4, status), due_ms = null where event = ?1 and endpoint = ?2",
        )?
        .execute((event, endpoint.value()))?;
        move_due(db, event, endpoint.value(), Some(due_ms), None)?;
    }
    Ok(())
}
