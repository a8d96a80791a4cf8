//! Who serves a database: one process at a time, named in a file beside it, with a note of what it made durable.
//!
//! The file has three sectors, each written in one piece: who holds the lock, and the last two notes. Nothing in it is
//! needed by whoever opens the database; it is there to refuse a second server and to notice a loss.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::look::Purpose;
use super::place::{beside, folder, real};
use crate::error::{Error, Kind, Result};

/// How its name ends, after that of the database.
const ENDING: &str = "-owner";
/// What a disk writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;
/// Where the two notes stand; they are written in turn, so that one of them is whole at every moment.
const NOTES_AT: [u64; 2] = [512, 1_024];
/// How often the lock is tried again when the one before removed the file as it ended.
const TRIES_MAX: usize = 100;
/// Whoever has just taken the lock has said who it is after so many looks, this far apart.
const LOOKS_MAX: usize = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Who wants to serve a database.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// As what.
    pub purpose: Purpose,
    /// Since when, on the wall clock.
    pub since_ms: i64,
    /// Whether to go on when something is missing that was acknowledged.
    pub accept_loss: bool,
}

/// Who holds the lock, for whoever is refused.
#[derive(Clone, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    command: String,
    since: String,
    address: Option<String>,
    version: String,
}

/// What was durable once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Of which database, by [`fingerprint`](super::look::fingerprint).
    pub(super) database: u64,
    /// How many of its commits had been counted.
    pub(super) count: u64,
}

impl Note {
    fn line(self) -> String {
        let Self { database, count } = self;
        format!("{database:016x} {count:016x}")
    }

    fn read(line: &str) -> Option<Self> {
        let (database, count) = line.split_once(' ').filter(|_| line.len() == 33)?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Self { database: number(database)?, count: number(count)? })
    }
}

/// The lock on a database, and which files it is about.
pub(super) struct Owner {
    path: PathBuf,
    lock: Mutex<File>,
    holder: Mutex<Holder>,
    /// The database, its log and its index, by device and number.
    files: OnceLock<Vec<(PathBuf, (u64, u64))>>,
    gone: OnceLock<String>,
    /// Whether there is no note in the file that anybody will ask for.
    spent: AtomicBool,
}

