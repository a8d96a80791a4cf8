//! Inbound events: what makes one a repetition, and how it came.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::kept::json;
use super::rows::{self, TALLY, tally};
use super::{Writing, held};
use crate::conflict::{First, OnConflict};
use crate::id::{EventId, Id, SourceId};
use crate::inbound::Flags;
use crate::repetition::{self, Before, Verdict};
use crate::source::{Arrival, Dedup, SourceStats};
use crate::store::tail::{half, halves};
use crate::store::{NewRow, Refused, first_remembered};

type Sql<T> = rusqlite::Result<T>;

/// The bits of [`Flags`] that the first column may hold; the others stand in `more_flags`.
const FIRST_FLAGS: u8 = 7;

/// How an event is let in.
pub(super) struct Admitted {
    /// What is odd about it.
    pub(super) flags: Flags,
    /// The event that it contradicts.
    pub(super) first: Option<First>,
}

/// What is remembered under an inbound event's key.
enum Known {
    Nothing,
    /// It contradicts this one, the first of its kind under the key.
    Other(First, Verdict),
    /// This event.
    Same(EventId),
}

/// Lets an inbound event in. Refused: it came before, and is counted there; or it contradicts one that came before, and
/// is held back.
pub(super) fn admit(work: &mut Writing<'_>, row: &NewRow, arrival: &Arrival) -> Sql<Result<Admitted, Refused>> {
    let admitted = Admitted { flags: arrival.flags, first: arrival.first };
    let Some(dedup) = row.dedup.as_deref() else {
        return Ok(Ok(admitted));
    };
    let came = dedup.original.as_ref().unwrap_or(&row.event.body);
    let (first, verdict) = match known(work, row, arrival, dedup)? {
        Known::Nothing => return Ok(Ok(admitted)),
        Known::Other(first, verdict) => (first, verdict),
        Known::Same(event) => {
            let mut sql = work.db.prepare_cached("update arrival set duplicates = duplicates + 1 where event = ?1")?;
            sql.execute((event.value(),))?;
            work.tally.of(arrival.source).duplicates += 1;
            return Ok(Err(Refused::Duplicate(event)));
        }
    };
    let erased = if verdict == Verdict::Uncertain { Flags::FIRST_ERASED } else { Flags::default() };
    let flags = arrival.flags.with(Flags::ID_CONFLICT).with(erased);
    if row.released.is_some() {
        return Ok(Ok(Admitted { flags, first: Some(first) }));
    }
    if let Some(conflict) = held::known(work, row, dedup, came)? {
        return Ok(Err(Refused::Held { conflict, first, is_new: false }));
    }
    Ok(match dedup.on_conflict {
        OnConflict::Hold => Err(held::hold(work, row, dedup, (first, flags))?),
        OnConflict::Deliver => Ok(Admitted { flags, first: Some(first) }),
    })
}

/// Asks the events that came under the key, the newest first: all of them whether their bytes are the same, and some
/// whether they say the same.
fn known(work: &Writing<'_>, row: &NewRow, arrival: &Arrival, dedup: &Dedup) -> Sql<Known> {
    let mut under = Vec::new();
    for event in find(work, dedup)? {
        match before(work.db, row, arrival, event)? {
            Some(before) if before.twin == dedup.twin => return Ok(Known::Same(event)),
            found => under.extend(found),
        }
    }
    let mut known = Known::Nothing;
    for before in repetition::judged(under) {
        match judge(work.db, row, dedup, &before)? {
            Verdict::Repetition => return Ok(Known::Same(before.first.event)),
            verdict => known = Known::Other(before.first, verdict),
        }
    }
    Ok(known)
}

/// An event under the same key.
struct Under {
    first: First,
    twin: [u8; 16],
    fingerprint: Option<[u8; 16]>,
}

/// The events that may have come under the key and still count, the newest first.
fn find(work: &Writing<'_>, dedup: &Dedup) -> Sql<Vec<EventId>> {
    let since = first_remembered(dedup.days, work.wall_ms);
    work.remembered.find(work.db, &work.added, half(&dedup.key), since)
}

/// What an event is known by; `None` when it came under another key.
fn before(db: &Connection, row: &NewRow, arrival: &Arrival, event: EventId) -> Sql<Option<Under>> {
    let mut sql = db.prepare_cached(
        "select twin, fingerprint, webhook_id from arrival join event on event.id = arrival.event
         where arrival.event = ?1 and source = ?2 and dedup_key = ?3 and event_type = ?4
             and twin is not null",
    )?;
    let key = (event.value(), arrival.source.value(), &arrival.dedup_key, &row.event.event_type);
    let under = |found: &Row<'_>| {
        let first = First { event, webhook_id: rows::webhook_id(found, 2)? };
        Ok(Under { first, twin: found.get(0)?, fingerprint: found.get(1)? })
    };
    sql.query_row(key, under).optional()
}

