//! Nobody makes Posthaste dial where it must not: addresses, URLs and names against the guard.

mod names;
mod nameserver;
mod ranges;
mod urls;

use posthaste::egress::guard::{Guard, Refused, Target};
use posthaste::network::Network;
use std::net::SocketAddr;

/// The guard as it is without any flag.
fn closed() -> Guard {
    Guard::new(Vec::new(), Vec::new())
}

/// The guard after `--allow-network` for each network.
fn opened(networks: &[&str]) -> Guard {
    let networks = networks.iter().map(|text| network(text));
    Guard::new(networks.collect(), Vec::new())
}

fn network(text: &str) -> Network {
    text.parse().expect(text)
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

fn target(url: &str) -> Target {
    let anywhere = opened(&["0.0.0.0/0", "::/0"]);
    anywhere.target(url).expect(url)
}

fn refusal(guard: &Guard, url: &str) -> Refused {
    guard.target(url).expect_err(url)
}

#[test]
fn a_private_address_is_refused_with_the_flag_that_opens_it() {
    assert_eq!(
        refusal(&closed(), "http://10.1.2.3/hooks").to_string(),
        "10.1.2.3 is not dialled because it is in 10.0.0.0/8, a private network; \
         `--allow-network 10.1.2.3/32` opens it"
    );
}

#[test]
fn an_answer_that_is_metadata_is_refused_without_a_flag_to_open_it() {
    let answers = ["169.254.169.254".parse().expect("an address")];
    let refused = closed().addresses("receiver.example", &answers, 443);
    assert_eq!(
        refused.expect_err("link-local").to_string(),
        "receiver.example has the address 169.254.169.254, which is not dialled because it is in \
         169.254.0.0/16, link-local and metadata; use the public address of the receiver"
    );
}

#[test]
fn a_url_with_a_password_is_refused_without_repeating_it() {
    assert_eq!(
        refusal(&closed(), "https://ann:secret@receiver.example/").to_string(),
        "the URL has a user name or password before the host; leave it out and set a header instead"
    );
}

#[test]
fn an_opened_network_opens_its_addresses_and_nothing_else() {
    let guard = opened(&["10.1.0.0/16", "fd00:1::/32"]);
    for inside in ["10.1.0.0:80", "10.1.255.255:22", "[::ffff:10.1.2.3]:80", "[fd00:1::9]:80"] {
        assert_eq!(guard.address(socket(inside)), Ok(()), "{inside}");
    }
    for outside in [
        "10.0.255.255:80",
        "10.2.0.0:80",
        "[64:ff9b::10.1.2.3]:80",
        "[::10.1.2.3]:80",
        "[2002:a01:203::]:80",
        "[fd00:2::1]:80",
        "127.0.0.1:80",
    ] {
        let refused = guard.address(socket(outside)).expect_err(outside);
        assert_eq!(refused.code(), "blocked_address", "{outside}");
    }
}

#[test]
fn the_flag_that_a_refusal_names_opens_just_that_address() {
    for address in ["10.1.2.3:80", "[::ffff:10.1.2.3]:80", "[64:ff9b::a01:203]:80", "[fc00::1]:80"] {
        let refused = closed().address(socket(address)).expect_err(address);
        let text = refused.to_string();
        let flag = text.split("`--allow-network ").nth(1).expect("a flag");
        let flag = flag.split('`').next().expect("a network");
        assert_eq!(opened(&[flag]).address(socket(address)), Ok(()), "{text}");
    }
}

#[test]
fn a_tunnel_form_opens_only_by_its_own_literal_address() {
    for form in ["::10.0.0.1", "::ffff:0:10.0.0.1", "2002:a00:1::", "64:ff9b:1::a00:1"] {
        let address = SocketAddr::new(form.parse().expect(form), 80);
        assert!(opened(&["0.0.0.0/0"]).address(address).is_err(), "{form}");
        assert_eq!(opened(&[form]).address(address), Ok(()), "{form}");
    }
    let mapped = opened(&["::ffff:10.0.0.0/104"]);
    assert_eq!(mapped.address(socket("[::ffff:10.1.2.3]:80")), Ok(()));
    assert!(mapped.address(socket("10.1.2.3:80")).is_err());
}
