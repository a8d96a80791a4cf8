//! Malformed HTTP on raw sockets (corpus M, HTTP 1 to 42): refused, or read in the one way that the standard leaves.

use super::{Walls, check, event, head, problem};
use crate::world::{Answer, KEY, connect};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// A 4xx, or closed without an answer; nothing was read of it.
    Refused,
    /// The event in it is accepted.
    Accepted,
}
use Fate::{Accepted, Refused};

/// A publish with these headers and this body; the connection ends with it.
fn publish(walls: &Walls, headers: &str, body: &str) -> String {
    format!("{}{headers}connection: close\r\n\r\n{body}", head("POST", &walls.path("msg")))
}

fn chunks(size: &str) -> String {
    format!("{size}\r\n{}\r\n0\r\n\r\n", event())
}

#[track_caller]
fn meets(walls: &Walls, case: &str, request: &str, fate: Fate) {
    let answer = walls.world.raw(request.as_bytes());
    let refused = (answer.status == 0 && answer.head.is_empty()) || (400..500).contains(&answer.status);
    let met = if fate == Accepted { answer.status == 202 } else { refused };
    assert!(met, "case {case}: {fate:?} expected, {answer:?}");
}

#[test]
fn a_length_that_two_readers_may_read_differently_is_refused() {
    let (walls, mut accepted) = (Walls::start(&[]), 0);
    let bytes = event().len();
    let size = format!("{bytes:x}");
    let length = |text: &str| format!("content-length: {text}\r\n");
    let chunked = "transfer-encoding: chunked\r\n";
    let long = format!("{size};{}", "a".repeat(1_048_576));
    for (case, headers, body, fate) in [
        ("1, the chunks count and the connection ends", length("5") + chunked, chunks(&size), Accepted),
        ("1, the other way round", chunked.to_owned() + &length("5"), chunks(&size), Accepted),
        ("2, twice the same", length(&bytes.to_string()).repeat(2), event(), Accepted),
        ("3", length(&bytes.to_string()) + &length("5"), event(), Refused),
        ("4", length(&format!("+{bytes}")), event(), Refused),
        ("5", length("-1"), event(), Refused),
        ("6", length("18446744073709551616"), event(), Refused),
        ("6, one less", length("18446744073709551615"), event(), Refused),
        ("7", length(&format!("{bytes}, {bytes}")), event(), Refused),
        ("8", "transfer-encoding: chunked, identity\r\n".to_owned(), chunks(&size), Refused),
        ("8, twice", chunked.repeat(2), chunks(&size), Refused),
        ("9", "transfer-encoding: xchunked\r\n".to_owned(), chunks(&size), Refused),
        ("9, packed", "transfer-encoding: gzip, chunked\r\n".to_owned(), chunks(&size), Refused),
        ("10", "transfer-encoding : chunked\r\n".to_owned(), chunks(&size), Refused),
        ("11", chunked.to_owned(), chunks("10000000000000000"), Refused),
        ("12", chunked.to_owned(), chunks(&format!("-{size}")), Refused),
        ("13", chunked.to_owned(), chunks(&long), Refused),
        ("chunks as they should be", chunked.to_owned(), chunks(&size), Accepted),
    ] {
        meets(&walls, case, &publish(&walls, &headers, &body), fate);
        accepted += usize::from(fate == Accepted);
    }
    walls.stand(accepted, 8);
}

#[test]
fn a_request_behind_a_length_and_chunks_is_not_read() {
    let walls = Walls::start(&[]);
    let hidden = head("DELETE", &walls.path("")) + "\r\n";
    let bytes = hidden.len() + 5;
    let headers = format!("content-length: {bytes}\r\ntransfer-encoding: chunked\r\n");
    let request = format!("{}{headers}\r\n0\r\n\r\n{hidden}", head("POST", &walls.path("msg")));
    let answer = walls.world.raw(request.as_bytes());
    assert!(answer.status == 422 && !answer.body.contains("HTTP/1.1"), "{answer:?}");
    walls.stand(0, 8);
}