fn identity(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Owner {
    /// Takes the lock; gives it with what the one before noted last. Error: who has it, or why it cannot be had.
    pub(super) fn take(database: &Path, claim: &Claim) -> Result<(Self, Option<Note>)> {
        let path = beside(database, ENDING);
        let lock = lock(database, &path)?;
        let noted = NOTES_AT.iter().filter_map(|&at| note_at(&lock, at)).max_by_key(|note| note.count);
        let holder = Holder {
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            command: claim.purpose.command().to_owned(),
            since: jiff::Timestamp::from_millisecond(claim.since_ms).unwrap_or_default().to_string(),
            address: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let owner = Self {
            path,
            lock: Mutex::new(lock),
            holder: Mutex::new(holder),
            files: OnceLock::new(),
            gone: OnceLock::new(),
            spent: AtomicBool::new(noted.is_none()),
        };
        owner.tell().map_err(|error| cannot(&owner.path, &error))?;
        Ok((owner, noted))
    }

    /// Begins to watch the files, and notes what is durable; both are on disk when it returns.
    pub(super) fn begin(&self, database: &Path, note: Note) -> Result<()> {
        let kept = ["", "-wal", "-shm"].map(|ending| {
            let path = beside(database, ending);
            fs::metadata(&path).map(|found| (path, identity(&found)))
        });
        let files: io::Result<Vec<_>> = kept.into_iter().collect();
        let begun = files.and_then(|files| {
            let _ = self.files.set(files); // there is one beginning
            self.spent.store(false, Ordering::Relaxed);
            // what the file says of another database goes
            NOTES_AT.iter().try_for_each(|&at| self.note_at(at, note))?;
            locked(&self.lock).sync_all()?;
            File::open(folder(&self.path))?.sync_all()
        });
        begun.map_err(|error| cannot(&self.path, &error))
    }

    /// The command that holds it.
    pub(super) fn command(&self) -> String {
        locked(&self.holder).command.clone()
    }

    /// Says where it can be reached.
    pub(super) fn listens(&self, address: &str) -> Result<()> {
        locked(&self.holder).address = Some(address.to_owned());
        self.tell().map_err(|error| cannot(&self.path, &error))
    }

    /// Notes how many counted commits have been synced. The note itself is not: it may reach the disk later, never before
    /// what it is about.
    pub(super) fn note(&self, note: Note) -> io::Result<()> {
        self.note_at(NOTES_AT[usize::from(note.count % 2 == 1)], note)
    }

    fn note_at(&self, at: u64, note: Note) -> io::Result<()> {
        let line = note.line();
        locked(&self.lock).write_all_at(&sector(&format!("{line} {line}")), at)
    }

    /// Why nothing may be acknowledged any more: a file that it is about was taken away.
    pub(super) fn gone(&self) -> Option<&str> {
        for (path, known) in self.files.get().into_iter().flatten() {
            let what = match fs::metadata(path) {
                Ok(found) if identity(&found) == *known => continue,
                Ok(_) => "replaced",
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => "deleted",
                Err(_) => continue, // the system does not say: whoever writes will hear
            };
            let reason = format!(
                "{} was {what} while the server ran: nothing can be kept there any more; the server ends. Bring back the file \
                 that was taken away, with its -wal, or start on what is there now",
                path.display()
            );
            return Some(self.gone.get_or_init(|| reason));
        }
        self.gone.get().map(String::as_str)
    }

    /// Takes the lock anew when somebody removed its file. Error: another process was faster.
    pub(super) fn keep(&self, database: &Path, note: Note) -> Result<()> {
        if is_at(&locked(&self.lock), &self.path) {
            return Ok(());
        }
        let taken = lock(database, &self.path)?;
        *locked(&self.lock) = taken;
        self.tell().and_then(|()| self.note(note)).map_err(|error| cannot(&self.path, &error))?;
        tracing::warn!(file = %self.path.display(), "was removed and is there again: it keeps a second server away");
        Ok(())
    }

    /// Nothing is left that a note could be about: the file goes. Others may hold this owner for as long as the process
    /// lasts.
    pub(super) fn end(&self) {
        // while the lock is held nobody else can have made it
        if is_at(&locked(&self.lock), &self.path) {
            let _ = fs::remove_file(&self.path); // what stays is taken by the next
        }
    }

    fn tell(&self) -> io::Result<()> {
        let holder = serde_json::to_string(&*locked(&self.holder))?;
        locked(&self.lock).write_all_at(&sector(&holder), 0)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.spent.load(Ordering::Relaxed) {
            self.end();
        }
    }
}

/// Takes the note away that whoever served a database left behind as he was killed: what is put in its place owes nothing
/// to it. Error: somebody serves it.
pub fn disown(database: &Path) -> Result<()> {
    let path = beside(&real(database), ENDING);
    if !path.exists() {
        return Ok(());
    }
    let _held = lock(database, &path)?;
    fs::remove_file(&path).map_err(|error| cannot(&path, &error))
}

/// Locks the file, and makes sure that it is the one that others will find.
fn lock(database: &Path, path: &Path) -> Result<File> {
    for _ in 0..TRIES_MAX {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = open.map_err(|error| cannot(path, &error))?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(database, &file)),
            Err(TryLockError::Error(error)) => return Err(cannot(path, &error)),
        }
    }
    Err(cannot(path, &io::Error::other("it is removed again and again")))
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(found)) = (file.metadata(), fs::metadata(path)) else { return false };
    identity(&held) == identity(&found)
}

fn held(database: &Path, file: &File) -> Error {
    let by = (0..LOOKS_MAX).find_map(|look| {
        if look > 0 {
            std::thread::sleep(LOOK_AGAIN);
        }
        holder(file)
    });
    let by = by.map_or_else(
        || "another process".to_owned(),
        |Holder { pid, host, command, since, address, version }| {
            let address = address.map_or_else(String::new, |address| format!(", at {address}"));
            format!("`posthaste {command}` (pid {pid} on {host}, since {since}{address}, version {version})")
        },
    );
    let detail = format!(
        "{} is in use by {by}; one process at a time serves a database: stop that one, or name another file with \
         --database (POSTHASTE_DATABASE)",
        database.display()
    );
    Error::new(Kind::Conflict, "database", detail)
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    let detail = format!("cannot open {}: {error}; the folder must exist and be writable", path.display());
    Error::new(Kind::Invalid, "database", detail)
}

/// A line in a sector of its own.
fn sector(line: &str) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    bytes.resize(SECTOR_BYTES - 1, b' ');
    bytes.push(b'\n');
    bytes
}

fn line_at(file: &File, at: u64) -> Option<String> {
    let mut bytes = [0; SECTOR_BYTES];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(str::from_utf8(&bytes).ok()?.trim_end().to_owned())
}

fn holder(file: &File) -> Option<Holder> {
    serde_json::from_str(&line_at(file, 0)?).ok()
}

/// A note stands there twice: one that was torn is none.
fn note_at(file: &File, at: u64) -> Option<Note> {
    let line = line_at(file, at)?;
    let (one, other) = line.split_at_checked(line.len() / 2)?;
    Note::read(one).filter(|_| one == other.trim_start())
}
