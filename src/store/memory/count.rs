//! Counts: what a batch adds to them, and what the hours of endpoints come to.

use std::collections::BTreeSet;

use super::{Tables, minute};
use crate::count::{Counts, hour};
use crate::id::{ApplicationId, EndpointId};
use crate::ordering::OrderKey;
use crate::store::counted::Counted;
use crate::store::tally::Tally;
use crate::store::{COUNT_HOURS, FORGET_ROWS_MAX};

/// What a batch adds to rows that many of its operations share, and its moment.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) tally: Tally,
    pub(super) counted: Counted,
    /// Where it may change whose turn it is.
    pub(super) turns: BTreeSet<(EndpointId, OrderKey)>,
    pub(super) steady_ms: i64,
}

impl Sums {
    /// Of a batch of this moment, on the steady scale.
    pub(super) fn at(steady_ms: i64) -> Self {
        Self { steady_ms, ..Self::default() }
    }
}

pub(super) fn write(tables: &mut Tables, counted: Counted, wall_ms: i64) {
    let (hours, minutes) = counted.into_rows(wall_ms);
    for (key, counts) in hours {
        tables.hours.entry(key).or_default().add(&counts);
    }
    minute::write(tables, minutes);
}

pub(super) fn counts(tables: &Tables, endpoint: EndpointId, (from, to): (i64, i64)) -> Counts {
    let mut sum = Counts::default();
    for (_, counts) in tables.hours.range((endpoint, from)..).take_while(|(key, _)| key.0 == endpoint && key.1 <= to) {
        sum.add(counts);
    }
    sum
}

/// How many attempts an application's endpoints, deleted ones too, had in these hours.
pub(super) fn attempts(tables: &Tables, application: ApplicationId, hours: (i64, i64)) -> i64 {
    let own = tables.endpoints.values().filter(|row| row.application == application);
    let counts = own.map(|row| counts(tables, row.id, hours));
    counts.map(|counts| counts.attempts_succeeded + counts.attempts_failed).sum()
}

/// The endpoints that took something in this hour or the one before.
pub(super) fn answered(tables: &Tables, wall_ms: i64) -> Vec<EndpointId> {
    let since = hour(wall_ms) - 1;
    let lately = tables.hours.iter().filter(|((_, at), counts)| *at >= since && counts.attempts_succeeded > 0);
    let endpoints: BTreeSet<EndpointId> = lately.map(|((endpoint, _), _)| *endpoint).collect();
    endpoints.into_iter().collect()
}

/// Lets hours and minutes go that nobody may ask for any more, the oldest first.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    let before = hour(wall_ms) - COUNT_HOURS;
    let mut old: Vec<_> = tables.hours.keys().filter(|key| key.1 < before).copied().collect();
    old.sort_by_key(|key| key.1);
    for key in old.into_iter().take(FORGET_ROWS_MAX) {
        tables.hours.remove(&key);
    }
    minute::forget(tables, wall_ms);
}
