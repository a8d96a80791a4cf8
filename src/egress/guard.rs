//! Which addresses Posthaste dials: the verdict on a URL, on the answers of a name, on one address.

mod special;
mod target;

use crate::network::Network;
pub use target::{Target, URL_BYTES_MAX, normal};

use special::special;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Most addresses a name may have: real endpoints have a handful, and every one costs a verdict.
pub const ANSWERS_MAX: usize = 32;

/// Ports where something other than HTTP listens: mail, databases, shells, file shares, caches.
/// A request line sent there may be taken for a command, so a public address does not open them.
pub const PORTS_WITHOUT_HTTP: &[u16] = &[
    7, 9, 19, 20, 21, 22, 23, 25, 43, 53, 69, 79, 110, 111, 113, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179, 389,
    445, 465, 512, 513, 514, 515, 548, 554, 587, 636, 873, 989, 990, 992, 993, 995, 1433, 1434, 1521, 1723, 1883, 2049,
    3306, 3389, 4369, 5060, 5061, 5432, 5671, 5672, 5900, 6000, 6379, 6380, 6667, 6697, 8883, 9042, 9092, 11211, 26379,
    27017, 27018, 27019,
];

/// The judge of every address Posthaste is about to dial; a clone shares the same rules.
#[derive(Clone, Debug)]
pub struct Guard {
    rules: Arc<Rules>,
}

/// Why something is not dialled. The text names addresses and is meant for the operator; someone
/// who may not look into the operator's network is shown no more than [`Refused::code`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The text is no URL that Posthaste takes; the reason reads on after "the URL".
    Url(String),
    /// The port is 0 or belongs to another protocol.
    Port(u16),
    /// The address is not public and in no network the operator opened.
    Address {
        /// The address itself, as it would be dialled.
        address: IpAddr,
        /// The name that gave it, unless the URL said the address.
        name: Option<String>,
        /// The range it is in and what that range is for.
        rule: String,
        /// The smallest network that opens it, where opening it can make sense.
        opened_by: Option<Network>,
    },
    /// The address is one that Posthaste itself listens on.
    Own(SocketAddr),
    /// The name is a private one, and the address (if known) is in no network the operator opened.
    Name(String, Option<IpAddr>),
    /// The name has no address.
    NoAddress(String),
    /// The name has more than [`ANSWERS_MAX`] addresses.
    TooManyAddresses(String),
}

#[derive(Debug)]
struct Rules {
    allowed: Vec<Network>,
    own: Vec<SocketAddr>,
}

impl Guard {
    /// Takes the networks the operator opened and the addresses Posthaste listens on.
    /// An unspecified own address (`0.0.0.0:8071`) stands for every loopback address with that
    /// port; the machine's other addresses are known to the caller alone and must be listed.
    #[must_use]
    pub fn new(allowed: Vec<Network>, own: Vec<SocketAddr>) -> Guard {
        Guard { rules: Arc::new(Rules { allowed, own }) }
    }

    /// Takes the URL of an endpoint, at most [`URL_BYTES_MAX`] of printable ASCII, and gives what
    /// a sender needs of it. A final dot of the host is dropped: every name is a full name.
    ///
    /// # Errors
    /// What its text alone decides: another scheme, userinfo, an impossible host or port, a
    /// literal address that [`Guard::address`] refuses. While no network is opened also a private
    /// name and a port without HTTP; otherwise these wait for [`Guard::addresses`].
    pub fn target(&self, url: &str) -> Result<Target, Refused> {
        let target = Target::parse(url)?;
        match target.literal() {
            Some(address) => {
                self.answers(&target, &[address])?;
            }
            None => self.name(target.host(), target.port())?,
        }
        Ok(target)
    }

    /// Takes one concrete address; it may be dialled when this is `Ok`.
    ///
    /// # Errors
    /// Port 0 and Posthaste's own listeners always; outside the operator's networks also whatever
    /// is not public, and [`PORTS_WITHOUT_HTTP`].
    pub fn address(&self, address: SocketAddr) -> Result<(), Refused> {
        let (ip, port) = (address.ip(), address.port());
        if port == 0 {
            return Err(Refused::Port(port));
        }
        if self.is_own(address) {
            return Err(Refused::Own(address));
        }
        if self.opens(ip) {
            return Ok(());
        }
        if let Some(special) = special(ip) {
            // An IPv4 network opens the mapped form of its addresses as well.
            let opener = ip.to_canonical();
            return Err(Refused::Address {
                address: ip,
                name: None,
                rule: format!("{}, {}", special.range, special.what),
                opened_by: special.openable.then(|| Network::only(opener)),
            });
        }
        if PORTS_WITHOUT_HTTP.contains(&port) {
            return Err(Refused::Port(port));
        }
        Ok(())
    }

