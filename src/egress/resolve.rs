//! A name becomes addresses that may be dialled: one lookup, one verdict over all its answers.

use super::guard::{ANSWERS_MAX, Guard, Refused, Target};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Longest wait for one lookup; more would eat the time that the request itself needs.
pub const LOOKUP_SECS_MAX: u64 = 5;

/// Longest an answer is kept, whatever its own lifetime: a change of address is seen in a minute.
pub const KEPT_SECS_MAX: u32 = 60;

/// Names kept at once; some 4 MB when each has the most addresses and the longest name.
const KEPT_NAMES_MAX: usize = 4_096;

/// One try with one name server, and the tries after it: together less than the longest wait.
const TRY_SECS: u64 = 2;
/// How long a name server may take to show that it is there.
const PROOF_MAX: Duration = Duration::from_secs(2);
const RETRIES_MAX: usize = 1;

/// Asks for the addresses of a name: the seam where tests say what DNS answers.
pub trait Lookup {
    /// Takes a full name without its final dot and gives every address it has, `ANSWERS_MAX` + 1
    /// at most, so that too many can be told from just enough.
    fn lookup(&self, name: &str) -> impl Future<Output = Result<Vec<IpAddr>, LookupError>> + Send;
}

/// Why a name has no addresses now, as it reads after "has no address now:"; trying later may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// A name server said so, or none says anything of this name.
    None(String),
    /// No name server can be reached from here: that says nothing of the name.
    Unreachable(String),
}

/// The system's name servers, asked directly: no search domains, no hosts file, A and AAAA both.
///
/// Belongs to the runtime it is first used on. The name servers are read once; a change of
/// `/etc/resolv.conf` needs a restart.
#[derive(Debug)]
pub struct Dns {
    servers: TokioResolver,
    lookup_max: Duration,
    kept: Mutex<Kept>,
    /// When a name server said anything last.
    heard: Mutex<Option<Instant>>,
}

/// Turns a [`Target`] into addresses to dial.
#[derive(Debug)]
pub struct Resolver<L> {
    guard: Guard,
    lookup: L,
}

/// Why there is no address to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// An address or the name itself is not dialled; trying again changes nothing by itself.
    Refused(Refused),
    /// The name gave no address this time; worth a retry.
    Unresolved(String),
    /// No name server can be reached from here; the name is not asked for.
    Unreachable(String),
}

impl Dns {
    /// Reads the name servers of `/etc/resolv.conf`; its search list and options are not used.
    ///
    /// # Errors
    /// The file cannot be read or names no server.
    pub fn system() -> Result<Dns, LookupError> {
        let (config, _) = read_system_conf().map_err(|error| {
            LookupError::None(format!("no name server in /etc/resolv.conf ({error}); add a `nameserver` line"))
        })?;
        Dns::asking(config.name_servers().to_vec())
    }

    /// Takes the name servers to ask, over UDP and TCP.
    ///
    /// # Errors
    /// The list is empty.
    pub fn servers(servers: &[SocketAddr]) -> Result<Dns, LookupError> {
        let at = |address: &SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            server
        };
        Dns::asking(servers.iter().map(at).collect())
    }

    fn asking(servers: Vec<NameServerConfig>) -> Result<Dns, LookupError> {
        if servers.is_empty() {
            return Err(LookupError::None("no name server is given; name one".to_owned()));
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = Duration::from_secs(TRY_SECS);
        options.attempts = RETRIES_MAX;
        // Its cache counts responses, each of up to 64 KiB from whoever owns the name; ours counts
        // addresses.
        options.cache_size = 0;
        let servers = builder.build().map_err(|error| LookupError::None(reason(&error)))?;
        Ok(Dns {
            servers,
            lookup_max: Duration::from_secs(LOOKUP_SECS_MAX),
            kept: Mutex::default(),
            heard: Mutex::default(),
        })
    }

    /// A panic elsewhere leaves the map whole: every change to it is one call.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for one kind of records. Error: why there are none, for a person.
    async fn ask(&self, name: Name, kind: RecordType) -> Result<lookup::Lookup, String> {
        let found = timeout(self.lookup_max, self.servers.lookup(name, kind)).await.unwrap_or(Err(NetError::Timeout));
        if matches!(found, Ok(_) | Err(NetError::Dns(_) | NetError::Proto(_))) {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        found.map_err(|error| reason(&error))
    }

    /// Whether any name server says anything: has said so just now, or does when asked for what each knows.
    async fn is_reachable(&self, since: Instant) -> bool {
        let heard = || self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|heard| heard >= since);
        if !heard() {
            let _ = timeout(PROOF_MAX, self.ask(Name::root(), RecordType::NS)).await; // what it says is of no interest
        }
        heard()
    }
}

