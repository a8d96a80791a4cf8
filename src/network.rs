//! A network: a range of addresses in CIDR form, as people write it; and a sender's address, as proxies write it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// How many bits stand before the IPv4 address in one that is mapped into IPv6, `::ffff:10.0.0.1` (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A range of addresses in CIDR form; reads and prints as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub(crate) first: IpAddr,
    pub(crate) prefix_bits: u8,
}

/// Why a text is no [`Network`], with the text that would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

/// Reads where somebody came from: an address, with or without a port, IPv6 with or without brackets. IPv4 that is mapped
/// into IPv6 is IPv4. `None` for all else, names, `unknown` and zones (`fe80::1%eth0`) included.
pub fn sender(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        // what has a port is read as it stands, and there a zone may be a number
        None if text.contains('%') => None,
        None => text.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip())),
    };
    address.map(|address| address.to_canonical())
}

impl Network {
    /// Reads where senders may come from: a network, or the address of one in any form that [`sender`] takes. A network of
    /// IPv4 that is mapped into IPv6 is that of IPv4: all senders are known by their plain address.
    ///
    /// Where requests go to is another matter, and read by [`Self::from_str`]: there a port would promise what nobody
    /// holds, and a mapped address is one of its own.
    pub fn of_senders(text: &str) -> Result<Network, NetworkError> {
        if let Some(address) = sender(text) {
            return Ok(Network::only(address));
        }
        let network: Network = text.parse()?;
        let mapped = network.first.to_canonical();
        match network.prefix_bits.checked_sub(MAPPED_BITS) {
            Some(prefix_bits) if mapped.is_ipv4() && network.first.is_ipv6() => {
                Ok(Network { first: mapped, prefix_bits })
            }
            _ => Ok(network),
        }
    }

    /// Takes any address; says whether it is in the range. IPv4 is never in an IPv6 range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(other)) => u128::from(first.to_bits() ^ other.to_bits()) << 96,
            (IpAddr::V6(first), IpAddr::V6(other)) => first.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        differing.leading_zeros() >= u32::from(self.prefix_bits)
    }

    /// The network that holds one address and no other.
    pub(crate) fn only(address: IpAddr) -> Network {
        Network { first: address, prefix_bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    fn first_of(address: IpAddr, prefix_bits: u8) -> IpAddr {
        let dropped_bits = u32::from(Network::only(address).prefix_bits - prefix_bits);
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(dropped_bits).unwrap_or(0);
                Ipv4Addr::from_bits(v4.to_bits() & mask).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(dropped_bits).unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Takes `address/prefix`, or an address for a network of one. Refuses an address with bits
    /// beyond the prefix, because `10.1.2.3/8` is more often a slip than a wish.
    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| {
            NetworkError(format!("`{text}` is not a network; write one like 10.0.0.0/8 or fd00::/8, or one address"))
        })?;
        let whole = Network::only(address);
        let Some(prefix) = prefix else {
            return Ok(whole);
        };
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_bits = prefix.parse().ok().filter(|bits| digits && *bits <= whole.prefix_bits);
        let Some(prefix_bits) = prefix_bits else {
            let (kind, most) = (if address.is_ipv4() { 4 } else { 6 }, whole.prefix_bits);
            return Err(NetworkError(format!(
                "`{text}` has no valid prefix; after the slash of IPv{kind} comes a number, 0 to {most}"
            )));
        };
        let network = Network { first: Network::first_of(address, prefix_bits), prefix_bits };
        if network.first != address {
            return Err(NetworkError(format!(
                "`{text}` starts in the middle of its network; write {network} for all of it or \
                 {whole} for that address"
            )));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let network: Result<Network, NetworkError> = text.parse();
        network.map(|n| n.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_network_prints_as_it_is_written() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "fd00::/8", "::/0", "::1/128"] {
            assert_eq!(read(text), Ok(text.to_owned()));
        }
        assert_eq!(read("10.1.2.3"), Ok("10.1.2.3/32".to_owned()));
        assert_eq!(read("fd00::1"), Ok("fd00::1/128".to_owned()));
    }

    #[test]
    fn a_sender_is_read_as_proxies_write_it() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:443", "203.0.113.7"),
            ("203.0.113.7:0", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:1234", "2001:db8::1"),
            // no port, for there are no brackets
            ("2001:db8::1:443", "2001:db8::1:443"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:cb00:7107", "203.0.113.7"),
            ("[::ffff:203.0.113.7]", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ] {
            assert_eq!(sender(text), Some(address.parse().expect(address)), "{text}");
        }
        for text in [
            "",
            " ",
            "unknown",
            "_hidden",
            "proxy.internal",
            "localhost:80",
            "203.0.113.7:",
            "203.0.113.7:65536",
            "203.0.113.7:x",
            "203.0.113.7:1:2",
            "203.0.113.07",
            "203.0.113",
            "203.0.113.7/32",
            "203.0.113.7 ",
            "203.0.113.7, 203.0.113.8",
            "[203.0.113.7]",
            "[203.0.113.7]:443",
            "[2001:db8::1",
            "2001:db8::1]",
            "[[2001:db8::1]]",
            "[]",
            "[2001:db8::1]:",
            "[2001:db8::1]443",
            "[2001:db8::1]:65536",
            "fe80::1%eth0",
            "fe80::1%1",
            "[fe80::1%eth0]",
            "[fe80::1%1]",
            "[fe80::1%1]:443",
            "[fe80::1%eth0]:443",
            "\"[2001:db8::1]\"",
            "for=203.0.113.7",
            "0x7f.1",
            "2130706433",
        ] {
            assert_eq!(sender(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_of_senders_is_the_one_that_its_words_name() {
        let read = |text: &str| Network::of_senders(text).map(|network| network.to_string());
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("fd00::/8", "fd00::/8"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("203.0.113.7:443", "203.0.113.7/32"),
            ("[2001:db8::1]", "2001:db8::1/128"),
            ("[2001:db8::1]:1234", "2001:db8::1/128"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:203.0.113.7/128", "203.0.113.7/32"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            // IPv4 is a part of it, and of many other things
            ("::fffe:0:0/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(read(text), Ok(network.to_owned()), "{text}");
        }
        for text in ["", "unknown", "fe80::1%eth0", "10.0.0.0:80/8", "[fd00::]/8", "10.1.2.3/8", "::ffff:10.1.2.3/104"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        // where requests go to, a port or a mapped address is not read as another
        assert!("10.1.2.3:443".parse::<Network>().is_err());
        assert_eq!("::ffff:10.0.0.0/104".parse::<Network>().map(|network| network.prefix_bits), Ok(104));
    }

    #[test]
    fn a_wrong_network_is_told_the_right_one() {
        let slip = read("10.1.2.3/8").expect_err("bits beyond the prefix");
        assert!(slip.contains("write 10.0.0.0/8 for all of it or 10.1.2.3/32"), "{slip}");
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/ 8"] {
            let error = read(text).expect_err(text);
            assert!(error.ends_with("IPv4 comes a number, 0 to 32"), "{error}");
        }
        let error = read("::/129").expect_err("too long");
        assert!(error.ends_with("IPv6 comes a number, 0 to 128"), "{error}");
        for text in ["", "/8", "10.0.0/8", "10/8", "receiver.internal", "[::1]", "fe80::1%eth0"] {
            let error = read(text).expect_err(text);
            assert!(error.contains("write one like 10.0.0.0/8 or fd00::/8"), "{error}");
        }
    }
}