    /// As [`Guard::addresses`], for a URL. What Posthaste itself listens on is open to a URL of an inspector: nothing
    /// but that path is asked there, and an inspector asks nobody.
    ///
    /// # Errors
    /// As [`Guard::addresses`].
    pub fn answers(&self, target: &Target, answers: &[IpAddr]) -> Result<Vec<SocketAddr>, Refused> {
        let addresses: Vec<_> = answers.iter().map(|&answer| SocketAddr::new(answer, target.port())).collect();
        let is_ours = (1..=ANSWERS_MAX).contains(&answers.len()) && addresses.iter().all(|&one| self.is_own(one));
        if is_ours && target.is_inspector() && !target.https() {
            return Ok(addresses);
        }
        self.addresses(target.host(), answers, target.port())
    }

    /// Takes a host, all addresses it has, and the port; gives what may be dialled, in that order.
    ///
    /// # Errors
    /// No address, more than [`ANSWERS_MAX`], any that [`Guard::address`] refuses, and any outside
    /// the operator's networks when the name is a private one (`.internal`, `.local`, `.localdomain`).
    pub fn addresses(&self, host: &str, answers: &[IpAddr], port: u16) -> Result<Vec<SocketAddr>, Refused> {
        if answers.is_empty() {
            return Err(Refused::NoAddress(host.to_owned()));
        }
        if answers.len() > ANSWERS_MAX {
            return Err(Refused::TooManyAddresses(host.to_owned()));
        }
        let private = is_private_name(host);
        let judge = |&answer: &IpAddr| {
            if private && !self.opens(answer) {
                return Err(Refused::Name(host.to_owned(), Some(answer)));
            }
            let address = SocketAddr::new(answer, port);
            self.address(address).map_err(|refused| refused.of(host))?;
            Ok(address)
        };
        answers.iter().map(judge).collect()
    }

    /// Judges a name before its addresses are known: an opened network may hold them.
    fn name(&self, name: &str, port: u16) -> Result<(), Refused> {
        let undecided = !self.rules.allowed.is_empty();
        if port == 0 || (PORTS_WITHOUT_HTTP.contains(&port) && !undecided) {
            return Err(Refused::Port(port));
        }
        if is_private_name(name) && !undecided {
            return Err(Refused::Name(name.to_owned(), None));
        }
        Ok(())
    }

    fn opens(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        let opens = |network: &Network| network.contains(address) || network.contains(plain);
        self.rules.allowed.iter().any(opens)
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        let dialled = reached(address.ip());
        self.rules.own.iter().filter(|own| own.port() == address.port()).any(|own| {
            let listening = own.ip().to_canonical();
            listening == dialled || (listening.is_unspecified() && dialled.is_loopback())
        })
    }
}

impl Refused {
    /// A short word for records and API answers. All verdicts that depend on an address share
    /// `blocked_address`, so that the word tells nothing about the operator's network.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refused::Url(_) => "bad_url",
            Refused::Port(_) => "bad_port",
            Refused::NoAddress(_) => "no_address",
            Refused::Address { .. } | Refused::Own(_) | Refused::Name(..) | Refused::TooManyAddresses(_) => {
                "blocked_address"
            }
        }
    }

    fn of(mut self, host: &str) -> Refused {
        if let Refused::Address { address, name, .. } = &mut self {
            *name = (address.to_string() != host).then(|| host.to_owned());
        }
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Url(why) => write!(f, "the URL {why}"),
            Refused::Port(0) => f.write_str("port 0 cannot be dialled; name a port or leave it out"),
            Refused::Port(port) => write!(
                f,
                "port {port} belongs to a protocol that is not HTTP; use another port, or let the \
                 operator open the address with `--allow-network`"
            ),
            Refused::Address { address, name, rule, opened_by } => {
                match name {
                    Some(name) => write!(f, "{name} has the address {address}, which is")?,
                    None => write!(f, "{address} is")?,
                }
                write!(f, " not dialled because it is in {rule}; ")?;
                match opened_by {
                    Some(network) => write!(f, "`--allow-network {network}` opens it"),
                    None => f.write_str("use the public address of the receiver"),
                }
            }
            Refused::Own(address) => write!(
                f,
                "{address} is not dialled because Posthaste itself listens there; \
                 use the address of the receiver"
            ),
            Refused::Name(name, Some(address)) => write!(
                f,
                "{name} is a private name and its address {address} is in no opened network; \
                 `--allow-network {}` opens it",
                Network::only(address.to_canonical())
            ),
            Refused::Name(name, None) => write!(
                f,
                "{name} is a private name and no network is opened; \
                 `--allow-network` with its address opens it"
            ),
            Refused::NoAddress(name) => write!(f, "{name} has no address; check the name"),
            Refused::TooManyAddresses(name) => {
                write!(f, "{name} has more than {ANSWERS_MAX} addresses; use a name with fewer")
            }
        }
    }
}

