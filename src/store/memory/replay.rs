//! Replays: how one is kept, what there is to make again, and making it.

use super::count::Sums;
use super::{FirstRow, Tables, chain};
use crate::attempt::Trigger;
use crate::delivery::{Delivery, Status};
use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::fan_out;
use crate::id::{EventId, Id};
use crate::ordering::OrderKey;
use crate::replay::{Kind, Replay, State};
use crate::store::{Replayable, Replayed};

pub(super) fn running(tables: &Tables) -> Vec<Replay> {
    tables.replays.values().filter(|row| row.state == State::Running).cloned().collect()
}

/// Keeps a new one, or changes the state of one that runs; not while another runs at its endpoint.
pub(super) fn put(tables: &mut Tables, replay: &Replay) -> bool {
    if let Some(row) = tables.replays.get_mut(&replay.id) {
        let runs = row.state == State::Running;
        if runs {
            (row.state, row.updated_ms) = (replay.state, replay.updated_ms);
        }
        return runs;
    }
    let rival = |row: &Replay| row.endpoint == replay.endpoint && row.state == State::Running;
    if replay.state == State::Running && tables.replays.values().any(rival) {
        return false;
    }
    tables.replays.insert(replay.id, replay.clone());
    true
}

/// Calls off the running replays of what is deleted.
pub(super) fn call_off(tables: &mut Tables, is_its: impl Fn(&Replay) -> bool, wall_ms: i64) {
    for row in tables.replays.values_mut().filter(|row| is_its(row) && row.state == State::Running) {
        (row.state, row.updated_ms) = (State::Canceled, wall_ms);
    }
}

/// Makes a slice's deliveries due; one that was called off meanwhile makes none.
pub(super) fn make(tables: &mut Tables, sums: &mut Sums, replayed: &Replayed, wall_ms: i64) {
    let Some(row) = tables.replays.get_mut(&replayed.replay).filter(|row| row.state == State::Running) else {
        return;
    };
    row.position = replayed.position;
    row.done += u64::try_from(replayed.events.len()).unwrap_or(u64::MAX);
    row.updated_ms = wall_ms;
    if replayed.done {
        row.state = State::Finished;
    }
    for &(event, key) in &replayed.events {
        again(tables, sums, (event, key), replayed);
    }
}

/// Makes one delivery due; one that waits already stays as it is.
fn again(tables: &mut Tables, sums: &mut Sums, (event, key): (EventId, Option<OrderKey>), replayed: &Replayed) {
    let (endpoint, due_ms) = (replayed.endpoint, replayed.due_ms);
    let before = tables.deliveries.get(&(event, endpoint)).map(|row| row.delivery);
    if before.is_some_and(|before| before.status == Status::Pending) {
        return;
    }
    let due_ms = key.map_or(due_ms, |key| chain::join(tables, sums, (endpoint, key), event, due_ms));
    let row = tables.deliveries.entry((event, endpoint)).or_insert_with(|| {
        sums.counted.add(event, endpoint);
        FirstRow { delivery: Delivery { due_ms: None, ..Delivery::fresh(due_ms) }, first: None, key: None }
    });
    let before = row.delivery;
    sums.counted.moved(event, endpoint, before.status, Status::Pending);
    if let Some(was_due_ms) = before.due_ms {
        tables.due.remove(&(endpoint, was_due_ms, event));
    }
    row.delivery =
        Delivery { status: Status::Pending, step: 0, due_ms: Some(due_ms), trigger: Trigger::Scheduled, ..before };
    row.key = key;
    tables.due.insert((endpoint, due_ms, event));
}

/// The next deliveries to make again, `limit` at most.
pub(super) fn replayable(tables: &Tables, replay: &Replay, limit: usize) -> Replayable {
    let Some(endpoint) = tables.endpoints.get(&replay.endpoint) else {
        return Replayable { events: Vec::new(), position: replay.last, done: true };
    };
    let mut events = Vec::new();
    for (&event, row) in tables.events.range(replay.position..replay.last) {
        if row.event.application == replay.application && meant(tables, replay, endpoint, &row.event, &row.fan_out) {
            events.push((event, endpoint.handling.order_key(&row.event.body)));
            if events.len() == limit {
                return Replayable { events, position: EventId::new(event.value() + 1), done: false };
            }
        }
    }
    Replayable { events, position: replay.last, done: true }
}

fn meant(tables: &Tables, replay: &Replay, endpoint: &Endpoint, event: &Event, went: &[u8]) -> bool {
    let row = tables.deliveries.get(&(event.id, endpoint.id));
    if event.is_expunged() {
        return false;
    }
    if replay.kind == Kind::Recover {
        return row.is_some_and(|row| row.delivery.status == Status::Failed);
    }
    let tags = event.extra.as_ref().map_or(&[][..], |extra| &extra.tags);
    if !replay.wanted.fits(&event.event_type, &event.channels, tags) {
        return false;
    }
    if replay.kind == Kind::Missing {
        let went = fan_out::unpack(went).unwrap_or_default();
        return row.is_none()
            && !went.contains(&endpoint.id)
            && fan_out::wants(endpoint, &event.event_type, &event.channels)
            && fan_out::passes(endpoint, &event.body);
    }
    row.is_some_and(|row| {
        let last =
            tables.attempts.values().filter(|attempt| attempt.event == event.id && attempt.endpoint == endpoint.id);
        let code = last.last().map(|row| row.attempt.status_code);
        let code = code.or(row.first.as_ref().map(|first| first.status_code)).unwrap_or_default();
        row.delivery.status != Status::Pending && replay.wanted.fits_delivery(row.delivery.status, code)
    })
}
