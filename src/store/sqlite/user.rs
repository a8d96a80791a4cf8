//! Users, their sessions, the tests of endpoints, and the brands of environments.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Sqlite, brand};
use crate::brand::Brand;
use crate::error::Result;
use crate::id::{EndpointId, EnvironmentId, EventId, Id, KeyId, UserId};
use crate::key::Role;
use crate::store::{FORGET_ROWS_MAX, People, PeopleChange, Refused};
use crate::user::{Holder, Session, Test, User};

type Sql<T> = rusqlite::Result<T>;

/// A user by id.
pub(super) const BY_ID: &str = "select id, email, role, password, updated_ms from user where id = ?1";
const BY_EMAIL: &str = "select id, email, role, password, updated_ms from user where email = ?1";

/// What stands in the place of a password's hash where there is none: it is the hash of nothing.
const NO_PASSWORD: &str = "";

impl People for Sqlite {
    fn users(&self) -> Result<Vec<User>> {
        self.read(all)
    }

    fn user(&self, id: UserId) -> Result<Option<User>> {
        self.read(|db| Ok(db.prepare_cached(BY_ID)?.query_row((id.value(),), user).optional()?))
    }

    fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        self.read(|db| Ok(db.prepare_cached(BY_EMAIL)?.query_row((email,), user).optional()?))
    }

    fn session(&self, hash: &[u8; 32]) -> Result<Option<Session>> {
        self.read(|db| session(db, hash))
    }

    fn test(&self, endpoint: EndpointId) -> Result<Option<Test>> {
        self.read(|db| test(db, endpoint))
    }

    fn brand(&self, environment: EnvironmentId) -> Result<Brand> {
        self.read(|db| brand::of(db, environment))
    }
}

pub(super) fn change(db: &Connection, change: &PeopleChange) -> Sql<Option<Refused>> {
    match change {
        PeopleChange::User(user) => put(db, user),
        PeopleChange::UserGone(user) => delete(db, *user),
        PeopleChange::Session(session, _) => open(db, session),
        PeopleChange::SessionGone(hash) => close(db, hash).map(|()| None),
        PeopleChange::TurnedAway { .. } => Ok(None),
        PeopleChange::Test(test) => put_test(db, test).map(|()| None),
        PeopleChange::Brand(environment, brand) => brand::put(db, *environment, brand).map(|()| None),
    }
}

/// Makes or changes a user. Whoever gets another password or role logs in anew.
fn put(db: &Connection, user: &User) -> Sql<Option<Refused>> {
    let mut sql = db.prepare_cached(
        "insert into user (id, email, role, password, updated_ms) values (?1, ?2, ?3, ?4, ?5)
         on conflict (id) do update set email = excluded.email, role = excluded.role, password = excluded.password, updated_ms = excluded.updated_ms",
    )?;
    let rival = "select 1 from user where email = ?1 and id <> ?2";
    if db.prepare_cached(rival)?.exists((&user.email, user.id.value()))? {
        return Ok(Some(Refused::Taken));
    }
    let password = user.password.as_deref().unwrap_or(NO_PASSWORD);
    sql.execute(params![user.id.value(), user.email, user.role as i64, password, user.updated_ms])?;
    end_sessions(db, user.id)?;
    Ok(None)
}

/// A user goes, and the sessions with it.
fn delete(db: &Connection, user: UserId) -> Sql<Option<Refused>> {
    end_sessions(db, user)?;
    let deleted = db.prepare_cached("delete from user where id = ?1")?.execute((user.value(),))?;
    Ok((deleted == 0).then_some(Refused::Stale))
}

fn end_sessions(db: &Connection, user: UserId) -> Sql<()> {
    db.prepare_cached("delete from session where user = ?1")?.execute((user.value(),)).map(|_| ())
}

/// Opens a session. Refused: its user or key is gone.
fn open(db: &Connection, session: &Session) -> Sql<Option<Refused>> {
    let (user, key, of) = match session.holder {
        Holder::User(user) => (Some(user.value()), None, "select 1 from user where id = ?1"),
        Holder::Key(key) => (None, Some(key.value()), "select 1 from key where id = ?1"),
    };
    if !db.prepare_cached(of)?.exists((user.or(key),))? {
        return Ok(Some(Refused::Stale));
    }
    let mut sql = db.prepare_cached(
        "insert into session (hash, user, key, expires_ms) values (?1, ?2, ?3, ?4) on conflict do nothing",
    )?;
    let made = sql.execute(params![&session.hash[..], user, key, session.expires_ms])?;
    Ok((made == 0).then_some(Refused::Taken))
}

/// Ends a session, if it lasts still.
fn close(db: &Connection, hash: &[u8; 32]) -> Sql<()> {
    db.prepare_cached("delete from session where hash = ?1")?.execute((&hash[..],)).map(|_| ())
}

fn put_test(db: &Connection, test: &Test) -> Sql<()> {
    let mut sql =
        db.prepare_cached("insert or replace into endpoint_test (endpoint, event, revision) values (?1, ?2, ?3)")?;
    sql.execute((test.endpoint.value(), test.event.value(), test.revision)).map(|_| ())
}

fn all(db: &Connection) -> Result<Vec<User>> {
    let mut sql = db.prepare_cached("select id, email, role, password, updated_ms from user order by id")?;
    Ok(sql.query_map((), user)?.collect::<Sql<_>>()?)
}

fn session(db: &Connection, hash: &[u8; 32]) -> Result<Option<Session>> {
    let mut sql = db.prepare_cached("select user, key, expires_ms from session where hash = ?1")?;
    let found = sql.query_row((&hash[..],), |row| {
        let holder = match row.get::<_, Option<i64>>(0)? {
            Some(user) => Holder::User(UserId::new(user)),
            None => Holder::Key(KeyId::new(row.get(1)?)),
        };
        Ok(Session { hash: *hash, holder, expires_ms: row.get(2)? })
    });
    Ok(found.optional()?)
}

fn test(db: &Connection, endpoint: EndpointId) -> Result<Option<Test>> {
    let mut sql = db.prepare_cached("select event, revision from endpoint_test where endpoint = ?1")?;
    let found = sql.query_row((endpoint.value(),), |row| {
        Ok(Test { endpoint, event: EventId::new(row.get(0)?), revision: row.get(1)? })
    });
    Ok(found.optional()?)
}

pub(super) fn user(row: &Row<'_>) -> Sql<User> {
    let role = if row.get::<_, i64>(2)? == Role::Admin as i64 { Role::Admin } else { Role::Viewer };
    let password = Some(row.get(3)?).filter(|text| text != NO_PASSWORD);
    Ok(User { id: UserId::new(row.get(0)?), email: row.get(1)?, role, password, updated_ms: row.get(4)? })
}

/// Lets sessions go that have ended.
pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "delete from session where hash in (select hash from session where expires_ms <= ?1 order by expires_ms limit ?2)",
    )?;
    sql.execute((wall_ms, FORGET_ROWS_MAX)).map(|_| ())
}
