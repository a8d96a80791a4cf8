//! Behaviours that show over several attempts or over time: stale connections, wishes, slowness.

use std::time::Duration;

use serde_json::json;

use super::keeper::{Keeper, Step, Visit};
use super::{Visitors, check};
use crate::world::{Behaviour, Receiver, eventually, now};
use Step::{Close, Forever, Hold, Pause, Write};

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";

fn fine() -> Step {
    Write(FINE.to_vec())
}

#[test]
fn a_response_that_nobody_asked_for_ends_the_connection() {
    let visitors = Visitors::start(Keeper::start(|_, before| {
        let stolen = Write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen".to_vec());
        if before == 0 { vec![fine(), Pause(Duration::from_millis(50)), stolen, Hold] } else { vec![fine()] } // E23
    }));
    let endpoint = visitors.endpoint("idle");
    visitors.world.publish(&visitors.app, "{}");
    visitors.keeper.wait_for_end(visitors.keeper.wait_for("idle", 1)[0].connection);
    visitors.world.publish(&visitors.app, "{}");
    for attempt in visitors.attempts(&endpoint, 2) {
        check(&attempt, "E23", 200, "fine");
    }
}

#[test]
fn a_connection_found_closed_is_replaced_and_only_what_was_not_answered_is_sent_again() {
    let visitors = Visitors::start(Keeper::start(|cage, before| match (cage, before % 2) {
        ("closes", _) => vec![fine(), Close],
        ("reads" | "begins", 0) => vec![fine()],
        ("begins", _) => vec![Write(b"HTTP/1.1 20".to_vec()), Close],
        _ => vec![Close],
    }));
    let [closes, reads, begins] = ["closes", "reads", "begins"].map(|cage| visitors.endpoint(cage));
    for count in 1..=4 {
        visitors.world.publish(&visitors.app, "{}");
        visitors.attempts(&closes, count);
        if count == 1 {
            visitors.attempts(&reads, 1);
            visitors.attempts(&begins, 1);
        }
    }
    for attempt in visitors.attempts(&closes, 4) {
        check(&attempt, "E24 closes after each", 200, "fine");
    }
    assert_eq!(visitors.keeper.visits("closes").len(), 4, "one request an attempt");
    let second = |endpoint: &str| visitors.attempts(endpoint, 2).into_iter().rev().nth(1).unwrap();
    check(&second(&reads), "E24 closes a used connection without a byte: sent again at once", 200, "fine");
    check(&second(&begins), "E24 begins to answer: that was an attempt", 0, "broke off");
}

