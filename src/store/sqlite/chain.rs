//! Chains: an endpoint's deliveries of one key, made one after the other.
//!
//! One delivery of each chain, whose turn it is, has its time in the due index; the others are due never. Whoever ends a
//! delivery lets the next one have its turn, in the same transaction.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::delivery::move_due;
use super::list::listed;
use super::rows::{self, DELIVERY, id};
use super::{Writing, delivery};
use crate::delivery::{BLOCKED_MS, Due, Standing, Status};
use crate::error::Result;
use crate::id::{AttemptId, EndpointId, EventId, Id};
use crate::ordering::OrderKey;
use crate::store::{CHAINS_MAX, Chain, Listed, Page, Refused, Tried, Turn};

type Sql<T> = rusqlite::Result<T>;

/// Lets a delivery take its place; gives when it is due.
pub(super) fn join(
    work: &mut Writing<'_>,
    endpoint: EndpointId,
    key: OrderKey,
    event: EventId,
    due_ms: i64,
) -> Sql<i64> {
    let mut sql =
        work.db.prepare_cached("select 1 from chain where endpoint = ?1 and key = ?2 and event <> ?3 limit 1")?;
    let waits = sql.exists((endpoint.value(), key.value(), event.value()))?;
    insert(work.db, endpoint, key, event)?;
    if waits {
        return Ok(BLOCKED_MS);
    }
    work.turns.insert((endpoint, key));
    Ok(due_ms)
}

fn insert(db: &Connection, endpoint: EndpointId, key: OrderKey, event: EventId) -> Sql<()> {
    let mut sql =
        db.prepare_cached("insert into chain (endpoint, key, event) values (?1, ?2, ?3) on conflict do nothing")?;
    sql.execute((endpoint.value(), key.value(), event.value())).map(|_| ())
}

