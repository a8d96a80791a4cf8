//! URLs at create and at patch: the same verdict as at delivery, in words, and nothing is created or changed.

use serde_json::json;

use super::check;
use crate::world::World;

/// A URL, and words of its refusal.
const REFUSED: [(&str, &str); 34] = [
    ("", "cannot be read"),
    ("receiver.example", "cannot be read"),
    ("/hooks", "cannot be read"),
    ("ftp://receiver.example/", "neither http nor https"),
    ("file:///etc/passwd", "neither http nor https"),
    ("javascript:alert(1)", "neither http nor https"),
    ("http://", "cannot be read"),
    ("http://a b/", "percent-encode"),
    ("http://receiver.example/\n", "percent-encode"),
    ("http://bücher.example/", "punycode"),
    ("http://user:password@receiver.example/", "user name or password"),
    ("http://receiver.example\\@127.0.0.1/", "backslash"),
    ("http://a..b/", "host name"),
    ("http://receiver.example:0/", "port"),
    ("http://receiver.example:65536/", "cannot be read"),
    ("http://1.1.1.1:25/", "port"),
    ("http://127.0.0.1/", "this machine"),
    ("http://127.1:8071/", "this machine"),
    ("http://2130706433/", "this machine"),
    ("http://0x7f000001/", "this machine"),
    ("http://localhost/", "this machine"),
    ("http://LocalHost./", "this machine"),
    ("http://a.localhost/", "this machine"),
    ("http://[::1]/", "this machine"),
    ("http://[::ffff:127.0.0.1]/", "not dialled"),
    ("http://[64:ff9b::7f00:1]/", "not dialled"),
    ("http://0.0.0.0/", "not dialled"),
    ("http://10.0.0.1/", "--allow-network 10.0.0.1/32"),
    ("http://192.168.1.1/", "--allow-network"),
    ("https://100.64.0.1/", "not dialled"),
    ("http://169.254.169.254/latest/meta-data/", "metadata"),
    ("http://[fd00:ec2::254]/", "not dialled"),
    ("http://224.0.0.1/", "not dialled"),
    ("http://printer.internal/", "private"),
];

#[test]
fn an_endpoint_is_never_where_posthaste_must_not_call() {
    let world = World::start_logged(&[]);
    let (app, endpoint) = world.subscribe("https://1.1.1.1/hooks");
    let list = format!("/api/v1/app/{app}/endpoint");
    let one = format!("{list}/{endpoint}");
    let before = world.call("GET", &one, "").expect(200);
    let long = format!("https://1.1.1.1/{}", "a".repeat(65_536));
    for (url, words) in REFUSED.iter().copied().chain([(long.as_str(), "65536")]) {
        check(&world.call("POST", &list, json!({"url": url})), 422, "body.url", words);
        check(&world.call("PATCH", &one, json!({"url": url, "description": "changed"})), 422, "body.url", words);
    }
    assert_eq!(world.call("GET", &one, "").expect(200), before);
    assert_eq!(world.call("GET", &list, "").expect(200)["data"], json!([before]));
    world.call("PATCH", &one, json!({"url": "https://9.9.9.9/"})).expect(200);
    assert_eq!(world.log(), "");
}

#[test]
fn an_opened_network_opens_itself_alone_and_never_our_own_door() {
    let world = World::start_with(&["--allow-network", "127.0.0.0/8,10.1.0.0/16"]);
    let (app, _) = world.subscribe("http://10.1.2.3:6379/");
    let list = format!("/api/v1/app/{app}/endpoint");
    world.call("POST", &list, json!({"url": "http://localhost:1/"})).expect(201);
    for url in ["http://10.2.0.1/", "http://169.254.169.254/", "http://[::1]/", world.url.as_str()] {
        check(&world.call("POST", &list, json!({"url": url})), 422, "body.url", "not dialled");
    }
}
