//! What is asked of what came in by sources: by its names on the wire, and what is held back there.

use rusqlite::{Connection, OptionalExtension, Row};

use super::list::by_id;
use super::rows::{self, QUARANTINED};
use super::{Sqlite, remembered};
use crate::conflict::{Conflict, First, Held, State};
use crate::error::Result;
use crate::id::{ApplicationId, ConflictId, EventId, Id, SourceId, WebhookId, floor_at};
use crate::inbound::Flags;
use crate::quarantine::Quarantined;
use crate::store::{Inbox, Listed, Page, REASONS_MAX};

type Sql<T> = rusqlite::Result<T>;

const CONFLICT: &str = "id, source, application, first, (select webhook_id from arrival where arrival.event = conflict.first), event_type, dedup_key, count, flags, state, event, twin";

impl Inbox for Sqlite {
    fn called(&self, named: WebhookId) -> Result<Vec<(ApplicationId, EventId)>> {
        self.read(|db| Ok(remembered::called(db, named)?))
    }

    fn webhook_ids(&self, events: &[EventId]) -> Result<Vec<Option<WebhookId>>> {
        self.read(|db| Ok(events.iter().map(|&event| remembered::webhook_id(db, event)).collect::<Sql<_>>()?))
    }

    fn conflicts(&self, source: SourceId, page: Page<ConflictId>) -> Result<Listed<Conflict>> {
        self.read(|db| {
            let sql = format!("select {CONFLICT}, headers, body from conflict where source = ?1 and state = 0");
            by_id(db, &sql, source.value(), page.numbers(), conflict)
        })
    }

    fn conflict(&self, source: SourceId, id: ConflictId) -> Result<Option<Conflict>> {
        self.read(|db| {
            let sql = format!("select {CONFLICT}, headers, body from conflict where source = ?1 and id = ?2");
            let key = (source.value(), id.value());
            Ok(db.prepare_cached(&sql)?.query_row(key, conflict).optional()?)
        })
    }

    fn quarantined(&self, source: SourceId, page: Page<i64>) -> Result<Listed<(i64, Quarantined)>> {
        self.read(|db| {
            let sql = format!("select {QUARANTINED} from quarantine where source = ?1 and state = 0");
            by_id(db, &sql, source.value(), page, rows::quarantined)
        })
    }

    fn quarantine_reasons(&self, source: SourceId) -> Result<Vec<(String, u64, Quarantined)>> {
        self.read(|db| {
            let mut sql = db.prepare_cached(
                "select coalesce(kind, reason) as why, count(*), max(id) from quarantine
                 where source = ?1 and state = 0 group by why order by why limit ?2",
            )?;
            let found =
                sql.query_map((source.value(), REASONS_MAX), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let last = |group: Sql<(String, u64, i64)>| {
                let (why, count, id) = group?;
                let mut sql = db.prepare_cached(&format!("select {QUARANTINED} from quarantine where id = ?1"))?;
                let (_, last) = sql.query_row((id,), rows::quarantined)?;
                Ok((why, count, last))
            };
            found.map(last).collect()
        })
    }

    fn quarantined_body(&self, source: SourceId, sha256: [u8; 32]) -> Result<Option<(i64, Quarantined)>> {
        self.read(|db| {
            let sql = format!("select {QUARANTINED} from quarantine where source = ?1 and sha256 = ?2 and state = 0");
            let key = (source.value(), &sha256[..]);
            Ok(db.prepare_cached(&sql)?.query_row(key, rows::quarantined).optional()?)
        })
    }

    fn held_since(
        &self,
        of: Option<ApplicationId>,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<(ApplicationId, Held)>> {
        self.read(|db| Ok(held_since(db, of, before_ms, limit)?))
    }
}

/// Reads [`CONFLICT`], headers and body.
fn conflict(row: &Row<'_>) -> Sql<Conflict> {
    let released: Option<i64> = row.get(10)?;
    let state = match row.get(9)? {
        0 => State::Waiting,
        1 => State::Released(EventId::new(released.unwrap_or_default())),
        2 => State::Discarded,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(9, other)),
    };
    Ok(Conflict {
        id: rows::id(row, 0)?,
        source: rows::id(row, 1)?,
        application: rows::id(row, 2)?,
        first: First { event: rows::id(row, 3)?, webhook_id: rows::webhook_id(row, 4)? },
        event_type: row.get(5)?,
        dedup_key: row.get(6)?,
        count: row.get(7)?,
        flags: Flags(row.get(8)?),
        state,
        twin: row.get(11)?,
        headers: rows::headers(row, 12)?,
        body: bytes::Bytes::copy_from_slice(row.get_ref(13)?.as_blob()?),
    })
}

/// Conflicts of which nobody was told who hears of them, without their headers and bodies.
pub(super) fn untold(db: &Connection) -> Sql<Vec<Conflict>> {
    let sql = format!("select {CONFLICT}, null, x'' from conflict where told = 0 order by id");
    db.prepare_cached(&sql)?.query_map((), conflict)?.collect()
}

fn held_since(
    db: &Connection,
    of: Option<ApplicationId>,
    before_ms: i64,
    limit: usize,
) -> Sql<Vec<(ApplicationId, Held)>> {
    let of = of.map(Id::value);
    let mut sql = db.prepare_cached(
        "select application, id from conflict where state = 0 and id < ?1 and (?3 is null or application = ?3)
         order by id limit ?2",
    )?;
    let conflicts = sql.query_map((floor_at(before_ms), limit, of), |row| {
        Ok((rows::id(row, 0)?, Held::Conflict(rows::id(row, 1)?)))
    })?;
    let mut held = conflicts.collect::<Sql<Vec<_>>>()?;
    let mut sql = db.prepare_cached(
        "select application, quarantine.id from quarantine join source on source.id = quarantine.source
         where state = 0 and first_ms < ?1 and (?3 is null or application = ?3) order by first_ms, quarantine.id limit ?2",
    )?;
    let quarantined =
        sql.query_map((before_ms, limit, of), |row| Ok((rows::id(row, 0)?, Held::Quarantined(row.get(1)?))))?;
    for row in quarantined {
        held.push(row?);
    }
    Ok(held)
}
