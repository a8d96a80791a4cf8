//! What is erased: the payloads of events, the responses that attempts brought.

use bytes::Bytes;

use super::count::Sums;
use super::{Tables, arrival, chain};
use crate::delivery::{BLOCKED_MS, Standing, Status};
use crate::id::{ApplicationId, AttemptId, EventId};
use crate::store::EXPUNGED;

/// Erases a payload; what still waits for it is canceled.
pub(super) fn event(tables: &mut Tables, sums: &mut Sums, application: ApplicationId, event: EventId) {
    arrival::keep_fingerprint(tables, event);
    let Some(row) = tables.events.get_mut(&event).filter(|row| row.event.application == application) else {
        return;
    };
    row.event.body = Bytes::new();
    row.event.extra.get_or_insert_default().expunged = true;
    let mut left = Vec::new();
    for ((_, endpoint), row) in tables.deliveries.iter_mut().filter(|((of, _), _)| *of == event) {
        let Some(due_ms) = row.delivery.due_ms.take() else {
            continue;
        };
        let standing = row.delivery.standing();
        if standing.waits() {
            sums.counted.moved(event, *endpoint, standing, Standing::Canceled);
            row.delivery.status = Status::Canceled;
        }
        tables.due.remove(&(*endpoint, due_ms, event));
        left.extend(row.key.map(|key| (*endpoint, key, due_ms)));
    }
    for (endpoint, key, due_ms) in left {
        if due_ms == BLOCKED_MS {
            tables.chains.remove(&(endpoint, key, event));
        } else {
            chain::leave(tables, sums, (endpoint, key), event);
        }
    }
}

/// Erases the response that an attempt brought.
pub(super) fn attempt(tables: &mut Tables, event: EventId, attempt: AttemptId) {
    let mut firsts = tables.deliveries.iter_mut().filter(|((of, _), _)| *of == event);
    let first = firsts.find_map(|(_, row)| row.first.as_mut().filter(|first| first.id == attempt));
    let later = tables.attempts.get_mut(&attempt).filter(|row| row.event == event).map(|row| &mut row.attempt);
    if let Some(attempt) = first.or(later) {
        attempt.response = Bytes::from_static(EXPUNGED);
    }
}
