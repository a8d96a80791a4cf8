//! Where a database file is: behind links, and what stands beside it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};

/// How many symbolic links in a row lead to a file, as on Linux.
const LINKS_MAX: usize = 40;

/// The file itself behind relative paths and symbolic links, also where it is still to be made.
pub(super) fn real(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        if let Ok(found) = fs::canonicalize(&path) {
            return found;
        }
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder(&path).join(target);
    }
    match (fs::canonicalize(folder(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// A file beside the database, such as its `-wal`.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The folder it is in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// It cannot be opened, in words for the operator.
pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    Error::new(
        Kind::Invalid,
        "database",
        format!("cannot open {}: {error}; the folder must exist and be writable", path.display()),
    )
}
