//! Chains: an endpoint's deliveries of one key, made one after the other.

use super::count::Sums;
use super::delivery::move_due;
use super::{FirstRow, Tables};
use crate::attempt::Attempt;
use crate::delivery::{BLOCKED_MS, Delivery, Due, Standing, Status};
use crate::id::{EndpointId, EventId, Id};
use crate::ordering::OrderKey;
use crate::store::{CHAINS_MAX, Chain, Refused, Tried, Turn};

/// Lets a delivery take its place; gives when it is due.
pub(super) fn join(
    tables: &mut Tables,
    sums: &mut Sums,
    (endpoint, key): (EndpointId, OrderKey),
    event: EventId,
    due_ms: i64,
) -> i64 {
    let waits = events(tables, endpoint, key).any(|other| other != event);
    tables.chains.insert((endpoint, key, event));
    if waits {
        return BLOCKED_MS;
    }
    sums.turns.insert((endpoint, key));
    due_ms
}

/// The events of a chain, in their order.
fn events(tables: &Tables, endpoint: EndpointId, key: OrderKey) -> impl Iterator<Item = EventId> + '_ {
    let range = (endpoint, key, EventId::new(i64::MIN))..=(endpoint, key, EventId::new(i64::MAX));
    tables.chains.range(range).map(|(_, _, event)| *event)
}

/// A delivery that leaves memory takes its place; so does one whose row is there, because its time had yet to come.
pub(super) fn park(tables: &mut Tables, sums: &mut Sums, due: &Due, key: OrderKey) {
    let (event, endpoint) = (due.event, due.endpoint);
    let row = tables.deliveries.get(&(event, endpoint)).map(|row| row.delivery);
    let has_place = tables.chains.contains(&(endpoint, key, event));
    if row.is_some_and(|row| row.status != Status::Pending || has_place) {
        return;
    }
    let due_ms = due.delivery.due_ms.unwrap_or(sums.steady_ms);
    let due_ms = Some(join(tables, sums, (endpoint, key), event, due_ms));
    let delivery = Delivery { due_ms, ..row.unwrap_or(due.delivery) };
    let was_due_ms = row.and_then(|row| row.due_ms);
    let row = tables.deliveries.entry((event, endpoint));
    row.or_insert(FirstRow { delivery, first: None, key: Some(key) }).delivery = delivery;
    move_due(tables, (event, endpoint), was_due_ms, due_ms);
}

/// An attempt was written down: a delivery that is tried again keeps its turn, one that ended gives it away.
pub(super) fn tried(tables: &mut Tables, sums: &mut Sums, tried: &Tried, key: OrderKey) {
    if tried.delivery.status != Status::Pending {
        return leave(tables, sums, (tried.endpoint, key), tried.event);
    }
    tables.chains.insert((tried.endpoint, key, tried.event));
    if let Some(row) = tables.deliveries.get_mut(&(tried.event, tried.endpoint)) {
        row.key = Some(key);
    }
}

/// A delivery whose turn it was ended: it is the turn of the earliest event that waits.
pub(super) fn leave(tables: &mut Tables, sums: &mut Sums, (endpoint, key): (EndpointId, OrderKey), event: EventId) {
    sums.turns.insert((endpoint, key));
    if !tables.chains.remove(&(endpoint, key, event)) {
        return; // it had left before, and so the next one had its turn
    }
    let next = events(tables, endpoint, key).next();
    if let Some(next) = next.filter(|&next| tables.due.remove(&(endpoint, BLOCKED_MS, next))) {
        tables.due.insert((endpoint, sums.steady_ms, next));
        if let Some(row) = tables.deliveries.get_mut(&(next, endpoint)) {
            row.delivery.due_ms = Some(sums.steady_ms);
        }
    }
}

/// Cancels the delivery whose turn it is.
pub(super) fn skip(tables: &mut Tables, sums: &mut Sums, endpoint: EndpointId, event: EventId) -> Option<Refused> {
    let row = tables.deliveries.get(&(event, endpoint)).map(|row| (row.delivery, row.key));
    let Some((delivery, Some(key))) = row else {
        return Some(Refused::Stale);
    };
    let its_turn = delivery.status == Status::Pending && delivery.next_ms().is_some();
    if !its_turn || !tables.chains.contains(&(endpoint, key, event)) {
        return Some(Refused::Stale);
    }
    sums.counted.moved(event, endpoint, delivery.standing(), Standing::Canceled);
    move_due(tables, (event, endpoint), delivery.due_ms, None);
    if let Some(row) = tables.deliveries.get_mut(&(event, endpoint)) {
        row.delivery = Delivery { status: Status::Canceled, due_ms: None, ..delivery };
    }
    leave(tables, sums, (endpoint, key), event);
    None
}

/// Whose turn it is now, for each chain that the batch touched.
pub(super) fn turns(tables: &Tables, sums: &mut Sums) -> Vec<Turn> {
    let touched = std::mem::take(&mut sums.turns);
    touched.into_iter().map(|(endpoint, key)| (endpoint, key, events(tables, endpoint, key).next())).collect()
}

/// The chains that a start reads, and the endpoints that have more.
pub(super) fn known(tables: &Tables) -> (Vec<(EndpointId, OrderKey)>, Vec<EndpointId>) {
    let mut chains: Vec<_> = tables.chains.iter().map(|(endpoint, key, _)| (*endpoint, *key)).collect();
    chains.dedup();
    let mut more: Vec<_> = chains.iter().skip(CHAINS_MAX).map(|(endpoint, _)| *endpoint).collect();
    more.dedup();
    chains.truncate(CHAINS_MAX);
    (chains, more)
}

pub(super) fn count(tables: &Tables, endpoint: EndpointId) -> u64 {
    u64::try_from(all(tables, endpoint).len()).unwrap_or(u64::MAX)
}

/// An endpoint's chains, by the numbers of their keys.
pub(super) fn all(tables: &Tables, endpoint: EndpointId) -> Vec<Chain> {
    let of_it = tables.chains.iter().filter(|(of, _, _)| *of == endpoint);
    let mut keys: Vec<_> = of_it.map(|(_, key, _)| *key).collect();
    keys.dedup();
    keys.into_iter().filter_map(|key| chain(tables, endpoint, key)).collect()
}

fn chain(tables: &Tables, endpoint: EndpointId, key: OrderKey) -> Option<Chain> {
    let waiting = events(tables, endpoint, key).count().saturating_sub(1).try_into().unwrap_or(u64::MAX);
    let mut rows =
        events(tables, endpoint, key).filter_map(|event| Some((event, tables.deliveries.get(&(event, endpoint))?)));
    let (head, row) = rows.find(|(_, row)| row.delivery.next_ms().is_some())?;
    let tried_ms = row.first.as_ref().map(Attempt::began_ms);
    Some(Chain { key, head, delivery: row.delivery, tried_ms, waiting })
}
