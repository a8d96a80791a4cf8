//! A database written anew without the space that nobody uses.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::beside::{Beside, length};
use super::{open, place};
use crate::error::{Error, Kind, Result};

/// Writes the database anew; gives its bytes before and after.
///
/// Error: it is no database of ours, another program has it open, or the disk has no room for a second one.
pub fn vacuum(path: &Path) -> Result<(u64, u64)> {
    drop(Beside::open(path)?);
    let before = length(path);
    let db = Connection::open(path).map_err(|error| place::failed(path, &error))?;
    open::take(&db).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => in_use(path),
        _ => error.into(),
    })?;
    db.execute_batch("pragma synchronous = full; vacuum")?;
    db.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(()))?;
    drop(db);
    Ok((before, length(path)))
}

fn in_use(path: &Path) -> Error {
    let detail = format!(
        "{} is open in another program; beside a server this would keep all commits waiting until it ends: stop the server, then run it again",
        path.display()
    );
    Error::new(Kind::Conflict, "database", detail)
}
