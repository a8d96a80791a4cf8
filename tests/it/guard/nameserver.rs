//! The real lookup against a small name server on loopback: what it asks, and what it believes.

use super::{closed, target};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record};
use posthaste::egress::guard::ANSWERS_MAX;
use posthaste::egress::resolve::{Dns, Lookup, Resolver};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// Owner, lifetime in seconds, an address or the name it is an alias of.
type Row = (String, u32, String);

/// Answers from its rows on a port of its own until the test's runtime ends; notes every question.
struct NameServer {
    dns: Dns,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    async fn start(rows: &[(&str, u32, &str)]) -> NameServer {
        let own = |(owner, secs, data): &(&str, u32, &str)| ((*owner).to_owned(), *secs, (*data).to_owned());
        NameServer::answering(rows.iter().map(own).collect()).await
    }

    async fn answering(rows: Vec<Row>) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let dns = Dns::servers(&[socket.local_addr().expect("it is bound")]).expect("one server");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        tokio::spawn(async move {
            let mut packet = [0; 4_096];
            loop {
                let (length, from) = socket.recv_from(&mut packet).await.expect("loopback works");
                let question = Message::from_vec(&packet[..length]).expect("a DNS message");
                let reply = answer(&rows, question, &notes).to_vec().expect("it fits");
                socket.send_to(&reply, from).await.expect("loopback works");
            }
        });
        NameServer { dns, asked }
    }

    /// What was asked since the last call, in alphabetical order.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("no panic before"));
        asked.sort();
        asked
    }
}

fn answer(rows: &[Row], question: Message, asked: &Mutex<Vec<String>>) -> Message {
    let query = question.queries.first().expect("one question").clone();
    let name = query.name().to_string();
    let note = format!("{name} {}", query.query_type());
    asked.lock().expect("no panic before").push(note);
    let mut reply = question.into_response();
    let own_rows = rows.iter().filter(|(owner, ..)| *owner == name);
    let mut known = false;
    for (_, secs, data) in own_rows {
        known = true;
        let data = match data.parse() {
            Ok(IpAddr::V4(v4)) => RData::A(A(v4)),
            Ok(IpAddr::V6(v6)) => RData::AAAA(AAAA(v6)),
            Err(_) => RData::CNAME(CNAME(Name::from_ascii(data).expect("a name"))),
        };
        if data.record_type() == query.query_type() || matches!(data, RData::CNAME(_)) {
            reply.add_answer(Record::from_rdata(query.name().clone(), *secs, data));
        }
    }
    if name == "broken.example." {
        reply.metadata.response_code = ResponseCode::ServFail;
    } else if !known {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    reply
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

#[tokio::test]
async fn both_families_are_asked_once_and_nothing_else_is() {
    let server = NameServer::start(&[("a.example.", 0, "1.1.1.1"), ("a.example.", 0, "2606:4700::1")]).await;
    let answers = server.dns.lookup("a.example").await;
    assert_eq!(answers, Ok(vec![ip("1.1.1.1"), ip("2606:4700::1")]));
    // No HTTPS or SVCB question, so their hints are never seen (case 122).
    assert_eq!(server.asked(), ["a.example. A", "a.example. AAAA"]);
}

#[tokio::test]
async fn a_single_label_is_never_extended() {
    let server = NameServer::start(&[("a.corp.", 0, "1.1.1.1")]).await;
    let error = server.dns.lookup("a").await.expect_err("a. does not exist");
    assert_eq!(error.to_string(), "the name does not exist (NXDOMAIN)");
    assert_eq!(server.asked(), ["a. A", "a. AAAA"], "case 120");
}

#[tokio::test]
async fn the_hosts_file_is_not_used() {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let aliases = hosts.lines().flat_map(|line| line.split_whitespace().skip(1));
    let server = NameServer::start(&[]).await;
    for alias in aliases.filter(|alias| alias.is_ascii() && !alias.ends_with("localhost")) {
        assert!(server.dns.lookup(alias).await.is_err(), "case 121: {alias}");
    }
}

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_lives() {
    let rows = [("kept.example.", 300, "1.1.1.1"), ("fresh.example.", 0, "1.1.1.1")];
    let server = NameServer::start(&rows).await;
    for (name, questions) in [("kept.example", 2), ("fresh.example", 4)] {
        for _ in 0..2 {
            assert_eq!(server.dns.lookup(name).await, Ok(vec![ip("1.1.1.1")]));
        }
        assert_eq!(server.asked().len(), questions, "{name}");
    }
}

#[tokio::test]
async fn aliases_end_in_addresses_that_are_judged_or_in_nothing() {
    let mut rows: Vec<Row> = vec![
        ("to-localhost.example.".to_owned(), 0, "localhost.".to_owned()),
        ("loop.example.".to_owned(), 0, "pool.example.".to_owned()),
        ("pool.example.".to_owned(), 0, "loop.example.".to_owned()),
        ("c12.example.".to_owned(), 0, "1.1.1.1".to_owned()),
    ];
    let links = (0..12).map(|n| (format!("c{n}.example."), 0, format!("c{}.example.", n + 1)));
    rows.extend(links);
    let resolver = Resolver::new(closed(), NameServer::answering(rows).await.dns);
    for (case, name, code) in [
        (111, "to-localhost.example", "blocked_address"),
        (112, "c0.example", "unresolved"),
        (113, "loop.example", "unresolved"),
    ] {
        let error = resolver.resolve(&target(&format!("http://{name}/"))).await.expect_err(name);
        assert_eq!(error.code(), code, "case {case}: {error}");
    }
    let short = resolver.resolve(&target("http://c9.example/")).await;
    assert_eq!(short.expect("three aliases are few"), [super::socket("1.1.1.1:80")]);
}

#[tokio::test]
async fn a_crowd_of_addresses_is_refused() {
    let owner = "many.example.".to_owned();
    let addresses = (0..).map(|n: u32| Ipv4Addr::from_bits(0x0101_0101 + n).to_string());
    let rows = addresses.take(ANSWERS_MAX + 8).map(|address| (owner.clone(), 0, address));
    let server = NameServer::answering(rows.collect()).await;
    let answers = server.dns.lookup("many.example").await.expect("they exist");
    assert_eq!(answers.len(), ANSWERS_MAX + 1, "just enough to tell");
    let error = Resolver::new(closed(), server.dns).resolve(&target("http://many.example/")).await;
    assert_eq!(error.expect_err("too many").code(), "blocked_address", "case 118");
}

#[tokio::test]
async fn a_failing_name_server_leaves_the_name_unresolved() {
    let server = NameServer::start(&[("empty.example.", 0, "other.example.")]).await;
    let resolver = Resolver::new(closed(), server.dns);
    for (name, reason) in [
        ("broken.example", "the name server answered"),
        ("missing.example", "the name does not exist (NXDOMAIN)"),
        ("empty.example", "the name does not exist (NXDOMAIN)"),
    ] {
        let error = resolver.resolve(&target(&format!("http://{name}/"))).await.expect_err(name);
        assert_eq!(error.code(), "unresolved", "case 119: {error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("{name} has no address now: {reason}")), "{text}");
    }
}
