//! Inbound events: what makes one a repetition, how it came, and whether anybody has taken it.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::Arc;

use super::{Memory, Tables, held};
use crate::conflict::{First, OnConflict};
use crate::id::{ApplicationId, EventId, Id};
use crate::inbound::Flags;
use crate::repetition::{self, Before, Verdict};
use crate::source::{Arrival, Dedup};
use crate::store::tail::{Line, Tail, half, halves};
use crate::store::tally::Tally;
use crate::store::{NewRow, Refused, first_remembered, month};

/// What makes the repetition of an inbound event the same event, and what is left of it once its payload is erased.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) dedup: Option<Dedup>,
    pub(super) fingerprint: Option<[u8; 16]>,
}

/// Lets an inbound event in, with what is odd about it. Refused: it came before, and is counted there; or it contradicts
/// one that came before, and is held back.
pub(super) fn admit(
    tables: &mut Tables,
    tally: &mut Tally,
    row: &NewRow,
    arrival: &mut Arrival,
    wall_ms: i64,
) -> Result<(), Refused> {
    let Some(dedup) = row.dedup.as_deref() else {
        return Ok(());
    };
    let came = dedup.original.as_ref().unwrap_or(&row.event.body);
    let (event, verdict) = match known(tables, row, dedup, wall_ms) {
        None => return Ok(()),
        Some((event, Verdict::Repetition)) => {
            let before = tables.events.get_mut(&event).and_then(|row| row.event.arrival.as_mut());
            if let Some(before) = before {
                Arc::make_mut(before).duplicates += 1;
            }
            tally.of(arrival.source).duplicates += 1;
            return Err(Refused::Duplicate(event));
        }
        Some(contradicted) => contradicted,
    };
    let first = First { event, webhook_id: tables.webhook_id(event) };
    let erased = if verdict == Verdict::Uncertain { Flags::FIRST_ERASED } else { Flags::default() };
    let flags = arrival.flags.with(Flags::ID_CONFLICT).with(erased);
    if row.released.is_none() {
        if let Some(conflict) = held::known(tables, tally, row, dedup, came) {
            return Err(Refused::Held { conflict, first, is_new: false });
        }
        if dedup.on_conflict == OnConflict::Hold {
            return Err(held::hold(tables, tally, row, dedup, (first, flags)));
        }
    }
    arrival.contradict(first, flags);
    Ok(())
}

/// What an event is to those under its key: a repetition of one, else what it is to the first; `None` when there is none.
fn known(tables: &Tables, row: &NewRow, dedup: &Dedup, wall_ms: i64) -> Option<(EventId, Verdict)> {
    let twin = |event: EventId| {
        let before = tables.arrivals.get(&event)?.dedup.as_ref().filter(|before| before.key == dedup.key)?;
        let kept = &tables.events.get(&event)?.event;
        (kept.event_type == row.event.event_type).then_some((event, before.twin))
    };
    let under: Vec<_> = find(tables, dedup, wall_ms).into_iter().filter_map(twin).collect();
    if let Some((event, _)) = under.iter().find(|(_, twin)| *twin == dedup.twin) {
        return Some((*event, Verdict::Repetition));
    }
    let mut contradicted = None;
    for (event, _) in repetition::judged(under) {
        match judge(tables, row, dedup, event)? {
            Verdict::Repetition => return Some((event, Verdict::Repetition)),
            verdict => contradicted = Some((event, verdict)),
        }
    }
    contradicted
}

/// What an event is to one that came under its key.
fn judge(tables: &Tables, row: &NewRow, dedup: &Dedup, event: EventId) -> Option<Verdict> {
    let came = tables.arrivals.get(&event)?;
    let before = came.dedup.as_ref()?;
    let kept = &tables.events.get(&event)?.event;
    let before = Before {
        twin: &before.twin,
        fingerprint: came.fingerprint.as_ref().map(|print| &print[..]),
        payload: (!kept.is_expunged()).then_some(&kept.body[..]),
    };
    let original = dedup.original.as_ref().unwrap_or(&row.event.body);
    Some(repetition::judge(original, dedup.twin, before))
}

/// What all spellings of an event have in common, written down before its payload goes.
pub(super) fn keep_fingerprint(tables: &mut Tables, event: EventId) {
    let payload = tables.events.get(&event).filter(|row| !row.event.is_expunged()).map(|row| row.event.body.clone());
    if let (Some(came), Some(payload)) = (tables.arrivals.get_mut(&event), payload)
        && let Some(dedup) = &came.dedup
    {
        came.fingerprint = repetition::fingerprint(&payload, &dedup.twin);
    }
}

