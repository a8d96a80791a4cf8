//! The requests that a source's door turned away: counted, and the last of them remembered.

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::Writing;
use super::list::by_id;
use crate::error::{Error, Result};
use crate::id::{Id as _, SourceId};
use crate::inbound::{Refusal, RefusedRequest};
use crate::store::{LAST_REFUSED_MAX, Listed, Page, Turned, damaged};

type Sql<T> = rusqlite::Result<T>;

/// Counts what was turned away. Of a source that lives, the last are remembered, and what came before them forgotten.
pub(super) fn turned(work: &mut Writing<'_>, turned: &Turned) -> Sql<()> {
    let Turned { source, pings, refused, last } = turned;
    work.tally.turn(*source, *pings, refused);
    if last.is_empty() {
        return Ok(());
    }
    let mut sql = work.db.prepare_cached(
        "insert into refusal (source, at_ms, reason, address)
         select ?1, ?2, ?3, ?4 where exists (select 1 from source where id = ?1 and deleted = 0)",
    )?;
    for request in last {
        sql.execute(params![source.value(), request.at_ms, request.reason.code(), request.address.to_string()])?;
    }
    let mut sql = work.db.prepare_cached(
        "delete from refusal where source = ?1
         and id <= (select id from refusal where source = ?1 order by id desc limit 1 offset ?2)",
    )?;
    sql.execute((source.value(), LAST_REFUSED_MAX)).map(|_| ())
}

/// Forgets the requests of a source.
pub(super) fn forget(db: &Connection, source: SourceId) -> Sql<()> {
    db.prepare_cached("delete from refusal where source = ?1")?.execute((source.value(),)).map(|_| ())
}

pub(super) fn list(db: &Connection, source: SourceId, page: Page<i64>) -> Result<Listed<(i64, RefusedRequest)>> {
    by_id(db, "select id, at_ms, reason, address from refusal where source = ?1", source.value(), page, request)
}

fn request(row: &Row<'_>) -> Sql<(i64, RefusedRequest)> {
    let broken =
        |column: usize, error: Error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error));
    let reason =
        Refusal::parse(row.get_ref(2)?.as_str()?).ok_or_else(|| broken(2, damaged("a reason that is none")))?;
    let address = row.get_ref(3)?.as_str()?.parse().map_err(|_| broken(3, damaged("an address that is none")))?;
    Ok((row.get(0)?, RefusedRequest { at_ms: row.get(1)?, reason, address }))
}
