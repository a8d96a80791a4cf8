//! Whether all in a database fits together: pages and indexes, references, payloads, counts, whose turn it is.
//!
//! It reads a slice or a part in one moment each, so that a server beside it goes on; and it changes nothing.

use std::path::Path;

use rusqlite::Connection;

use super::beside::Beside;
use super::fault::is_damage;
use super::rows::id;
use crate::digest;
use crate::error::Result;
use crate::id::{EventId, IdText};

mod hours;
mod turns;

/// How many faults one part tells; more are counted.
const FAULTS_MAX: usize = 100;
/// How many payloads are read at one moment.
const SLICE: usize = 256;

/// A part of a check, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Pages, indexes, and what columns may hold.
    Structure,
    /// Rows that name others.
    References,
    /// Each payload against its SHA-256.
    Payloads,
    /// Deliveries counted by endpoint and hour, against the deliveries.
    Counts,
    /// The lines of the due index, and whose turn it is among deliveries in order.
    Turns,
}

impl Part {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "pages and indexes",
            Self::References => "references",
            Self::Payloads => "payloads",
            Self::Counts => "counts",
            Self::Turns => "turns",
        }
    }
}

/// What is told while a check goes on.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// A part begins.
    Begins(Part),
    /// So many events are looked at, of so many or a few more.
    Events(u64, u64),
    /// A fault, with its place.
    Fault(&'a str),
}

/// What a check came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Events that were looked at.
    pub events: u64,
    /// Deliveries that were counted.
    pub deliveries: u64,
    /// All that is wrong.
    pub faults: u64,
    /// Whether the schema is an older one: then pages and references alone were looked at.
    pub older: bool,
}

/// Checks a database, also beside its server; faults are told and counted.
///
/// Error: it cannot be read at all, is not ours, or the log beside it became longer than 448 MiB meanwhile.
pub fn check(path: &Path, tell: &mut dyn FnMut(Said<'_>)) -> Result<Found> {
    let beside = Beside::open(path)?;
    let id_key = one(&beside, "select id_key from engine")?;
    let found = Found { older: !beside.is_of_this_schema, ..Found::default() };
    let mut checking = Checking { beside, ids: IdText::new(id_key), found, shown: 0, tell };
    checking.part(Part::Structure, |checking| {
        for fault in structure(&checking.beside, false)? {
            checking.fault(fault);
        }
        Ok(())
    })?;
    checking.part(Part::References, references)?;
    if checking.found.older {
        return Ok(checking.found);
    }
    checking.part(Part::Payloads, payloads)?;
    checking.part(Part::Counts, hours::check)?;
    checking.part(Part::Turns, turns::check)?;
    Ok(checking.found)
}

/// A check under way.
struct Checking<'a> {
    beside: Beside,
    ids: IdText,
    found: Found,
    /// How many faults of this part were told.
    shown: usize,
    tell: &'a mut dyn FnMut(Said<'_>),
}

impl Checking<'_> {
    /// What cannot be read in one part is a fault of that part; the others go on.
    fn part(&mut self, part: Part, look: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        (self.tell)(Said::Begins(part));
        self.shown = 0;
        match look(self) {
            Err(error) if error.code == "damaged" => {
                self.fault(format!("{}: the rest cannot be read: {error}", part.name()));
                Ok(())
            }
            done => done,
        }
    }

    fn fault(&mut self, fault: impl AsRef<str>) {
        self.found.faults += 1;
        self.shown += 1;
        if self.shown <= FAULTS_MAX {
            (self.tell)(Said::Fault(fault.as_ref()));
        } else if self.shown == FAULTS_MAX + 1 {
            (self.tell)(Said::Fault("more of this part are counted, and not shown"));
        }
    }
}

/// What SQLite finds wrong, [`FAULTS_MAX`] sentences at most; `quick` leaves out whether each row is in each index.
pub(super) fn structure(beside: &Beside, quick: bool) -> Result<Vec<String>> {
    let pragma = if quick { "quick_check" } else { "integrity_check" };
    match lines(&beside.db, &format!("pragma {pragma}({FAULTS_MAX})")) {
        Err(error) if is_damage(&error) => by_table(beside, pragma),
        done => done.map_err(|error| beside.why(error)),
    }
}

