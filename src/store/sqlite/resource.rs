//! Resources of the sandbox: written one by one, read all at once when it opens.

use rusqlite::{Connection, params};

use crate::error::Result;
use crate::resource::Resource;

/// Writes new and changed ones, deletes those that go.
pub(super) fn put(db: &Connection, resources: &[Resource]) -> rusqlite::Result<()> {
    for Resource { world, kind, id, value } in resources {
        match value {
            Some(value) => db
                .prepare_cached("insert or replace into resource (world, kind, id, value) values (?1, ?2, ?3, ?4)")?
                .execute(params![world, kind, id, &value[..]])?,
            None => db
                .prepare_cached("delete from resource where world = ?1 and kind = ?2 and id = ?3")?
                .execute(params![world, kind, id])?,
        };
    }
    Ok(())
}

/// All of them.
pub(super) fn all(db: &Connection) -> Result<Vec<Resource>> {
    let mut sql = db.prepare("select world, kind, id, value from resource order by world, kind, id")?;
    let rows = sql.query_map((), |row| {
        let value: Vec<u8> = row.get(3)?;
        Ok(Resource { world: row.get(0)?, kind: row.get(1)?, id: row.get(2)?, value: Some(value.into()) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