/// The events that may have come under a key and still count, the newest first.
fn find(tables: &Tables, dedup: &Dedup, wall_ms: i64) -> Vec<EventId> {
    let (hash, since) = (half(&dedup.key), first_remembered(dedup.days, wall_ms));
    let mut found = tables.tail.find(&tables.added, hash, since);
    let last = tables.arrival_keys.last().map_or(i64::MIN, |(month, _, _)| *month);
    for month in month(since.time_ms())..=last {
        let under = (month, hash, since)..=(month, hash, EventId::new(i64::MAX));
        found.extend(tables.arrival_keys.range(under).map(|(_, _, event)| *event));
    }
    found.sort_unstable_by_key(|&event| Reverse(event));
    found
}

/// Remembers an admitted event, by whatever it is found by.
pub(super) fn remember(tables: &mut Tables, event: EventId, arrival: &Arrival, dedup: Option<Dedup>) {
    let halves = halves(dedup.as_ref().map(|dedup| half(&dedup.key)), arrival.webhook_id);
    tables.arrivals.insert(event, Came { dedup, fingerprint: None });
    if !tables.tail.add(&mut tables.added, event, halves) {
        halves.into_iter().flatten().for_each(|hash| index(tables, (hash, event)));
    }
}

fn index(tables: &mut Tables, (hash, event): Line) {
    tables.arrival_keys.insert((month(event.time_ms()), hash, event));
}

/// Writes into the index all that waits for it.
pub(super) fn flush(tables: &mut Tables) {
    if let Some((lines, newest)) = tables.tail.flush(&mut tables.added) {
        for line in lines {
            index(tables, line);
        }
        tables.indexed = newest;
    }
}

/// Ends a commit: what waits for the index goes there when it is much.
pub(super) fn end(tables: &mut Tables) {
    if tables.tail.is_full(&tables.added) {
        flush(tables);
    }
    tables.tail.committed(std::mem::take(&mut tables.added));
}

impl Memory {
    /// Does what opening a database does: what was in memory is gone, and what must be there is read back.
    pub fn reopen(&self) {
        reload(&mut self.tables());
    }

    /// A mutant's doing: what waits for the index of inbound events is taken for indexed.
    pub(crate) fn lose_tail(&self) {
        let mut tables = self.tables();
        tables.indexed = tables.arrivals.last_key_value().map_or(tables.indexed, |(event, _)| *event);
        reload(&mut tables);
    }

    /// A mutant's doing: what was written into that index is not there.
    pub(crate) fn lose_index(&self) {
        self.tables().arrival_keys.clear();
    }
}

/// Reads back what waits for the index.
fn reload(tables: &mut Tables) {
    let behind = (Bound::Excluded(tables.indexed), Bound::Unbounded);
    let later: Vec<_> = tables
        .arrivals
        .range(behind)
        .map(|(&event, came)| {
            let key = came.dedup.as_ref().map(|dedup| half(&dedup.key));
            (event, halves(key, tables.webhook_id(event)))
        })
        .collect();
    tables.tail = Tail::new(tables.tail.max(), tables.indexed, later);
}

/// An endpoint took an event; it is processed when it is inbound, and was not before.
pub(super) fn taken(tables: &mut Tables, tally: &mut Tally, event: EventId) {
    let arrival = tables.events.get(&event).and_then(|row| row.event.arrival.as_ref());
    if let Some(arrival) = arrival
        && tables.processed.insert(event)
    {
        tally.of(arrival.source).processed += 1;
    }
}

/// A poller took an application's events, those behind `after` up to `until`.
pub(super) fn taken_between(
    tables: &mut Tables,
    tally: &mut Tally,
    application: ApplicationId,
    (after, until): (EventId, EventId),
) {
    let own = |event: &&EventId| tables.events[*event].event.application == application && **event > after;
    let events: Vec<_> = tables.events.keys().take_while(|event| **event <= until).filter(own).copied().collect();
    for event in events {
        taken(tables, tally, event);
    }
}

/// Adds to the sources' rows what the batch came to.
pub(super) fn write_tally(tables: &mut Tables, tally: Tally, wall_ms: i64) {
    for (source, batch) in tally.into_sources() {
        tables.tallies.entry(source).or_default().add(batch, wall_ms);
    }
}
