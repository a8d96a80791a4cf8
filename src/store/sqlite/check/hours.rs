//! What is counted by endpoint and hour, against the deliveries that are there.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::{Checking, Said};
use crate::count::{Counts, HOUR_MS, hour};
use crate::delivery::Standing;
use crate::error::Result;
use crate::fan_out;
use crate::id::{EndpointId, EventId, Id as _, floor_at};
use crate::store::damaged;
use crate::store::sqlite::rows;

type Sql<T> = rusqlite::Result<T>;
/// What the deliveries of one hour's events come to.
type Hour = BTreeMap<EndpointId, Counts>;

/// Hour after hour, each in one moment; hours that nobody counts any more are passed over.
pub(super) fn check(checking: &mut Checking<'_>) -> Result<()> {
    let mut next: Option<i64> = first_hour(&checking.beside.db).map_err(|error| checking.beside.why(error))?;
    let all = checking.found.events;
    let mut seen = 0;
    while let Some(hour) = next {
        let faults = {
            let moment = checking.beside.db.unchecked_transaction()?;
            next = following(&moment, hour).map_err(|error| checking.beside.why(error))?;
            let (there, events) = there(&checking.beside, &moment, hour)?;
            seen += events;
            checking.found.deliveries += there.values().map(|counts| counts.accepted.unsigned_abs()).sum::<u64>();
            let counted = counted(&moment, hour).map_err(|error| checking.beside.why(error))?;
            differences(&counted, &there)
        };
        for (endpoint, what) in faults {
            let at = jiff::Timestamp::from_millisecond(hour * HOUR_MS).unwrap_or_default();
            let endpoint = checking.ids.of(endpoint);
            checking.fault(format!("counts of endpoint {endpoint} in the hour from {at}: {what}"));
        }
        (checking.tell)(Said::Events(seen, all));
    }
    Ok(())
}

fn first_hour(db: &Connection) -> Sql<Option<i64>> {
    db.query_row("select min(hour) from endpoint_hour", (), |row| row.get(0))
}

/// The next hour that has events or counts.
fn following(db: &Connection, hour: i64) -> Sql<Option<i64>> {
    let counted: Option<i64> = db
        .prepare_cached("select min(hour) from endpoint_hour where hour > ?1")?
        .query_row((hour,), |row| row.get(0))?;
    let mut sql = db.prepare_cached("select min(id) from event where id >= ?1")?;
    let event: Option<i64> = sql.query_row((floor_at((hour + 1) * HOUR_MS),), |row| row.get(0))?;
    let event = event.map(|id| crate::count::hour(EventId::new(id).time_ms()));
    Ok(counted.into_iter().chain(event).min())
}

/// What was counted; attempts stand in the hour in which they began, and are left out.
fn counted(db: &Connection, hour: i64) -> Sql<Hour> {
    let mut sql = db.prepare_cached(
        "select endpoint, accepted, succeeded, failed, canceled, retrying from endpoint_hour where hour = ?1",
    )?;
    let found = sql.query_map((hour,), |row| {
        let counts = Counts {
            accepted: row.get(1)?,
            succeeded: row.get(2)?,
            failed: row.get(3)?,
            canceled: row.get(4)?,
            retrying: row.get(5)?,
            ..Counts::default()
        };
        Ok((EndpointId::new(row.get(0)?), counts))
    })?;
    found.collect()
}

/// What an hour's deliveries come to, and how many events they are of: where an event was to go, whether that has a row
/// or not, and where it went later.
fn there(beside: &super::Beside, db: &Connection, of: i64) -> Result<(Hour, u64)> {
    let range = (floor_at(of * HOUR_MS), floor_at((of + 1) * HOUR_MS));
    let why = |error| beside.why(error);
    let mut hour_of = Hour::new();
    let mut seen = 0;
    let mut events = db.prepare_cached("select id, fan_out from event where id >= ?1 and id < ?2").map_err(why)?;
    let mut deliveries =
        db.prepare_cached("select endpoint, status, attempts from delivery where event = ?1").map_err(why)?;
    let mut found = events.query(range).map_err(why)?;
    while let Some(row) = found.next().map_err(why)? {
        let event: i64 = row.get(0)?;
        debug_assert_eq!(hour(EventId::new(event).time_ms()), of);
        let fan_out = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let went = fan_out::unpack(fan_out).ok_or_else(|| damaged("a fan-out that was never packed"))?;
        let mut untold: BTreeSet<EndpointId> = went.into_iter().collect();
        let rows = deliveries.query_map((event,), |row| Ok((EndpointId::new(row.get(0)?), rows::standing(row, 1)?)));
        for delivery in rows.map_err(why)? {
            let (endpoint, standing) = delivery.map_err(why)?;
            untold.remove(&endpoint);
            let counts = hour_of.entry(endpoint).or_default();
            counts.accepted += 1;
            counts.moved(Standing::Pending, standing);
        }
        for endpoint in untold {
            hour_of.entry(endpoint).or_default().accepted += 1;
        }
        seen += 1;
    }
    Ok((hour_of, seen))
}

fn differences(counted: &Hour, there: &Hour) -> Vec<(EndpointId, String)> {
    let endpoints: BTreeSet<_> = counted.keys().chain(there.keys()).copied().collect();
    let mut found = Vec::new();
    for endpoint in endpoints {
        let [says, is] = [counted, there].map(|hour| hour.get(&endpoint).copied().unwrap_or_default());
        let pairs = [
            ("accepted", says.accepted, is.accepted),
            ("succeeded", says.succeeded, is.succeeded),
            ("failed", says.failed, is.failed),
            ("canceled", says.canceled, is.canceled),
            ("tried and waiting", says.retrying, is.retrying),
        ];
        let differing = pairs.into_iter().filter(|(_, says, is)| says != is);
        let words: Vec<_> = differing.map(|(name, says, is)| format!("{name} {says}, there are {is}")).collect();
        if !words.is_empty() {
            found.push((endpoint, words.join("; ")));
        }
    }
    found
}
