//! Sealing what is there already: under a key that was given later, or under another than before.
//!
//! One transaction does all of it: whenever it is cut off, the file is as it was, and has one key. What is sealed is little
//! beside events.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::{Sqlite, open, token};
use crate::error::{Error, Kind, Result};
use crate::secret::Sealer;

type Sql<T> = rusqlite::Result<T>;

/// What is sealed, beside the key of tokens: table and column.
const SEALED: [(&str, &str); 4] =
    [("endpoint", "headers"), ("endpoint", "secrets"), ("source", "config"), ("source", "tokens")];
/// Their tables.
const SEALED_TABLES: [&str; 2] = ["endpoint", "source"];
/// How many values are sealed between two reports.
const SLICE_ROWS: usize = 1_000;
/// How long a change of the key waits for others that have the file open.
const ALONE_WAIT: Duration = Duration::from_secs(2);

/// Told how many values are sealed, of how many.
pub type Told<'a> = &'a mut dyn FnMut(u64, u64);

/// Which values are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that stand there plainly.
    Plain,
    /// All.
    All,
}

impl Which {
    fn condition(self, column: &str) -> String {
        match self {
            Self::Plain => format!("substr({column}, 1, 1) = x'00'"),
            Self::All => "true".to_owned(),
        }
    }
}

impl Sqlite {
    /// Seals under the key with which the file was opened whatever stands there plainly; gives how many values that were.
    /// Without a key, nothing.
    pub fn seal(&self, told: Told<'_>) -> Result<u64> {
        if !self.sealer.seals() {
            return Ok(0);
        }
        let mut writer = self.writer.lock().expect("no panic while held");
        let sealed = change(&mut writer.connection, (&self.sealer, &self.sealer), Which::Plain, told)?;
        if sealed > 0 {
            writer.unscrubbed = true;
            writer.scrub()?;
        }
        Ok(sealed)
    }

    /// Seals everything in a file under another key than before; gives how many values that were. Error: the key before
    /// is another, or another process has the file open.
    pub fn reseal(path: &Path, before: &Sealer, after: &Sealer, told: Told<'_>) -> Result<u64> {
        drop(Self::open(path, before.clone())?); // says in words what is wrong with file or key
        let mut connection = open::alone(path, ALONE_WAIT)?;
        change(&mut connection, (before, after), Which::All, told)
    }
}

/// Refuses a key with which the file was not sealed. Error: in words for the operator.
pub(super) fn check_key(db: &Connection, sealer: &Sealer, path: &Path) -> Result<()> {
    token::key(db, sealer).map(|_| ()).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &Error) -> Error {
    Error::new(Kind::Invalid, "seal_key", format!("{}: {}", path.display(), error.detail))
}

fn change(db: &mut Connection, sealers: (&Sealer, &Sealer), which: Which, told: Told<'_>) -> Result<u64> {
    // without it the plain bytes would stay on their pages until something else is written there
    db.pragma_update(None, "secure_delete", true)?;
    db.pragma_update(None, "foreign_keys", false)?; // rows go and come back, see `renew`
    let changed = change_all(db, sealers, which, told);
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "secure_delete", false)?;
    changed
}

fn change_all(db: &mut Connection, (before, after): (&Sealer, &Sealer), which: Which, told: Told<'_>) -> Result<u64> {
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut ids = Vec::new();
    for (table, column) in SEALED {
        ids.push(meant(&transaction, table, &which.condition(column))?);
    }
    let key: Vec<u8> = transaction.query_row("select token_key from engine", (), |row| row.get(0))?;
    let of_key = u64::from(which == Which::All || key.first() == Some(&0));
    let total = of_key + ids.iter().map(|ids| ids.len() as u64).sum::<u64>();
    let mut done = 0;
    for ((table, column), ids) in SEALED.into_iter().zip(ids) {
        let mut read = transaction.prepare(&format!("select {column} from {table} where id = ?1"))?;
        let mut write = transaction.prepare(&format!("update {table} set {column} = ?2 where id = ?1"))?;
        for slice in ids.chunks(SLICE_ROWS) {
            for &id in slice {
                let value: Vec<u8> = read.query_row((id,), |row| row.get(0))?;
                write.execute(params![id, after.seal(id, &before.open(id, &value)?)])?;
            }
            done += slice.len() as u64;
            told(done, total);
        }
    }
    if done > 0 {
        SEALED_TABLES.into_iter().try_for_each(|table| renew(&transaction, table))?;
    }
    if of_key > 0 {
        token::seal_again(&transaction, before, after)?;
        told(total, total);
    }
    transaction.commit()?;
    Ok(total)
}

/// Puts a table on other pages: where rows grow, pages are divided, and stale copies stay in their gaps. Clearing the
/// table overwrites the pages on which it stood.
fn renew(db: &Connection, table: &str) -> Sql<()> {
    db.execute_batch(&format!(
        "create table renewed as select * from {table}; delete from {table};
         insert into {table} select * from renewed; drop table renewed"
    ))
}

fn meant(db: &Connection, table: &str, condition: &str) -> Sql<Vec<i64>> {
    let mut sql = db.prepare(&format!("select id from {table} where {condition}"))?;
    sql.query_map((), |row| row.get(0))?.collect()
}