impl std::error::Error for Refused {}

/// A name that only a private network answers; whoever answers it in public is not to be trusted.
/// The cloud's `metadata.google.internal` is one of them.
fn is_private_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last_label = name.rsplit('.').next().unwrap_or(name);
    ["internal", "local", "localdomain"].iter().any(|private| last_label.eq_ignore_ascii_case(private))
}

/// Where a connection to this address ends: the kernel takes the mapped form for IPv4, and the
/// unspecified address for loopback.
fn reached(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: &[&str], own: &[&str]) -> Guard {
        let allowed = allowed.iter().map(|n| n.parse().expect("a network"));
        let own = own.iter().map(|a| a.parse().expect("an address"));
        Guard::new(allowed.collect(), own.collect())
    }

    #[test]
    fn its_own_listeners_are_refused_even_inside_an_opened_network() {
        let everything = ["0.0.0.0/0", "::/0"];
        let verdict = |own: &str, dialled: &str| {
            let address: SocketAddr = dialled.parse().expect("an address");
            guard(&everything, &[own]).address(address)
        };
        for dialled in
            ["127.0.0.1:8071", "127.9.9.9:8071", "0.0.0.0:8071", "[::1]:8071", "[::]:8071", "[::ffff:127.0.0.1]:8071"]
        {
            let refused = verdict("0.0.0.0:8071", dialled).expect_err(dialled);
            assert_eq!(refused.code(), "blocked_address");
            assert!(verdict("[::]:8071", dialled).is_err(), "{dialled}");
            assert!(verdict("0.0.0.0:8072", dialled).is_ok(), "{dialled}");
        }
        assert!(verdict("10.0.0.1:8071", "10.0.0.1:8071").is_err());
        assert!(verdict("10.0.0.1:8071", "[::ffff:10.0.0.1]:8071").is_err());
        assert!(verdict("10.0.0.1:8071", "10.0.0.2:8071").is_ok());
        assert!(verdict("127.0.0.1:8071", "0.0.0.0:8071").is_err());
        assert!(verdict("0.0.0.0:8071", "1.1.1.1:8071").is_ok());
    }

    #[test]
    fn its_own_listener_is_open_to_the_path_of_an_inspector_alone() {
        let guard = guard(&["10.0.0.0/8"], &["127.0.0.1:8071"]);
        let token = "a".repeat(32);
        for open in ["127.0.0.1:8071", "localhost:8071", "[::ffff:127.0.0.1]:8071"] {
            assert!(guard.target(&format!("http://{open}/inspect/{token}")).is_ok(), "{open}");
        }
        for refused in [
            format!("http://127.0.0.1:8071/inspect/{token}/seen"),
            format!("http://127.0.0.1:8071/inspect/{token}/../../api/v1/app"),
            format!("http://127.0.0.1:8071/inspect/{token}?a"),
            "http://127.0.0.1:8071/inspect/../api/v1/app".to_owned(),
            "http://127.0.0.1:8071/api/v1/app".to_owned(),
            format!("https://127.0.0.1:8071/inspect/{token}"),
            format!("http://127.0.0.1:8072/inspect/{token}"),
            format!("http://127.0.0.2:8071/inspect/{token}"),
        ] {
            assert_eq!(guard.target(&refused).expect_err(&refused).code(), "blocked_address");
        }
        let target = guard.target(&format!("http://a.example:8071/inspect/{token}")).expect("a name");
        let [own, other]: [IpAddr; 2] = ["127.0.0.1", "10.0.0.1"].map(|text| text.parse().expect("an address"));
        assert!(guard.answers(&target, &[own]).is_ok() && guard.answers(&target, &[other]).is_ok());
        assert!(guard.answers(&target, &[own, other]).is_err(), "one answer that is not ours refuses the rest");
        assert!(guard.answers(&target, &[]).is_err());
        let elsewhere = guard.target("http://a.example:8071/api/v1/app").expect("a name");
        assert!(guard.answers(&elsewhere, &[own]).is_err());
    }

    #[test]
    fn a_port_without_http_is_open_only_inside_an_opened_network() {
        let address = |text: &str| text.parse().expect("an address");
        let guard = guard(&["10.0.0.0/8"], &[]);
        assert_eq!(guard.address(address("10.0.0.1:6379")), Ok(()));
        assert_eq!(guard.address(address("10.0.0.1:0")), Err(Refused::Port(0)));
        assert_eq!(guard.address(address("1.1.1.1:6379")), Err(Refused::Port(6379)));
    }
}
