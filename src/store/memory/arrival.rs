//! Inbound events: what makes one a repetition, how it came, and whether anybody has taken it.

use super::Tables;
use crate::id::{ApplicationId, EventId, Id};
use crate::inbound::Flags;
use crate::source::{Arrival, DEDUP_DAYS, Dedup, Quarantined};
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
    let since = first_remembered(dedup.days, wall_ms);
    let mut others = false;
    // the newest first; the next month counts too: a clock may be set back
    for month in (month(since.time_ms())..=month(wall_ms) + 1).rev() {
        let under_key = (month, dedup.key, since)..=(month, dedup.key, EventId::new(i64::MAX));
        for (&(_, _, event), twin) in tables.arrival_keys.range(under_key).rev() {
            if *twin == dedup.twin {
                let before = tables.events.get_mut(&event).and_then(|row| row.event.arrival.as_mut());
                if let Some(before) = before {
                    before.duplicates += 1;
                }
                tally.of(arrival.source).duplicates += 1;
                return Err(Refused::Duplicate(event));
            }
            others = true;
        }
    }
    Ok(if others { arrival.flags.with(Flags::ID_CONFLICT) } else { arrival.flags })
}

/// Remembers an admitted event.
pub(super) fn remember(tables: &mut Tables, event: EventId, dedup: &Dedup, wall_ms: i64) {
    tables.arrival_keys.insert((month(wall_ms), dedup.key, event), dedup.twin);
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

/// Drops what no living source remembers any more, a slice at a time.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    let longest = super::living_sources(tables).map(|row| row.config.dedup_days).max();
    let before = month(first_remembered(longest.unwrap_or(DEDUP_DAYS), wall_ms).time_ms());
    let old = tables.arrival_keys.range(..(before, [0; 16], EventId::new(0))).take(FORGET_ROWS_MAX);
    for key in old.map(|(key, _)| *key).collect::<Vec<_>>() {
        tables.arrival_keys.remove(&key);
    }
}
