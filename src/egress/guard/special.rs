//! The addresses of the Internet that are not public, after the registries of special addresses.
//!
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>. Everything in IPv4 is public but
//! this table; in IPv6 nothing is public but `2000::/3` without this table.

use crate::network::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range that is not public.
#[derive(Clone, Copy, Debug)]
pub(super) struct Special {
    pub(super) range: Network,
    /// What lives there, as it reads after "in 10.0.0.0/8,".
    pub(super) what: &'static str,
    /// Whether a receiver may live there, so that opening it is worth proposing.
    pub(super) openable: bool,
}

const OPENABLE: bool = true;
const NEVER: bool = false;

const SPECIAL_V4: &[Special] = &[
    v4([0, 0, 0, 0], 8, "this machine", NEVER),
    v4([10, 0, 0, 0], 8, "a private network", OPENABLE),
    v4([100, 64, 0, 0], 10, "a carrier's network", OPENABLE),
    v4([127, 0, 0, 0], 8, "this machine", OPENABLE),
    // Public by number, yet inside every Azure machine it answers with the machine's own secrets.
    v4([168, 63, 129, 16], 32, "the Azure wire server", NEVER),
    v4([169, 254, 0, 0], 16, "link-local and metadata", NEVER),
    v4([172, 16, 0, 0], 12, "a private network", OPENABLE),
    v4([192, 0, 0, 0], 24, "protocol assignments", NEVER),
    v4([192, 0, 2, 0], 24, "documentation", NEVER),
    v4([192, 88, 99, 0], 24, "6to4 relays", NEVER),
    v4([192, 168, 0, 0], 16, "a private network", OPENABLE),
    v4([198, 18, 0, 0], 15, "benchmarks", OPENABLE),
    v4([198, 51, 100, 0], 24, "documentation", NEVER),
    v4([203, 0, 113, 0], 24, "documentation", NEVER),
    v4([224, 0, 0, 0], 4, "multicast", NEVER),
    v4([240, 0, 0, 0], 4, "reserved addresses", NEVER),
];

/// Narrow before wide: the first row that holds an address names it.
const SPECIAL_V6: &[Special] = &[
    v6(0, 128, "this machine", NEVER),
    v6(1, 128, "this machine", OPENABLE),
    v6(0, 96, "IPv4-compatible addresses", NEVER),
    v6(0xffff << 48, 96, "translated IPv4 (SIIT)", NEVER),
    v6(0x0064_ff9b_0001 << 80, 48, "local NAT64", NEVER),
    v6(0x0100 << 112, 64, "discarded packets", NEVER),
    v6(0x2001 << 112, 32, "Teredo tunnels", NEVER),
    v6(0x2001 << 112, 23, "protocol assignments", NEVER),
    v6(0x2001_0db8 << 96, 32, "documentation", NEVER),
    v6(0x2002 << 112, 16, "6to4 tunnels", NEVER),
    v6(0x3fff << 112, 20, "documentation", NEVER),
    v6(0x5f00 << 112, 16, "segment routing", NEVER),
    v6(0xfc00 << 112, 7, "a private network", OPENABLE),
    v6(0xfe80 << 112, 10, "link-local", NEVER),
    v6(0xfec0 << 112, 10, "site-local", NEVER),
    v6(0xff00 << 112, 8, "multicast", NEVER),
];

const NAT64: Network = v6(0x0064_ff9b << 96, 96, "", NEVER).range;
const PUBLIC_V6: Network = v6(0x2000 << 112, 3, "", NEVER).range;
const OUTSIDE_PUBLIC_V6: Special = v6(0, 0, "outside the public 2000::/3", NEVER);
const ISATAP: Special = v6(0x5efe << 32, 96, "ISATAP tunnels under any prefix", NEVER);

/// Takes any address; gives the range that keeps it from being public, or `None` for a public one.
/// Mapped and NAT64 addresses reach the IPv4 address they carry, so that one is judged.
pub(super) fn special(address: IpAddr) -> Option<Special> {
    let (table, public) = match address.to_canonical() {
        IpAddr::V6(v6) if NAT64.contains(v6.into()) => {
            let [.., a, b, c, d] = v6.octets();
            return special(Ipv4Addr::new(a, b, c, d).into());
        }
        IpAddr::V6(v6) if is_isatap(v6) => return Some(ISATAP),
        IpAddr::V6(v6) => (SPECIAL_V6, PUBLIC_V6.contains(v6.into())),
        IpAddr::V4(_) => (SPECIAL_V4, true),
    };
    let found = table.iter().find(|special| special.range.contains(address.to_canonical()));
    found.copied().or_else(|| (!public).then_some(OUTSIDE_PUBLIC_V6))
}

/// ISATAP hides an IPv4 address behind 0:5efe or 200:5efe under any prefix, public ones included.
fn is_isatap(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    matches!(segments[4], 0 | 0x0200) && segments[5] == 0x5efe
}

const fn v4(first: [u8; 4], prefix_bits: u8, what: &'static str, openable: bool) -> Special {
    let [a, b, c, d] = first;
    let first = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    let range = Network { first, prefix_bits };
    Special { range, what, openable }
}

const fn v6(first: u128, prefix_bits: u8, what: &'static str, openable: bool) -> Special {
    let first = IpAddr::V6(Ipv6Addr::from_bits(first));
    let range = Network { first, prefix_bits };
    Special { range, what, openable }
}
