//! What nobody should send: forged, broken, hostile. The handler answers all of it, books nothing of it, and goes on.

use std::io::{Read as _, Write as _};

use super::*;
use crate::world::connect;

/// A payment as Fintoc sends it, with one thing changed.
fn changed(from: &str, to: &str) -> String {
    let body = fintoc("evt_1", 4_990);
    assert!(body.contains(from), "{from}");
    body.replacen(from, to, 1)
}

/// All is as it was: it runs, books what is right, and has booked nothing else.
#[track_caller]
fn goes_on(handler: &mut Handler) {
    assert_eq!(handler.booked(), vec![]);
    assert_eq!(handler.deliver(fintoc("evt_good", 1)), 200);
    assert_eq!(handler.booked(), [("pi_evt_good".to_owned(), 1, "CLP".to_owned())]);
    handler.is_well();
}

#[test]
fn what_is_not_signed_by_its_secret_is_answered_401() {
    let mut handler = Handler::start();
    let body = fintoc("evt_1", 4_990).into_bytes();
    let signed = |secret, at_secs| proof(Provider::Standard, secret, &body, at_secs);
    let with = |value: &str| {
        let mut headers = signed(STANDARD, now_secs());
        headers.iter_mut().find(|(name, _)| name == "webhook-signature").unwrap().1 = value.to_owned();
        headers
    };
    let good = with("v1,a b").iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(good.len(), 3, "{good:?}");
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for headers in [
        vec![],
        signed(other, now_secs()),
        signed(STANDARD, now_secs() - 600),
        signed(STANDARD, now_secs() + 600),
        proof(Provider::Fintoc, FINTOC, &body, now_secs()),
        with("v1"),
        with("v1,"),
        with("v1,forged"),
        with("v1,Zm9yZ2Vk"),
        with("v1,Zm9yZ2Vk,v1"),
        with("v1,ñ"),
    ] {
        assert_eq!(handler.raw(&request("/", &body, &headers)).status, 401, "{headers:?}");
    }
    let headers = signed(STANDARD, now_secs());
    for tampered in [fintoc("evt_1", 4_991).into_bytes(), [body.as_slice(), b" "].concat(), vec![], vec![0xff]] {
        assert_eq!(handler.raw(&request("/", &tampered, &headers)).status, 401);
    }
    goes_on(&mut handler);
}

