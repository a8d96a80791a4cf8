//! Bad input to every route of the small Finix: its own shape of error, and its own status and code.

use serde_json::{Value, json};

use super::{User, at_speed};
use crate::receive::text;
use crate::world::{Answer, Receiver};

#[track_caller]
fn check(answer: &Answer, status: u16, code: &str, field: Option<&str>) {
    let body = answer.expect(status);
    assert_eq!(body["total"], 1, "{body}");
    let error = &body["_embedded"]["errors"][0];
    assert_eq!((error["code"].as_str(), error["field"].as_str()), (Some(code), field), "{body}");
    assert!(error["message"].as_str().is_some_and(|text| text.len() > 10) && error["logref"].is_string(), "{body}");
}

#[test]
fn who_is_asking_must_be_known_and_the_version_must_exist() {
    let world = at_speed("60");
    for header in ["", "Basic", "Basic !!", "Basic Zm9v", "Basic OnNlY3JldA==", "Bearer dXNlcjp4", "Basic /w=="] {
        let answer = world.call_as("", "GET", "/finix/webhooks", &[("authorization", header)], "");
        check(&answer, 401, "UNKNOWN", None);
    }
    check(&world.call_as("", "POST", "/finix/webhooks", &[], "{"), 400, "BAD_REQUEST", None);
    let user = ("authorization", "Basic dXNlcjp4");
    for (version, status) in [("2018-01-01", 200), ("2022-02-01", 200), ("2020-01-01", 406), ("", 406)] {
        let answer = world.call_as("", "GET", "/finix/webhooks", &[user, ("finix-version", version)], "");
        assert_eq!(answer.status, status, "{version}: {answer:?}");
    }
}

#[test]
fn a_webhook_must_be_described_as_it_can_be() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    let user = User::of(&world, "user");
    let path = format!("/webhooks/{}", text(&user.webhook(&json!({"url": receiver.url}))["id"]));
    let long = format!("{}/{}", receiver.url, "x".repeat(120));
    for (field, value) in [
        ("url", json!(7)),
        ("url", json!("")),
        ("url", json!("ftp://127.0.0.1/")),
        ("url", json!("127.0.0.1")),
        ("url", json!("http://10.0.0.1/")),
        ("url", json!(long)),
        ("enabled", json!("yes")),
        ("nickname", json!(["a"])),
        ("nickname", json!("x".repeat(256))),
        ("authentication", json!("NONE")),
        ("authentication", json!({})),
        ("authentication", json!({"type": "DIGEST"})),
        ("authentication", json!({"type": "BASIC"})),
        ("authentication", json!({"type": "BASIC", "basic": {"username": "a:b", "password": "c"}})),
        ("authentication", json!({"type": "BEARER", "bearer": {"token": "a\r\nb"}})),
        ("authentication", json!({"type": "BEARER", "bearer": {"token": ""}})),
        ("enabled_events", json!({})),
        ("enabled_events", json!(["transfer"])),
        ("enabled_events", json!([{"types": []}])),
        ("enabled_events", json!([{"entity": "transfer", "types": "created"}])),
        ("enabled_events", json!([{"entity": "transfer", "types": [1]}])),
        ("enabled_events", json!([{"entity": "transfers", "types": []}])),
        ("enabled_events", json!([{"entity": "transfer", "types": ["succeeded"]}])),
        ("enabled_events", json!([{"entity": "transfer", "types": []}, {"entity": "transfer", "types": []}])),
    ] {
        let mut settings = json!({"url": receiver.url});
        settings[field] = value.clone();
        check(&user.call("POST", "/webhooks", &settings), 422, "INVALID_FIELD", Some(field));
        check(&user.call("PUT", &path, &json!({field: value})), 422, "INVALID_FIELD", Some(field));
    }
    check(&user.call("POST", "/webhooks", &json!({})), 422, "INVALID_FIELD", Some("url"));
    check(&user.call("POST", "/webhooks", &json!([])), 400, "BAD_REQUEST", None);
    assert_eq!(user.ids("/webhooks").len(), 1);
    assert_eq!(receiver.received().len(), 1, "what is wrong is told before anybody is asked");
}

#[test]
fn what_is_not_there_is_not_found_and_what_cannot_be_done_is_not_allowed() {
    let world = at_speed("60");
    let user = User::of(&world, "user");
    let none = Value::Null;
    for path in ["/webhooks/WH1", "/transfers/TR1", "/settlements/%00", "/webhooks/a/b", "/", "/nothing", "/events/1"] {
        check(&user.call("GET", path, &none), 404, "NOT_FOUND", None);
    }
    check(&user.call("PUT", "/webhooks/WH1", &json!({"enabled": true})), 404, "NOT_FOUND", None);
    let unknown = user.call("POST", "/sandbox/flows/nothing", &none);
    check(&unknown, 404, "NOT_FOUND", None);
    assert!(unknown.body.contains("emv-authorization") && unknown.body.contains("instant-payout"), "it lists them");
    for (method, path) in [
        ("PATCH", "/webhooks"),
        ("DELETE", "/webhooks/WH1"),
        ("GET", "/sandbox/reset"),
        ("GET", "/sandbox/flows/core"),
        ("POST", "/transfers"),
        ("PUT", "/transfers/TR1"),
    ] {
        check(&user.call(method, path, &none), 405, "METHOD_NOT_ALLOWED", None);
    }
    for query in ["limit=0", "limit=101", "limit=a", "limit="] {
        check(&user.call("GET", &format!("/transfers?{query}"), &none), 422, "INVALID_FIELD", Some("limit"));
        check(&user.call("GET", &format!("/webhooks?{query}"), &none), 422, "INVALID_FIELD", Some("limit"));
    }
    let cursor = user.call("GET", "/transfers?after_cursor=TR1", &none);
    check(&cursor, 422, "INVALID_FIELD", Some("after_cursor"));
    check(&user.call("POST", "/webhooks", &json!({"url": "x".repeat(70_000)})), 413, "BAD_REQUEST", None);
}
