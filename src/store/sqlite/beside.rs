//! A database file from beside the server that has it open: it is read, and nothing of it is changed.
//!
//! Whoever reads keeps the log (`-wal`) from being used from its beginning again. So a read from beside looks how long the
//! log becomes, and gives way before it is too long.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{look, open, place};
use crate::error::{Error, Kind, Result};

/// Above this the log counts as too long: 448 MiB, so that it stays below 512 with what comes until the reader is gone.
const LOG_BYTES_MAX: u64 = 448 * 1_024 * 1_024;
/// How many of SQLite's steps pass between two looks at the log: some ms.
const LOOK_STEPS: i32 = 20_000;

/// A file that is read beside its server.
pub(super) struct Beside {
    pub(super) db: Connection,
    /// Whether what stands in it can be asked for; in an older one only what SQLite knows itself.
    pub(super) is_of_this_schema: bool,
    log: PathBuf,
    /// How long the log was at first.
    log_bytes: u64,
    /// Whether a statement was broken off because the log became too long.
    gave_way: Arc<AtomicBool>,
}

impl Beside {
    /// Opens a file that must be a database of ours, of this schema or an older one. Error: what it is instead.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::of(connect(path)?, path)
    }

    /// Opens a file that nobody writes, without leaving anything beside it.
    pub(super) fn at_rest(path: &Path) -> Result<Self> {
        Self::of(at_rest(path)?, path)
    }

    fn of(mut db: Connection, path: &Path) -> Result<Self> {
        open::check_owner(&db, path)?;
        let is_of_this_schema = open::has_this_schema(&db, path)?;
        db.pragma_update(None, "cell_size_check", true)?;
        db.pragma_update(None, "cache_size", -16_384)?;
        let (log, gave_way) = (log_of(path), Arc::new(AtomicBool::new(false)));
        let log_bytes = length(&log);
        let (watched, told) = (log.clone(), Arc::clone(&gave_way));
        let look = move || {
            let too_long = is_too_long(length(&watched), log_bytes);
            told.fetch_or(too_long, Ordering::Relaxed);
            too_long
        };
        db.progress_handler(LOOK_STEPS, Some(look))?;
        Ok(Self { db, is_of_this_schema, log, log_bytes, gave_way })
    }

    /// Between two steps of a long read. Error: the log became too long meanwhile.
    pub(super) fn look(&self) -> Result<()> {
        if is_too_long(length(&self.log), self.log_bytes) { Err(self.too_long()) } else { Ok(()) }
    }

    /// Why a statement failed: our own words when it gave way.
    pub(super) fn why(&self, error: rusqlite::Error) -> Error {
        let interrupted = error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted);
        if interrupted && self.gave_way.load(Ordering::Relaxed) { self.too_long() } else { error.into() }
    }

    fn too_long(&self) -> Error {
        let detail = format!(
            "{} grew beyond {} MiB while this read the database, so it gave way; try again when less is published, or with the server stopped",
            self.log.display(),
            LOG_BYTES_MAX >> 20
        );
        Error::new(Kind::Overloaded, "log", detail)
    }
}

/// A log that was long before and does not grow is not held back by this read.
fn is_too_long(bytes: u64, at_first: u64) -> bool {
    bytes > LOG_BYTES_MAX && bytes > at_first
}

/// Where the log of a database is.
pub(super) fn log_of(path: &Path) -> PathBuf {
    place::beside(path, "-wal")
}

pub(super) fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

/// With a log beside it the file is opened to be read alone, and all stays as it is. Without, SQLite makes a log while
/// it reads, and takes it away at the end if it may write; where it may not, nobody else writes there either.
fn connect(path: &Path) -> Result<Connection> {
    check_is_file(path)?;
    if length(&log_of(path)) > 0 {
        return open::reader(path);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|db| {
        db.busy_timeout(open::READER_WAIT)?;
        db.pragma_update(None, "query_only", true)?;
        db.query_row("select count(*) from sqlite_schema", (), |row| row.get::<_, i64>(0))?;
        Ok(db)
    });
    match opened.map_err(|error| (error.sqlite_error_code(), error)) {
        Ok(db) => Ok(db),
        Err((Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied), _)) => at_rest(path),
        Err((_, error)) => Err(place::failed(path, &error)),
    }
}

fn at_rest(path: &Path) -> Result<Connection> {
    check_is_file(path)?;
    look::alone(path).map_err(|error| place::failed(path, &error))
}

fn check_is_file(path: &Path) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    Err(open::refused(format!("{} is not there; name the file of a database", path.display())))
}
