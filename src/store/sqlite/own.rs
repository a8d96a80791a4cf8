//! Owning a database for the life of a server: taken at start, closed whole at the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;

use super::judge::judge;
use super::look;
use super::noting::Noting;
use super::open::{self, SCHEMA};
use super::owner::{Claim, Note, Owner};
use super::place::{beside, real};
use super::{Sqlite, Writer};
use crate::error::{Error, Kind, Result};
use crate::secret::Sealer;

/// How long the end waits for whoever still reads what was.
const END_WAIT: Duration = Duration::from_secs(2);

impl Sqlite {
    /// Opens the file as [`Self::open`] does, for this process alone until it ends, and marks what it is for.
    ///
    /// Error, beside those: another process serves it, it is for another command, or it lacks what was acknowledged and the
    /// claim does not accept that.
    pub fn own(path: &Path, sealer: Sealer, claim: &Claim) -> Result<Self> {
        let path = real(path);
        open::check_file_system(&path)?;
        check_names(&path)?;
        let (owner, note) = Owner::take(&path, claim)?;
        let found = look::look(&path);
        if let Ok(found) = &found {
            look::check_schema(&path, found.as_ref(), SCHEMA)?;
        }
        judge(&path, found, note, claim)?;
        // declared behind the lock, so that it is closed before that is let go
        let mut store = Self::open(&path, sealer)?;
        let owner = Arc::new(owner);
        let note = store.mark(&owner, note, claim)?;
        owner.begin(&path, note)?;
        store.owner = Some(owner);
        Ok(store)
    }

    /// Writes down what the file is for, and counts that; gives what is to be noted.
    fn mark(&mut self, owner: &Arc<Owner>, before: Option<Note>, claim: &Claim) -> Result<Note> {
        let writer = self.writer.get_mut().expect("no panic while held");
        let database = look::fingerprint(&writer.connection)?;
        let before = before.filter(|note| note.database == database).map_or(0, |note| note.count);
        let sql = "update engine set purpose = ?1, noted = max(noted, ?2) + 1 returning noted";
        let count = writer.connection.query_row(sql, (claim.purpose as i64, before), |row| row.get(0))?;
        let note = Note { database, count };
        writer.noting = Some(Noting::new(Arc::clone(owner), note));
        Ok(note)
    }

    /// Says where it is served, for whoever is refused, and in the log what it is that is served there.
    pub fn listens(&self, address: &str) -> Result<()> {
        let Some(owner) = &self.owner else {
            return Ok(());
        };
        let (file, sealed, version) = (self.path.display(), self.sealer.seals(), env!("CARGO_PKG_VERSION"));
        tracing::info!(%file, schema = SCHEMA, sealed, version, purpose = owner.command(), "the database is open");
        owner.listens(address)
    }

    /// Copies the log into the file and closes both; nobody asks this store again. Whether the file is whole by itself
    /// is logged: a reader beside it may have held the log back.
    pub fn end(&self) {
        if self.owner.as_ref().is_some_and(|owner| owner.gone().is_some()) {
            return;
        }
        let mut writer = self.writer.lock().expect("no panic while held");
        self.ended.store(true, Ordering::Release);
        self.readers.lock().expect("no panic while held").clear();
        let file = self.path.display();
        match writer.close() {
            Ok(true) => {
                tracing::info!(%file, "the database is closed, and whole by itself");
                if let Some(owner) = &self.owner {
                    owner.end();
                }
            }
            Ok(false) => {
                tracing::warn!(%file, "the database is closed, and not whole without its -wal: somebody reads it");
            }
            Err(error) => tracing::warn!(%file, %error, "the database is closed, and not whole without its -wal"),
        }
    }
}

impl Writer {
    /// Gives whether everything is in the file itself.
    fn close(&mut self) -> Result<bool> {
        let nothing = Connection::open_in_memory()?;
        self.connection.busy_timeout(END_WAIT)?;
        let busy: bool = self.connection.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get(0))?;
        self.noting = None;
        // its statements are closed with it, and the last connection to close takes the log away
        drop(std::mem::replace(&mut self.connection, nothing));
        Ok(!busy)
    }
}

impl Drop for Sqlite {
    /// Closing removes the log by its name: where another file has taken the place of ours, that would be the other's.
    fn drop(&mut self) {
        let ended = *self.ended.get_mut();
        if ended || self.owner.as_ref().is_none_or(|owner| owner.gone().is_none()) {
            return;
        }
        let readers = self.readers.get_mut().map(std::mem::take).unwrap_or_default();
        readers.into_iter().for_each(std::mem::forget);
        if let (Ok(writer), Ok(nothing)) = (self.writer.get_mut(), Connection::open_in_memory()) {
            std::mem::forget(std::mem::replace(&mut writer.connection, nothing));
        }
    }
}

/// Under a second name SQLite would look for a second log.
fn check_names(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let Some(names) = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|found| found.nlink()) else {
        return Ok(());
    };
    if names <= 1 {
        return Ok(());
    }
    let detail = format!(
        "{0} has {names} names (hard links), and only one of them leads to its log {1}; remove the others: `find -samefile \
         {0}` shows them",
        path.display(),
        beside(path, "-wal").display()
    );
    Err(Error::new(Kind::Invalid, "database", detail))
}
