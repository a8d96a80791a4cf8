//! Deliveries as people ask for them, the events of an endpoint and the endpoints of an event; when one is due.

use rusqlite::{Connection, OptionalExtension, params};

use super::list::{Bounds, SLICE_ROWS, direction, matches_event_of};
use super::rows::{self, DELIVERY, EVENT, EVENTS};
use crate::delivery::Delivery;
use crate::error::Result;
use crate::fan_out;
use crate::id::{AttemptId, EndpointId, EventId, Id};
use crate::ordering::OrderKey;
use crate::store::{DeliveryRow, Filter, Listed, Page, damaged};

type Sql<T> = rusqlite::Result<T>;

/// An event attempted at an endpoint: its first attempt there, its id, its delivery.
type Line = (i64, EventId, Delivery);

pub(super) fn attempted(
    db: &Connection,
    endpoint: EndpointId,
    page: Page<EventId>,
    filter: &Filter,
    bodies: bool,
) -> Result<Listed<DeliveryRow>> {
    let after = page.after.map_or(Ok(None), |event| place(db, endpoint, event))?;
    // an attempt is younger than its event: no bound from above follows from the event's
    let mut bounds =
        Bounds::new(Page::<AttemptId> { after, ..bare(&page) }, &Filter { above: filter.above, ..Filter::default() });
    let order = direction(page.descending);
    let sql = format!(
        "select attempt, event, {DELIVERY} from delivery where endpoint = ?1 and attempt is not null and attempt > ?2 and attempt < ?3
         order by attempt {order} limit ?4"
    );
    let mut kept = Vec::new();
    let mut seen = 0;
    loop {
        let count = SLICE_ROWS.min(page.limit + 1);
        let mut statement = db.prepare_cached(&sql)?;
        let found = statement.query_map(params![endpoint.value(), bounds.above, bounds.below, count], |row| {
            Ok((row.get(0)?, EventId::new(row.get(1)?), rows::delivery(row, 2)?))
        })?;
        let lines: Vec<Line> = found.collect::<Sql<_>>()?;
        let ended = lines.len() < count;
        seen += lines.len();
        bounds.pass(lines.last().map(|line| line.0), page.descending);
        let mut last = None;
        for line in lines {
            last = Some(line.1);
            if let Some(row) = fitting(db, line, filter, bodies)? {
                kept.push(row);
                if kept.len() > page.limit {
                    return Ok(Listed::cut(kept, page.limit));
                }
            }
        }
        if ended {
            return Ok(Listed::cut(kept, page.limit));
        }
        if seen >= filter.attempt_rows_max() {
            return Ok(Listed { rows: kept, done: false, stopped_at: last.map(EventId::value) });
        }
    }
}

fn bare(page: &Page<EventId>) -> Page<AttemptId> {
    Page { after: None, descending: page.descending, limit: page.limit }
}

/// Where an event stands in the list of an endpoint; one that stands nowhere, at its own time.
fn place(db: &Connection, endpoint: EndpointId, event: EventId) -> Result<Option<AttemptId>> {
    let mut sql = db.prepare_cached("select attempt from delivery where event = ?1 and endpoint = ?2")?;
    let found: Option<Option<i64>> = sql.query_row((event.value(), endpoint.value()), |row| row.get(0)).optional()?;
    Ok(Some(AttemptId::new(found.flatten().unwrap_or(event.value()))))
}

fn fitting(db: &Connection, line: Line, filter: &Filter, bodies: bool) -> Result<Option<DeliveryRow>> {
    let (first, id, delivery) = line;
    let in_time =
        filter.above.is_none_or(|above| id.value() > above) && filter.below.is_none_or(|below| id.value() < below);
    if !in_time || !filter.stands(delivery.standing()) || (filter.is_of_events() && !matches_event_of(db, filter, id)?)
    {
        return Ok(None);
    }
    let payload = if bodies { ", payload" } else { "" };
    let sql = format!("select {EVENT}{payload} from {EVENTS} where id = ?1");
    let event = db.prepare_cached(&sql)?.query_row((id.value(),), |row| rows::event(row, bodies)).optional()?;
    Ok(event.map(|event| DeliveryRow { event, delivery, first: AttemptId::new(first) }))
}

pub(super) fn deliveries(db: &Connection, event: EventId) -> Result<Vec<(EndpointId, Delivery)>> {
    let mut sql =
        db.prepare_cached(&format!("select endpoint, {DELIVERY} from delivery where event = ?1 order by endpoint"))?;
    let found =
        sql.query_map(params![event.value()], |row| Ok((EndpointId::new(row.get(0)?), rows::delivery(row, 1)?)))?;
    Ok(found.collect::<Sql<_>>()?)
}

/// The fan-out that the event's row carries, and whatever was sent elsewhere by hand.
pub(super) fn destinations(db: &Connection, event: EventId) -> Result<Vec<(EndpointId, Option<Delivery>)>> {
    let mut sql = db.prepare_cached("select fan_out from event where id = ?1")?;
    let packed: Option<Vec<u8>> = sql.query_row((event.value(),), |row| row.get(0)).optional()?;
    let endpoints =
        fan_out::unpack(&packed.unwrap_or_default()).ok_or_else(|| damaged("a fan-out that was never packed"))?;
    let mut found: std::collections::BTreeMap<EndpointId, Option<Delivery>> =
        endpoints.into_iter().map(|endpoint| (endpoint, None)).collect();
    let written = deliveries(db, event)?;
    found.extend(written.into_iter().map(|(endpoint, delivery)| (endpoint, Some(delivery))));
    Ok(found.into_iter().collect())
}

/// Takes the delivery's line out of the due index and puts its next one in.
pub(super) fn move_due(
    db: &Connection,
    event: i64,
    endpoint: i64,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
) -> Sql<()> {
    if let Some(from_ms) = from_ms {
        db.prepare_cached("delete from due where endpoint = ?1 and due_ms = ?2 and event = ?3")?
            .execute(params![endpoint, from_ms, event])?;
    }
    if let Some(to_ms) = to_ms {
        db.prepare_cached("insert into due (endpoint, due_ms, event) values (?1, ?2, ?3) on conflict do nothing")?
            .execute(params![endpoint, to_ms, event])?;
    }
    Ok(())
}

/// Writes the row and the line of a delivery; one that has a row already keeps it, and its one line in the due index.
pub(super) fn insert_untried(
    db: &Connection,
    (event, endpoint): (EventId, EndpointId),
    delivery: &Delivery,
    key: Option<OrderKey>,
) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "insert into delivery (event, endpoint, status, attempts, step, due_ms, trigger, order_key) values (?1, ?2, ?3, 0, 0, ?4, ?5, ?6)
         on conflict (event, endpoint) do nothing",
    )?;
    let inserted = sql.execute(params![
        event.value(),
        endpoint.value(),
        delivery.status as i64,
        delivery.due_ms,
        delivery.trigger as i64,
        key.map(OrderKey::value)
    ])?;
    if inserted == 0 {
        return Ok(());
    }
    move_due(db, event.value(), endpoint.value(), None, delivery.due_ms)
}
