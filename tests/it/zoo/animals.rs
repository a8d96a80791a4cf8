//! One behaviour each (E5 to E29): the first attempt meets it, the second meets a good answer.

use std::time::Duration;

use super::keeper::{Keeper, Step};
use super::{Visitors, check};
use Step::{Close, Forever, Hold, Pause, Reset, Write};

/// The good answer, which the second attempt must get whole.
const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";
/// What another response in the wrong place looks like.
const STOLEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen";

/// What a receiver does at first, and how it is recorded.
struct Animal {
    case: &'static str,
    steps: Vec<Step>,
    /// The status on record; 0 when there was no response.
    status: u64,
    /// Words on record.
    words: &'static str,
    /// Whether its connection may take the next attempt.
    reused: bool,
}

fn write(text: impl Into<Vec<u8>>) -> Step {
    Write(text.into())
}

/// Breaks HTTP: no response, and no further use of the connection.
fn broken(case: &'static str, steps: Vec<Step>, words: &'static str) -> Animal {
    Animal { case, steps, status: 0, words, reused: false }
}

/// Says these bytes and keeps the connection open.
fn says(case: &'static str, text: &str, status: u64, words: &'static str) -> Animal {
    Animal { case, steps: vec![write(text)], status, words, reused: true }
}

/// As [`says`], with something about it that spoils the connection.
fn spoils(case: &'static str, text: &str, status: u64, words: &'static str) -> Animal {
    Animal { reused: false, steps: vec![write(text), Hold], ..says(case, text, status, words) }
}

