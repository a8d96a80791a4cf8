//! The one write: all of a batch, or nothing of it.

use std::sync::Arc;

use super::count::Sums;
use super::delivery::{insert_untried, move_due};
use super::{
    EventRow, FirstRow, KeyRow, Tables, arrival, audit, background, chain, count, hasten, held, minute, refusal,
    replay, setting, user,
};
use crate::attempt::Trigger;
use crate::audit::By;
use crate::conflict::First;
use crate::delivery::{BLOCKED_MS, Delivery, Standing, Status};
use crate::endpoint::{Health, State};
use crate::error::Result;
use crate::event::Once;
use crate::fan_out;
use crate::id::{self, EndpointId, EventId, Id};
use crate::inbound::Flags;
use crate::store::counted::Counted;
use crate::store::{
    AttemptRow, BRIEF_KEY_MS, Batch, CommitFailed, FORGET_ROWS_MAX, KEY_MS, NewRow, Op, Receipt, Refused, Tried, day,
    trail, uid_hash,
};

/// Writes the batch. Error: it breaks a rule of the tables; then nothing of it stands.
pub(super) fn commit(tables: &mut Tables, batch: &Batch) -> Result<Receipt, CommitFailed> {
    lawful(tables, batch).map_err(CommitFailed::Unknown)?;
    let (mut receipt, mut sums) = (Receipt::default(), Sums::at(batch.steady_ms));
    for (position, op) in batch.ops.iter().enumerate() {
        let untold = receipt.untold(position, op);
        let refused = untold.or_else(|| apply(tables, &mut sums, op, batch.wall_ms));
        if refused.is_none() {
            receipt.conflicts.extend(contradicted(tables, op).map(|(first, flags)| (position, first, flags)));
        }
        receipt.refused.extend(refused.map(|refused| (position, refused)));
    }
    receipt.turns = chain::turns(tables, &mut sums);
    arrival::write_tally(tables, sums.tally, batch.wall_ms);
    arrival::end(tables);
    count::write(tables, sums.counted, batch.wall_ms);
    Ok(receipt)
}

/// Whom an event that was let in contradicts, and what is odd about it by that.
fn contradicted(tables: &Tables, op: &Op) -> Option<(First, Flags)> {
    let arrival = tables.events.get(&op.event()?.event.id)?.event.arrival.as_ref()?;
    arrival.first.map(|first| (first, arrival.flags))
}

