//! What a database would send if a server were started on it.

use std::path::Path;

use super::beside::Beside;
use super::read;
use crate::error::Result;
use crate::id::{EventId, Id as _};

/// How many events are looked at in one read.
const SLICE: usize = 4_096;

/// What waits in a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries that wait for an attempt: all that are due some time, and those that nobody tried yet.
    pub deliveries: u64,
    /// When the oldest event among them was accepted, in ms since 1970.
    pub oldest_ms: Option<i64>,
    /// When the last change in it was made, in ms since 1970, as far as it tells.
    pub last_ms: i64,
}

/// Counts what waits in a database of ours; `None` where its schema is an older one. Error: it cannot be read.
pub fn waiting(path: &Path) -> Result<Option<Waiting>> {
    let beside = Beside::open(path)?;
    if !beside.is_of_this_schema {
        return Ok(None);
    }
    let db = &beside.db;
    let backlog = read::backlog(db)?;
    let (mut deliveries, mut oldest) = (backlog.waiting, backlog.oldest);
    let (mark, last, alive_ms): (i64, i64, Option<i64>) =
        db.query_row("select mark, coalesce((select max(id) from event), 0), alive_ms from engine", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut next = Some(EventId::new(mark));
    while let Some(from) = next {
        let found = read::unwritten(db, from, SLICE)?;
        for (event, missing) in found.deliveries {
            deliveries += u64::try_from(missing.len()).unwrap_or_default();
            oldest = Some(oldest.map_or(event, |oldest| oldest.min(event)));
        }
        next = found.next;
    }
    let last_ms = EventId::new(last).time_ms().max(alive_ms.unwrap_or_default());
    Ok(Some(Waiting { deliveries, oldest_ms: oldest.map(EventId::time_ms), last_ms }))
}
