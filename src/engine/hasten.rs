//! A clock that was ahead: what waits by its times would stand still until they have come. They are brought back at the
//! start, before anything reads them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::clock::Now;
use crate::delivery::Ahead;
use crate::error::{Error, Result};
use crate::id::{EventId, Id as _};
use crate::providers;
use crate::retry::Ladder;
use crate::store::{Batch, Op, Opening, Store};

/// By how much the last trace of a server may be ahead of a clock that is right: ids of one moment are counted on.
const AHEAD_MS_MAX: i64 = 1_000;

/// Brings due times back when the store holds traces of a later moment than this one. Error: they cannot be written.
pub(super) async fn hasten(
    store: Arc<dyn Store>,
    (ladder, speed): (&Ladder, u32),
    opening: &mut Opening,
    now: Now,
) -> Result<()> {
    let last_ms = EventId::new(opening.last_id).time_ms().max(opening.alive_ms.unwrap_or(0));
    if last_ms <= now.wall_ms + AHEAD_MS_MAX {
        return Ok(());
    }
    let ahead = Ahead { now_ms: now.steady_ms, last_ms };
    let speed = i64::from(speed.max(1));
    let with_lines: BTreeSet<_> = opening.due.iter().map(|(endpoint, _)| *endpoint).collect();
    let waiting = opening.endpoints.iter().filter(|endpoint| with_lines.contains(&endpoint.id));
    let ops: Vec<Op> = waiting
        .map(|endpoint| {
            let ladder = endpoint.handling.ladder(providers::ladder(endpoint.provider, ladder));
            let waits_ms = ladder.longest_ms().map(|wait_ms| wait_ms / speed).collect();
            Op::Hasten { endpoint: endpoint.id, ahead, waits_ms }
        })
        .collect();
    tracing::warn!(
        ahead_ms = last_ms - now.wall_ms,
        endpoints = ops.len(),
        "the clock was ahead when the server stopped: what waits is due after the longest wait it can have"
    );
    let Now { wall_ms, steady_ms } = now;
    let due = spawn_blocking(move || {
        for op in ops {
            let batch = Batch { wall_ms, steady_ms, ops: vec![op] };
            store.commit(&batch).map_err(|failed| Error::internal(failed.detail()))?;
        }
        store.opening(wall_ms).map(|opening| opening.due)
    });
    opening.due = due.await.map_err(Error::internal)??;
    Ok(())
}
