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