#[test]
fn what_is_no_event_or_no_payment_that_can_be_booked_is_answered_400() {
    let mut handler = Handler::start();
    let deep = |open: &str, close: &str| changed("1.10", &[open.repeat(100_000), close.repeat(100_000)].join("1"));
    let original = fintoc("evt_1", 4_990);
    let standard =
        format!(r#"{{"type":"payment_intent.succeeded","timestamp":"2026-11-25T10:00:00Z","data":{original}}}"#);
    for body in [
        String::new(),
        "{".to_owned(),
        original[..original.len() - 1].to_owned(),
        "null".to_owned(),
        "7".to_owned(),
        "[]".to_owned(),
        format!("[{original}]"),
        "[".repeat(500_000),
        deep("[", "]"),
        deep(r#"{"a":"#, "}"),
        changed("4990", "4990.0"),
        changed("4990", "1e3"),
        changed("4990", "1e400"),
        changed("4990", "NaN"),
        changed("4990", "true"),
        changed("4990", "null"),
        changed("4990", r#""4990""#),
        changed("4990", "[4990]"),
        changed("4990", "0"),
        changed("4990", "-4990"),
        changed("4990", "9223372036854775808"),
        changed("4990", &"9".repeat(5_000)),
        changed(r#""amount":4990,"#, ""),
        changed(r#""CLP""#, "null"),
        changed(r#""CLP""#, r#""""#),
        changed(r#""pi_evt_1""#, "null"),
        changed(r#""pi_evt_1""#, r#""""#),
        changed(r#""pi_evt_1""#, r#"["pi_1"]"#),
        changed(r#""pi_evt_1""#, r#""\ud800""#),
        changed(r#""id":"pi_evt_1","#, ""),
        changed(r#""status":"succeeded""#, r#""status":"pending""#),
        changed(r#""object":"payment_intent""#, r#""object":"charge""#),
        changed(r#""data":"#, r#""date":"#),
        r#"{"type":"charge.succeeded","data":[]}"#.to_owned(),
        r#"{"type":"charge.succeeded","data":null}"#.to_owned(),
        standard,
    ] {
        assert_eq!(handler.deliver(&body), 400, "{}", body.chars().take(400).collect::<String>());
    }
    goes_on(&mut handler);
}

#[test]
fn what_is_no_payment_is_answered_200_whatever_it_looks_like() {
    let mut handler = Handler::start();
    for body in [
        "{}",
        r#"{"success":true}"#,
        r#"{"type":null,"data":null}"#,
        r#"{"type":["payment_intent.succeeded"],"data":{}}"#,
        r#"{"type":{"payment_intent":"succeeded"}}"#,
        r#"{"type":"transfer.inbound.succeeded","data":{"id":"tr_1","amount":1,"currency":"MXN","status":"succeeded"}}"#,
        r#"{"type":"payout.succeeded","data":[]}"#,
        r#"{"type":"checkout_session.finished","data":{"payment_resource":7}}"#,
    ] {
        assert_eq!(handler.deliver(body), 200, "{body}");
    }
    assert_eq!(handler.deliver(changed("payment_intent.succeeded", "payment_intent.Succeeded")), 200);
    goes_on(&mut handler);
}

#[test]
fn a_payment_with_another_amount_than_the_one_in_the_books_is_answered_409_and_changes_nothing() {
    let mut handler = Handler::start();
    assert_eq!(handler.deliver(fintoc("evt_1", 4_990)), 200);
    assert_eq!(handler.deliver(fintoc("evt_1", 4_991)), 409);
    assert_eq!(handler.deliver(changed("CLP", "MXN")), 409);
    assert_eq!(handler.deliver(fintoc("evt_1", 4_990)), 200);
    assert_eq!(handler.booked(), [("pi_evt_1".to_owned(), 4_990, "CLP".to_owned())]);
    handler.is_well();
}

#[test]
fn a_payment_that_cannot_be_written_now_is_answered_503_and_booked_when_it_comes_again() {
    let mut handler = Handler::start();
    let books = handler.books();
    books.execute_batch("begin immediate").unwrap();
    assert_eq!(handler.deliver(fintoc("evt_good", 1)), 503);
    books.execute_batch("rollback").unwrap();
    goes_on(&mut handler);
}

#[test]
fn a_request_of_no_length_or_too_much_is_answered_before_it_is_read() {
    let mut handler = Handler::start();
    let head = |more: &str| format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n\r\n").into_bytes();
    for (more, status) in [
        ("x: y", 411),
        ("content-length:", 411),
        ("content-length: -1", 411),
        ("content-length: +1", 411),
        ("content-length: 1e3", 411),
        ("content-length: 1_0", 411),
        ("content-length: ²", 411),
        ("transfer-encoding: chunked", 411),
        ("content-length: 1048577", 413),
        ("content-length: 99999999999999999999", 413),
    ] {
        assert_eq!(handler.raw(&head(more)).status, status, "{more}");
    }
    let chunked = [&head("transfer-encoding: chunked")[..], b"5\r\nhello\r\n0\r\n\r\n"].concat();
    assert_eq!(handler.raw(&chunked).status, 411);
    let padded = |bytes: usize| {
        let body = fintoc("evt_big", 1);
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    assert_eq!((handler.deliver(padded(2 * 1_048_576)), handler.deliver(padded(1_048_577))), (413, 413));
    goes_on(&mut handler);
    assert_eq!(handler.deliver(padded(1_048_576)), 200, "the largest that comes out of a source");
}

#[test]
fn who_hangs_up_or_falls_silent_holds_nobody_up_and_who_stays_is_served_on() {
    let mut handler = Handler::start();
    let begun = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    let mut silent = connect(&handler.url);
    silent.write_all(begun).unwrap();
    for bytes in [&begun[..], b"POST / HT", b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\xff"] {
        connect(&handler.url).write_all(bytes).unwrap();
    }
    let body = fintoc("evt_good", 1).into_bytes();
    let bytes = request("/", &body, &proof(Provider::Standard, STANDARD, &body, now_secs()));
    let kept = String::from_utf8(bytes).unwrap().replace("connection: close\r\n", "").into_bytes();
    let heard = || {
        let stream = connect(&handler.url);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let mut deaf = heard();
    deaf.write_all(&kept).unwrap();
    deaf.peek(&mut [0]).unwrap(); // it is answered, and does not listen: its end is a reset
    drop(deaf);
    let mut stays = heard();
    for _ in 0..3 {
        stays.write_all(&kept).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stays.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && !answer.windows(5).any(|part| part == b"close"));
    }
    assert_eq!(handler.booked().len(), 1);
    handler.is_well();
    drop(silent);
}
