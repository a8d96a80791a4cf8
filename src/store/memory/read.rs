//! Reads of one thing, and what recovery and the lanes ask for.

use super::Tables;
use crate::attempt::Payload;
use crate::delivery::{Delivery, Due, Status};
use crate::digest;
use crate::endpoint::{Endpoint, State};
use crate::error::Result;
use crate::fan_out;
use crate::id::{self, ApplicationId, EndpointId, EventId, Id};
use crate::store::{BRIEF_KEY_MS, DueSlice, Opening, RECENT_KEYS_MAX, Reach, SVIX_PLAY, Unwritten, damaged};

pub(super) fn opening(tables: &Tables, wall_ms: i64) -> Opening {
    let highest = [
        tables.events.last_key_value().map(|(id, _)| id.value()),
        tables.attempts.last_key_value().map(|(id, _)| id.value()),
        tables.applications.last_key_value().map(|(id, _)| id.value()),
        tables.endpoints.last_key_value().map(|(id, _)| id.value()),
        tables.environments.last_key_value().map(|(id, _)| id.value()),
        tables.keys.last_key_value().map(|(id, _)| id.value()),
        tables.sources.last_key_value().map(|(id, _)| id.value()),
        tables.replays.last_key_value().map(|(id, _)| id.value()),
        tables.conflicts.last_key_value().map(|(id, _)| id.value()),
        tables.tasks.last_key_value().map(|(id, _)| id.value()),
        tables.deliveries.values().filter_map(|row| row.first.as_ref()).map(|first| first.id.value()).max(),
    ];
    let due = due_heads(tables);
    let (chains, more_chains) = super::chain::known(tables);
    let matters = |row: &&Endpoint| row.state != State::Deleted || due.iter().any(|(endpoint, _)| *endpoint == row.id);
    let endpoints = tables.endpoints.values().filter(matters).cloned().collect();
    let floor = EventId::new(id::floor_at(wall_ms - BRIEF_KEY_MS));
    let mut recent_keys: Vec<_> =
        tables.recent_keys.range(floor..).rev().take(RECENT_KEYS_MAX).map(|(event, once)| (*event, *once)).collect();
    recent_keys.reverse();
    Opening {
        id_key: tables.id_key,
        token_key: [tables.id_key, tables.id_key].concat().try_into().expect("two halves"),
        last_id: highest.into_iter().flatten().fold(tables.last_id, i64::max),
        mark: tables.mark,
        environments: tables.environments.values().cloned().collect(),
        applications: tables.applications.values().filter(|row| !row.deleted).cloned().collect(),
        endpoints,
        answered: super::count::answered(tables, wall_ms),
        due,
        chains,
        more_chains,
        recent_keys,
        sources: super::source::living(tables).map(|row| (row.id, row.provider)).collect(),
        replays: super::replay::running(tables),
        untold: super::inbox::untold(tables),
        alive_ms: tables.alive_ms,
    }
}

/// One that lives, or was deleted after that moment.
pub(super) fn endpoint_lately(tables: &Tables, of: ApplicationId, id: EndpointId, since_ms: i64) -> Option<Endpoint> {
    let shown = |row: &&Endpoint| row.application == of && (row.state != State::Deleted || row.updated_ms > since_ms);
    tables.endpoints.get(&id).filter(shown).cloned()
}

/// Jumps from endpoint to endpoint along the index, whatever stands between.
fn due_heads(tables: &Tables) -> Vec<(EndpointId, i64)> {
    let mut heads = Vec::new();
    let mut next = tables.due.first();
    while let Some(&(endpoint, due_ms, _)) = next {
        heads.push((endpoint, due_ms));
        let beyond = (EndpointId::new(endpoint.value() + 1), i64::MIN, EventId::new(i64::MIN));
        next = tables.due.range(beyond..).next();
    }
    heads
}

pub(super) fn unwritten(tables: &Tables, from: EventId, limit: usize) -> Result<Unwritten> {
    let mut slice = Unwritten::default();
    for (seen, (event, row)) in tables.events.range(from..).take(limit).enumerate() {
        slice.next = (seen + 1 == limit).then(|| EventId::new(event.value() + 1));
        let endpoints =
            fan_out::unpack_keyed(&row.fan_out).ok_or_else(|| damaged("a fan-out that was never packed"))?;
        let missing: Vec<_> = endpoints
            .into_iter()
            .filter(|(endpoint, _)| !tables.deliveries.contains_key(&(*event, *endpoint)))
            .collect();
        if !missing.is_empty() {
            slice.deliveries.push((*event, missing));
        }
    }
    Ok(slice)
}

pub(super) fn due(tables: &Tables, endpoint: EndpointId, until_ms: i64, limit: usize) -> DueSlice {
    let mut slice = DueSlice::default();
    let first = (endpoint, i64::MIN, EventId::new(i64::MIN));
    for &(_, due_ms, event) in tables.due.range(first..).take_while(|line| line.0 == endpoint) {
        let Some(row) = tables.deliveries.get(&(event, endpoint)) else {
            continue;
        };
        if due_ms > until_ms || slice.due.len() == limit {
            slice.next_ms = Some(due_ms);
            break;
        }
        let delivery = Delivery { due_ms: Some(due_ms), ..row.delivery };
        let key = row.key.filter(|_| delivery.status == Status::Pending);
        let joins = key.is_some_and(|key| !tables.chains.contains(&(endpoint, key, event)));
        slice.due.push(Due { event, endpoint, delivery, key, joins });
    }
    slice
}

pub(super) fn payload(tables: &Tables, event: EventId) -> Option<Payload> {
    let event = &tables.events.get(&event)?.event;
    let payload = || Payload { body: event.body.clone(), arrival: event.arrival.clone() };
    (digest::sha256(&event.body) == event.sha256).then(payload)
}

/// How many living endpoints an application has.
pub(super) fn reach(tables: &Tables, application: ApplicationId) -> Reach {
    let living = tables.endpoints.values().filter(|row| row.application == application && row.state != State::Deleted);
    living.fold(Reach::default(), |sum, row| Reach {
        all: sum.all + 1,
        enabled: sum.enabled + u64::from(row.state == State::Enabled),
        lasting: sum.lasting + u64::from(!row.url.starts_with(SVIX_PLAY)),
    })
}
