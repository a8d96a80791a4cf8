//! Who sent a request: the other end, or whom a trusted proxy names.

use std::net::IpAddr;

use http::request::Parts;

use super::Peer;
use super::state::Api;

/// The header in which proxies name who came to them.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who sent the request: the other end, or, when that is a proxy that is trusted, whom the last such proxy names.
pub(super) fn origin(api: &Api, parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.to_canonical());
    let is_trusted = |address: &IpAddr| api.trusted_proxies.iter().any(|network| network.contains(*address));
    if !is_trusted(&peer) {
        return peer;
    }
    let named = parts.headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut addresses = named.iter().rev().map_while(|text| text.parse::<IpAddr>().ok());
    addresses.find(|address| !is_trusted(&address.to_canonical())).map_or(peer, |address| address.to_canonical())
}
