//! Who sent a request: the other end, or whom a trusted proxy names.

use std::net::IpAddr;

use http::HeaderMap;
use http::request::Parts;

use super::Peer;
use super::state::Api;
use crate::network::{self, Network};

/// The header in which proxies name who came to them.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who sent the request: the other end, or, when that is a proxy that is trusted, whom the last such proxy names.
pub(super) fn origin(api: &Api, parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.to_canonical());
    behind(peer, &parts.headers, &api.trusted_proxies)
}

/// Walks back from proxy to proxy while they are trusted. What cannot be read ends the walk: whatever stands before it
/// may be a forger's.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(*address));
    if !is_trusted(&peer) {
        return peer;
    }
    // as bytes: a header with one that is no letter must not be passed over
    let values = headers.get_all(FORWARDED_FOR).iter();
    let named: Vec<&[u8]> = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
    let read = |named: &&[u8]| network::sender(std::str::from_utf8(named).ok()?.trim());
    let mut addresses = named.iter().rev().map_while(read);
    addresses.find(|address| !is_trusted(address)).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_trusted_proxy_is_believed_and_nobody_before_what_cannot_be_read() {
        let trusted = ["10.0.0.0/8", "[fd00::5]:443"].map(|text| Network::of_senders(text).expect(text));
        for (peer, values, expected) in [
            ("9.9.9.9", &["203.0.113.7"][..], "9.9.9.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7:443"], "203.0.113.7"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]:1234"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            ("fd00::5", &["203.0.113.7, 10.0.0.2:9000,\t::ffff:10.0.0.3"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7", "10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["10.0.0.2"], "10.0.0.1"),
            // whoever is named by somebody who is not trusted may be anybody
            ("10.0.0.1", &["203.0.113.7, 9.9.9.9"], "9.9.9.9"),
            ("10.0.0.1", &["203.0.113.7:443, 9.9.9.9:1"], "9.9.9.9"),
            // what cannot be read ends the walk
            ("10.0.0.1", &["203.0.113.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, _hidden, 10.0.0.2"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, "], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, fe80::1%1"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7", "\u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7", "\u{e9}, 10.0.0.2"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7", "\u{e9}, 9.9.9.9"], "9.9.9.9"),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
            }
            let origin = behind(peer.parse().expect(peer), &headers, &trusted);
            assert_eq!(origin, expected.parse::<IpAddr>().expect(expected), "{peer}: {values:?}");
        }
    }
}
