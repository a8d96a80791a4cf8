//! Searches across an environment: events one after the other, as many as one answer may cost.

use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::delivery::destinations;
use super::list::{Bounds, SLICE_ROWS, direction, matches_event_of};
use super::rows::{self, EVENT, EVENTS};
use crate::delivery::Standing;
use crate::error::Result;
use crate::id::{EnvironmentId, EventId, Id};
use crate::store::{Found, Listed, Page, Search};

type Sql<T> = rusqlite::Result<T>;

/// Of how many applications the events are merged; those of an environment with more are found among all events.
const MERGED_MAX: usize = 1_000;

pub(super) fn search(
    db: &Connection,
    environment: EnvironmentId,
    page: Page<EventId>,
    search: &Search,
) -> Result<Found> {
    let mut walk = Walk::new(db, environment, page, search)?;
    let mut found = Found { listed: Listed::empty(), looked_at: 0 };
    let sql = format!("select {EVENT} from {EVENTS} where id = ?1");
    let (mut steps, mut bytes) = (0, 0);
    while let Some((event, is_here)) = walk.next(db)? {
        steps += 1;
        found.looked_at += usize::from(is_here);
        if is_here && fits(db, search, event, &mut bytes)? {
            if found.listed.rows.len() == page.limit {
                found.listed.done = false;
                break;
            }
            let read = db.prepare_cached(&sql)?.query_row((event.value(),), |row| rows::event(row, false));
            found.listed.rows.push(read?);
        }
        if search.ends(steps, bytes) {
            found.listed.done = false;
            found.listed.stopped_at = Some(event.value());
            break;
        }
    }
    Ok(found)
}

/// Whether an event is one that is looked for; asks the cheapest first, and adds what it read of payloads.
fn fits(db: &Connection, search: &Search, event: EventId, bytes: &mut usize) -> Result<bool> {
    if search.filter.is_of_events() && !matches_event_of(db, &search.filter, event)? {
        return Ok(false);
    }
    if let Some(text) = &search.text {
        let mut sql = db.prepare_cached("select length(payload), instr(payload, ?2) > 0 from event where id = ?1")?;
        let (length, holds): (usize, bool) =
            sql.query_row(params![event.value(), text], |row| Ok((row.get(0)?, row.get(1)?)))?;
        *bytes += length;
        if !holds {
            return Ok(false);
        }
    }
    if search.filter.standing.is_empty() {
        return Ok(true);
    }
    Ok(destinations(db, event)?.into_iter().any(|(_, delivery)| search.filter.stands(Standing::of(delivery))))
}

/// The events of an environment, or of one application, one after the other.
struct Walk {
    environment: EnvironmentId,
    bounds: Bounds,
    descending: bool,
    way: Way,
}

enum Way {
    /// Along each application's own events: the next one of each, the nearest on top.
    Merged(BinaryHeap<(i64, i64)>),
    /// Along all events: those read ahead with their applications, which applications are of this environment, whether
    /// there are more.
    Among(VecDeque<(i64, i64)>, BTreeMap<i64, bool>, bool),
}

impl Walk {
    fn new(db: &Connection, environment: EnvironmentId, page: Page<EventId>, search: &Search) -> Result<Self> {
        let mut sql = db
            .prepare_cached("select id from application where environment = ?1 and (?2 is null or id = ?2) limit ?3")?;
        let only = search.application.map(Id::value);
        let owners = sql.query_map(params![environment.value(), only, MERGED_MAX + 1], |row| row.get(0))?;
        let owners: Vec<i64> = owners.collect::<Sql<_>>()?;
        let (bounds, descending) = (Bounds::new(page, &search.filter), page.descending);
        if owners.len() > MERGED_MAX {
            let way = Way::Among(VecDeque::new(), BTreeMap::new(), true);
            return Ok(Self { environment, bounds, descending, way });
        }
        let mut heads = BinaryHeap::new();
        for owner in owners {
            heads.extend(head(db, owner, &bounds, descending)?);
        }
        Ok(Self { environment, bounds, descending, way: Way::Merged(heads) })
    }

    /// The next event, and whether it is of this environment.
    fn next(&mut self, db: &Connection) -> Result<Option<(EventId, bool)>> {
        let (bounds, descending) = (&mut self.bounds, self.descending);
        match &mut self.way {
            Way::Merged(heads) => {
                let Some((place, owner)) = heads.pop() else {
                    return Ok(None);
                };
                let event = if descending { place } else { -place };
                bounds.pass(Some(event), descending);
                heads.extend(head(db, owner, bounds, descending)?);
                Ok(Some((EventId::new(event), true)))
            }
            Way::Among(ahead, known, more) => {
                if ahead.is_empty() && *more {
                    let order = direction(descending);
                    let sql = format!(
                        "select id, application from event where id > ?1 and id < ?2 order by id {order} limit ?3"
                    );
                    let mut sql = db.prepare_cached(&sql)?;
                    let read = sql.query_map(params![bounds.above, bounds.below, SLICE_ROWS], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?;
                    *ahead = read.collect::<Sql<_>>()?;
                    *more = ahead.len() == SLICE_ROWS;
                    bounds.pass(ahead.back().map(|line| line.0), descending);
                }
                let Some((event, owner)) = ahead.pop_front() else {
                    return Ok(None);
                };
                Ok(Some((EventId::new(event), is_here(db, self.environment, owner, known)?)))
            }
        }
    }
}

/// An application's next event, as its place in the heap and whose it is.
fn head(db: &Connection, owner: i64, bounds: &Bounds, descending: bool) -> Result<Option<(i64, i64)>> {
    let order = direction(descending);
    let sql =
        format!("select id from event where application = ?1 and id > ?2 and id < ?3 order by id {order} limit 1");
    let found: Option<i64> =
        db.prepare_cached(&sql)?.query_row(params![owner, bounds.above, bounds.below], |row| row.get(0)).optional()?;
    Ok(found.map(|event| (if descending { event } else { -event }, owner)))
}

fn is_here(db: &Connection, environment: EnvironmentId, owner: i64, known: &mut BTreeMap<i64, bool>) -> Result<bool> {
    if let Some(is_here) = known.get(&owner) {
        return Ok(*is_here);
    }
    let mut sql = db.prepare_cached("select 1 from application where id = ?1 and environment = ?2")?;
    let is_here = sql.exists((owner, environment.value()))?;
    known.insert(owner, is_here);
    Ok(is_here)
}
