//! The audit log, written in the transaction of what it tells.

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::list::{Bounds, direction, scan};
use super::rows::{self, APPLICATION, ENDPOINT, SOURCE};
use super::{Sqlite, Writing, read, user};
use crate::application::Application;
use crate::audit::{Actor, By, Deed, ENTRIES_MAX, Entry, KEPT_MS, Wanted};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::id::{ApplicationId, EndpointId, EntryId, EnvironmentId, Id as _, KeyId, SourceId, UserId};
use crate::key::Key;
use crate::source::Source;
use crate::store::trail::{self, Standing};
use crate::store::{Audit, FORGET_ROWS_MAX, Filter, Listed, Page, SCAN_ROWS_MAX};
use crate::user::User;

type Sql<T> = rusqlite::Result<T>;

const ENTRY: &str = "id, at_ms, actor, actor_id, who, address, environment, application, what, subject, name, detail";

impl Audit for Sqlite {
    fn audit(&self, page: Page<EntryId>, wanted: &Wanted) -> Result<Listed<Entry>> {
        self.read(|db| list(db, page, wanted))
    }
}

impl Standing for Writing<'_> {
    type Failed = rusqlite::Error;

    fn application(&self, id: ApplicationId) -> Sql<Option<Application>> {
        one(self.db, &format!("select {APPLICATION} from application where id = ?1"), id.value(), rows::application)
    }

    fn endpoint(&self, id: EndpointId) -> Sql<Option<Endpoint>> {
        let sql = format!("select {ENDPOINT} from endpoint where id = ?1");
        one(self.db, &sql, id.value(), |row| rows::endpoint(row, self.sealer))
    }

    fn source(&self, id: SourceId) -> Sql<Option<Source>> {
        let sql = format!("select {SOURCE} from source where id = ?1");
        one(self.db, &sql, id.value(), |row| rows::source(row, self.sealer))
    }

    fn user(&self, id: UserId) -> Sql<Option<User>> {
        one(self.db, user::BY_ID, id.value(), user::user)
    }

    fn key(&self, id: KeyId) -> Sql<Option<Key>> {
        one(self.db, read::KEY_BY_ID, id.value(), rows::key)
    }
}

fn one<T>(db: &Connection, sql: &str, id: i64, read: impl FnOnce(&Row<'_>) -> Sql<T>) -> Sql<Option<T>> {
    db.prepare_cached(sql)?.query_row((id,), read).optional()
}

/// Writes a deed down that was done.
pub(super) fn tell(work: &Writing<'_>, by: By, deed: &Deed) -> Sql<()> {
    let (actor, actor_id) = number(by.actor);
    let who = trail::who(work, by.actor)?;
    let mut sql = work.db.prepare_cached(
        "insert into audit (id, at_ms, actor, actor_id, who, address, environment, application, what, subject, name, detail)
         values ((select coalesce(max(id), 0) + 1 from audit), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    sql.execute(params![
        work.wall_ms,
        actor,
        actor_id,
        who,
        by.address.map(|address| address.to_string()),
        deed.environment.map(EnvironmentId::value),
        deed.application.map(ApplicationId::value),
        deed.what,
        deed.subject,
        deed.name,
        deed.detail
    ])
    .map(|_| ())
}

fn list(db: &Connection, page: Page<EntryId>, wanted: &Wanted) -> Result<Listed<Entry>> {
    let order = direction(page.descending);
    let sql = format!("select {ENTRY} from audit where id > ?1 and id < ?2 order by id {order} limit ?3");
    let slice = |bounds: &Bounds, count: usize| -> Result<Vec<Entry>> {
        let mut statement = db.prepare_cached(&sql)?;
        Ok(statement.query_map(params![bounds.above, bounds.below, count], entry)?.collect::<Sql<_>>()?)
    };
    let id = |entry: &Entry| entry.id.value();
    scan((page, SCAN_ROWS_MAX), &Filter::default(), slice, id, |entry| Ok(wanted.fits(entry)))
}

fn entry(row: &Row<'_>) -> Sql<Entry> {
    let address: Option<String> = row.get(5)?;
    let environment = row.get::<_, Option<i64>>(6)?.map(EnvironmentId::new);
    Ok(Entry {
        id: EntryId::new(row.get(0)?),
        at_ms: row.get(1)?,
        by: By {
            actor: actor(row.get(2)?, row.get::<_, Option<i64>>(3)?.unwrap_or_default()),
            address: address.and_then(|text| text.parse::<IpAddr>().ok()),
            environment,
        },
        who: row.get(4)?,
        deed: Deed {
            environment,
            application: row.get::<_, Option<i64>>(7)?.map(ApplicationId::new),
            what: row.get(8)?,
            subject: row.get(9)?,
            name: row.get(10)?,
            detail: row.get(11)?,
        },
    })
}

fn number(actor: Actor) -> (i64, Option<i64>) {
    match actor {
        Actor::Server => (0, None),
        Actor::Command => (1, None),
        Actor::Stranger => (2, None),
        Actor::User(id) => (3, Some(id.value())),
        Actor::Key(id) => (4, Some(id.value())),
        Actor::Token(id) => (5, Some(id.value())),
        Actor::Environment(id) => (6, Some(id.value())),
    }
}

/// The table's check allows no other number.
fn actor(number: i64, id: i64) -> Actor {
    match number {
        1 => Actor::Command,
        2 => Actor::Stranger,
        3 => Actor::User(UserId::new(id)),
        4 => Actor::Key(KeyId::new(id)),
        5 => Actor::Token(ApplicationId::new(id)),
        6 => Actor::Environment(EnvironmentId::new(id)),
        _ => Actor::Server,
    }
}

/// Lets entries go that are past their time, or too many: they are numbered in their order.
pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "delete from audit where id in (select id from audit order by id limit ?3)
           and (at_ms < ?1 or id <= (select max(id) from audit) - ?2)",
    )?;
    sql.execute(params![wall_ms - KEPT_MS, ENTRIES_MAX, FORGET_ROWS_MAX]).map(|_| ())
}
