//! The bodies of events in flight, within a fixed number of bytes; the store has them all.

use std::collections::{HashMap, VecDeque};

use crate::attempt::Payload;
use crate::id::EventId;

/// How many bytes of bodies stay in memory: 64 MiB.
const BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// What one entry costs beside its body, in bytes.
const ENTRY_BYTES: usize = 128;

/// Bodies by event; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    bodies: HashMap<EventId, Payload>,
    order: VecDeque<EventId>,
    bytes: usize,
}

impl Payloads {
    /// Keeps a body with its headers, and lets older ones go when there is no room.
    pub(super) fn keep(&mut self, event: EventId, payload: Payload) {
        self.bytes += cost(&payload);
        self.bodies.insert(event, payload);
        self.order.push_back(event);
        while self.bytes > BYTES_MAX || self.order.front().is_some_and(|oldest| !self.bodies.contains_key(oldest)) {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.drop(oldest);
        }
    }

    /// The body, when it is still here.
    pub(super) fn get(&self, event: EventId) -> Option<Payload> {
        self.bodies.get(&event).cloned()
    }

    /// Lets a body go.
    pub(super) fn drop(&mut self, event: EventId) {
        if let Some(payload) = self.bodies.remove(&event) {
            self.bytes -= cost(&payload);
        }
    }
}

/// How many bytes one entry takes.
fn cost(payload: &Payload) -> usize {
    let headers = payload.arrival.iter().flat_map(|arrival| &arrival.headers);
    payload.body.len() + headers.map(|(name, value)| name.len() + value.len()).sum::<usize>() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::Id;
    use crate::source::Arrival;

    #[test]
    fn the_oldest_bodies_go_when_there_is_no_room() {
        let mut payloads = Payloads::default();
        let headers = vec![("a".to_owned(), "b".to_owned())];
        let arrival = Arc::new(Arrival { headers, ..Arrival::default() });
        let body = Payload { body: vec![0; 1_024 * 1_024].into(), arrival: Some(arrival) };
        for id in 0..100 {
            payloads.keep(EventId::new(id), body.clone());
        }
        assert!(payloads.bytes <= BYTES_MAX && payloads.get(EventId::new(0)).is_none());
        assert!(payloads.get(EventId::new(99)).is_some());
        for id in 0..100 {
            payloads.drop(EventId::new(id));
        }
        assert_eq!(payloads.bytes, 0);
    }
}
