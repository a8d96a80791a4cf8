//! A whole copy of a database, also beside the server that writes it: a file of that name is there when it is whole.
//!
//! The copy is of one moment. It is written under another name in the same folder, synced, read through, and renamed;
//! whatever ends it before leaves only that other name, which the next copy in this folder takes away.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::beside::{Beside, length, log_of};
use super::check::structure;
use super::open;
use crate::error::{Error, Result};
use crate::store::damaged;

/// How many pages are copied between two looks: 2 MiB.
const STEP_PAGES: i32 = 256;
/// After so many steps the copy is synced, 16 MiB at a time: a disk that has gigabytes to write at once keeps the
/// server's commits waiting.
const SYNC_STEPS: u64 = 8;
/// How long a copy waits for a lock that somebody else has for a moment.
const LOCKED_PAUSE: Duration = Duration::from_millis(10);
/// How the name of a copy ends while it is made.
const UNFINISHED: &str = ".posthaste-unfinished";

/// What a copy is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes are copied of so many.
    Copying(u64, u64),
    /// All is copied, and read through.
    Verifying,
}

/// Copies the database at `from` as it is at this moment, sealed values sealed, to a file that does not exist yet; gives
/// how many bytes the copy has.
///
/// Error: `to` exists, `from` is no database of ours or damaged, the disk takes no more, or the log beside `from` became
/// longer than 448 MiB meanwhile.
pub fn copy(from: &Path, to: &Path, tell: &mut dyn FnMut(Step)) -> Result<u64> {
    check_free(to)?;
    let source = Beside::open(from)?;
    let draft = Draft::new(to)?;
    pages(&source, &draft, tell)?;
    drop(source);
    draft.file.sync_all().map_err(|error| cannot(&draft.path, &error))?;
    tell(Step::Verifying);
    let copied = Beside::at_rest(&draft.path)?;
    if let Some(fault) = structure(&copied, true)?.into_iter().next() {
        return Err(damaged(&format!("{fault}; `posthaste check` shows all of it")));
    }
    drop(copied);
    draft.publish(to)
}

/// Whether a database can be put there. Error: what is there already.
pub fn check_free(to: &Path) -> Result<()> {
    for path in [to.to_owned(), log_of(to)] {
        if path.symlink_metadata().is_ok() && (path == to || length(&path) > 0) {
            let detail = format!("{} exists and is not overwritten; name another file, or move it", path.display());
            return Err(open::refused(detail));
        }
    }
    Ok(())
}

/// One read transaction holds the moment: without it a copy begins anew whenever another process commits, and beside a
/// busy server never ends.
fn pages(source: &Beside, draft: &Draft, tell: &mut dyn FnMut(Step)) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(&draft.path, flags)?;
    to.execute_batch("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -4096")?;
    let moment = source.db.unchecked_transaction()?;
    let page_bytes: u64 = moment.pragma_query_value(None, "page_size", |row| row.get(0))?;
    moment.query_row("select count(*) from sqlite_schema", (), |row| row.get::<_, i64>(0))?;
    let backup = Backup::new(&source.db, &mut to)?;
    for step in 1_u64.. {
        match backup.step(STEP_PAGES)? {
            StepResult::More => {}
            StepResult::Done => break,
            _ => std::thread::sleep(LOCKED_PAUSE),
        }
        if step.is_multiple_of(SYNC_STEPS) {
            draft.file.sync_data().map_err(|error| cannot(&draft.path, &error))?;
        }
        source.look()?;
        let progress = backup.progress();
        let bytes = |pages| u64::try_from(pages).unwrap_or_default() * page_bytes;
        tell(Step::Copying(bytes(progress.pagecount - progress.remaining), bytes(progress.pagecount)));
    }
    Ok(())
}

/// The copy under its other name, locked while it is made; it goes when this is dropped.
struct Draft {
    path: TempPath,
    file: File,
}

impl Draft {
    fn new(to: &Path) -> Result<Self> {
        let folder = folder_of(to);
        sweep(folder).map_err(|error| cannot(folder, &error))?;
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(UNFINISHED);
        let path = folder.join(name);
        loop {
            let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
            let file = match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let detail = format!("another copy to {} is being made; let it end", to.display());
                    return Err(open::refused(detail));
                }
                made => made.map_err(|error| cannot(&path, &error))?,
            };
            if !is_held(&file) && is_at(&file, &path) {
                let path = TempPath::try_from_path(path).map_err(Error::internal)?;
                return Ok(Self { path, file });
            }
        }
    }

    /// Gives it its name, unless somebody took that meanwhile.
    fn publish(self, to: &Path) -> Result<u64> {
        let Self { path, file } = self;
        path.persist_noclobber(to).map_err(|error| cannot(to, &error.error))?;
        let folder = folder_of(to);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| cannot(folder, &error))?;
        file.metadata().map(|found| found.len()).map_err(|error| cannot(to, &error))
    }
}

/// Takes away what copies left that were killed: nobody holds its lock.
fn sweep(folder: &Path) -> io::Result<()> {
    for entry in folder.read_dir()?.flatten() {
        let path = entry.path();
        if !path.to_string_lossy().ends_with(UNFINISHED) {
            continue;
        }
        let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else {
            continue; // it is gone, or another user's
        };
        if !is_held(&file) && is_at(&file, &path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Takes the lock, unless somebody has it. A file system without locks has nobody who holds one.
fn is_held(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether this name is still this file's.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(held), Ok(found)) => (held.dev(), held.ino()) == (found.dev(), found.ino()),
        _ => false,
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::internal(format!("cannot write {}: {error}", path.display()))
}
