//! Counts: what a batch adds to them, and what the hours of endpoints come to.

use rusqlite::{Connection, Row, params};

use super::{Writing, minute};
use crate::count::{Counts, hour};
use crate::error::Result;
use crate::id::{ApplicationId, EndpointId, Id};
use crate::store::{COUNT_HOURS, FORGET_ROWS_MAX};

type Sql<T> = rusqlite::Result<T>;

/// Writes what the batch came to: one row for each endpoint and hour, and for each environment and minute.
pub(super) fn write(work: &mut Writing<'_>) -> Sql<()> {
    let (hours, minutes) = std::mem::take(&mut work.counted).into_rows(work.wall_ms);
    for ((endpoint, hour), counts) in hours {
        let mut sql = work.db.prepare_cached(
            "insert into endpoint_hour (endpoint, hour, accepted, succeeded, failed, canceled, retrying, attempts_succeeded, attempts_failed)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict do update set accepted = accepted + excluded.accepted,
             succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed, canceled = canceled + excluded.canceled,
             retrying = retrying + excluded.retrying, attempts_succeeded = attempts_succeeded + excluded.attempts_succeeded, attempts_failed = attempts_failed + excluded.attempts_failed",
        )?;
        let Counts { accepted, succeeded, failed, canceled, retrying, attempts_succeeded, attempts_failed } = counts;
        sql.execute(params![
            endpoint.value(),
            hour,
            accepted,
            succeeded,
            failed,
            canceled,
            retrying,
            attempts_succeeded,
            attempts_failed
        ])?;
    }
    minute::write(work, minutes)
}

pub(super) fn counts(db: &Connection, endpoint: EndpointId, (from, to): (i64, i64)) -> Result<Counts> {
    let mut sql = db.prepare_cached(
        "select coalesce(sum(accepted), 0), coalesce(sum(succeeded), 0), coalesce(sum(failed), 0), coalesce(sum(canceled), 0),
         coalesce(sum(retrying), 0), coalesce(sum(attempts_succeeded), 0), coalesce(sum(attempts_failed), 0)
         from endpoint_hour where endpoint = ?1 and hour between ?2 and ?3",
    )?;
    Ok(sql.query_row((endpoint.value(), from, to), |row| read(row, 0))?)
}

/// Counts from seven columns of a row, this one the first.
pub(super) fn read(row: &Row<'_>, first: usize) -> Sql<Counts> {
    Ok(Counts {
        accepted: row.get(first)?,
        succeeded: row.get(first + 1)?,
        failed: row.get(first + 2)?,
        canceled: row.get(first + 3)?,
        retrying: row.get(first + 4)?,
        attempts_succeeded: row.get(first + 5)?,
        attempts_failed: row.get(first + 6)?,
    })
}

pub(super) fn attempts(db: &Connection, application: ApplicationId, (from, to): (i64, i64)) -> Result<i64> {
    let mut sql = db.prepare_cached(
        "select coalesce(sum(attempts_succeeded + attempts_failed), 0) from endpoint
         join endpoint_hour on endpoint_hour.endpoint = endpoint.id and hour between ?2 and ?3 where application = ?1",
    )?;
    Ok(sql.query_row((application.value(), from, to), |row| row.get(0))?)
}

/// Lets hours and minutes go that nobody may ask for any more.
/// The endpoints that took something in this hour or the one before.
pub(super) fn answered(db: &Connection, wall_ms: i64) -> Result<Vec<EndpointId>> {
    let mut sql = db.prepare(
        "select distinct endpoint from endpoint_hour where hour >= ?1 and attempts_succeeded > 0 order by endpoint",
    )?;
    let endpoints = sql.query_map((hour(wall_ms) - 1,), |row| Ok(EndpointId::new(row.get(0)?)))?;
    Ok(endpoints.collect::<Sql<_>>()?)
}

pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "delete from endpoint_hour where (endpoint, hour) in (select endpoint, hour from endpoint_hour where hour < ?1 order by hour limit ?2)",
    )?;
    sql.execute((hour(wall_ms) - COUNT_HOURS, FORGET_ROWS_MAX))?;
    minute::forget(db, wall_ms)
}