fn that_break_off() -> Vec<Animal> {
    let (begun, head) = ("HTTP/1.1 200 OK\r\ncontent-", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n");
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    vec![
        broken("E5 reset before", vec![Reset], "connection"),
        broken("E5 reset inside the head", vec![write(begun), Reset], "connection"),
        broken("E5 reset after the head", vec![write(head), Reset], "broke off"),
        broken("E5 reset inside the body", vec![write(head), write("ok"), Reset], "broke off"),
        broken("E6 end without answer", vec![Close], "closed before a response came"),
        broken("E6 end inside the head", vec![write(begun), Close], "closed"),
        broken("E18 longer than it is", vec![write(head), write("ok"), Close], "broke off"),
        spoils("E18 shorter than it is", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more", 200, "ok"),
        broken("E21 chunks of nonsense", vec![write(chunks), write("zz\r\nok\r\n"), Hold], "broke off"),
        broken("E21 a chunk of 2^64", vec![write(chunks), write("10000000000000000\r\nok"), Hold], "broke off"),
        broken("E21 a chunk without end", vec![write(chunks), write("2\r\nokok"), Hold], "broke off"),
        broken("E21 no last chunk", vec![write(chunks), write("2\r\nok\r\n"), Close], "broke off"),
    ]
}

fn that_speak_no_http() -> Vec<Animal> {
    let headers = |count: usize, value: &str| format!("x-a: {value}\r\n").repeat(count);
    let with = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n");
    let no = |case, text: &str| broken(case, vec![write(text), Hold], "no HTTP/1.1 response");
    vec![
        no("E19 nonsense", "I am a teapot\r\n\r\n"),
        no("E19 HTTP/1.2", "HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n"),
        no("E19 HTTP/2", "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
        no("E19 000", "HTTP/1.1 000 X\r\ncontent-length: 0\r\n\r\n"),
        no("E19 99", "HTTP/1.1 99 X\r\ncontent-length: 0\r\n\r\n"),
        no("E19 letters", "HTTP/1.1 2OO OK\r\ncontent-length: 0\r\n\r\n"),
        no("E19 two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok"),
        no("E20 200 headers of 8 KiB", &with(&headers(200, &"v".repeat(8_192)))),
        no("E20 200 headers", &with(&headers(200, "v"))),
        no("E20 a header of 20 KiB", &with(&headers(1, &"v".repeat(20_000)))),
        no("E20 no colon", &with("x-a\r\n")),
        no("E20 NUL", &with("x-a: \0\r\n")),
        says("E19 600", "HTTP/1.1 600 X\r\ncontent-length: 2\r\n\r\nok", 600, "ok"),
        says("E19 999", "HTTP/1.1 999 X\r\ncontent-length: 2\r\n\r\nok", 999, "ok"),
    ]
}

fn that_say_too_much() -> Vec<Animal> {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n".repeat(1_000);
    let head = |status: u16| write(format!("HTTP/1.1 {status} X\r\ntransfer-encoding: chunked\r\n\r\n"));
    let endless = || Forever(format!("1000\r\n{}\r\n", "x".repeat(0x1000)).into_bytes(), Duration::ZERO);
    let packed = |coding: &str, status: u16| {
        let head = format!("HTTP/1.1 {status} X\r\ncontent-encoding: {coding}\r\ncontent-length: 10240\r\n\r\n");
        write([head.as_bytes(), b"\x1f\x8b\x08\0\0\0\0\0", &[0xfa; 10_232]].concat())
    };
    let animal = |case, steps, status, reused| Animal { case, steps, status, words: "", reused };
    vec![
        says("E8 1,000 early hints", &format!("{hints}{FINE}"), 200, "fine"),
        spoils("E9 another protocol", "HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello", 101, ""),
        animal("E16 an endless body", vec![head(200), endless()], 200, false),
        animal("E16 an endless complaint", vec![head(500), endless()], 500, false),
        animal("E17 gzip", vec![packed("gzip", 200)], 200, true),
        animal("E17 br in a failure", vec![packed("br", 500)], 500, true),
        spoils("E22 two responses in one", &format!("{FINE}{STOLEN}"), 200, "fine"),
        spoils("E22 the first a failure", &format!("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n{STOLEN}"), 500, ""),
        spoils("E22 behind no content", &format!("HTTP/1.1 204 X\r\n\r\n{STOLEN}"), 204, ""),
        animal("E24 ends after its answer", vec![write(FINE), Close], 200, false),
        animal("E24 resets after its answer", vec![write(FINE), Pause(Duration::from_millis(50)), Reset], 200, false),
        says("E34 a cookie", "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n", 200, ""),
    ]
}

fn that_point_elsewhere(url: &str) -> Vec<Animal> {
    let to = |status: u64, headers: &str| format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n");
    let location = format!("location: {url}/trap\r\n");
    let animal = |case, status| says(case, &to(status, &location), status, "");
    vec![
        animal("E10 300", 300),
        animal("E10 301", 301),
        animal("E10 302", 302),
        animal("E10 303", 303),
        animal("E10 304", 304),
        animal("E10 305", 305),
        animal("E10 306", 306),
        animal("E10 307", 307),
        animal("E10 308", 308),
        spoils("E10 304 with a body", "HTTP/1.1 304 X\r\ncontent-length: 4\r\n\r\nbody", 304, ""),
        says("E10 without a scheme", &to(302, &location.replace("http:", "")), 302, ""),
        says("E10 refresh", &to(200, &format!("refresh: 0; url={url}/trap\r\n")), 200, ""),
        says("E10 201", &to(201, &location), 201, ""),
        says("E11 204", "HTTP/1.1 204 X\r\n\r\n", 204, ""),
        says("E11 205", &to(205, ""), 205, ""),
        says("E11 206", &to(206, "content-range: bytes 0-0/1\r\n"), 206, ""),
        says("E11 299", &to(299, ""), 299, ""),
        says("E12 400", &to(400, ""), 400, ""),
        says("E12 401", &to(401, "www-authenticate: Basic\r\n"), 401, ""),
        says("E12 404", &to(404, ""), 404, ""),
        says("E13 429", &to(429, ""), 429, ""),
        says("E7 some 100s", &format!("{}{FINE}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(50)), 200, "fine"),
    ]
}

/// The first attempt at each meets its behaviour, a resend meets a good answer.
#[track_caller]
fn visit(animals: impl Fn(&str) -> Vec<Animal>) {
    let url = std::sync::Arc::new(std::sync::OnceLock::<Vec<Vec<Step>>>::new());
    let habits = std::sync::Arc::clone(&url);
    let keeper = Keeper::start(move |cage, before| match cage.parse::<usize>() {
        Ok(number) if before == 0 => habits.get().expect("it is set before the first event")[number].clone(),
        _ => vec![write(FINE)],
    });
    let animals = animals(&keeper.url);
    url.set(animals.iter().map(|animal| animal.steps.clone()).collect()).expect("it is set once");
    let visitors = Visitors::start(keeper);
    let endpoints: Vec<_> = (0..animals.len()).map(|number| visitors.endpoint(&number.to_string())).collect();
    let rss_kib = visitors.world.rss_kib();
    let event = visitors.world.publish(&visitors.app, r#"{"n":1}"#);
    for (animal, endpoint) in animals.iter().zip(&endpoints) {
        check(&visitors.attempts(endpoint, 1)[0], animal.case, animal.status, animal.words);
        visitors.resend(&event, endpoint);
    }
    for (number, (animal, endpoint)) in animals.iter().zip(&endpoints).enumerate() {
        let attempts = visitors.attempts(endpoint, 2);
        check(&attempts[0], animal.case, 200, "fine");
        assert_eq!(attempts.len(), 2, "{}", animal.case);
        let visits = visitors.keeper.visits(&number.to_string());
        let reused = visits[0].connection == visits[1].connection;
        assert_eq!((visits.len(), reused), (2, animal.reused), "{}: {visits:?}", animal.case);
        assert!(!visits[1].head.contains("cookie"), "{}", visits[1].head);
    }
    assert!(visitors.keeper.visits("trap").is_empty(), "no answer sends us elsewhere");
    assert!(visitors.world.rss_kib() < rss_kib + 16 * 1_024);
    assert_eq!(visitors.world.log(), "");
}

#[test]
fn answers_that_break_off_are_failures() {
    visit(|_| that_break_off());
}

#[test]
fn answers_that_are_no_http_are_failures() {
    visit(|_| that_speak_no_http());
}

#[test]
fn answers_that_say_too_much_are_cut_and_never_taken_for_the_next() {
    visit(|_| that_say_too_much());
}

#[test]
fn answers_that_point_elsewhere_are_not_followed() {
    visit(that_point_elsewhere);
}
