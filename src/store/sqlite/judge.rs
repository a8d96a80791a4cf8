//! Whether a server may take a file: it must be one of its own kind, and hold what was durable once.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::ErrorCode;

use super::look::{Found, look_alone};
use super::owner::{Claim, Note};
use super::place::{beside, failed};
use crate::error::{Error, Kind, Result};

/// Whether this claim may be made on what was found, and what its owner noted once. Error: it cannot be read, it is for
/// another command, or it lacks what was durable and nobody accepted that.
pub(super) fn judge(
    path: &Path,
    found: rusqlite::Result<Option<Found>>,
    note: Option<Note>,
    claim: &Claim,
) -> Result<()> {
    let foreign = is_foreign(path, &found);
    let found = match found {
        Err(error) if !foreign => return Err(failed(path, &error)),
        found => found.ok().flatten(),
    };
    let kept = if foreign { look_alone(path) } else { None };
    if let Some(found) = kept.as_ref().or(found.as_ref()) {
        check_purpose(path, found, claim)?;
    }
    let lost = if foreign { Some(foreign_log(path)) } else { note.and_then(|note| lost(path, found.as_ref(), note)) };
    match lost {
        None => Ok(()),
        Some(what) if claim.accept_loss => {
            tracing::error!(loss = what, "going on without what is missing: --accept-loss");
            if foreign { set_aside(path) } else { Ok(()) }
        }
        Some(what) => {
            let detail = format!(
                "{} lacks what was acknowledged: {what}. Bring back the -wal that belongs to the file, or a backup; or go on \
                 without what is missing: --accept-loss (POSTHASTE_ACCEPT_LOSS=true)",
                path.display()
            );
            Err(Error::new(Kind::Conflict, "database", detail))
        }
    }
}

fn check_purpose(path: &Path, found: &Found, claim: &Claim) -> Result<()> {
    let Some(purpose) = found.purpose.filter(|purpose| *purpose != claim.purpose) else {
        return Ok(());
    };
    let (wants, is) = (claim.purpose.command(), purpose.command());
    let detail = format!(
        "{} is a database of `posthaste {is}`, and `posthaste {wants}` would mix both up; start `posthaste {is}`, or name \
         another file with --database (POSTHASTE_DATABASE)",
        path.display()
    );
    Err(Error::new(Kind::Invalid, "database", detail))
}

/// Whether the log was made for another file, for this one before the log was copied into it, or for a later state than
/// the file is in, such as a copy of it from before.
fn is_foreign(path: &Path, found: &rusqlite::Result<Option<Found>>) -> bool {
    // a young database has everything in its log, and one whose pages are half copied may not be readable without
    let Some(alone) = beside(path, "-wal").exists().then(|| look_alone(path)).flatten() else {
        return false;
    };
    match found {
        Ok(Some(found)) => {
            found.database != alone.database || found.noted < alone.noted || alone.noted + 1 < found.begun
        }
        Ok(None) => true,
        Err(error) => {
            matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }
    }
}

fn foreign_log(path: &Path) -> String {
    format!("{} is of another generation, or of another database", beside(path, "-wal").display())
}

/// What is missing of what was noted, in words.
fn lost(path: &Path, found: Option<&Found>, note: Note) -> Option<String> {
    if found.is_some_and(|found| found.database != note.database) {
        tracing::warn!(file = %path.display(), "another database was served under this name before: nothing is known of this one");
        return None;
    }
    let noted = found.map_or(0, |found| found.noted);
    if noted >= note.count {
        return None;
    }
    let log = beside(path, "-wal");
    let why = match fs::metadata(&log) {
        _ if found.is_none() => format!("{} is empty or missing", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => format!("{} is missing", log.display()),
        Ok(found) if found.len() == 0 => format!("{} is empty", log.display()),
        _ => format!("{} is shorter than it was, or older than the file", log.display()),
    };
    Some(format!("{why} (its owner counted {} stretches of synced commits, {noted} are there)", note.count))
}

/// A log that would put old pages over new ones is kept under another name.
fn set_aside(path: &Path) -> Result<()> {
    let (log, aside) = (beside(path, "-wal"), beside(path, "-wal-aside"));
    fs::rename(&log, &aside).map_err(|error| {
        let detail = format!("cannot rename {} to {}: {error}", log.display(), aside.display());
        Error::new(Kind::Invalid, "database", detail)
    })?;
    tracing::error!(log = %aside.display(), "the log does not belong to the file and was set aside");
    Ok(())
}