impl Lookup for Dns {
    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let kept = self.kept().get(name, Instant::now());
        if let Some(answers) = kept {
            return Ok(answers);
        }
        // The final dot makes it a full name, which no resolver extends.
        let full_name = Name::from_ascii(format!("{name}."))
            .map_err(|error| LookupError::None(format!("it is no DNS name ({error})")))?;
        let begun = Instant::now();
        let (v4, v6) = tokio::join!(self.ask(full_name.clone(), RecordType::A), self.ask(full_name, RecordType::AAAA),);
        let (answers, live_secs) = match merge(v4, v6) {
            Ok(merged) => merged,
            Err(detail) if self.is_reachable(begun).await => return Err(LookupError::None(detail)),
            Err(detail) => return Err(LookupError::Unreachable(detail)),
        };
        let now = Instant::now();
        let until = now + Duration::from_secs(u64::from(live_secs));
        self.kept().put(name, &answers, now, until);
        Ok(answers)
    }
}

impl<L: Lookup> Resolver<L> {
    /// Takes the judge and the way to ask for names.
    pub fn new(guard: Guard, lookup: L) -> Self {
        Resolver { guard, lookup }
    }

    /// The judge.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The verdict on a URL, the same as at delivery: a name is looked up and all its addresses judged.
    /// A name that has no address now is no refusal.
    pub async fn judge(&self, url: &str) -> Result<(), Refused> {
        let target = self.guard.target(url)?;
        match self.resolve(&target).await {
            Err(ResolveError::Refused(refused)) => Err(refused),
            Ok(_) | Err(ResolveError::Unresolved(_) | ResolveError::Unreachable(_)) => Ok(()),
        }
    }

    /// Gives the addresses to dial, in the order to try them: all were judged, and dialling
    /// anything else (the name again, say) would undo that. Makes exactly one lookup, and none
    /// for a literal address or `localhost`, which are judged anew.
    ///
    /// # Errors
    /// [`ResolveError::Refused`] when any answer is, [`ResolveError::Unresolved`] when there is none,
    /// [`ResolveError::Unreachable`] when nobody can be asked.
    pub async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, ResolveError> {
        let host = target.host();
        let answers = match target.literal() {
            Some(address) => vec![address],
            None => self.lookup.lookup(host).await.map_err(|error| {
                let detail = format!("{host} has no address now: {error}");
                match error {
                    LookupError::None(_) => ResolveError::Unresolved(detail),
                    LookupError::Unreachable(_) => ResolveError::Unreachable(detail),
                }
            })?,
        };
        if answers.is_empty() {
            return Err(ResolveError::Unresolved(format!("{host} has no address now: the answer is empty")));
        }
        let addresses = self.guard.answers(target, &answers);
        addresses.map_err(ResolveError::Refused)
    }
}

