//! Opening a database file: what is checked, which settings hold, how the schema comes up to date.

use std::fs::{self, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::look::{self, APPLICATION_ID, Found};
use super::place::{beside, failed, folder};
use crate::error::{Error, Kind, Result};

/// The schema's steps, oldest first; the database's `user_version` counts those taken.
const MIGRATIONS: [&str; 17] = [
    include_str!("../../../migrations/sqlite/0001_first.sql"),
    include_str!("../../../migrations/sqlite/0002_receive.sql"),
    include_str!("../../../migrations/sqlite/0003_inbound_keys.sql"),
    include_str!("../../../migrations/sqlite/0004_sandbox.sql"),
    include_str!("../../../migrations/sqlite/0005_api.sql"),
    include_str!("../../../migrations/sqlite/0006_handling_replay.sql"),
    include_str!("../../../migrations/sqlite/0007_people.sql"),
    include_str!("../../../migrations/sqlite/0008_brand.sql"),
    include_str!("../../../migrations/sqlite/0009_background.sql"),
    include_str!("../../../migrations/sqlite/0010_ordering.sql"),
    include_str!("../../../migrations/sqlite/0011_settings.sql"),
    include_str!("../../../migrations/sqlite/0012_minutes.sql"),
    include_str!("../../../migrations/sqlite/0013_refusals.sql"),
    include_str!("../../../migrations/sqlite/0014_sameness.sql"),
    include_str!("../../../migrations/sqlite/0015_send_waiting.sql"),
    include_str!("../../../migrations/sqlite/0016_retrying.sql"),
    include_str!("../../../migrations/sqlite/0017_owner.sql"),
];
/// How many there are.
pub(super) const SCHEMA: usize = MIGRATIONS.len();
/// SQLite before 3.51.3 can lose a commit when the write-ahead log is reset under a reader.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// How long the writer waits for another process that holds the lock (a `key create` beside a server).
pub(super) const WRITER_WAIT: Duration = Duration::from_secs(10);
pub(super) const READER_WAIT: Duration = Duration::from_secs(5);
/// The write-ahead log is copied into the database after so many pages of 8 KiB: 32 MiB.
const CHECKPOINT_PAGES: i32 = 4_096;
/// What others than its user may do with a file of ours: nothing; and the part of a mode that says what anybody may.
const PRIVATE: u32 = 0o600;
const MODES: u32 = 0o777;
/// How many prepared statements a connection keeps; above the number that exist.
const STATEMENTS_MAX: usize = 192;
/// File systems on other machines, by the number that statfs gives: NFS, SMB, CIFS, SMB2, AFS, Ceph, 9P, GFS2, OCFS2.
/// SQLite's log needs shared memory and locks that they do not keep.
const NETWORK_FILE_SYSTEMS: [u32; 9] =
    [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400, 0x0102_1997, 0x0116_1970, 0x7461_636f];

/// The one connection that writes.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    check_version(rusqlite::version_number())?;
    check_file_system(path)?;
    let found = look::look(path).map_err(|error| failed(path, &error))?;
    look::check_schema(path, found.as_ref(), SCHEMA)?;
    make_private(path);
    let mut connection = Connection::open(path).map_err(|error| failed(path, &error))?;
    connection.busy_timeout(WRITER_WAIT)?;
    check_owner(&connection, path)?;
    tighten(path);
    connection.pragma_update(None, "page_size", 8_192)?;
    let mode: String = connection
        .query_row("pragma journal_mode = wal", (), |row| row.get(0))
        .map_err(|error| failed(path, &error))?;
    if mode != "wal" {
        let detail = format!(
            "{} cannot keep a write-ahead log (journal mode {mode}); use a local disk that can be written",
            path.display()
        );
        return Err(refused(detail));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 128 * 1_024 * 1_024)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    migrate(&mut connection, path)?;
    let sign = "update engine set written_by = ?1 where written_by is not ?1";
    connection.execute(sign, (env!("CARGO_PKG_VERSION"),))?;
    // without it a statement whose plan could depend on its parameters is parsed anew at each use
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// A connection that no other may stand beside, of this process or another. Error: one does. Whoever has the file open
/// with a write-ahead log holds a shared lock on it all the time, so that the exclusive one cannot be had.
pub(super) fn alone(path: &Path, wait: Duration) -> Result<Connection> {
    let connection = Connection::open(path).map_err(|error| failed(path, &error))?;
    connection.busy_timeout(wait)?;
    take(&connection).map_err(|error| {
        refused(format!("{} is in use ({error}); stop the server that has it open, then try again", path.display()))
    })?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Takes a file for this connection alone. Error: another has it open.
pub(super) fn take(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("pragma locking_mode = exclusive; begin exclusive; commit")
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(READER_WAIT)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

pub(super) fn refused(detail: String) -> Error {
    Error::new(Kind::Invalid, "database", detail)
}

fn check_version(version: i32) -> Result<()> {
    if version >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    Err(refused(format!(
        "SQLite {version} is too old: it may lose a commit; build with 3.51.3 or newer (the bundled one is)"
    )))
}

pub(super) fn check_file_system(path: &Path) -> Result<()> {
    let Ok(found) = rustix::fs::statfs(folder(path)) else {
        return Ok(()); // a missing folder is told better by the attempt to open the file
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the numbers are 32 bits wide on every platform"
    )]
    let kind = found.f_type as u32;
    if NETWORK_FILE_SYSTEMS.contains(&kind) {
        let detail =
            format!("{} is on a network file system, where SQLite loses data; use a local disk", path.display());
        return Err(refused(detail));
    }
    Ok(())
}

/// Makes the file before SQLite does, for its user alone; what SQLite puts beside it gets the same mode.
fn make_private(path: &Path) {
    // where it cannot be made, SQLite's own attempt says why
    let _ = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(path);
}

/// Takes from all others what they may do with our file, and with what stands beside it.
fn tighten(path: &Path) {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let Ok(found) = fs::metadata(&file) else {
            continue; // it is not there
        };
        let mode = found.permissions().mode();
        if mode & !PRIVATE & MODES != 0 {
            let tightened = fs::set_permissions(&file, Permissions::from_mode(mode & PRIVATE));
            let file = file.display();
            match tightened {
                Ok(()) => tracing::warn!(%file, "others could read or write it; now its user alone can"),
                Err(error) => tracing::warn!(%file, %error, "others can read or write it, and that cannot be changed"),
            }
        }
    }
}

pub(super) fn check_owner(connection: &Connection, path: &Path) -> Result<()> {
    let tables: i64 = connection
        .query_row("select count(*) from sqlite_schema", (), |row| row.get(0))
        .map_err(|error| failed(path, &error))?;
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if tables > 0 && owner != APPLICATION_ID {
        return Err(refused(format!("{} is another program's database; choose another file", path.display())));
    }
    Ok(())
}

/// Whether a file that is there has this build's schema, not an older one. Error: a newer one, or none.
pub(super) fn has_this_schema(connection: &Connection, path: &Path) -> Result<bool> {
    let taken: usize =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| failed(path, &error))?;
    match taken {
        0 => Err(refused(format!("{} is empty, and no database of posthaste; name another file", path.display()))),
        taken => {
            look::check_schema(path, Some(&Found::with_schema(taken)), SCHEMA)?;
            Ok(taken == SCHEMA)
        }
    }
}

