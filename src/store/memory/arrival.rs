//! Inbound events: what makes one a repetition, how it came, and whether anybody has taken it.

use std::cmp::Reverse;
use std::ops::Bound;

use super::{Memory, Tables};
use crate::id::{ApplicationId, EventId, Id};
use crate::inbound::Flags;
use crate::source::{Arrival, DEDUP_DAYS, Dedup, Quarantined};
use crate::store::tail::{Line, Tail, half};
use crate::store::tally::Tally;
use crate::store::{FORGET_ROWS_MAX, QUARANTINED_MAX, Refused, first_remembered, month};

/// Lets an inbound event in, with what is odd about it; one that came before is counted there and refused.
pub(super) fn admit(
    tables: &mut Tables,
    tally: &mut Tally,
    arrival: &Arrival,
    dedup: Option<Dedup>,
    wall_ms: i64,
) -> Result<Flags, Refused> {
    let Some(dedup) = dedup else {
        return Ok(arrival.flags);
    };
    let mut others = false;
    for event in find(tables, &dedup, wall_ms) {
        let Some(Some(before)) = tables.arrivals.get(&event).filter(|row| row.is_some_and(|row| row.key == dedup.key))
        else {
            continue;
        };
        if before.twin == dedup.twin {
            let before = tables.events.get_mut(&event).and_then(|row| row.event.arrival.as_mut());
            if let Some(before) = before {
                before.duplicates += 1;
            }
            tally.of(arrival.source).duplicates += 1;
            return Err(Refused::Duplicate(event));
        }
        others = true;
    }
    Ok(if others { arrival.flags.with(Flags::ID_CONFLICT) } else { arrival.flags })
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

/// Remembers an admitted event, if it has a key.
pub(super) fn remember(tables: &mut Tables, event: EventId, dedup: Option<Dedup>) {
    tables.arrivals.insert(event, dedup);
    let hash = dedup.map(|dedup| half(&dedup.key));
    if let Some(line) = tables.tail.add(&mut tables.added, event, hash) {
        index(tables, line);
    }
}

fn index(tables: &mut Tables, (hash, event): Line) {
    tables.arrival_keys.insert((month(event.time_ms()), hash, event));
}

fn flush(tables: &mut Tables) {
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
    let later = tables.arrivals.range(behind).map(|(event, dedup)| (*event, dedup.map(|dedup| half(&dedup.key))));
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

/// Keeps a body once; above the limit it is counted alone.
pub(super) fn quarantine(tables: &mut Tables, tally: &mut Tally, quarantined: &Quarantined) {
    let mut of_source = tables.quarantine.values_mut().filter(|row| row.source == quarantined.source);
    if let Some(row) = of_source.find(|row| row.sha256 == quarantined.sha256) {
        row.count += quarantined.count;
        return;
    }
    tally.of(quarantined.source).quarantined += 1;
    if tables.quarantine.values().filter(|row| row.source == quarantined.source).count() < QUARANTINED_MAX {
        let number = tables.quarantine.last_key_value().map_or(1, |(last, _)| last + 1);
        tables.quarantine.insert(number, quarantined.clone());
    }
}

/// Adds to the sources' rows what the batch came to.
pub(super) fn write_tally(tables: &mut Tables, tally: Tally, wall_ms: i64) {
    for (source, batch) in tally.into_sources() {
        tables.tallies.entry(source).or_default().add(batch, wall_ms);
    }
}

/// Drops what no living source remembers any more, a slice at a time; what waits goes into the index for it.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    flush(tables);
    let longest = super::source::living(tables).map(|row| row.config.dedup_days).max();
    let before = month(first_remembered(longest.unwrap_or(DEDUP_DAYS), wall_ms).time_ms());
    let old = tables.arrival_keys.range(..(before, i64::MIN, EventId::new(0))).take(FORGET_ROWS_MAX);
    for key in old.copied().collect::<Vec<_>>() {
        tables.arrival_keys.remove(&key);
    }
}
