//! The numbered corpus of names (101 to 118), answered by a script instead of DNS.

use super::{closed, opened, refusal, target};
use posthaste::egress::guard::{ANSWERS_MAX, Guard};
use posthaste::egress::resolve::{Lookup, LookupError, ResolveError, Resolver};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

type Answer = Result<Vec<IpAddr>, LookupError>;

/// Gives its answers in order, each once, and notes the names asked for.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new(answers: &[&[&str]]) -> Script {
        let parse = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| Ok(answer.iter().map(parse).collect()));
        Script::of(answers.collect())
    }

    fn of(answers: VecDeque<Answer>) -> Script {
        Script { answers: Arc::new(Mutex::new(answers)), ..Script::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic before").clone()
    }
}

impl Lookup for Script {
    async fn lookup(&self, name: &str) -> Answer {
        self.asked.lock().expect("no panic before").push(name.to_owned());
        let next = self.answers.lock().expect("no panic before").pop_front();
        next.expect("no more lookups than the script has answers")
    }
}

async fn resolve(guard: Guard, script: &Script, url: &str) -> Result<Vec<SocketAddr>, ResolveError> {
    Resolver::new(guard, script.clone()).resolve(&target(url)).await
}

/// Resolves one name against one answer, and checks that it took one lookup.
async fn verdict(guard: Guard, url: &str, answer: &[&str]) -> Result<Vec<SocketAddr>, ResolveError> {
    let script = Script::new(&[answer]);
    let result = resolve(guard, &script, url).await;
    assert_eq!(script.asked().len(), 1, "{url}");
    result
}

async fn check_refused(case: u8, url: &str, answer: &[&str]) {
    let error = verdict(closed(), url, answer).await.expect_err(url);
    assert!(matches!(error, ResolveError::Refused(_)), "case {case}: {error}");
    assert_eq!(error.code(), "blocked_address", "case {case}: {error}");
}

#[tokio::test]
async fn localhost_is_loopback_without_a_lookup() {
    for (case, host) in [(101, "localhost"), (102, "LOCALHOST."), (103, "foo.localhost"), (103, "a.b.localhost.")] {
        let url = format!("http://{host}:8080/");
        assert_eq!(refusal(&closed(), &url).code(), "blocked_address", "case {case}");
        let script = Script::default();
        let error = resolve(closed(), &script, &url).await.expect_err("loopback");
        assert_eq!(error.code(), "blocked_address", "case {case}");
        let loopback = opened(&["127.0.0.1"]);
        let addresses = resolve(loopback, &script, &url).await.expect("it is open");
        assert_eq!(addresses, [super::socket("127.0.0.1:8080")]);
        assert!(script.asked().is_empty(), "case {case}");
    }
}

#[tokio::test]
async fn a_name_with_any_answer_that_is_not_public_is_refused() {
    check_refused(104, "http://127.0.0.1.nip.example/", &["127.0.0.1"]).await;
    check_refused(107, "http://a.example/", &["127.0.0.1"]).await;
    check_refused(108, "http://a.example/", &["::1"]).await;
    check_refused(109, "http://a.example/", &["1.1.1.1", "10.0.0.1"]).await;
    check_refused(109, "http://a.example/", &["10.0.0.1", "1.1.1.1"]).await;
    check_refused(110, "http://a.example/", &["1.1.1.1", "fd00::1"]).await;
    check_refused(111, "http://alias-of-localhost.example/", &["127.0.0.1", "::1"]).await;
}

#[tokio::test]
async fn a_private_name_is_refused_even_with_a_public_answer() {
    for (case, host) in [
        (105, "metadata.google.internal."),
        (105, "METADATA.google.internal"),
        (106, "a.internal"),
        (106, "internal"),
        (106, "printer.local"),
        (106, "a.svc.cluster.local."),
        (106, "localhost.localdomain"),
    ] {
        let url = format!("http://{host}/");
        assert_eq!(refusal(&closed(), &url).code(), "blocked_address", "case {case}");
        check_refused(case, &url, &["1.1.1.1"]).await;
    }
}

#[tokio::test]
async fn a_private_name_is_open_when_all_its_addresses_are() {
    let url = "http://receiver.svc.cluster.local:8080/";
    let guard = opened(&["10.0.0.0/8"]);
    assert!(guard.target(url).is_ok(), "its addresses decide");
    let addresses = verdict(guard.clone(), url, &["10.0.0.1", "10.0.0.2"]).await;
    let expected = ["10.0.0.1:8080", "10.0.0.2:8080"].map(super::socket);
    assert_eq!(addresses.expect("both are open"), expected);
    let mixed = verdict(guard, url, &["10.0.0.1", "1.1.1.1"]).await;
    let text = mixed.expect_err("one is outside").to_string();
    assert!(text.contains("its address 1.1.1.1 is in no opened network"), "{text}");
}

#[tokio::test]
async fn a_lookup_that_fails_is_worth_a_retry_and_never_a_success() {
    for (case, reason) in [(112, "a chain of 12 aliases"), (113, "aliases in a loop")] {
        let script = Script::of([Err(LookupError::None(reason.to_owned()))].into());
        let error = resolve(closed(), &script, "http://a.example/").await.expect_err(reason);
        assert_eq!(error.code(), "unresolved", "case {case}");
        assert_eq!(error.to_string(), format!("a.example has no address now: {reason}"));
    }
    let error = verdict(closed(), "http://a.example/", &[]).await.expect_err("nothing to dial");
    assert_eq!(error.code(), "unresolved");
    assert_eq!(closed().addresses("a.example", &[], 80).expect_err("none").code(), "no_address");
}

#[tokio::test]
async fn a_second_answer_that_would_be_loopback_is_never_asked_for() {
    let script = Script::new(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let addresses = resolve(closed(), &script, "https://rebinding.example/").await;
    assert_eq!(addresses.expect("public"), [super::socket("1.1.1.1:443")]);
    assert_eq!(script.asked(), ["rebinding.example"], "case 114: exactly one lookup");
}

#[tokio::test]
async fn every_resolution_is_judged_anew() {
    let script = Script::new(&[&["1.1.1.1"], &["10.0.0.1"], &["1.1.1.1"]]);
    let target = target("https://flips.example/");
    let resolver = Resolver::new(closed(), script.clone());
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(resolver.resolve(&target).await.map_err(|error| error.code()).err());
    }
    assert_eq!(codes, [None, Some("blocked_address"), None], "cases 115, 116, 117");
    assert_eq!(script.asked().len(), 3);
}

#[tokio::test]
async fn a_name_has_at_most_so_many_addresses() {
    let answer = |count: usize| {
        let addresses = (0..).map(|n: u32| Ipv4Addr::from_bits(0x0101_0101 + n).into());
        Script::of([Ok(addresses.take(count).collect())].into())
    };
    let url = "https://many.example/";
    let most = resolve(closed(), &answer(ANSWERS_MAX), url).await;
    assert_eq!(most.expect("all are public").len(), ANSWERS_MAX);
    for count in [ANSWERS_MAX + 1, 500] {
        let error = resolve(closed(), &answer(count), url).await.expect_err("too many");
        assert_eq!(error.code(), "blocked_address", "case 118 with {count}");
    }
}
