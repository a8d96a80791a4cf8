//! Deliveries as people ask for them: the events of an endpoint, the endpoints of an event; when one is due.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::list::{matches_event, scan};
use super::{FirstRow, Tables};
use crate::delivery::Delivery;
use crate::fan_out;
use crate::id::{AttemptId, EndpointId, EventId, Id};
use crate::ordering::OrderKey;
use crate::store::{DeliveryRow, Filter, Listed, Page};

pub(super) fn attempted(
    tables: &Tables,
    endpoint: EndpointId,
    page: Page<EventId>,
    filter: &Filter,
    bodies: bool,
) -> Listed<DeliveryRow> {
    // where the page goes on: the event's first attempt there, or its own time
    let after = page.after.map(|event| {
        let row = tables.deliveries.get(&(event, endpoint));
        row.and_then(|row| row.first.as_ref()).map_or(AttemptId::new(event.value()), |first| first.id)
    });
    let page = Page { after, descending: page.descending, limit: page.limit };
    let mut rows: Vec<DeliveryRow> = tables
        .deliveries
        .iter()
        .filter(|((_, of), _)| *of == endpoint)
        .filter_map(|((event, _), row)| {
            let event = tables.events.get(event)?.event.clone();
            Some(DeliveryRow { event, delivery: row.delivery, first: row.first.as_ref()?.id })
        })
        .filter(|row| row.first.value() > filter.above.unwrap_or(-1))
        .collect();
    rows.sort_by_key(|row| row.first);
    let rows = page.of(&rows, |row| row.first);
    let fits = |row: &DeliveryRow| {
        let id = row.event.id.value();
        filter.above.is_none_or(|above| id > above)
            && filter.below.is_none_or(|below| id < below)
            && filter.stands(row.delivery.standing())
            && matches_event(filter, &row.event)
    };
    let mut listed = scan(&rows, (&page, filter.attempt_rows_max()), |row| row.event.id.value(), fits);
    if !bodies {
        for row in &mut listed.rows {
            row.event.body = Bytes::new();
        }
    }
    listed
}

pub(super) fn deliveries(tables: &Tables, event: EventId) -> Vec<(EndpointId, Delivery)> {
    let rows = tables.deliveries.range((event, EndpointId::new(i64::MIN))..=(event, EndpointId::new(i64::MAX)));
    rows.map(|((_, endpoint), row)| (*endpoint, row.delivery)).collect()
}

pub(super) fn destinations(tables: &Tables, event: EventId) -> Vec<(EndpointId, Option<Delivery>)> {
    let packed = tables.events.get(&event).map_or(&[][..], |row| &row.fan_out);
    let fan_out = fan_out::unpack(packed).unwrap_or_default();
    let mut found: BTreeMap<_, _> = fan_out.into_iter().map(|endpoint| (endpoint, None)).collect();
    found.extend(deliveries(tables, event).into_iter().map(|(endpoint, delivery)| (endpoint, Some(delivery))));
    found.into_iter().collect()
}

/// Takes the delivery's line out of the due index and puts its next one in.
pub(super) fn move_due(
    tables: &mut Tables,
    (event, endpoint): (EventId, EndpointId),
    from_ms: Option<i64>,
    to_ms: Option<i64>,
) {
    if let Some(from_ms) = from_ms {
        tables.due.remove(&(endpoint, from_ms, event));
    }
    if let Some(to_ms) = to_ms {
        tables.due.insert((endpoint, to_ms, event));
    }
}

/// Writes the row and the line of a delivery; one that has a row already keeps it, and its one line in the due index.
pub(super) fn insert_untried(
    tables: &mut Tables,
    of: (EventId, EndpointId),
    delivery: &Delivery,
    key: Option<OrderKey>,
) {
    if tables.deliveries.contains_key(&of) {
        return;
    }
    let delivery = Delivery { attempts: 0, step: 0, ..*delivery };
    tables.deliveries.insert(of, FirstRow { delivery, first: None, key });
    move_due(tables, of, None, delivery.due_ms);
}
