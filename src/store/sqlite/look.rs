//! What a file is, seen before anything is written: its schema, who wrote it, what it is for.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::place::beside;
use crate::error::{Error, Kind, Result};

/// Marks the file as ours (`post`), so that another program's database is not taken over.
pub(super) const APPLICATION_ID: i32 = 0x706f_7374;
/// How long a look waits for another process that recovers the log or closes the file.
const LOOK_WAIT: Duration = Duration::from_secs(5);

/// What a database file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `posthaste serve`.
    Serve = 0,
    /// `posthaste sandbox`.
    Sandbox = 1,
}

impl Purpose {
    /// The command that opens it.
    pub fn command(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Sandbox => "sandbox",
        }
    }
}

/// A database of ours as it stands.
#[derive(Default)]
pub(super) struct Found {
    schema: usize,
    written_by: Option<String>,
    /// As it is marked, or as its content says; `None` when nothing says.
    pub(super) purpose: Option<Purpose>,
    pub(super) noted: u64,
    pub(super) begun: u64,
    /// Which database it is, wherever it is copied.
    pub(super) database: u64,
}

impl Found {
    /// Of which nothing is known but its schema.
    pub(super) fn with_schema(schema: usize) -> Self {
        Self { schema, ..Self::default() }
    }
}

/// Looks through the log, or at the file alone when there is none; leaves both as they are. `None` when there is no database of
/// ours yet. Error: it cannot be read.
pub(super) fn look(path: &Path) -> rusqlite::Result<Option<Found>> {
    if fs::metadata(path).map_or(true, |found| !found.is_file() || found.len() == 0)
        || beside(path, "-journal").exists()
    {
        return Ok(None); // nothing yet, or what ended while it was made
    }
    if !beside(path, "-wal").exists()
        && let Ok(found) = alone(path).and_then(|db| read(&db))
    {
        return Ok(found);
    }
    read(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}

/// Looks at the file without its log.
pub(super) fn look_alone(path: &Path) -> Option<Found> {
    alone(path).and_then(|db| read(&db)).ok().flatten()
}

/// Takes no lock: `immutable` makes SQLite look at nothing but the file, and create nothing.
pub(super) fn alone(path: &Path) -> rusqlite::Result<Connection> {
    let mut name = b"file:".to_vec();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => name.extend(format!("%{byte:02X}").bytes()),
            _ => name.push(byte),
        }
    }
    name.extend(b"?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(OsString::from_vec(name), flags)
}

fn read(db: &Connection) -> rusqlite::Result<Option<Found>> {
    db.busy_timeout(LOOK_WAIT)?;
    let is_ours: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if is_ours != APPLICATION_ID || !has_table(db, "engine")? {
        return Ok(None);
    }
    let schema = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let database = fingerprint(db)?;
    let mut found = Found { database, ..Found::with_schema(schema) };
    if has_column(db, "written_by")? {
        // stands there in all newer schemas, whatever becomes of the rest
        found.written_by = db.query_row("select written_by from engine", (), |row| row.get(0))?;
    }
    if has_column(db, "begun")? {
        let sql = "select noted, begun, purpose from engine";
        let purpose: Option<i64> = db.query_row(sql, (), |row| {
            (found.noted, found.begun) = (row.get(0)?, row.get(1)?);
            row.get(2)
        })?;
        found.purpose = purpose.map(|number| if number == 1 { Purpose::Sandbox } else { Purpose::Serve });
    }
    if found.purpose.is_none() {
        found.purpose = by_content(db)?;
    }
    Ok(Some(found))
}

/// Tells databases apart: of the key that each draws once, as little as says which it is.
pub(super) fn fingerprint(db: &Connection) -> rusqlite::Result<u64> {
    let id_key: Vec<u8> = db.query_row("select id_key from engine", (), |row| row.get(0))?;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &id_key);
    Ok(u64::from_be_bytes(hash.as_ref()[..8].try_into().expect("a hash is longer")))
}

/// Only a sandbox keeps resources; whatever else is there is a server's.
fn by_content(db: &Connection) -> rusqlite::Result<Option<Purpose>> {
    let holds = |table: &str| -> rusqlite::Result<bool> {
        Ok(has_table(db, table)? && db.prepare(&format!("select 1 from {table} limit 1"))?.exists(())?)
    };
    if holds("resource")? {
        return Ok(Some(Purpose::Sandbox));
    }
    let served = holds("application")? || holds("source")? || holds("user")?;
    Ok(served.then_some(Purpose::Serve))
}

fn has_column(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    db.prepare("select 1 from pragma_table_info('engine') where name = ?1")?.exists((name,))
}

fn has_table(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    db.prepare("select 1 from sqlite_schema where type = 'table' and name = ?1")?.exists((name,))
}

/// Refuses a schema that a newer build made, before anything is written.
pub(super) fn check_schema(path: &Path, found: Option<&Found>, known: usize) -> Result<()> {
    let Some(found) = found.filter(|found| found.schema > known) else {
        return Ok(());
    };
    let by = found.written_by.as_deref().map_or_else(
        || "start the newer posthaste".to_owned(),
        |version| format!("posthaste {version} wrote it last; start that version or a newer one"),
    );
    let this = env!("CARGO_PKG_VERSION");
    let schema = found.schema;
    let detail = format!("{} has schema {schema}, this build ({this}) knows {known}; {by}", path.display());
    Err(Error::new(Kind::Invalid, "database", detail))
}