/// Takes the steps that are missing, each in a transaction of its own.
fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    loop {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let taken: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        // whoever took it since the look was a newer build
        look::check_schema(path, Some(&Found::with_schema(taken)), SCHEMA)?;
        let Some(step) = MIGRATIONS.get(taken) else {
            return Ok(());
        };
        transaction.execute_batch(step)?;
        if taken == 0 {
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            let mut id_key = [0_u8; 16];
            aws_lc_rs::rand::fill(&mut id_key).map_err(|_| Error::internal("the system gives no random bytes"))?;
            transaction
                .execute("insert into engine (one, id_key, mark, last_id) values (1, ?1, 0, 0)", (&id_key[..],))?;
        }
        transaction.pragma_update(None, "user_version", taken + 1)?;
        transaction.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_syncs_every_commit_and_checks_what_it_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = writer(&folder.path().join("state.db")).expect("opens");
        for (pragma, value) in [
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("cell_size_check", 1),
            ("page_size", 8_192),
            ("wal_autocheckpoint", 4_096),
        ] {
            let found: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0)).expect(pragma);
            assert_eq!(found, value, "{pragma}");
        }
    }

    #[test]
    fn an_old_sqlite_is_refused() {
        assert!(check_version(3_051_002).is_err() && check_version(3_051_003).is_ok());
    }
}
