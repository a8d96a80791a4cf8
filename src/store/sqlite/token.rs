//! Tokens: the key that signs them, and which of them ended before their time.

use rusqlite::{Connection, params};

use crate::error::{Error, Result};
use crate::id::{ApplicationId, Id};
use crate::secret::Sealer;
use crate::store::{FORGET_ROWS_MAX, damaged};
use crate::token::{Ended, Which};

type Sql<T> = rusqlite::Result<T>;

/// Under whose id the key is sealed: that of nothing else.
const OWNER: i64 = 0;

/// Makes the key that signs tokens, once in the life of a database.
pub(super) fn make_key(db: &Connection, sealer: &Sealer) -> Result<()> {
    let mut key = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| Error::internal("the system gives no random bytes"))?;
    let made = sealer.seal(OWNER, &key);
    db.execute("update engine set token_key = ?1 where token_key is null", (made,))?;
    Ok(())
}

/// The key that signs tokens.
pub(super) fn key(db: &Connection, sealer: &Sealer) -> Result<[u8; 32]> {
    let sealed: Vec<u8> = db.query_row("select token_key from engine", (), |row| row.get(0))?;
    let key = sealer.open(OWNER, &sealed)?;
    key.try_into().map_err(|_| damaged("a key of tokens that is too short"))
}

/// Seals that key anew.
pub(super) fn seal_again(db: &Connection, before: &Sealer, after: &Sealer) -> Result<()> {
    let sealed = after.seal(OWNER, &key(db, before)?);
    db.execute("update engine set token_key = ?1", (sealed,))?;
    Ok(())
}

pub(super) fn end(db: &Connection, ended: &Ended) -> Sql<()> {
    let (kind, subject) = match &ended.which {
        Which::All => (0, ""),
        Which::Session(session) => (1, session.as_str()),
        Which::One(hash) => (2, hash.as_str()),
    };
    let mut sql = db.prepare_cached(
        "insert into ended_token (application, kind, subject, issued_until_ms, from_ms, forget_ms) values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict do update set from_ms = min(from_ms, excluded.from_ms), forget_ms = max(forget_ms, excluded.forget_ms)",
    )?;
    let Ended { application, issued_until_ms, from_ms, forget_ms, .. } = ended;
    sql.execute(params![application.value(), kind, subject, issued_until_ms, from_ms, forget_ms]).map(|_| ())
}

pub(super) fn ended(db: &Connection, application: ApplicationId) -> Result<Vec<Ended>> {
    let mut sql = db.prepare_cached(
        "select kind, subject, issued_until_ms, from_ms, forget_ms from ended_token where application = ?1
         order by kind, subject, issued_until_ms",
    )?;
    let found = sql.query_map((application.value(),), |row| {
        let which = match row.get::<_, i64>(0)? {
            0 => Which::All,
            1 => Which::Session(row.get(1)?),
            _ => Which::One(row.get(1)?),
        };
        Ok(Ended { application, which, issued_until_ms: row.get(2)?, from_ms: row.get(3)?, forget_ms: row.get(4)? })
    })?;
    Ok(found.collect::<Sql<_>>()?)
}

/// Lets go what no longer matters, since the tokens would have ended anyway.
pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "delete from ended_token where (application, kind, subject, issued_until_ms) in
         (select application, kind, subject, issued_until_ms from ended_token where forget_ms < ?1 order by forget_ms limit ?2)",
    )?;
    sql.execute((wall_ms, FORGET_ROWS_MAX)).map(|_| ())
}
