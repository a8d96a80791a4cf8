//! Keys: without one that holds, the answer is 401 and says what would be right; a revoked one ends within a second.

use std::time::Duration;

use super::{Walls, check};
use crate::world::{KEY, eventually, now};

#[test]
fn a_request_without_a_key_that_holds_is_401() {
    let walls = Walls::start(&[]);
    let other = "sk_test_ffffffffffffffffffffffffffffffff";
    for (header, words) in [
        (String::new(), "send your key"),
        (format!("authorization: {KEY}\r\n"), "must be `Bearer`"),
        (format!("authorization: Basic {KEY}\r\n"), "must be `Bearer`"),
        ("authorization: \r\n".into(), "must be `Bearer`"),
        ("authorization: Bearer\r\n".into(), "must be `Bearer`"),
        ("authorization: Bearer \r\n".into(), "must be `Bearer`"),
        ("authorization: Bearer schlüssel\r\n".into(), "must be `Bearer`"),
        (format!("authorization: Bearer  {KEY}\r\n"), "does not exist, is revoked or has ended"),
        (format!("authorization: Bearer {KEY}x\r\n"), "does not exist, is revoked or has ended"),
        (format!("authorization: Bearer {}\r\n", &KEY[..KEY.len() - 1]), "does not exist, is revoked or has ended"),
        (format!("authorization: Bearer {}\r\n", KEY.to_uppercase()), "does not exist, is revoked or has ended"),
        (format!("authorization: Bearer {KEY}, {KEY}\r\n"), "does not exist, is revoked or has ended"),
        (format!("authorization: Bearer {other}\r\n"), "does not exist, is revoked or has ended"),
        ("authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcmdfMSJ9.AAAA\r\n".into(), "posthaste key create"),
        (format!("authorization: Bearer {}\r\n", "k".repeat(60_000)), "much shorter"),
        (format!("authorization: Bearer {KEY}\r\nauthorization: Bearer {KEY}\r\n"), "twice"),
    ] {
        for request in ["GET /api/v1/app", "POST /api/v1/app", "DELETE /api/v1/app/x", "POST /api/v1/app/x/msg"] {
            let text = format!("{request} HTTP/1.1\r\nhost: x\r\n{header}connection: close\r\n\r\n");
            check(&walls.world.raw(text.as_bytes()), 401, "authentication_failed", words);
        }
    }
    let scheme =
        format!("GET /api/v1/app HTTP/1.1\r\nhost: x\r\nauthorization: bEaReR {KEY}\r\nconnection: close\r\n\r\n");
    assert_eq!(walls.world.raw(scheme.as_bytes()).status, 200, "the scheme has no case");
    walls.stand(0, 8);
}

#[test]
fn a_key_works_and_ends_within_a_second_of_its_command() {
    let walls = Walls::start(&[]);
    let status = |key: &str| walls.world.call_as(key, "GET", "/api/v1/app", &[], "").status;
    let until = |key: &str, expected: u16| {
        let begun = now();
        eventually(|| (status(key) == expected).then_some(()));
        assert!(begun.elapsed() <= Duration::from_secs(1), "{expected} took {:?}", begun.elapsed());
    };
    let key = walls.world.key("publisher", "test");
    until(&key, 200);
    let list = String::from_utf8(walls.world.beside(&["key", "list"]).stdout).expect("text");
    assert!(!list.contains(&key) && !list.contains(KEY), "{list}");
    let line = list.lines().find(|line| line.contains("publisher")).expect("it is listed");
    assert!(line.contains(&key[..12]) && line.contains("works"), "{line}");
    let id = line.split_whitespace().next().unwrap();
    assert!(walls.world.beside(&["key", "revoke", id]).status.success());
    until(&key, 401);
    check(
        &walls.world.call_as(&key, "POST", &walls.path("msg"), &[], &super::event()),
        401,
        "authentication_failed",
        "revoked",
    );
    assert_eq!(status(KEY), 200, "the others work on");
    walls.stand(0, 8);
}