/// What SQLite's keys and checks would stop halfway is found before anything is written.
fn lawful(tables: &Tables, batch: &Batch) -> Result<(), String> {
    for op in &batch.ops {
        match op {
            Op::Event(row) | Op::News(row) if tables.events.contains_key(&row.event.id) => {
                return Err(format!("{:?} exists already", row.event.id));
            }
            Op::Tried(tried) => {
                let delivery = &tried.delivery;
                if delivery.attempts == 0 || (delivery.status == Status::Pending && delivery.due_ms.is_none()) {
                    return Err(format!("an attempt left {:?} to {:?} as {delivery:?}", tried.event, tried.endpoint));
                }
                if delivery.attempts > 1 && tables.attempts.contains_key(&tried.attempt.id) {
                    return Err(format!("{:?} exists already", tried.attempt.id));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn apply(tables: &mut Tables, sums: &mut Sums, op: &Op, wall_ms: i64) -> Option<Refused> {
    match op {
        Op::Event(row) | Op::News(row) => return event(tables, sums, row, wall_ms),
        Op::Tried(tried) => {
            let before = standing(tables, tried);
            let tried = &tried.after(before);
            let since_ms = minute::since(tables, tried, before);
            sums.counted.tried(tried, before, since_ms);
            self::tried(tables, tried);
            if let Some(key) = tried.key {
                chain::tried(tables, sums, tried, key);
            }
            if tried.delivery.status == Status::Success && is_a_sources(tables, tried.endpoint) {
                arrival::taken(tables, &mut sums.tally, tried.event);
            }
        }
        Op::Park(due) => match due.key {
            Some(key) => chain::park(tables, sums, due, key),
            None => insert_untried(tables, (due.event, due.endpoint), &due.delivery, None),
        },
        Op::Resend { event, endpoint, due_ms, by } => {
            resend(tables, &mut sums.counted, (*event, *endpoint), *due_ms);
            let Ok(deed) = trail::resent(tables, *by, (*event, *endpoint));
            audit::tell(tables, wall_ms, *by, deed);
        }
        Op::Replay(replayed) => replay::make(tables, sums, replayed, wall_ms),
        Op::Cancel { endpoint, count } => cancel(tables, &mut sums.counted, *endpoint, *count),
        Op::Hasten { endpoint, ahead, waits_ms } => hasten::hasten(tables, *endpoint, *ahead, waits_ms),
        Op::Mark { mark, last_id } => (tables.mark, tables.last_id) = (*mark, *last_id),
        Op::Health { endpoint, health, state } => {
            self::health(tables, *endpoint, *health, *state);
            if let Some(state) = state
                && let Ok(Some(deed)) = trail::given_up(tables, *endpoint, *state)
            {
                audit::tell(tables, wall_ms, By::server(), deed);
            }
        }
        Op::Setting(setting) => return setting::apply(tables, sums, setting, wall_ms),
        Op::Forget => forget(tables, wall_ms),
        Op::Used { key, at_ms } => {
            if let Some(row) = tables.keys.get_mut(key) {
                row.used_ms = row.used_ms.max(Some(*at_ms));
            }
        }
        Op::Turned(turned) => refusal::turned(tables, &mut sums.tally, turned),
        Op::Quarantine(quarantined) => return held::quarantine(tables, sums, quarantined),
        Op::ConflictTold(conflict) => return held::tell(tables, *conflict),
        Op::Alive(at_ms) => tables.alive_ms = Some(*at_ms),
        Op::Outage { source, since_ms, until_ms } => sums.tally.of(*source).outage = Some((*since_ms, *until_ms)),
    }
    None
}

/// Whether inbound events are handed on to this endpoint.
fn is_a_sources(tables: &Tables, endpoint: EndpointId) -> bool {
    let application = tables.endpoints.get(&endpoint).and_then(|row| tables.applications.get(&row.application));
    application.is_some_and(|row| row.source.is_some())
}

fn event(tables: &mut Tables, sums: &mut Sums, row: &NewRow, wall_ms: i64) -> Option<Refused> {
    let tally = &mut sums.tally;
    let mut event = row.event.clone();
    if let Some(once) = row.once.filter(|once| !once.brief)
        && let Some(refused) = known_key(tables, &once, wall_ms)
    {
        return Some(refused);
    }
    if let Some(release) = &row.released
        && !held::waits(tables, release.held)
    {
        return Some(Refused::Stale);
    }
    if let Some(arrival) = &mut event.arrival {
        let arrival = Arc::make_mut(arrival);
        if let Err(refused) = arrival::admit(tables, tally, row, arrival, wall_ms) {
            if let (Some(release), Refused::Duplicate(before)) = (&row.released, &refused) {
                held::released(tables, release, *before, wall_ms);
            }
            return Some(refused);
        }
    }
    if let Some(uid) = &event.uid {
        let hash = uid_hash(event.application, uid);
        if tables.event_uids.contains_key(&hash) {
            return Some(Refused::Taken);
        }
        tables.event_uids.insert(hash, event.id);
    }
    match row.once {
        Some(once) if once.brief => {
            tables.recent_keys.insert(event.id, once);
        }
        Some(once) => {
            let kept = KeyRow { event: event.id, request: once.request, at_ms: wall_ms };
            tables.event_keys.insert((day(wall_ms), once.key), kept);
        }
        None => {}
    }
    if let Some(arrival) = &event.arrival {
        tally.accept(arrival.source, arrival.flags, row.released.as_deref());
        arrival::remember(tables, event.id, arrival, row.dedup.as_deref().cloned());
    }
    sums.counted.accept(row);
    if let Some(due_ms) = event.deliver_at_ms() {
        for (endpoint, key) in fan_out::unpack_keyed(&row.fan_out).unwrap_or_default() {
            insert_untried(tables, (event.id, endpoint), &Delivery::fresh(due_ms), key);
        }
    }
    let id = event.id;
    tables.events.insert(id, EventRow { event, fan_out: row.fan_out.clone() });
    if let Some(release) = &row.released {
        held::released(tables, release, id, wall_ms);
    }
    None
}

/// Whether a caller's own key was used within its 24 hours. Tomorrow counts too: a clock may be set back over midnight.
fn known_key(tables: &Tables, once: &Once, wall_ms: i64) -> Option<Refused> {
    let days = [day(wall_ms) + 1, day(wall_ms), day(wall_ms) - 1];
    let mut rows = days.into_iter().filter_map(|day| tables.event_keys.get(&(day, once.key)));
    let row = rows.find(|row| row.at_ms > wall_ms - KEY_MS)?;
    Some(if row.request == once.request { Refused::Repeated(row.event) } else { Refused::KeyReused })
}

/// Where a delivery stood until this attempt; one without a row was pending.
fn standing(tables: &Tables, tried: &Tried) -> Standing {
    let row = tables.deliveries.get(&(tried.event, tried.endpoint));
    let known = row.filter(|_| tried.was_due_ms.is_some() || tried.delivery.attempts > 1);
    Standing::of(known.map(|row| row.delivery))
}

fn tried(tables: &mut Tables, tried: &Tried) {
    let Tried { event, endpoint, attempt, delivery, was_due_ms, key: order_key } = tried;
    let key = (*event, *endpoint);
    let row = tables.deliveries.get(&key);
    let was_due_ms = match order_key {
        // it may have been canceled, or its turn given away, meanwhile
        Some(_) if was_due_ms.is_some() => row.and_then(|row| row.delivery.due_ms),
        _ => *was_due_ms,
    };
    let order_key = row.and_then(|row| row.key);
    if delivery.attempts == 1 {
        tables.deliveries.insert(key, FirstRow { delivery: *delivery, first: Some(attempt.clone()), key: order_key });
    } else {
        tables.attempts.insert(
            attempt.id,
            AttemptRow { event: *event, endpoint: *endpoint, attempt: attempt.clone(), webhook_id: None },
        );
        if let Some(row) = tables.deliveries.get_mut(&key) {
            row.delivery = *delivery;
        }
    }
    move_due(tables, key, was_due_ms, delivery.due_ms);
}

fn resend(tables: &mut Tables, counted: &mut Counted, key: (EventId, EndpointId), due_ms: i64) {
    let Some(row) = tables.deliveries.get_mut(&key) else {
        let fan_out = tables.events.get(&key.0).and_then(|row| fan_out::unpack(&row.fan_out));
        if fan_out.is_none_or(|endpoints| !endpoints.contains(&key.1)) {
            counted.add(key.0, key.1);
        }
        let delivery = Delivery { trigger: Trigger::Manual, ..Delivery::fresh(due_ms) };
        return insert_untried(tables, key, &delivery, None);
    };
    // what waits for another of its key waits on
    let due_ms = if row.delivery.due_ms == Some(BLOCKED_MS) { BLOCKED_MS } else { due_ms };
    let was_due_ms = row.delivery.due_ms.replace(due_ms);
    row.delivery.trigger = Trigger::Manual;
    move_due(tables, key, was_due_ms, Some(due_ms));
}

fn cancel(tables: &mut Tables, counted: &mut Counted, endpoint: EndpointId, count: usize) {
    let first = (endpoint, i64::MIN, EventId::new(i64::MIN));
    let lines: Vec<_> = tables.due.range(first..).take_while(|line| line.0 == endpoint).take(count).copied().collect();
    for line in lines {
        if let Some(row) = tables.deliveries.get_mut(&(line.2, endpoint)) {
            row.delivery.due_ms = None;
            let standing = row.delivery.standing();
            if standing.waits() {
                row.delivery.status = Status::Canceled;
                counted.moved(line.2, endpoint, standing, Standing::Canceled);
            }
            if let Some(key) = row.key {
                tables.chains.remove(&(endpoint, key, line.2));
            }
        }
        tables.due.remove(&line);
    }
}

fn health(tables: &mut Tables, endpoint: EndpointId, health: Health, state: Option<State>) {
    if let Some(row) = tables.endpoints.get_mut(&endpoint) {
        row.health = health;
        // a person may have disabled or deleted it meanwhile: that stands
        if let Some(state) = state.filter(|_| row.state == State::Enabled) {
            row.state = state;
            row.revision += 1;
        }
    }
}

fn forget(tables: &mut Tables, wall_ms: i64) {
    let before = day(wall_ms - KEY_MS);
    let old: Vec<_> = tables.event_keys.range(..(before, [0; 16])).take(FORGET_ROWS_MAX).map(|(key, _)| *key).collect();
    for key in old {
        tables.event_keys.remove(&key);
    }
    let old: Vec<_> = tables.answers.range(..(before, [0; 16])).take(FORGET_ROWS_MAX).map(|(key, _)| *key).collect();
    for key in old {
        tables.answers.remove(&key);
    }
    let floor = EventId::new(id::floor_at(wall_ms - BRIEF_KEY_MS));
    let old: Vec<_> = tables.recent_keys.range(..floor).take(FORGET_ROWS_MAX).map(|(event, _)| *event).collect();
    for event in old {
        tables.recent_keys.remove(&event);
    }
    count::forget(tables, wall_ms);
    background::forget(tables, wall_ms);
    let mut old: Vec<_> = tables.ended_tokens.iter().filter(|(_, row)| row.forget_ms < wall_ms).collect();
    old.sort_by_key(|(_, row)| row.forget_ms);
    let old: Vec<_> = old.into_iter().take(FORGET_ROWS_MAX).map(|(key, _)| key.clone()).collect();
    for key in old {
        tables.ended_tokens.remove(&key);
    }
    held::forget(tables, wall_ms);
    arrival::flush(tables);
    user::forget(&mut tables.people, wall_ms);
    audit::forget(tables, wall_ms);
}