/// Where SQLite cannot read on: which tables that concerns.
fn by_table(beside: &Beside, pragma: &str) -> Result<Vec<String>> {
    let tables = lines(&beside.db, "select name from sqlite_schema where type = 'table' and rootpage > 0");
    let mut faults = Vec::new();
    for table in tables.map_err(|error| beside.why(error))? {
        match lines(&beside.db, &format!("pragma {pragma}('{table}')")) {
            Ok(found) => faults.extend(found.into_iter().map(|fault| format!("table {table}: {fault}"))),
            Err(error) if is_damage(&error) => faults.push(format!("table {table}: it cannot be read: {error}")),
            Err(error) => return Err(beside.why(error)),
        }
    }
    if faults.is_empty() {
        faults.push("the file cannot be read through, though each table can".to_owned());
    }
    faults.truncate(FAULTS_MAX);
    Ok(faults)
}

/// What a question gives as text, but for `ok`.
fn lines(db: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut sql = db.prepare(sql)?;
    let found = sql.query_map((), |row| row.get::<_, String>(0))?;
    found.filter(|line| line.as_ref().map_or(true, |line| line != "ok")).collect()
}

fn references(checking: &mut Checking<'_>) -> Result<()> {
    let read = |db: &Connection| {
        let mut sql = db.prepare("pragma foreign_key_check")?;
        let found = sql.query_map((), |row| {
            let (table, row, named): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let row = row.map_or_else(String::new, |row| format!(" row {row}"));
            Ok(format!("table {table}{row} names a row of {named} that is not there"))
        })?;
        found.take(FAULTS_MAX + 1).collect::<rusqlite::Result<Vec<_>>>()
    };
    let faults = read(&checking.beside.db).map_err(|error| checking.beside.why(error))?;
    for fault in faults {
        checking.fault(fault);
    }
    Ok(())
}

fn payloads(checking: &mut Checking<'_>) -> Result<()> {
    let all: u64 = one(&checking.beside, "select count(*) from event")?;
    let mut after = i64::MIN;
    loop {
        let (seen, last, broken) = slice(&checking.beside, after)?;
        for (event, why) in broken {
            let event = checking.ids.of(event);
            checking.fault(format!("event {event}: {why}"));
        }
        checking.found.events += seen;
        (checking.tell)(Said::Events(checking.found.events, all));
        match last {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

/// How many events a slice has, the last of them, and those whose payload is not what it was.
type Slice = (u64, Option<i64>, Vec<(EventId, &'static str)>);

fn slice(beside: &Beside, after: i64) -> Result<Slice> {
    let read = || {
        let mut sql = beside.db.prepare_cached(
            "select id, sha256, payload, coalesce(expunged, 0) from event
             left join event_extra on event_extra.event = event.id where id > ?1 order by id limit ?2",
        )?;
        let mut rows = sql.query((after, SLICE))?;
        let mut slice: Slice = (0, None, Vec::new());
        while let Some(row) = rows.next()? {
            let (sha256, payload): ([u8; 32], _) = (row.get(1)?, row.get_ref(2)?.as_blob()?);
            slice.0 += 1;
            slice.1 = Some(row.get(0)?);
            match (row.get::<_, bool>(3)?, payload.is_empty()) {
                (true, true) => {}
                (true, false) => slice.2.push((id(row, 0)?, "its payload was erased, and is there")),
                (false, _) if digest::sha256(payload) == sha256 => {}
                (false, _) => slice.2.push((id(row, 0)?, "its payload is not what its SHA-256 says")),
            }
        }
        Ok(slice)
    };
    read().map_err(|error| beside.why(error))
}

/// A question whose answer is one value.
fn one<T: rusqlite::types::FromSql>(beside: &Beside, sql: &str) -> Result<T> {
    beside.db.query_row(sql, (), |row| row.get(0)).map_err(|error| beside.why(error))
}