/// Holds an event against one before it, whose payload is read.
fn judge(db: &Connection, row: &NewRow, dedup: &Dedup, under: &Under) -> Sql<Verdict> {
    let mut sql = db.prepare_cached(
        "select payload, coalesce(expunged, 0) from event left join event_extra on event_extra.event = event.id
         where id = ?1",
    )?;
    let came = dedup.original.as_ref().unwrap_or(&row.event.body);
    sql.query_row((under.first.event.value(),), |found| {
        let payload = Some(found.get_ref(0)?.as_blob()?).filter(|_| !found.get::<_, bool>(1).unwrap_or(true));
        let fingerprint = under.fingerprint.as_ref().map(|print| &print[..]);
        Ok(repetition::judge(came, dedup.twin, Before { twin: &under.twin, fingerprint, payload }))
    })
}

/// Writes down how an admitted event came, and remembers it. What contradicts another is called by its own id.
pub(super) fn insert(work: &mut Writing<'_>, row: &NewRow, arrival: &Arrival, admitted: &Admitted) -> Sql<()> {
    let event = row.event.id;
    let hash = row.dedup.as_ref().map(|dedup| half(&dedup.key));
    let webhook_id = arrival.webhook_id.filter(|_| admitted.first.is_none());
    let mut sql = work.db.prepare_cached(
        "insert into arrival (event, source, dedup_key, twin, duplicates, flags, headers, hash, webhook_id, first, more_flags)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    sql.execute(params![
        event.value(),
        arrival.source.value(),
        arrival.dedup_key,
        row.dedup.as_ref().map(|dedup| &dedup.twin[..]),
        arrival.duplicates,
        admitted.flags.0 & FIRST_FLAGS,
        (!arrival.headers.is_empty()).then(|| json(&arrival.headers)),
        hash,
        webhook_id.as_ref().map(|named| &named.0[..]),
        admitted.first.map(|first| first.event.value()),
        admitted.flags.0 & !FIRST_FLAGS
    ])?;
    work.tally.accept(arrival.source, admitted.flags, row.released.as_deref());
    work.takers.arrived(event);
    work.remembered.add(work.db, &mut work.added, event, halves(hash, webhook_id))
}

/// What all spellings of an event have in common, written down before its payload goes.
pub(super) fn keep_fingerprint(db: &Connection, event: EventId) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "select twin, payload from arrival join event on event.id = arrival.event
         where arrival.event = ?1 and twin is not null and fingerprint is null",
    )?;
    let print = sql.query_row((event.value(),), |row| {
        let (twin, payload) = (row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
        Ok(repetition::fingerprint(payload, twin))
    });
    if let Some(print) = print.optional()?.flatten() {
        let mut sql = db.prepare_cached("update arrival set fingerprint = ?2 where event = ?1")?;
        sql.execute((event.value(), &print[..]))?;
    }
    Ok(())
}

/// Adds to the sources' rows what the batch came to.
pub(super) fn write_tally(work: &mut Writing<'_>) -> Sql<()> {
    for (source, batch) in std::mem::take(&mut work.tally).into_sources() {
        for (reason, count) in &batch.refused {
            let mut sql = work.db.prepare_cached(
                "insert into source_refusal (source, reason, count) values (?1, ?2, ?3)
                 on conflict do update set count = count + excluded.count",
            )?;
            sql.execute((source.value(), reason.code(), count))?;
        }
        add_to_row(work, source, batch)?;
    }
    Ok(())
}

fn add_to_row(work: &Writing<'_>, source: SourceId, batch: SourceStats) -> Sql<()> {
    let mut sql = work.db.prepare_cached(&format!("select {TALLY} from source_tally where source = ?1"))?;
    let mut row = sql.query_row((source.value(),), tally).optional()?.unwrap_or_default();
    row.add(batch, work.wall_ms);
    let stats = &row.stats;
    let mut sql = work.db.prepare_cached(&format!(
        "insert or replace into source_tally (source, {TALLY})
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    ))?;
    sql.execute(params![
        source.value(),
        stats.accepted,
        stats.duplicates,
        stats.conflicts,
        stats.unknown_types,
        stats.quarantined,
        stats.pings,
        stats.processed,
        stats.last_ms,
        row.week,
        row.silence_ms,
        row.silence_before_ms,
        stats.outage.map(|(since_ms, _)| since_ms),
        stats.outage.map(|(_, until_ms)| until_ms)
    ])
    .map(|_| ())
}