#[test]
fn a_receiver_that_hangs_or_closes_holds_up_no_other() {
    let receiver = Receiver::start(|_, received| match received.path.as_str() {
        "/hook/hangs" => Behaviour::Hang,
        "/hook/closes" => Behaviour::Close,
        _ => Behaviour::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine"),
    });
    let visitors = Visitors::start(Keeper::start(|_, _| vec![fine()]));
    for name in ["hangs", "closes", "answers"] {
        visitors.world.endpoint(&visitors.app, &json!({"url": format!("{}/{name}", receiver.url)}));
    }
    let begun = now();
    for _ in 0..20 {
        visitors.world.publish(&visitors.app, "{}");
    }
    let answered = || receiver.received().iter().filter(|received| received.path == "/hook/answers").count();
    eventually(|| (answered() == 20).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn an_endpoint_that_alternates_has_each_attempt_on_record() {
    let visitors = Visitors::start(Keeper::start(|_, before| {
        let failure = Write(b"HTTP/1.1 500 X\r\ncontent-length: 3\r\n\r\nbad".to_vec());
        vec![if before % 2 == 0 { fine() } else { failure }] // E32
    }));
    let endpoint = visitors.endpoint("alternates");
    for count in 1..=4 {
        visitors.world.publish(&visitors.app, "{}");
        let newest = &visitors.attempts(&endpoint, count)[0];
        let (status, words) = if count % 2 == 1 { (200, "fine") } else { (500, "bad") };
        check(newest, "E32", status, words);
    }
    let visits = visitors.keeper.visits("alternates");
    assert!(visits.iter().all(|visit| visit.connection == visits[0].connection), "a failure spoils no connection");
}

#[test]
fn an_answer_before_the_body_was_read_is_an_answer() {
    let visitors = Visitors::start(Keeper::start(|_, before| match before {
        0 => vec![fine(), Pause(Duration::from_millis(100)), Close], // E29
        _ => vec![fine()],
    }));
    let endpoint = visitors.endpoint("hasty/early");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(1_000_000));
    let event = visitors.world.publish(&visitors.app, &large);
    check(&visitors.attempts(&endpoint, 1)[0], "E29", 200, "fine");
    visitors.resend(&event, &endpoint);
    check(&visitors.attempts(&endpoint, 2)[0], "E29, the next", 200, "fine");
}

#[test]
fn gone_disables_its_endpoint_alone() {
    let visitors = Visitors::start(Keeper::start(|cage, _| {
        let status = if cage == "gone" { "410" } else { "404" };
        vec![Write(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").into_bytes())]
    }));
    let (gone, missing) = (visitors.endpoint("gone"), visitors.endpoint("missing"));
    visitors.world.publish(&visitors.app, "{}");
    let disabled = |endpoint: &str| {
        let path = format!("/api/v1/app/{}/endpoint/{endpoint}", visitors.app);
        visitors.world.call("GET", &path, "").expect(200)["disabled"] == true
    };
    eventually(|| disabled(&gone).then_some(())); // E12
    check(&visitors.attempts(&missing, 2)[0], "404 is tried again", 404, "");
    assert!(!disabled(&missing) && visitors.keeper.visits("gone").len() == 1);
}

/// `Retry-After` as a receiver may write it, and from when to when, in seconds, the next attempt may come.
fn wishes() -> Vec<(String, Option<(f64, f64)>)> {
    let ladder = Some((5.0, 7.0));
    let mut wishes: Vec<_> = ["0", "-5", "120.6", "1e17", "1e308", "inf", "nan", "", "soon", "7, 8", "0x10"]
        .map(|text| (text.to_owned(), ladder))
        .into();
    wishes.extend([
        ("Wed, 21 Oct 2015 07:28:00 GMT".to_owned(), ladder),
        ("x".repeat(10_240), ladder),
        ("1\r\nretry-after: 2".to_owned(), ladder),
        ("8".to_owned(), Some((8.0, 10.5))),
        ("120".to_owned(), None),
        ("99999999999".to_owned(), None),
        ("Fri, 31 Dec 9999 23:59:59 GMT".to_owned(), None),
        ("Wednesday, 21-Oct-65 07:28:00 GMT".to_owned(), None),
        ("Fri Dec 31 23:59:59 2038".to_owned(), None),
    ]);
    wishes
}

#[test]
fn a_wish_for_later_counts_between_the_schedule_and_a_day() {
    let visitors = Visitors::start(Keeper::start(|cage, _| {
        let (text, _) = &wishes()[cage.parse::<usize>().expect("a number")];
        let status = [503, 429, 500][text.len() % 3]; // E13, E14
        vec![Write(format!("HTTP/1.1 {status} X\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n").into_bytes())]
    }));
    let endpoints: Vec<_> = (0..wishes().len()).map(|number| visitors.endpoint(&number.to_string())).collect();
    visitors.world.publish(&visitors.app, "{}");
    for (number, (text, span)) in wishes().iter().enumerate().filter(|(_, (_, span))| span.is_some()) {
        let visits: Vec<Visit> = visitors.keeper.wait_for(&number.to_string(), 2);
        let (waited, (from, to)) = ((visits[1].at - visits[0].at).as_secs_f64(), span.unwrap());
        assert!(waited >= from && waited <= to, "{text:.40?}: {waited} s");
    }
    for (number, (text, _)) in wishes().iter().enumerate().filter(|(_, (_, span))| span.is_none()) {
        assert_eq!(visitors.keeper.visits(&number.to_string()).len(), 1, "{text:?}");
        assert_eq!(visitors.attempts(&endpoints[number], 1).len(), 1);
    }
    assert_eq!(visitors.world.log(), "");
}

#[test]
fn an_attempt_ends_after_15_s_however_slow_its_receiver_is() {
    let drip = |text: &str| Forever(text.as_bytes().to_vec(), Duration::from_secs(1));
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let visitors = Visitors::start(Keeper::start(move |cage, _| match cage {
        "E1-silent" => vec![Hold],
        "E3-slow-body" => vec![Write(head.into()), drip("x")],
        "E4-slow-head" => vec![Write(b"HTTP/1.1 200 OK\r\n".to_vec()), drip("x-a: b\r\n")],
        "E7-continues" => vec![drip("HTTP/1.1 100 Continue\r\n\r\n")],
        "E31-late" => vec![Pause(Duration::from_millis(15_500)), fine(), Hold],
        _ => vec![fine()],
    }));
    let slow = ["E1-silent", "E3-slow-body", "E4-slow-head", "E7-continues", "E31-late"];
    let endpoints = slow.map(|cage| visitors.endpoint(cage));
    let good = visitors.endpoint("good");
    let event = visitors.world.publish(&visitors.app, "{}");
    for count in 1..=20 {
        visitors.attempts(&good, count);
        visitors
            .world
            .call("POST", &format!("/api/v1/app/{}/msg", visitors.app), json!({"eventType": "a", "payload": {}}))
            .expect(202);
    }
    assert!(slow.iter().all(|cage| !visitors.keeper.visits(cage).is_empty()));
    for (cage, endpoint) in slow.iter().zip(&endpoints) {
        let attempts = visitors.attempts(endpoint, 1);
        let first = attempts.iter().find(|attempt| attempt["msgId"] == event.as_str()).expect("it came first");
        check(first, cage, 0, "within 15 s");
        let took_ms = first["responseDurationMs"].as_u64().unwrap();
        assert!((15_000..15_500).contains(&took_ms), "{cage}: {took_ms} ms");
        visitors.keeper.wait_for_end(visitors.keeper.visits(cage)[0].connection);
    }
}
