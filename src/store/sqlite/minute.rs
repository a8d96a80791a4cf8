//! Minutes: what a batch adds to those of environments, and what they come to.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Writing;
use crate::count::{Minute, Took};
use crate::delivery::Standing;
use crate::error::Result;
use crate::id::{EndpointId, EnvironmentId, Id};
use crate::store::counted::{self, MINUTE_ROWS_FORGOTTEN_MAX, Minutes};
use crate::store::{COUNT_MINUTES, Tried};

type Sql<T> = rusqlite::Result<T>;

/// How many endpoints are known by their environment without asking the file: 1 MiB.
const HOMES_MAX: usize = 32_768;

/// Of which environment an endpoint is: that never changes.
#[derive(Default)]
pub(super) struct Homes(HashMap<EndpointId, EnvironmentId>);

impl Homes {
    fn find(&mut self, db: &Connection, endpoint: EndpointId) -> Sql<Option<EnvironmentId>> {
        if let Some(environment) = self.0.get(&endpoint) {
            return Ok(Some(*environment));
        }
        let mut sql = db.prepare_cached(
            "select environment from endpoint join application on application.id = endpoint.application
             where endpoint.id = ?1",
        )?;
        let found = sql.query_row((endpoint.value(),), |row| row.get(0).map(EnvironmentId::new)).optional()?;
        if let Some(environment) = found {
            if self.0.len() >= HOMES_MAX {
                self.0.clear(); // the file knows them all
            }
            self.0.insert(endpoint, environment);
        }
        Ok(found)
    }
}

/// From when on a delivery took its time; `None` when that does not count.
pub(super) fn since(db: &Connection, tried: &Tried, before: Standing) -> Sql<Option<i64>> {
    if !counted::is_timed(tried, before) {
        return Ok(None);
    }
    if counted::is_fresh(tried) {
        return Ok(Some(tried.event.time_ms()));
    }
    let mut sql = db.prepare_cached(
        "select fan_out, deliver_at_ms from event left join event_extra on event_extra.event = event.id where id = ?1",
    )?;
    let found = sql.query_row((tried.event.value(),), |row| {
        let fan_out = row.get_ref(0)?.as_blob()?;
        Ok(counted::since(tried.event, tried.endpoint, fan_out, row.get(1)?))
    });
    Ok(found.optional()?.flatten())
}

/// Writes what a batch came to: one row for each minute and environment.
pub(super) fn write(work: &mut Writing<'_>, minutes: Minutes) -> Sql<()> {
    let mut sums = BTreeMap::<(i64, EnvironmentId), Minute>::new();
    for ((minute, endpoint), counts) in minutes {
        if let Some(environment) = work.homes.find(work.db, endpoint)? {
            sums.entry((minute, environment)).or_default().add(&counts);
        }
    }
    sums.into_iter().try_for_each(|((minute, environment), counts)| add(work.db, (minute, environment.value()), counts))
}

fn add(db: &Connection, key: (i64, i64), mut counts: Minute) -> Sql<()> {
    if counts.took.count() > 0 {
        let mut sql =
            db.prepare_cached("select took from environment_minute where minute = ?1 and environment = ?2")?;
        if let Some(before) = sql.query_row(key, |row| took(row, 0)).optional()? {
            counts.took.merge(&before);
        }
    }
    let Minute { accepted, delivered, failed, waiting, took } = counts;
    let mut sql = db.prepare_cached(
        "insert into environment_minute (minute, environment, accepted, delivered, failed, waiting, took)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict do update set accepted = accepted + excluded.accepted,
         delivered = delivered + excluded.delivered, failed = failed + excluded.failed,
         waiting = waiting + excluded.waiting, took = iif(excluded.took = x'', took, excluded.took)",
    )?;
    sql.execute(params![key.0, key.1, accepted, delivered, failed, waiting, took.pack()]).map(|_| ())
}

/// How long deliveries took. Bytes that say nothing count as none: a figure that is lost must not stop a commit.
fn took(row: &Row<'_>, column: usize) -> Sql<Took> {
    Ok(Took::unpack(row.get_ref(column)?.as_blob()?).unwrap_or_default())
}

pub(super) fn list(db: &Connection, environment: EnvironmentId, (from, to): (i64, i64)) -> Result<Vec<(i64, Minute)>> {
    // one look for each minute: rows of all environments stand side by side
    let mut sql = db.prepare_cached(
        "select accepted, delivered, failed, waiting, took from environment_minute
         where minute = ?1 and environment = ?2",
    )?;
    let mut rows = Vec::new();
    for minute in from.max(to - COUNT_MINUTES + 1)..=to {
        let found = sql.query_row((minute, environment.value()), |row| {
            let (accepted, delivered, failed) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Minute { accepted, delivered, failed, waiting: row.get(3)?, took: took(row, 4)? })
        });
        rows.extend(found.optional()?.map(|counts| (minute, counts)));
    }
    Ok(rows)
}

/// Lets minutes go that are kept no longer, the oldest first.
pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "delete from environment_minute where (minute, environment) in
         (select minute, environment from environment_minute where minute < ?1 order by minute, environment limit ?2)",
    )?;
    sql.execute((counted::oldest_minute(wall_ms), MINUTE_ROWS_FORGOTTEN_MAX)).map(|_| ())
}
