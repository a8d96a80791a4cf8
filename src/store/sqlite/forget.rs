//! What is past its time goes, a little at a time.

use rusqlite::{Connection, params};

use super::{audit, background, count, held, token, user};
use crate::id::floor_at;
use crate::store::{BRIEF_KEY_MS, FORGET_ROWS_MAX, KEY_MS, day};

type Sql<T> = rusqlite::Result<T>;

pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let before = day(wall_ms - KEY_MS);
    for table in ["event_key", "answer"] {
        let sql =
            format!("delete from {table} where (day, hash) in (select day, hash from {table} where day < ?1 limit ?2)");
        db.prepare_cached(&sql)?.execute(params![before, FORGET_ROWS_MAX])?;
    }
    let mut sql = db.prepare_cached(
        "delete from recent_key where event in (select event from recent_key where event < ?1 order by event limit ?2)",
    )?;
    sql.execute(params![floor_at(wall_ms - BRIEF_KEY_MS), FORGET_ROWS_MAX])?;
    count::forget(db, wall_ms)?;
    background::forget(db, wall_ms)?;
    token::forget(db, wall_ms)?;
    user::forget(db, wall_ms)?;
    audit::forget(db, wall_ms)?;
    held::forget(db, wall_ms)
}
