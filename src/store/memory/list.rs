//! Lists: a page in the order of the ids; filters look at a bounded slice and say where they stopped.

use bytes::Bytes;

use super::Tables;
use crate::event::Event;
use crate::event_type::EventType;
use crate::id::{ApplicationId, AttemptId, EnvironmentId, EventId, Id};
use crate::store::{AttemptRow, AttemptsOf, Filter, Listed, Page, SCAN_ROWS_MAX};

/// How many rows a filtered list reads at a time.
const SLICE_ROWS: usize = 500;

/// A page of rows that come in the ascending order of their keys.
pub(super) fn page<'a, T: Clone + 'a, K: Ord>(
    rows: impl Iterator<Item = &'a T>,
    page: &Page<K>,
    key: impl Fn(&T) -> K,
) -> Listed<T> {
    let rows = page.of(rows, |row| key(row)).into_iter().take(page.limit + 1);
    Listed::cut(rows.cloned().collect(), page.limit)
}

pub(super) fn event_types(
    tables: &Tables,
    environment: EnvironmentId,
    of: &Page<String>,
    archived: bool,
) -> Listed<EventType> {
    let shown = |row: &&EventType| row.environment == environment && (archived || !row.archived);
    page(tables.event_types.values().filter(shown), of, |row| row.name.clone())
}

pub(super) fn events(
    tables: &Tables,
    application: ApplicationId,
    page: Page<EventId>,
    filter: &Filter,
    bodies: bool,
) -> Listed<Event> {
    let owned = tables.events.values().map(|row| &row.event).filter(|event| event.application == application);
    let rows = within(owned.collect(), page, filter, |event: &Event| event.id.value());
    let mut listed =
        scan(&rows, (&page, SCAN_ROWS_MAX), |event| event.id.value(), |event| matches_event(filter, event));
    if !bodies {
        for event in &mut listed.rows {
            event.body = Bytes::new();
        }
    }
    listed
}

pub(super) fn matches_event(filter: &Filter, event: &Event) -> bool {
    (filter.event_types.is_empty() || filter.event_types.contains(&event.event_type))
        && filter.channel.as_ref().is_none_or(|channel| event.channels.contains(channel))
        && filter.tag.as_ref().is_none_or(|tag| event.tags().contains(tag))
}

pub(super) fn attempts(tables: &Tables, of: AttemptsOf, page: Page<AttemptId>, filter: &Filter) -> Listed<AttemptRow> {
    let first = tables.deliveries.iter().filter_map(|((event, endpoint), row)| {
        let attempt = row.first.clone()?;
        Some(AttemptRow { event: *event, endpoint: *endpoint, attempt, webhook_id: None })
    });
    let owned = |row: &AttemptRow| match of {
        AttemptsOf::Event(event) => row.event == event,
        AttemptsOf::Endpoint(endpoint) => row.endpoint == endpoint,
    };
    let mut rows: Vec<_> = first.chain(tables.attempts.values().cloned()).filter(owned).collect();
    rows.sort_by_key(|row| row.attempt.id);
    for row in &mut rows {
        row.webhook_id = tables.webhook_id(row.event);
    }
    let rows = within(rows.iter().collect(), page, filter, |row: &AttemptRow| row.attempt.id.value());
    scan(
        &rows,
        (&page, filter.attempt_rows_max()),
        |row| row.attempt.id.value(),
        |row| matches_attempt(tables, filter, row),
    )
}

fn matches_attempt(tables: &Tables, filter: &Filter, row: &AttemptRow) -> bool {
    let attempt = &row.attempt;
    filter.endpoint.is_none_or(|endpoint| endpoint == row.endpoint)
        && filter.succeeded.is_none_or(|succeeded| succeeded == attempt.succeeded())
        && filter.status_class.is_none_or(|class| attempt.status_code / 100 == class / 100)
        && tables.events.get(&row.event).is_none_or(|event| matches_event(filter, &event.event))
}

/// The rows of a page's open interval of ids, in the page's order.
pub(super) fn within<'a, K: Id, T>(
    rows: Vec<&'a T>,
    page: Page<K>,
    filter: &Filter,
    id: impl Fn(&T) -> i64,
) -> Vec<&'a T> {
    let inside =
        |row: &&T| filter.above.is_none_or(|above| id(row) > above) && filter.below.is_none_or(|below| id(row) < below);
    page.numbers().of(rows.into_iter().filter(inside), |row| id(row))
}

/// Walks slices until the page is full, the list ends, or so many rows were looked at.
pub(super) fn scan<K, T: Clone>(
    rows: &[&T],
    (page, rows_max): (&Page<K>, usize),
    id: impl Fn(&T) -> i64,
    fits: impl Fn(&T) -> bool,
) -> Listed<T> {
    let slice_rows = SLICE_ROWS.min(page.limit + 1);
    let mut kept = Vec::new();
    let mut seen = 0;
    let mut rest = rows;
    loop {
        let (slice, behind) = rest.split_at(slice_rows.min(rest.len()));
        rest = behind;
        seen += slice.len();
        for row in slice {
            if fits(row) {
                kept.push(T::clone(row));
                if kept.len() > page.limit {
                    return Listed::cut(kept, page.limit);
                }
            }
        }
        let Some(last) = slice.last().filter(|_| slice.len() == slice_rows) else {
            return Listed::cut(kept, page.limit);
        };
        if seen >= rows_max {
            return Listed { rows: kept, done: false, stopped_at: Some(id(last)) };
        }
    }
}
