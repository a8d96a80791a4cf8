//! Inbound events: what makes one a repetition, and how it came.

use rusqlite::{OptionalExtension, params};

use super::Writing;
use super::kept::json;
use super::rows::{TALLY, tally};
use crate::id::{EventId, Id, SourceId};
use crate::inbound::Flags;
use crate::source::{Arrival, Dedup, Quarantined, SourceStats};
use crate::store::tail::half;
use crate::store::{NewRow, QUARANTINED_MAX, Refused, first_remembered};

type Sql<T> = rusqlite::Result<T>;

/// What is remembered under an inbound event's key.
enum Known {
    Nothing,
    /// Events with other bodies.
    OthersAlone,
    /// This event.
    Same(EventId),
}

/// Lets an inbound event in, with what is odd about it; one that came before is counted there and refused.
pub(super) fn admit(work: &mut Writing<'_>, arrival: &Arrival, dedup: Option<Dedup>) -> Sql<Result<Flags, Refused>> {
    let known = match dedup {
        Some(dedup) => known(work, arrival, &dedup)?,
        None => Known::Nothing,
    };
    match known {
        Known::Nothing => Ok(Ok(arrival.flags)),
        Known::OthersAlone => Ok(Ok(arrival.flags.with(Flags::ID_CONFLICT))),
        Known::Same(event) => {
            let mut sql = work.db.prepare_cached("update arrival set duplicates = duplicates + 1 where event = ?1")?;
            sql.execute((event.value(),))?;
            work.tally.of(arrival.source).duplicates += 1;
            Ok(Err(Refused::Duplicate(event)))
        }
    }
}

/// Asks the arrivals that may have come under the key, the newest first.
fn known(work: &Writing<'_>, arrival: &Arrival, dedup: &Dedup) -> Sql<Known> {
    let since = first_remembered(dedup.days, work.wall_ms);
    let found = work.remembered.find(work.db, &work.added, half(&dedup.key), since)?;
    let mut sql =
        work.db.prepare_cached("select twin from arrival where event = ?1 and source = ?2 and dedup_key = ?3")?;
    let mut known = Known::Nothing;
    for event in found {
        let mut rows = sql.query((event.value(), arrival.source.value(), &arrival.dedup_key))?;
        if let Some(row) = rows.next()? {
            if row.get_ref(0)?.as_blob_or_null()? == Some(&dedup.twin) {
                return Ok(Known::Same(event));
            }
            known = Known::OthersAlone;
        }
    }
    Ok(known)
}

/// Writes down how an admitted event came, and remembers it.
pub(super) fn insert(work: &mut Writing<'_>, row: &NewRow, arrival: &Arrival, flags: Flags) -> Sql<()> {
    let event = row.event.id;
    let hash = row.dedup.as_ref().map(|dedup| half(&dedup.key));
    let mut sql = work.db.prepare_cached(
        "insert into arrival (event, source, dedup_key, twin, duplicates, flags, headers, hash)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    sql.execute(params![
        event.value(),
        arrival.source.value(),
        arrival.dedup_key,
        row.dedup.as_ref().map(|dedup| &dedup.twin[..]),
        arrival.duplicates,
        flags.0,
        (!arrival.headers.is_empty()).then(|| json(&arrival.headers)),
        hash
    ])?;
    work.tally.accept(arrival.source, flags);
    work.takers.arrived(event);
    work.remembered.add(work.db, &mut work.added, event, hash)
}

/// Keeps a body once; above the limit it is counted alone.
pub(super) fn quarantine(work: &mut Writing<'_>, quarantined: &Quarantined) -> Sql<()> {
    let Quarantined { source, sha256, first_ms, count, reason, body } = quarantined;
    let mut sql =
        work.db.prepare_cached("update quarantine set count = count + ?3 where source = ?1 and sha256 = ?2")?;
    if sql.execute((source.value(), &sha256[..], count))? > 0 {
        return Ok(());
    }
    work.tally.of(*source).quarantined += 1;
    let mut sql = work.db.prepare_cached(
        "insert into quarantine (source, sha256, first_ms, count, reason, body)
         select ?1, ?2, ?3, ?4, ?5, ?6 where (select count(*) from quarantine where source = ?1) < ?7",
    )?;
    sql.execute(params![source.value(), &sha256[..], first_ms, count, reason, &body[..], QUARANTINED_MAX]).map(|_| ())
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
