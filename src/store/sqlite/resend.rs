//! One more attempt, when a person asks for it.

use rusqlite::{Connection, OptionalExtension, params};

use super::Writing;
use super::delivery::{insert_untried, move_due};
use crate::attempt::Trigger;
use crate::delivery::{BLOCKED_MS, Delivery};
use crate::fan_out;
use crate::id::{EndpointId, EventId, Id};

type Sql<T> = rusqlite::Result<T>;

/// Makes a delivery due now, as a person asked.
pub(super) fn resend(work: &mut Writing<'_>, event: EventId, endpoint: EndpointId, due_ms: i64) -> Sql<()> {
    let db = work.db;
    let mut sql = db.prepare_cached("select due_ms from delivery where event = ?1 and endpoint = ?2")?;
    let row: Option<Option<i64>> =
        sql.query_row(params![event.value(), endpoint.value()], |row| row.get(0)).optional()?;
    let Some(was_due_ms) = row else {
        if !goes_to(db, event, endpoint)? {
            work.counted.add(event, endpoint);
        }
        let delivery = Delivery { trigger: Trigger::Manual, ..Delivery::fresh(due_ms) };
        return insert_untried(db, (event, endpoint), &delivery, None);
    };
    // what waits for another of its key waits on
    let due_ms = if was_due_ms == Some(BLOCKED_MS) { BLOCKED_MS } else { due_ms };
    db.prepare_cached("update delivery set due_ms = ?3, trigger = 1 where event = ?1 and endpoint = ?2")?
        .execute(params![event.value(), endpoint.value(), due_ms])?;
    move_due(db, event.value(), endpoint.value(), was_due_ms, Some(due_ms))
}

/// Whether the event goes there of itself.
fn goes_to(db: &Connection, event: EventId, endpoint: EndpointId) -> Sql<bool> {
    let mut sql = db.prepare_cached("select fan_out from event where id = ?1")?;
    let packed: Option<Vec<u8>> = sql.query_row((event.value(),), |row| row.get(0)).optional()?;
    Ok(fan_out::unpack(&packed.unwrap_or_default()).is_some_and(|endpoints| endpoints.contains(&endpoint)))
}