impl ResolveError {
    /// A short word for records and API answers: `unresolved`, or that of the refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ResolveError::Refused(refused) => refused.code(),
            ResolveError::Unresolved(_) => "unresolved",
            ResolveError::Unreachable(_) => "unreachable",
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolveError::Refused(refused) => refused.fmt(f),
            ResolveError::Unresolved(text) | ResolveError::Unreachable(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ResolveError {}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::None(text) | Self::Unreachable(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for LookupError {}

/// Answers that still live, by name. Failures are not kept: a retry is seconds away anyhow.
#[derive(Debug, Default)]
struct Kept {
    names: HashMap<String, (Vec<IpAddr>, Instant)>,
}

impl Kept {
    fn get(&self, name: &str, now: Instant) -> Option<Vec<IpAddr>> {
        let (answers, until) = self.names.get(name)?;
        (now < *until).then(|| answers.clone())
    }

    fn put(&mut self, name: &str, answers: &[IpAddr], now: Instant, until: Instant) {
        if self.names.len() >= KEPT_NAMES_MAX {
            self.names.retain(|_, (_, until)| now < *until);
        }
        // Full of living names: keep what is there, and the newcomer is asked for again.
        if now < until && self.names.len() < KEPT_NAMES_MAX {
            self.names.insert(name.to_owned(), (answers.to_vec(), until));
        } else {
            self.names.remove(name);
        }
    }
}

/// Joins the answers of both families and the seconds they live. One family may fail when the
/// other has answers: what is not answered is not dialled.
fn merge(v4: Result<lookup::Lookup, String>, v6: Result<lookup::Lookup, String>) -> Result<(Vec<IpAddr>, u32), String> {
    let both_failed = match (&v4, &v6) {
        (Err(error), Err(_)) => Some(error.clone()),
        _ => None,
    };
    let found: Vec<lookup::Lookup> = [v4, v6].into_iter().flatten().collect();
    let records = || found.iter().flat_map(lookup::Lookup::answers);
    let addresses = records().filter_map(|record| record.data.ip_addr());
    let answers: Vec<IpAddr> = addresses.take(ANSWERS_MAX + 1).collect();
    if answers.is_empty() {
        return Err(both_failed.unwrap_or_else(|| NO_RECORD.to_owned()));
    }
    let shortest_secs = records().map(|record| record.ttl).min().unwrap_or(0);
    Ok((answers, shortest_secs.min(KEPT_SECS_MAX)))
}

const NO_RECORD: &str = "the name has neither an A nor an AAAA record";
const TOO_LATE: &str = "no name server answered in time";

fn reason(error: &NetError) -> String {
    match error {
        NetError::Timeout => TOO_LATE.to_owned(),
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => "the name does not exist (NXDOMAIN)".to_owned(),
            ResponseCode::NoError => NO_RECORD.to_owned(),
            code => format!("the name server answered {code}"),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server answered {code}"),
        other => format!("the lookup failed ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::Query;
    use hickory_resolver::proto::rr::Record;
    use std::net::Ipv4Addr;
    use tokio::net::UdpSocket;

    const ANSWER: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1))];

    #[test]
    fn an_answer_is_kept_until_its_end_and_not_a_moment_longer() {
        let now = Instant::now();
        let end = now + Duration::from_secs(50);
        let mut kept = Kept::default();
        kept.put("a.example", &ANSWER, now, end);
        let just_before = end.checked_sub(Duration::from_nanos(1)).expect("it is later than now");
        assert_eq!(kept.get("a.example", just_before), Some(ANSWER.to_vec()));
        assert_eq!(kept.get("a.example", end), None);
        kept.put("a.example", &ANSWER, now, now);
        assert_eq!(kept.get("a.example", now), None, "a lifetime of 0 is never kept");
    }

    #[test]
    fn names_that_ended_make_room_and_living_ones_stay() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut kept = Kept::default();
        for n in 0..KEPT_NAMES_MAX {
            kept.put(&n.to_string(), &ANSWER, now, later);
        }
        kept.put("newcomer", &ANSWER, now, later);
        assert_eq!((kept.names.len(), kept.get("newcomer", now)), (KEPT_NAMES_MAX, None));
        kept.put("newcomer", &ANSWER, later, later + Duration::from_secs(1));
        assert_eq!(kept.names.len(), 1);
    }

    #[test]
    fn one_family_is_enough_and_no_answer_outlives_the_longest_time() {
        let name = Name::from_ascii("a.example.").expect("a name");
        let query = Query::query(name.clone(), RecordType::A);
        let record = |secs| Record::from_rdata(name.clone(), secs, ANSWER[0].into());
        let live_secs = |records: Vec<Record>| {
            let found = lookup::Lookup::new_with_max_ttl(query.clone(), records);
            let (answers, secs) = merge(Err(too_late()), Ok(found)).expect("an answer");
            assert_eq!(answers[0], ANSWER[0]);
            secs
        };
        assert_eq!(live_secs(vec![record(86_400)]), KEPT_SECS_MAX);
        assert_eq!(live_secs(vec![record(86_400), record(7)]), 7);
        assert_eq!(merge(Err(too_late()), Err(too_late())), Err(too_late()));
    }

    fn too_late() -> String {
        TOO_LATE.to_owned()
    }

    #[tokio::test]
    async fn a_silent_name_server_ends_the_lookup_in_time() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = silent.local_addr().expect("it is bound");
        let mut dns = Dns::servers(&[address]).expect("one server");
        dns.lookup_max = Duration::from_millis(20);
        assert_eq!(dns.lookup("a.example").await, Err(LookupError::Unreachable(too_late())));
    }

    /// A name server that refuses, or is silent of one name, is there: the name is to blame. One that nobody listens for is not.
    #[tokio::test]
    async fn a_name_server_that_says_anything_is_there_and_a_closed_port_is_not() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let server = tokio::spawn(async move {
            let mut packet = [0_u8; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                if packet[12] == 0 {
                    // the root alone is answered: a response, refused
                    (packet[2], packet[3]) = (packet[2] | 0x80, 5);
                    let _ = socket.send_to(&packet[..length], from).await;
                }
            }
        });
        let mut dns = Dns::servers(&[address]).expect("one server");
        dns.lookup_max = Duration::from_millis(100);
        assert_eq!(dns.lookup("a.example").await, Err(LookupError::None(too_late())));
        server.abort();
        let _ = server.await;
        let closed = dns.lookup("a.example").await;
        assert!(matches!(closed, Err(LookupError::Unreachable(_))), "{closed:?}");
    }
}
