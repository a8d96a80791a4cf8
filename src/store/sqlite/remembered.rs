//! Which inbound events are remembered under a key: the newest in memory, all others in an index on disk.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use super::rows;
use crate::id::{ApplicationId, EventId, Id, WebhookId};
use crate::store::month;
use crate::store::tail::{self, Halves, Line, TAIL_MAX, Tail, halves};

type Sql<T> = rusqlite::Result<T>;

/// What is in memory of it.
pub(super) struct Remembered {
    tail: Tail,
    /// The buckets that the index may hold: looking into any other would be for nothing.
    months: BTreeSet<i64>,
}

/// What a transaction adds to it once it is committed.
#[derive(Default)]
pub(super) struct Added {
    tail: tail::Added,
    months: BTreeSet<i64>,
}

impl Remembered {
    /// Reads what must be in memory: fewer than [`TAIL_MAX`] arrivals, and which buckets there are.
    pub(super) fn load(db: &Connection) -> Sql<Self> {
        let indexed: i64 = db.query_row("select indexed from engine", (), |row| row.get(0))?;
        let mut sql = db.prepare("select event, hash, webhook_id from arrival where event > ?1")?;
        let later = sql.query_map((indexed,), |row| {
            Ok((EventId::new(row.get(0)?), halves(row.get(1)?, rows::webhook_id(row, 2)?)))
        })?;
        let tail = Tail::new(TAIL_MAX, EventId::new(indexed), later.collect::<Sql<Vec<_>>>()?);
        Ok(Self { tail, months: months(db)? })
    }

    /// The events from `since` on that may have come under the key of this hash, the newest first.
    pub(super) fn find(&self, db: &Connection, added: &Added, hash: i64, since: EventId) -> Sql<Vec<EventId>> {
        let mut found = self.tail.find(&added.tail, hash, since);
        let first = month(since.time_ms());
        let mut sql =
            db.prepare_cached("select event from arrival_key where month = ?1 and hash = ?2 and event >= ?3")?;
        for month in self.months.range(first..).chain(added.months.range(first..)) {
            let mut rows = sql.query((month, hash, since.value()))?;
            while let Some(row) = rows.next()? {
                found.push(EventId::new(row.get(0)?));
            }
        }
        found.sort_unstable_by_key(|&event| Reverse(event));
        Ok(found)
    }

    /// Remembers an event whose arrival is written, by whatever it is found by.
    pub(super) fn add(&self, db: &Connection, added: &mut Added, event: EventId, halves: Halves) -> Sql<()> {
        if self.tail.add(&mut added.tail, event, halves) {
            return Ok(());
        }
        halves.into_iter().flatten().try_for_each(|hash| self.index(db, added, (hash, event)))
    }

    /// Writes into the index what waits for it, when that is much.
    pub(super) fn flush_if_full(&self, db: &Connection, added: &mut Added) -> Sql<()> {
        if self.tail.is_full(&added.tail) { self.flush(db, added) } else { Ok(()) }
    }

    /// Writes into the index all that waits for it.
    pub(super) fn flush(&self, db: &Connection, added: &mut Added) -> Sql<()> {
        let Some((lines, newest)) = self.tail.flush(&mut added.tail) else {
            return Ok(());
        };
        for line in lines {
            self.index(db, added, line)?;
        }
        // another process may have been here: what it indexed stays indexed
        db.prepare_cached("update engine set indexed = max(indexed, ?1)")?.execute((newest.value(),)).map(|_| ())
    }

    fn index(&self, db: &Connection, added: &mut Added, (hash, event): Line) -> Sql<()> {
        let month = month(event.time_ms());
        if !self.months.contains(&month) {
            added.months.insert(month);
        }
        let mut sql = db.prepare_cached(
            "insert into arrival_key (month, hash, event) values (?1, ?2, ?3) on conflict do nothing",
        )?;
        sql.execute((month, hash, event.value())).map(|_| ())
    }

    /// Takes up what a transaction added, now that it stands.
    pub(super) fn committed(&mut self, added: Added) {
        self.tail.committed(added.tail);
        self.months.extend(added.months);
    }
}

/// What an event is called on the wire; `None` when that is its id.
pub(super) fn webhook_id(db: &Connection, event: EventId) -> Sql<Option<WebhookId>> {
    let mut sql = db.prepare_cached("select webhook_id from arrival where event = ?1")?;
    Ok(sql.query_row((event.value(),), |row| rows::webhook_id(row, 0)).optional()?.flatten())
}

/// The events that are called so on the wire, and whose they are; the newest first.
pub(super) fn called(db: &Connection, named: WebhookId) -> Sql<Vec<(ApplicationId, EventId)>> {
    let mut found = BTreeSet::<i64>::new();
    let mut sql = db.prepare_cached("select event from arrival_key where month = ?1 and hash = ?2")?;
    for month in months(db)? {
        let mut rows = sql.query((month, named.half()))?;
        while let Some(row) = rows.next()? {
            found.insert(row.get(0)?);
        }
    }
    // those that wait for the index
    let mut sql =
        db.prepare_cached("select event from arrival where event > (select indexed from engine) and webhook_id = ?1")?;
    let mut rows = sql.query((&named.0[..],))?;
    while let Some(row) = rows.next()? {
        found.insert(row.get(0)?);
    }
    let mut sql = db.prepare_cached(
        "select application, id from event join arrival on arrival.event = id where id = ?1 and webhook_id = ?2",
    )?;
    let read = |event: i64| {
        let row = sql.query_row((event, &named.0[..]), |row| Ok((rows::id(row, 0)?, rows::id(row, 1)?)));
        row.optional().transpose()
    };
    found.into_iter().rev().filter_map(read).collect()
}

/// Jumps from bucket to bucket along the index.
fn months(db: &Connection) -> Sql<BTreeSet<i64>> {
    let mut sql = db.prepare_cached("select min(month) from arrival_key where month > ?1")?;
    let mut months = BTreeSet::new();
    let mut last = i64::MIN;
    while let Some(month) = sql.query_row((last,), |row| row.get::<_, Option<i64>>(0))? {
        months.insert(month);
        last = month;
    }
    Ok(months)
}
