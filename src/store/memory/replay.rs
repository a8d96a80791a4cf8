//! Replays: how one is kept, what there is to make again, and making it.

use super::count::Sums;
use super::delivery::move_due;
use super::{FirstRow, Tables, chain};
use crate::attempt::Trigger;
use crate::delivery::{BLOCKED_MS, Delivery, Standing, Status};
use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::fan_out;
use crate::id::{EventId, Id};
use crate::ordering::OrderKey;
use crate::replay::{Kind, Replay, State};
use crate::store::{ReplayCount, Replayable, Replayed};

pub(super) fn running(tables: &Tables) -> Vec<Replay> {
    tables.replays.values().filter(|row| row.state == State::Running).cloned().collect()
}

/// Keeps a new one, or changes the state of one that runs; not while another runs at its endpoint, but for one
/// of what waits: the new one takes its place.
pub(super) fn put(tables: &mut Tables, replay: &Replay) -> bool {
    if let Some(row) = tables.replays.get_mut(&replay.id) {
        let runs = row.state == State::Running;
        if runs {
            (row.state, row.updated_ms) = (replay.state, replay.updated_ms);
        }
        return runs;
    }
    let rival = |row: &&mut Replay| row.endpoint == replay.endpoint && row.state == State::Running;
    if let Some(rival) = tables.replays.values_mut().find(rival).filter(|_| replay.state == State::Running) {
        if rival.kind != Kind::Waiting {
            return false;
        }
        (rival.state, rival.updated_ms) = (State::Canceled, replay.updated_ms);
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
    row.updated_ms = wall_ms;
    if replayed.done {
        row.state = State::Finished;
    }
    let made: Vec<bool> =
        replayed.events.iter().filter_map(|&(event, key)| again(tables, sums, (event, key), replayed)).collect();
    if let Some(row) = tables.replays.get_mut(&replayed.replay) {
        row.done += made.iter().map(|_| 1).sum::<u64>();
        row.delivered += made.iter().map(|delivered| u64::from(*delivered)).sum::<u64>();
    }
}

/// Makes one delivery due; gives whether it had been delivered before. `None` for one that stays as it is: nobody tried
/// it yet, it waits for others of its key, or it was delivered meanwhile.
fn again(
    tables: &mut Tables,
    sums: &mut Sums,
    (event, key): (EventId, Option<OrderKey>),
    replayed: &Replayed,
) -> Option<bool> {
    let &Replayed { endpoint, kind, due_ms, .. } = replayed;
    let before = tables.deliveries.get(&(event, endpoint)).map(|row| row.delivery);
    if let Some(before) = before.filter(|before| before.status == Status::Pending) {
        let was_due_ms = before.due_ms.filter(|was_due_ms| before.attempts > 0 && *was_due_ms < BLOCKED_MS)?;
        let due_ms = Some(due_ms.min(was_due_ms));
        let row = tables.deliveries.get_mut(&(event, endpoint))?;
        row.delivery = Delivery { due_ms, step: if kind == Kind::Waiting { before.step } else { 0 }, ..before };
        move_due(tables, (event, endpoint), Some(was_due_ms), due_ms);
        return Some(false);
    }
    if replayed.spares_delivered && before.is_some_and(|before| before.status == Status::Success) {
        return None;
    }
    let due_ms = key.map_or(due_ms, |key| chain::join(tables, sums, (endpoint, key), event, due_ms));
    let row = tables.deliveries.entry((event, endpoint)).or_insert_with(|| {
        sums.counted.add(event, endpoint);
        FirstRow { delivery: Delivery { due_ms: None, ..Delivery::fresh(due_ms) }, first: None, key: None }
    });
    let was = row.delivery;
    row.delivery =
        Delivery { status: Status::Pending, step: 0, due_ms: Some(due_ms), trigger: Trigger::Scheduled, ..was };
    sums.counted.moved(event, endpoint, was.standing(), row.delivery.standing());
    row.key = key;
    move_due(tables, (event, endpoint), was.due_ms, Some(due_ms));
    Some(was.status == Status::Success)
}

/// How many there are in all, and how many of them had been delivered.
pub(super) fn count(tables: &Tables, replay: &Replay) -> ReplayCount {
    let events = replayable(tables, replay, usize::MAX).events;
    let delivered = events.iter().filter(|(event, _)| {
        tables.deliveries.get(&(*event, replay.endpoint)).is_some_and(|row| row.delivery.status == Status::Success)
    });
    let (all, delivered) = (events.len(), delivered.count());
    ReplayCount { all: all.try_into().unwrap_or(u64::MAX), delivered: delivered.try_into().unwrap_or(u64::MAX) }
}

/// The next deliveries to make again, `limit` at most.
pub(super) fn replayable(tables: &Tables, replay: &Replay, limit: usize) -> Replayable {
    let Some(endpoint) = tables.endpoints.get(&replay.endpoint) else {
        return Replayable { events: Vec::new(), position: replay.last, done: true };
    };
    let mut events = Vec::new();
    for (&event, row) in tables.events.range(replay.position..replay.last) {
        if row.event.application == replay.application && meant(tables, replay, endpoint, &row.event, &row.fan_out) {
            // what waits has its place among those of its key, if it has one
            let waits = tables.deliveries.get(&(event, endpoint.id)).is_some_and(waits);
            events.push((event, if waits { None } else { endpoint.handling.order_key(&row.event.body) }));
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
    if replay.kind.is_of_open() {
        return row.is_some_and(|row| {
            let ended = row.delivery.status == Status::Failed && replay.kind == Kind::Recover;
            ended || (waits(row) && !(200..300).contains(&last_code(tables, event.id, row, endpoint)))
        });
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
        let tried = row.delivery.status != Status::Pending || waits(row);
        tried && replay.wanted.fits_delivery(row.delivery.standing(), last_code(tables, event.id, row, endpoint))
    })
}

/// Whether a delivery waits for a retry: neither for its first attempt nor for others of its key.
fn waits(row: &FirstRow) -> bool {
    row.delivery.standing() == Standing::Sending && row.delivery.next_ms().is_some()
}

/// What the last attempt was answered; 0 for nothing.
fn last_code(tables: &Tables, event: EventId, row: &FirstRow, endpoint: &Endpoint) -> u16 {
    let last = tables.attempts.values().rfind(|attempt| attempt.event == event && attempt.endpoint == endpoint.id);
    let code = last.map(|row| row.attempt.status_code);
    code.or(row.first.as_ref().map(|first| first.status_code)).unwrap_or_default()
}
