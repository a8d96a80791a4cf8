//! How far the log is synced, counted now and then in a commit, and noted beside the file once that is synced.
//!
//! A count in the database moves with every copy of the log into the file, whoever makes it; a length or a salt of the log
//! would say nothing once another program has emptied it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::owner::{Note, Owner};
use super::{Sqlite, Writer};
use crate::error::Result;

/// How much of the log may be uncounted: 4 MiB, in pages of 8 KiB.
const UNCOUNTED_PAGES_MAX: i64 = 512;
/// And for how long.
const UNCOUNTED_MS_MAX: u64 = 10_000;

/// What the writer of an owned database remembers of its last note.
pub(super) struct Noting {
    owner: Arc<Owner>,
    note: Note,
    /// How long the log was when the last counted commit began, and when the last commit did, in pages; 0 where it began
    /// anew.
    counted_pages: i64,
    pages: i64,
    /// When the first commit was made that no count covers, on the steady scale.
    uncounted_ms: Option<i64>,
}

impl Noting {
    pub(super) fn new(owner: Arc<Owner>, note: Note) -> Self {
        Self { owner, note, counted_pages: 0, pages: 0, uncounted_ms: None }
    }

    /// Whether the next commit is to be counted: the log begins anew with it, or too much is uncounted.
    ///
    /// Each generation of the log begins with a count, so that none can be taken for another.
    pub(super) fn is_due(&mut self, db: &Connection, steady_ms: i64) -> bool {
        let (pages, copied) = log_pages(db).unwrap_or_default();
        let begins_anew = pages == copied;
        self.pages = if begins_anew { 0 } else { pages };
        begins_anew || pages - self.counted_pages >= UNCOUNTED_PAGES_MAX || self.is_late(steady_ms)
    }

    fn is_late(&self, steady_ms: i64) -> bool {
        // a jump of the scale, between what is written at start and later, is late too
        self.uncounted_ms.is_some_and(|since_ms| steady_ms.abs_diff(since_ms) >= UNCOUNTED_MS_MAX)
    }

    /// Counts, in the transaction at work.
    pub(super) fn count(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut sql = db.prepare_cached("update engine set noted = ?1, begun = iif(?2, ?1, begun)")?;
        sql.execute((self.note.count + 1, self.pages == 0)).map(|_| ())
    }

    /// A commit is synced, and was counted or not.
    pub(super) fn committed(&mut self, counted: bool, steady_ms: i64) {
        if !counted {
            self.uncounted_ms.get_or_insert(steady_ms);
            return;
        }
        self.note.count += 1;
        (self.counted_pages, self.uncounted_ms) = (self.pages, None);
        if let Err(error) = self.owner.note(self.note) {
            tracing::warn!(%error, "what is durable could not be noted; a loss may go unnoticed");
        }
    }
}

/// How long the log is, and how much of it has been copied into the file; looks, and does nothing.
fn log_pages(db: &Connection) -> rusqlite::Result<(i64, i64)> {
    db.prepare_cached("pragma wal_checkpoint(noop)")?.query_row((), |row| Ok((row.get(1)?, row.get(2)?)))
}

impl Writer {
    /// Counts on its own what waits too long for a commit that would.
    fn count(&mut self, steady_ms: i64) -> Result<()> {
        let Some(noting) = self.noting.as_mut().filter(|noting| noting.is_late(steady_ms)) else {
            return Ok(());
        };
        noting.is_due(&self.connection, steady_ms);
        noting.count(&self.connection)?;
        noting.committed(true, steady_ms);
        Ok(())
    }
}

impl Sqlite {
    /// What is to be done a few times a second while the database is owned: looks whether it is there still, keeps the
    /// lock, notes what is synced. Gives why the process must end, when it must.
    pub fn watch(&self, steady_ms: i64) -> Option<String> {
        let owner = self.owner.as_ref().filter(|_| !self.ended.load(Ordering::Acquire))?;
        if let Some(reason) = owner.gone() {
            return Some(reason.to_owned());
        }
        // whoever writes counts by itself
        let Ok(mut writer) = self.writer.try_lock() else {
            return None;
        };
        if let Err(error) = writer.count(steady_ms) {
            tracing::warn!(%error, "what is durable could not be counted; trying again");
        }
        let note = writer.noting.as_ref()?.note;
        owner.keep(&self.path, note).err().map(|error| error.detail)
    }
}