/// A delivery that leaves memory takes its place; so does one whose row is there, because its time had yet to come.
pub(super) fn park(work: &mut Writing<'_>, due: &Due, key: OrderKey) -> Sql<()> {
    let (event, endpoint) = (due.event, due.endpoint);
    let mut sql = work.db.prepare_cached(
        "select due_ms, status = 1 and not exists (select 1 from chain where endpoint = ?2 and key = ?3 and event = ?1)
         from delivery where event = ?1 and endpoint = ?2",
    )?;
    let row: Option<(Option<i64>, bool)> = sql
        .query_row((event.value(), endpoint.value(), key.value()), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let due_ms = due.delivery.due_ms.unwrap_or(work.steady_ms);
    match row {
        Some((_, false)) => Ok(()),
        Some((was_due_ms, true)) => {
            let due_ms = join(work, endpoint, key, event, due_ms)?;
            set_due(work.db, (event, endpoint), was_due_ms, due_ms)
        }
        None => {
            let due_ms = join(work, endpoint, key, event, due_ms)?;
            let delivery = crate::delivery::Delivery { due_ms: Some(due_ms), ..due.delivery };
            delivery::insert_untried(work.db, (event, endpoint), &delivery, Some(key))
        }
    }
}

fn set_due(db: &Connection, (event, endpoint): (EventId, EndpointId), from_ms: Option<i64>, to_ms: i64) -> Sql<()> {
    db.prepare_cached("update delivery set due_ms = ?3 where event = ?1 and endpoint = ?2")?.execute((
        event.value(),
        endpoint.value(),
        to_ms,
    ))?;
    move_due(db, event.value(), endpoint.value(), from_ms, Some(to_ms))
}

/// An attempt was written down: a delivery that is tried again keeps its turn, one that ended gives it away.
pub(super) fn tried(work: &mut Writing<'_>, tried: &Tried, key: OrderKey) -> Sql<()> {
    if tried.delivery.status != Status::Pending {
        return leave(work, tried.endpoint, key, tried.event);
    }
    insert(work.db, tried.endpoint, key, tried.event)?;
    if tried.was_due_ms.is_none() {
        work.db.prepare_cached("update delivery set order_key = ?3 where event = ?1 and endpoint = ?2")?.execute((
            tried.event.value(),
            tried.endpoint.value(),
            key.value(),
        ))?;
    }
    Ok(())
}

/// A delivery whose turn it was ended: it is the turn of the earliest event that waits.
pub(super) fn leave(work: &mut Writing<'_>, endpoint: EndpointId, key: OrderKey, event: EventId) -> Sql<()> {
    work.turns.insert((endpoint, key));
    if !drop_out(work.db, endpoint, key, event)? {
        return Ok(()); // it had left before, and so the next one had its turn
    }
    let Some(next) = first(work.db, endpoint, key)? else {
        return Ok(());
    };
    let mut sql = work.db.prepare_cached("select 1 from due where endpoint = ?1 and due_ms = ?2 and event = ?3")?;
    if sql.exists((endpoint.value(), BLOCKED_MS, next.value()))? {
        set_due(work.db, (next, endpoint), Some(BLOCKED_MS), work.steady_ms)?;
    }
    Ok(())
}

/// A delivery ended that was not due: whoever has the turn keeps it. Gives whether it had a place.
pub(super) fn drop_out(db: &Connection, endpoint: EndpointId, key: OrderKey, event: EventId) -> Sql<bool> {
    let mut sql = db.prepare_cached("delete from chain where endpoint = ?1 and key = ?2 and event = ?3")?;
    Ok(sql.execute((endpoint.value(), key.value(), event.value()))? > 0)
}

/// Cancels the delivery whose turn it is.
pub(super) fn skip(work: &mut Writing<'_>, endpoint: EndpointId, event: EventId) -> Sql<Option<Refused>> {
    let mut sql = work.db.prepare_cached(
        "select due_ms, order_key, status, attempts from delivery where event = ?1 and endpoint = ?2 and status = 1 and due_ms < ?3
             and exists (select 1 from chain where chain.endpoint = ?2 and key = order_key and chain.event = ?1)",
    )?;
    let found: Option<(i64, i64, Standing)> = sql
        .query_row((event.value(), endpoint.value(), BLOCKED_MS), |row| {
            Ok((row.get(0)?, row.get(1)?, rows::standing(row, 2)?))
        })
        .optional()?;
    let Some((due_ms, key, standing)) = found else {
        return Ok(Some(Refused::Stale));
    };
    work.counted.moved(event, endpoint, standing, Standing::Canceled);
    work.db
        .prepare_cached("update delivery set status = 4, due_ms = null where event = ?1 and endpoint = ?2")?
        .execute((event.value(), endpoint.value()))?;
    move_due(work.db, event.value(), endpoint.value(), Some(due_ms), None)?;
    leave(work, endpoint, OrderKey::new(key), event).map(|()| None)
}

/// Whose turn it is now, for each chain that the transaction touched.
pub(super) fn turns(work: &mut Writing<'_>) -> Sql<Vec<Turn>> {
    let touched: BTreeSet<_> = std::mem::take(&mut work.turns);
    touched.into_iter().map(|(endpoint, key)| Ok((endpoint, key, first(work.db, endpoint, key)?))).collect()
}

fn first(db: &Connection, endpoint: EndpointId, key: OrderKey) -> Sql<Option<EventId>> {
    let mut sql =
        db.prepare_cached("select event from chain where endpoint = ?1 and key = ?2 order by event limit 1")?;
    sql.query_row((endpoint.value(), key.value()), |row| id(row, 0)).optional()
}

/// Chains, and the endpoints that have more.
type Known = (Vec<(EndpointId, OrderKey)>, Vec<EndpointId>);

/// Jumps from chain to chain, [`CHAINS_MAX`] times at most, and then from endpoint to endpoint.
pub(super) fn known(db: &Connection) -> Result<Known> {
    let mut sql =
        db.prepare("select endpoint, key from chain where (endpoint, key) > (?1, ?2) order by endpoint, key limit 1")?;
    let mut next =
        |after: (i64, i64)| sql.query_row(after, |row| Ok((id(row, 0)?, OrderKey::new(row.get(1)?)))).optional();
    let mut chains: Vec<(EndpointId, OrderKey)> = Vec::new();
    while chains.len() < CHAINS_MAX {
        let last = chains.last().map_or((-1, i64::MAX), |(endpoint, key)| (endpoint.value(), key.value()));
        match next(last)? {
            Some(chain) => chains.push(chain),
            None => return Ok((chains, Vec::new())),
        }
    }
    let mut more: Vec<EndpointId> = Vec::new();
    let mut last = chains.last().map_or((-1, i64::MAX), |(endpoint, key)| (endpoint.value(), key.value()));
    while let Some((endpoint, _)) = next(last)? {
        more.push(endpoint);
        last = (endpoint.value(), i64::MAX);
    }
    Ok((chains, more))
}

pub(super) fn count(db: &Connection, endpoint: EndpointId) -> Result<u64> {
    let mut sql = db.prepare_cached("select count(distinct key) from chain where endpoint = ?1")?;
    Ok(sql.query_row((endpoint.value(),), |row| row.get(0))?)
}

pub(super) fn list(db: &Connection, endpoint: EndpointId, page: Page<i64>) -> Result<Listed<Chain>> {
    let (order, beyond) = if page.descending { ("desc", "<") } else { ("asc", ">") };
    let sql = format!(
        "select distinct key from chain where endpoint = ?1 and (?2 is null or key {beyond} ?2) order by key {order} limit ?3"
    );
    let keys = listed(db, &sql, params![endpoint.value(), page.after, page.limit + 1], page.limit, |row| row.get(0))?;
    let rows = keys.rows.iter().filter_map(|&key| chain(db, endpoint, OrderKey::new(key)).transpose());
    Ok(Listed { rows: rows.collect::<Sql<_>>()?, done: keys.done, stopped_at: None })
}

fn chain(db: &Connection, endpoint: EndpointId, key: OrderKey) -> Sql<Option<Chain>> {
    let sql = format!(
        "select event, (select count(*) from chain where endpoint = ?1 and key = ?2) - 1, attempt, {DELIVERY}
         from chain join delivery using (event, endpoint)
         where endpoint = ?1 and key = ?2 and due_ms < ?3 order by event limit 1"
    );
    let mut sql = db.prepare_cached(&sql)?;
    sql.query_row((endpoint.value(), key.value(), BLOCKED_MS), |row| {
        Ok(Chain {
            key,
            head: id(row, 0)?,
            waiting: row.get(1)?,
            tried_ms: row.get::<_, Option<i64>>(2)?.map(|attempt| AttemptId::new(attempt).time_ms()),
            delivery: rows::delivery(row, 3)?,
        })
    })
    .optional()
}
