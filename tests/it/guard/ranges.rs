//! Every edge of the public ranges, and what holds for all addresses.

use super::{closed, opened};
use posthaste::egress::guard::Guard;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// First and last address of each range that is not public; written apart from the guard's table.
const NOT_PUBLIC_V4: &[(&str, &str)] = &[
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("168.63.129.16", "168.63.129.16"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "255.255.255.255"),
];

/// The same inside `2000::/3`.
const NOT_PUBLIC_V6: &[(&str, &str)] = &[
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

const MAPPED: u128 = 0xffff << 32;
const NAT64: u128 = 0x0064_ff9b << 96;

fn bits_v4(text: &str) -> u32 {
    text.parse::<Ipv4Addr>().expect(text).to_bits()
}

fn bits_v6(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().expect(text).to_bits()
}

fn public_v4(bits: u32) -> bool {
    let holds = |(first, last): &(&str, &str)| (bits_v4(first)..=bits_v4(last)).contains(&bits);
    !NOT_PUBLIC_V4.iter().any(holds)
}

fn public_v6(bits: u128) -> bool {
    let holds = |(first, last): &(&str, &str)| (bits_v6(first)..=bits_v6(last)).contains(&bits);
    let isatap = (bits >> 32) & 0xfdff_ffff == 0x5efe;
    bits >> 125 == 1 && !isatap && !NOT_PUBLIC_V6.iter().any(holds)
}

fn passes(guard: &Guard, address: impl Into<IpAddr>) -> bool {
    guard.address(SocketAddr::new(address.into(), 443)).is_ok()
}

fn check_v4(bits: u32) {
    let expected = public_v4(bits);
    let guard = closed();
    let v4 = Ipv4Addr::from_bits(bits);
    assert_eq!(passes(&guard, v4), expected, "{v4}");
    for prefix in [MAPPED, NAT64] {
        let v6 = Ipv6Addr::from_bits(prefix | u128::from(bits));
        assert_eq!(passes(&guard, v6), expected, "{v6}");
    }
}

#[test]
fn every_edge_of_a_range_in_ipv4_is_where_the_registry_says() {
    for (first, last) in NOT_PUBLIC_V4 {
        for edge in [bits_v4(first), bits_v4(last)] {
            for bits in [edge.wrapping_sub(1), edge, edge.wrapping_add(1)] {
                check_v4(bits);
            }
        }
    }
    // Every /16 has its first and last address judged, so no range is missing or too many.
    for high in 0..=u32::from(u16::MAX) {
        check_v4(high << 16);
        check_v4(high << 16 | u32::from(u16::MAX));
    }
}

#[test]
fn every_edge_of_a_range_in_ipv6_is_where_the_registry_says() {
    let outer = ("2000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    for (first, last) in NOT_PUBLIC_V6.iter().chain([&outer]) {
        for edge in [bits_v6(first), bits_v6(last)] {
            for bits in [edge - 1, edge, edge + 1] {
                let v6 = Ipv6Addr::from_bits(bits);
                assert_eq!(passes(&closed(), v6), public_v6(bits), "{v6}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mapped_and_nat64_addresses_share_the_verdict_of_their_ipv4(bits: u32) {
        check_v4(bits);
    }

    #[test]
    fn an_ipv6_address_passes_only_in_the_public_range(bits: u128) {
        prop_assert_eq!(passes(&closed(), Ipv6Addr::from_bits(bits)), public_v6(bits));
        let inside = bits >> 3 | 1 << 125;
        prop_assert_eq!(passes(&closed(), Ipv6Addr::from_bits(inside)), public_v6(inside));
    }

    #[test]
    fn nothing_in_the_first_eighth_passes_but_mapped_and_nat64(bits: u128) {
        let low = bits >> 8;
        prop_assume!(low >> 32 != MAPPED >> 32 && low >> 32 != NAT64 >> 32);
        prop_assert!(!passes(&closed(), Ipv6Addr::from_bits(low)));
    }

    #[test]
    fn no_tunnel_prefix_passes(bits: u128) {
        let sixto4 = bits >> 16 | 0x2002 << 112;
        prop_assert!(!passes(&closed(), Ipv6Addr::from_bits(sixto4)));
        let beside_nat64 = bits >> 32 | NAT64;
        prop_assume!(beside_nat64 >> 32 != NAT64 >> 32);
        prop_assert!(!passes(&closed(), Ipv6Addr::from_bits(beside_nat64)));
    }

    #[test]
    fn an_opened_ipv4_network_adds_its_addresses_and_no_others(
        bits: u32, network: u32, prefix_bits in 0_u32..=32, near: bool,
    ) {
        let host_mask = u32::MAX.checked_shr(prefix_bits).unwrap_or(0);
        let first = network & !host_mask;
        let bits = if near { first | bits & host_mask } else { bits };
        let guard = opened(&[&format!("{}/{prefix_bits}", Ipv4Addr::from_bits(first))]);
        let expected = bits & !host_mask == first || public_v4(bits);
        prop_assert_eq!(passes(&guard, Ipv4Addr::from_bits(bits)), expected);
        let mapped = Ipv6Addr::from_bits(MAPPED | u128::from(bits));
        prop_assert_eq!(passes(&guard, mapped), expected);
        let nat64 = Ipv6Addr::from_bits(NAT64 | u128::from(bits));
        prop_assert_eq!(passes(&guard, nat64), public_v4(bits));
    }

    #[test]
    fn an_opened_ipv6_network_adds_its_addresses_and_no_others(
        bits: u128, network: u128, prefix_bits in 0_u32..=128, near: bool,
    ) {
        let host_mask = u128::MAX.checked_shr(prefix_bits).unwrap_or(0);
        let first = network & !host_mask;
        let bits = if near { first | bits & host_mask } else { bits };
        let guard = opened(&[&format!("{}/{prefix_bits}", Ipv6Addr::from_bits(first))]);
        let expected = bits & !host_mask == first || public_v6(bits);
        prop_assert_eq!(passes(&guard, Ipv6Addr::from_bits(bits)), expected);
    }

    #[test]
    fn no_text_makes_the_guard_panic_and_every_target_can_be_judged(text in ".{0,40}", ascii in "[ -~]{0,40}") {
        for url in [text.clone(), ascii.clone(), format!("http://{text}"), format!("http://{ascii}")] {
            if let Ok(target) = closed().target(&url) {
                let literal = target.literal();
                prop_assert!(literal.is_none_or(|address| passes(&closed(), address)), "{}", url);
                prop_assert!(target.path_and_query().starts_with('/'));
            }
        }
    }
}
