//! Read connections: taken for one question, kept for the next, and broken off when a question takes too long.

use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::fault::READ_MAX;
use super::{Sqlite, open};
use crate::clock::Deadline;
use crate::error::{Error, Result};

/// How many idle read connections are kept.
const READERS_IDLE_MAX: usize = 4;
/// How many of SQLite's steps pass between two looks at the time: a few ms.
const READ_STEPS: i32 = 20_000;

impl Sqlite {
    /// Runs one question on a read connection of its own. Error, among others: it took longer than [`READ_MAX`].
    pub(super) fn read<T>(&self, question: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.read_until(Some(Deadline::after(READ_MAX)), question)
    }

    /// Runs a question that may take as long as it takes, because nothing goes on without its answer.
    pub(super) fn read_whole<T>(&self, question: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.read_until(None, question)
    }

    pub(super) fn read_until<T>(
        &self,
        end: Option<Deadline>,
        question: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        if self.ended.load(Ordering::Acquire) {
            return Err(Error::internal("the database is closed: the server is ending"));
        }
        let idle = self.readers.lock().expect("no panic while held").pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.path)?,
        };
        connection.progress_handler(READ_STEPS, end.map(|end| move || end.has_passed()))?;
        let answer = question(&connection);
        let mut readers = self.readers.lock().expect("no panic while held");
        if readers.len() < READERS_IDLE_MAX {
            readers.push(connection);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Kind;
    use crate::secret::Sealer;
    use crate::store::Store as _;

    #[test]
    fn a_read_ends_in_its_time_and_the_next_one_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(&folder.path().join("state.db"), Sealer::plain()).expect("opens");
        let endless = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n";
        let ask = |db: &Connection| Ok(db.query_row(endless, (), |row| row.get::<_, i64>(0))?);
        let error = store.read_until(Some(Deadline::after(Duration::from_millis(50))), ask).expect_err("it has no end");
        assert_eq!((error.kind, error.code), (Kind::Overloaded, "read_too_long"));
        assert_eq!(store.keys(), Ok(Vec::new()));
    }
}
