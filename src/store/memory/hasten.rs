//! Due times that a clock wrote that was ahead: none is later than the longest wait it can stand for.

use super::tables::Tables;
use crate::delivery::{Ahead, BLOCKED_MS};
use crate::id::{EndpointId, EventId, Id};

pub(super) fn hasten(tables: &mut Tables, endpoint: EndpointId, ahead: Ahead, waits_ms: &[i64]) {
    let first = (endpoint, ahead.now_ms, EventId::new(i64::MAX));
    let lines: Vec<_> =
        tables.due.range(first..).take_while(|line| line.0 == endpoint && line.1 < BLOCKED_MS).copied().collect();
    for (endpoint, due_ms, event) in lines {
        let deliver_at_ms = tables.events.get(&event).and_then(|row| row.event.deliver_at_ms());
        let Some(row) = tables.deliveries.get_mut(&(event, endpoint)) else {
            continue;
        };
        let by_ms = row.delivery.due_by(ahead, waits_ms, deliver_at_ms);
        if by_ms < due_ms {
            row.delivery.due_ms = Some(by_ms);
            tables.due.remove(&(endpoint, due_ms, event));
            tables.due.insert((endpoint, by_ms, event));
        }
    }
}
