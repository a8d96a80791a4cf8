//! Fan-out: which endpoints an event goes to, and how its row carries that list.

use crate::endpoint::{Endpoint, State};
use crate::id::{EndpointId, Id};

/// Whether this endpoint wants an event of this type on these channels.
///
/// Its own lists are filters: empty means all; with channels of its own it takes only events that share one.
pub fn wants(endpoint: &Endpoint, event_type: &str, channels: &[String]) -> bool {
    endpoint.state == State::Enabled
        && !endpoint.direct
        && (endpoint.event_types.is_empty() || endpoint.event_types.iter().any(|name| name == event_type))
        && (endpoint.channels.is_empty() || endpoint.channels.iter().any(|channel| channels.contains(channel)))
}

/// Whether an endpoint that wants the event wants its payload, too.
pub fn passes(endpoint: &Endpoint, payload: &[u8]) -> bool {
    endpoint.handling.filter.as_ref().is_none_or(|filter| filter.wants(payload))
}

/// Packs endpoint ids for the event's row: each the distance from the one before, 7 bits a byte.
pub fn pack(endpoints: &[EndpointId]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(endpoints.len() * 9);
    let mut last = 0_i64;
    for endpoint in endpoints {
        let mut rest = endpoint.value().wrapping_sub(last).cast_unsigned();
        last = endpoint.value();
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push((rest & 0x7f) as u8);
    }
    bytes
}

/// Reads what [`pack`] wrote; `None` for bytes it never writes.
pub fn unpack(bytes: &[u8]) -> Option<Vec<EndpointId>> {
    let mut endpoints = Vec::new();
    let (mut last, mut distance, mut shift) = (0_i64, 0_u64, 0_u32);
    for &byte in bytes {
        distance |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.wrapping_add(distance.cast_signed());
            endpoints.push(EndpointId::new(last));
            (distance, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(endpoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_list_reads_back_in_order() {
        let ids: Vec<_> = [5, 6, 1 << 61, 7, i64::MAX].map(EndpointId::new).into();
        assert_eq!(unpack(&pack(&ids)), Some(ids));
        assert_eq!(unpack(&[]), Some(Vec::new()));
        assert_eq!(unpack(&[0x80]), None);
        assert_eq!(unpack(&[0xff; 20]), None);
    }
}
