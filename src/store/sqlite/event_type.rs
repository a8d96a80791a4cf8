//! Event types: how one is made, changed, archived and forgotten.

use rusqlite::{Connection, params};

use super::kept::json;
use crate::event_type::EventType;
use crate::id::{EnvironmentId, Id};

type Sql<T> = rusqlite::Result<T>;

/// What stands behind the insertion of a name that exists.
const KEEP: &str = "on conflict do nothing";
const REPLACE: &str =
    "on conflict (environment, name) do update set description = excluded.description, schemas = excluded.schemas,
     archived = excluded.archived, deprecated = excluded.deprecated, feature_flags = excluded.feature_flags,
     group_name = excluded.group_name, updated_ms = excluded.updated_ms";

fn write(db: &Connection, event_type: &EventType, when_there: &str) -> Sql<usize> {
    let mut sql = db.prepare_cached(&format!(
        "insert into event_type (environment, name, description, schemas, archived, deprecated, feature_flags, group_name, created_ms, updated_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) {when_there}"
    ))?;
    let EventType { name, description, schemas, archived, deprecated, group_name, created_ms, updated_ms, .. } =
        event_type;
    let flags = (!event_type.feature_flags.is_empty()).then(|| json(&event_type.feature_flags));
    sql.execute(params![
        event_type.environment.value(),
        name,
        description,
        schemas,
        archived,
        deprecated,
        flags,
        group_name,
        created_ms,
        updated_ms
    ])
}

/// A name may come back from the archive; a living one is taken.
pub(super) fn revive(db: &Connection, event_type: &EventType) -> Sql<usize> {
    write(db, event_type, &format!("{REPLACE} where event_type.archived = 1"))
}

/// A name that is there stays as it is, in the archive too.
pub(super) fn insert(db: &Connection, event_type: &EventType) -> Sql<usize> {
    write(db, event_type, KEEP)
}

/// A name that is there becomes as it stands here.
pub(super) fn put(db: &Connection, event_type: &EventType) -> Sql<usize> {
    write(db, event_type, REPLACE)
}

/// A name goes, as if it had never been.
pub(super) fn delete(db: &Connection, environment: EnvironmentId, name: &str) -> Sql<usize> {
    db.prepare_cached("delete from event_type where environment = ?1 and name = ?2")?
        .execute((environment.value(), name))
}
