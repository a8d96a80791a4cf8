//! Due times that a clock wrote that was ahead: none is later than the longest wait it can stand for.

use rusqlite::params;

use super::Writing;
use super::delivery::move_due;
use super::rows::{self, DELIVERY};
use crate::delivery::{Ahead, BLOCKED_MS, Delivery};
use crate::id::{EndpointId, Id};

type Sql<T> = rusqlite::Result<T>;

/// A line of the due index: when, what, the delivery, and when it was published for.
type Line = (i64, i64, Delivery, Option<i64>);

/// How many lines are looked at in one read.
const SLICE_ROWS: usize = 1_000;

/// Moves an endpoint's lines, slice by slice; those that are moved come to stand before what was looked at.
pub(super) fn hasten(work: &Writing<'_>, endpoint: EndpointId, ahead: Ahead, waits_ms: &[i64]) -> Sql<()> {
    let db = work.db;
    let delivery = DELIVERY.replace("due_ms", "due.due_ms");
    let mut read = db.prepare(&format!(
        "select due.due_ms, due.event, {delivery}, (select deliver_at_ms from event_extra where event_extra.event = due.event)
         from due join delivery using (event, endpoint)
         where due.endpoint = ?1 and (due.due_ms, due.event) > (?2, ?3) and due.due_ms < ?4
         order by due.due_ms, due.event limit ?5"
    ))?;
    let mut write = db.prepare("update delivery set due_ms = ?3 where event = ?1 and endpoint = ?2")?;
    let mut after = (ahead.now_ms, i64::MAX);
    loop {
        let found = read.query_map(params![endpoint.value(), after.0, after.1, BLOCKED_MS, SLICE_ROWS], |row| {
            Ok((row.get(0)?, row.get(1)?, rows::delivery(row, 2)?, row.get(7)?))
        })?;
        let lines: Vec<Line> = found.collect::<Sql<_>>()?;
        let Some(last) = lines.last() else {
            return Ok(());
        };
        after = (last.0, last.1);
        for (due_ms, event, delivery, deliver_at_ms) in lines {
            let by_ms = delivery.due_by(ahead, waits_ms, deliver_at_ms);
            if by_ms < due_ms {
                move_due(db, event, endpoint.value(), Some(due_ms), Some(by_ms))?;
                write.execute(params![event, endpoint.value(), by_ms])?;
            }
        }
    }
}
