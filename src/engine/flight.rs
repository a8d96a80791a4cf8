//! A delivery in memory: it waits for its first attempt, or an attempt is on its way.

use crate::delivery::Delivery;
use crate::id::{AttemptId, EventId};
use crate::ordering::OrderKey;

/// A delivery that waits for its first attempt and has no row yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    pub(super) event: EventId,
    pub(super) since_ms: i64,
    /// The key under which it waits its turn.
    pub(super) key: Option<OrderKey>,
}

/// An attempt on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) event: EventId,
    /// Its id, handed out as it began.
    pub(super) attempt: AttemptId,
    pub(super) started_ms: i64,
    /// Since when it waits in memory.
    pub(super) since_ms: i64,
    pub(super) delivery: Delivery,
    /// Its line in the due index; `None` while it has no row.
    pub(super) line_ms: Option<i64>,
    /// The key of those that wait for its end.
    pub(super) key: Option<OrderKey>,
    /// Whether it came from the backlog: such flights have a share of the slots only.
    pub(super) retry: bool,
}