#[test]
fn a_malformed_head_is_refused() {
    let (walls, mut accepted) = (Walls::start(&[]), 0);
    let good = publish(&walls, &format!("content-length: {}\r\n", event().len()), &event());
    let with = |headers: &str| good.replacen("host: x\r\n", &format!("host: x\r\n{headers}"), 1);
    let line = |from: &str, to: &str| good.replacen(from, to, 1);
    for (case, request, fate) in [
        ("15, bare LF, which the standard lets pass", good.replace("\r\n", "\n"), Accepted),
        ("16, bare CR", good.replace("\r\n", "\r"), Refused),
        ("16, CR in a value", with("x-a: b\rc\r\n"), Refused),
        ("17", with("x-a: b\r\n c\r\n"), Refused),
        ("18", with("x\0a: b\r\n"), Refused),
        ("18, in a value", with("x-a: b\0\r\n"), Refused),
        ("19", with("x a: b\r\n"), Refused),
        ("20", line("host: x\r\n", ""), Refused),
        ("20, HTTP/1.0 needs none", line("host: x\r\n", "").replacen("HTTP/1.1", "HTTP/1.0", 1), Accepted),
        ("21", with("host: y\r\n"), Refused),
        ("22, the URL in the line counts", line("/api", "http://other.example/api"), Accepted),
        ("23", format!("GET {}\r\n\r\n", walls.path("msg")), Refused),
        ("24", line("HTTP/1.1", "HTTP/3.0"), Refused),
        ("24, a minor version that is none", line("HTTP/1.1", "HTTP/1.2"), Refused),
        ("25", line("/api", &format!("/{}", "a".repeat(1_048_576))), Refused),
        ("26", with(&"x-a: b\r\n".repeat(10_000)), Refused),
        ("27", with(&format!("x-a: {}\r\n", "a".repeat(65_536))), Refused),
        ("34, an expectation that is none of ours", with("expect: foo\r\n"), Accepted),
        ("35", with("connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"), Accepted),
        ("HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned(), Refused),
        ("40", format!("\u{16}\u{3}\u{1}{}", "\0".repeat(200)), Refused),
        ("no path", "GET HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), Refused),
        ("CONNECT", line("POST /api/v1/", "CONNECT ").replacen("msg", "x:80", 1), Refused),
        ("OPTIONS *", line(&format!("POST {}", walls.path("msg")), "OPTIONS *"), Refused),
        ("a method that is none", line("POST", "PUSH"), Refused),
        ("a method in lower case", line("POST", "post"), Refused),
    ] {
        meets(&walls, case, &request, fate);
        accepted += usize::from(fate == Accepted);
    }
    walls.stand(accepted, 8);
}

#[test]
fn a_body_in_another_form_is_refused_with_the_form_that_is_read() {
    let walls = Walls::start(&[]);
    let bytes = format!("content-length: {}\r\n", event().len());
    for (headers, words) in [
        ("content-encoding: gzip\r\n", "`gzip` is not read"),
        ("content-encoding: gzip, gzip\r\n", "`gzip, gzip` is not read"),
        ("content-encoding: br\r\n", "`br` is not read"),
        ("content-encoding: identity\r\ncontent-encoding: zstd\r\n", "`zstd` is not read"),
    ] {
        let answer = walls.world.raw(publish(&walls, &format!("{headers}{bytes}"), &event()).as_bytes());
        check(&answer, 415, "unsupported_encoding", words);
    }
    let multipart = "--a\r\ncontent-disposition: form-data; name=\"payload\"\r\n\r\n{}\r\n--a--\r\n";
    let headers = format!("content-type: multipart/form-data; boundary=a\r\ncontent-length: {}\r\n", multipart.len());
    check(&walls.world.raw(publish(&walls, &headers, multipart).as_bytes()), 422, "body", "JSON");
    walls.stand(0, 8);
}

#[test]
fn a_body_one_byte_too_large_is_refused_by_its_length_or_when_it_comes() {
    let walls = Walls::start(&["--payload-max", "1000"]);
    let payload = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
    let post = |path: &str, body: &str| walls.world.call("POST", &walls.path(path), body);
    walls.world.publish(&walls.app, &payload(1_000));
    let body = |payload: &str| format!(r#"{{"eventType":"a","payload":{payload}}}"#);
    check(&post("msg", &body(&payload(1_001))), 413, "payload_too_large", "at most 1000");
    check(&post("msg", &body(&payload(66_537))), 413, "payload_too_large", "a payload may have 1000");
    let raw = format!(
        r#"{{"eventType":"a","payload":{{}},"transformationsParams":{{"rawPayload":"{}"}}}}"#,
        "x".repeat(1_001)
    );
    check(&post("msg", &raw), 413, "payload_too_large", "--payload-max");
    let batch = format!(r#"{{"messages":[{}]}}"#, body(&payload(1_001)));
    assert_eq!(post("msg/batch", &batch).expect(202)["data"][0]["code"], "payload_too_large");
    check(&post("msg/batch", &" ".repeat(16_777_217)), 413, "payload_too_large", "16777216");
    check(&post("endpoint", &" ".repeat(1_048_577)), 413, "payload_too_large", "1048576");
    let size = "x".repeat(66_537);
    let chunked =
        publish(&walls, "transfer-encoding: chunked\r\n", &format!("{:x}\r\n{size}\r\n0\r\n\r\n", size.len()));
    check(&walls.world.raw(chunked.as_bytes()), 413, "payload_too_large", "66536");
    walls.stand(1, 24);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let walls = Walls::start(&[]);
    let ping = "GET /api/v1/health/ping HTTP/1.1\r\nhost: x\r\n\r\n".repeat(999);
    let last = format!("{}connection: close\r\n\r\n", head("GET", "/api/v1/app/nobody"));
    let answer = walls.world.raw(format!("{ping}{last}").as_bytes());
    assert_eq!((answer.status, answer.body.matches("HTTP/1.1 204").count()), (204, 998));
    assert!(answer.body.ends_with(r#""detail":"Entity not found"}"#));
    walls.stand(0, 8);
}

#[test]
fn a_body_that_is_expected_is_asked_for_and_one_that_never_could_pass_is_not() {
    use std::io::{Read as _, Write as _};
    let walls = Walls::start(&[]);
    let begin = |bytes: usize| {
        let mut stream = connect(&walls.world.url);
        let head = publish(&walls, &format!("expect: 100-continue\r\ncontent-length: {bytes}\r\n"), "");
        stream.write_all(head.as_bytes()).expect("it listens");
        stream
    };
    let mut stream = begin(event().len());
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).expect("an interim answer");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(event().as_bytes()).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 202"), "{text}");
    let mut text = [0; 12];
    begin(100_000_000).read_exact(&mut text).expect("an answer");
    assert_eq!(&text, b"HTTP/1.1 413");
    walls.stand(1, 8);
}

#[test]
fn a_route_that_does_not_exist_and_a_method_that_it_does_not_take_are_told_apart() {
    let walls = Walls::start(&[]);
    for path in ["/api", "/api/v2/app", "/api/v1/app/a/b/c/d/e", "//api/v1//app", "/api/v1/app/../event-type"] {
        check(&walls.world.call("GET", path, ""), 404, "not_found", "/api/v1");
    }
    for (method, path) in [("PUT", "/api/v1/app"), ("DELETE", "/api/v1/event-type"), ("PATCH", "/api/v1/health/ping")] {
        let answer: Answer = walls.world.call(method, path, "");
        check(&answer, 405, "method_not_allowed", "Allow header");
        assert!(answer.head.to_ascii_lowercase().contains("\r\nallow: get"), "{answer:?}");
    }
    assert_eq!(walls.world.call_as(KEY, "GET", "/api/v1/app/", &[], "").status, 200, "a final slash is nothing");
    assert_eq!(problem(&walls.world.call("GET", "/api/v1/app/%ff", "")).0, "not_found");
    walls.stand(0, 8);
}
