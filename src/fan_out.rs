//! Fan-out: which endpoints an event goes to, and how its row carries that list.

use crate::endpoint::{Endpoint, State};
use crate::id::{EndpointId, Id};
use crate::ordering::OrderKey;
use crate::varint;

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

/// An endpoint that an event goes to, and the key under which it waits its turn there.
pub type Keyed = (EndpointId, Option<OrderKey>);

/// Packs endpoint ids for the event's row: each the distance from the one before. Where there is a key, a zero (no
/// distance is) and its 8 bytes follow.
pub fn pack(endpoints: &[Keyed]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(endpoints.len() * 9);
    let mut last = 0_i64;
    for &(endpoint, key) in endpoints {
        varint::push(&mut bytes, endpoint.value().wrapping_sub(last).cast_unsigned());
        last = endpoint.value();
        if let Some(key) = key {
            bytes.push(0);
            bytes.extend(key.value().to_be_bytes());
        }
    }
    bytes
}

/// The endpoints of what [`pack`] wrote; `None` for bytes it never writes.
pub fn unpack(bytes: &[u8]) -> Option<Vec<EndpointId>> {
    Some(unpack_keyed(bytes)?.into_iter().map(|(endpoint, _)| endpoint).collect())
}

/// Reads what [`pack`] wrote; `None` for bytes it never writes.
pub fn unpack_keyed(bytes: &[u8]) -> Option<Vec<Keyed>> {
    let mut endpoints: Vec<Keyed> = Vec::new();
    let (mut last, mut rest) = (0_i64, bytes);
    while let Some(&byte) = rest.first() {
        if byte == 0 {
            let (key, behind) = rest[1..].split_first_chunk()?;
            endpoints.last_mut()?.1 = Some(OrderKey::new(i64::from_be_bytes(*key)));
            rest = behind;
            continue;
        }
        last = last.wrapping_add(varint::take(&mut rest)?.cast_signed());
        endpoints.push((EndpointId::new(last), None));
    }
    Some(endpoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_list_reads_back_in_order() {
        let ids: Vec<_> = [5, 6, 1 << 61, 7, i64::MAX].map(|id| (EndpointId::new(id), None)).into();
        assert_eq!(unpack_keyed(&pack(&ids)).as_ref(), Some(&ids));
        let key = |id: EndpointId| (id.value() != 6).then(|| OrderKey::new(-id.value()));
        let keyed: Vec<_> = ids.iter().map(|(id, _)| (*id, key(*id))).collect();
        assert_eq!(unpack_keyed(&pack(&keyed)).as_ref(), Some(&keyed));
        assert_eq!(unpack(&pack(&keyed)), Some(ids.iter().map(|(id, _)| *id).collect()));
        assert_eq!(unpack(&[]), Some(Vec::new()));
        for broken in [&[0x80][..], &[0xff; 20], &[0], &[5, 0, 1, 2, 3, 4, 5, 6, 7]] {
            assert_eq!(unpack(broken), None, "{broken:?}");
        }
    }
}
