//! An endpoint as it is kept: its URL in its normal form, its version, what the server's flags decide for it.

use serde_json::{Value, json};

use crate::world::{Answer, Behaviour, KEY, Receiver, World, eventually};

const APPS: &str = "/api/v1/app";
const LOOPBACK: [&str; 2] = ["--allow-network", "127.0.0.0/8"];

fn started(flags: &[&str]) -> World {
    World::start_with(&[&LOOPBACK[..], flags].concat())
}

/// It is refused for this field, with these words.
#[track_caller]
fn refused(answer: &Answer, field: &str, words: &str) {
    let detail = &answer.expect(422)["detail"][0];
    assert!(detail["loc"] == json!(["body", field]) && detail["msg"].as_str().unwrap().contains(words), "{detail}");
}

#[test]
fn a_url_is_kept_in_its_normal_form_and_calls_the_same() {
    let (world, receiver) = (World::start(), Receiver::good());
    let address = receiver.url.strip_prefix("http://").unwrap().strip_suffix("/hook").unwrap();
    let odd = format!("HTTP://{}/a/../Hook%41?X=%7e", address.replace("127.0.0.1", "127.1"));
    let form = format!("http://{address}/Hook%41?X=%7e");
    let (app, endpoint) = world.subscribe(&odd);
    let path = format!("{APPS}/{app}/endpoint/{endpoint}");
    let url = || world.call("GET", &path, "").expect(200)["url"].clone();
    assert_eq!(url(), form);
    world.publish(&app, "{}");
    assert_eq!(receiver.wait_for(1)[0].path, "/Hook%41?X=%7e");
    for (method, given, kept) in [
        ("PUT", "HTTPS://Example.COM", "https://example.com/"),
        ("PATCH", "https://EXAMPLE.com:443/x", "https://example.com/x"),
        ("PUT", "http://Example.com:80?a", "http://example.com/?a"),
    ] {
        let answer = world.call(method, &path, json!({ "url": given })).expect(200);
        assert_eq!((&answer["url"], &url()), (&json!(kept), &json!(kept)), "{method} {given}");
    }
    let made = world.call("PUT", &format!("{APPS}/{app}/endpoint/new"), json!({"url": "HTTPS://Example.COM"}));
    assert_eq!(made.expect(201)["url"], "https://example.com/");
    let hearer = world.call("POST", "/api/v1/operational-webhook/endpoint", json!({"url": "HTTPS://Example.COM"}));
    assert_eq!(hearer.expect(201)["url"], "https://example.com/");
}

#[test]
fn a_version_counts_the_changes_of_an_endpoint() {
    let world = World::start();
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    let path = format!("{APPS}/{app}/endpoint/{endpoint}");
    let version = || world.call("GET", &path, "").expect(200)["version"].clone();
    assert_eq!(version(), 1);
    let put = json!({"url": "http://127.0.0.1:1/", "version": 9});
    for (method, rest, body, counted) in [
        ("PATCH", "", json!({"description": "x"}), 2),
        ("PUT", "", put, 3),
        ("PUT", "/headers", json!({"headers": {"x-a": "b"}}), 4),
        ("POST", "/secret/rotate", json!({}), 5),
        ("PATCH", "", json!({"version": 2}), 6),
    ] {
        assert!(world.call(method, &format!("{path}{rest}"), body).status < 300);
        assert_eq!(version(), counted, "{method} {rest}");
    }
    for bad in [json!(0), json!(-1), json!(65_536), json!("1")] {
        assert_eq!(world.call("PATCH", &path, json!({ "version": bad })).status, 422, "{bad}");
        let body = json!({"url": "http://127.0.0.1:1/", "version": bad});
        assert_eq!(world.call("POST", &format!("{APPS}/{app}/endpoint"), &body).status, 422, "{bad}");
        assert_eq!(world.call("PUT", &path, &body).status, 422, "{bad}");
    }
    assert_eq!(version(), 6);
}

fn secret(world: &World, path: &str) -> String {
    world.call("GET", &format!("{path}/secret"), "").expect(200)["key"].as_str().unwrap().to_owned()
}

/// Rotates whatever the status of the answer, and waits until it shows.
fn rotated(world: &World, path: &str, body: &Value) -> String {
    let before = secret(world, path);
    let answer = world.call("POST", &format!("{path}/secret/rotate"), body);
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    eventually(|| Some(secret(world, path)).filter(|after| *after != before))
}

#[test]
fn new_endpoints_sign_as_the_server_says_and_a_rotation_keeps_what_an_endpoint_has() {
    const OWN: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
    let (world, receiver) = (started(&["--default-signature", "ed25519"]), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let path = |endpoint: &str| format!("{APPS}/{app}/endpoint/{endpoint}");
    let keys: Vec<String> = [
        path(&endpoint),
        {
            world.call("PUT", &path("put"), json!({"url": "http://127.0.0.1:1/"})).expect(201);
            path("put")
        },
        {
            let body = json!({"url": "http://127.0.0.1:1/", "uid": "ops"});
            world.call("POST", "/api/v1/operational-webhook/endpoint", body).expect(201);
            "/api/v1/operational-webhook/endpoint/ops".to_owned()
        },
    ]
    .iter()
    .map(|path| secret(&world, path))
    .collect();
    assert!(keys.iter().all(|key| key.starts_with("whpk_")), "{keys:?}");
    world.publish(&app, "{}");
    assert!(receiver.wait_for(1)[0].header("webhook-signature").starts_with("v1a,"));
    let jwks = world.call("GET", &format!("{}/jwks", path(&endpoint)), "").expect(200);
    assert_eq!(jwks["keys"][0]["crv"], "Ed25519");
    assert!(rotated(&world, &path(&endpoint), &json!({})).starts_with("whpk_"));
    let hmac = world.endpoint(&app, &json!({"url": "http://127.0.0.1:1/", "secret": OWN}));
    assert_eq!(secret(&world, &path(&hmac)), OWN, "whose own secret is given");
    assert!(rotated(&world, &path(&hmac), &json!({})).starts_with("whsec_"), "is rotated in its kind");
    assert_eq!(rotated(&world, &path(&endpoint), &json!({ "key": OWN })), OWN, "unless a key is given");
    let bridge = world.call("POST", APPS, json!({"name": "b", "uid": "b", "provider": "bridge"})).expect(201);
    let bridge = format!("{APPS}/{}/endpoint", bridge["id"].as_str().unwrap());
    world.call("POST", &bridge, json!({"url": "http://127.0.0.1:1/", "uid": "e"})).expect(201);
    assert!(!secret(&world, &format!("{bridge}/e")).starts_with("wh"), "Bridge has secrets of its own kind");
}

#[test]
fn without_the_flag_secrets_are_shared_and_a_private_one_stays_private() {
    let (world, seed) = (World::start(), "whsk_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    assert!(secret(&world, &format!("{APPS}/{app}/endpoint/{endpoint}")).starts_with("whsec_"));
    let private = world.endpoint(&app, &json!({"url": "http://127.0.0.1:1/", "secret": seed}));
    assert!(rotated(&world, &format!("{APPS}/{app}/endpoint/{private}"), &json!({})).starts_with("whpk_"));
}

#[test]
fn with_https_only_no_new_url_is_http_and_the_old_ones_are_delivered_to() {
    const HTTPS: &str = "must begin with https://";
    let receiver = Receiver::good();
    let mut world = World::start();
    let (app, endpoint) = world.subscribe(&receiver.url);
    world.kill();
    world.restart_with(&["--https-only"]);
    world.publish(&app, "{}");
    receiver.wait_for(1);
    let endpoints = format!("{APPS}/{app}/endpoint");
    let (old, http) = (format!("{endpoints}/{endpoint}"), json!({"url": "http://127.0.0.1:1/"}));
    let operational = "/api/v1/operational-webhook/endpoint";
    let source = json!({"name": "s", "uid": "s", "type": "generic-webhook", "config": {"secret": "0123456789abcdef"}});
    world.call("POST", "/ingest/api/v1/source", source).expect(201);
    for (method, path) in [
        ("POST", endpoints.as_str()),
        ("PUT", &format!("{endpoints}/new")),
        ("PUT", &old),
        ("PATCH", &old),
        ("POST", operational),
        ("POST", "/ingest/api/v1/source/s/endpoint"),
    ] {
        refused(&world.call(method, path, &http), "url", HTTPS);
        let https = json!({"url": "https://1.1.1.1/"});
        let answer = if path == old { continue } else { world.call(method, path, https) };
        answer.expect(201);
    }
    // what stays as it is, is no change
    world.call("PUT", &old, json!({"url": receiver.url, "description": "x"})).expect(200);
    world.call("PATCH", &old, json!({"url": receiver.url})).expect(200);
    world.call("PATCH", &old, json!({"description": "y"})).expect(200);
    world.publish(&app, "{}");
    receiver.wait_for(2);
    world.call("PATCH", &old, json!({"url": "HTTPS://1.1.1.1"})).expect(200);
    refused(&world.call("PATCH", &old, json!({"url": receiver.url})), "url", HTTPS);
}

#[test]
fn the_servers_retry_schedule_is_that_of_whoever_has_none() {
    let dead = Receiver::start(|_, _| Behaviour::Status(500));
    let world = started(&["--retry-schedule", "1,1"]);
    let count = |app: &str, settings: &Value, attempts: usize| {
        let endpoint = world.endpoint(app, settings);
        let event = world.publish(app, "{}");
        let stats = format!("{APPS}/{app}/endpoint/{endpoint}/stats");
        eventually(|| (world.call("GET", &stats, "").expect(200)["fail"] == 1).then_some(()));
        assert_eq!(world.attempts(app, &event, attempts).len(), attempts, "{settings}");
        assert_eq!(world.call("DELETE", &format!("{APPS}/{app}/endpoint/{endpoint}"), "").status, 204);
    };
    let app = world.call("POST", APPS, json!({"name": "a"})).expect(201)["id"].as_str().unwrap().to_owned();
    count(&app, &json!({"url": dead.url}), 3);
    count(&app, &json!({"url": dead.url, "retrySchedule": [1]}), 2);
    count(&app, &json!({"url": dead.url, "retrySchedule": []}), 1);
    let bridge = world.call("POST", APPS, json!({"name": "b", "provider": "bridge"})).expect(201)["id"].clone();
    let bridge = bridge.as_str().unwrap();
    world.endpoint(bridge, &json!({"url": dead.url}));
    let body = json!({"eventType": "customer.created", "payload": {}});
    let event = world.call("POST", &format!("{APPS}/{bridge}/msg"), body).expect(202)["id"].clone();
    let event = event.as_str().unwrap();
    world.attempts(bridge, event, 1);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(world.attempts(bridge, event, 1).len(), 1, "Bridge waits a minute");
}

#[test]
fn a_schedule_without_waits_is_one_attempt_on_every_route() {
    let world = World::start();
    let dead = Receiver::start(|_, _| Behaviour::Status(500));
    let (app, endpoint) = world.subscribe(&dead.url);
    let path = format!("{APPS}/{app}/endpoint/{endpoint}");
    let none = json!({"url": dead.url, "retrySchedule": []});
    for (method, path, status) in [
        ("PATCH", path.as_str(), 200),
        ("PUT", &path, 200),
        ("PUT", &format!("{APPS}/{app}/endpoint/put"), 201),
        ("POST", &format!("{APPS}/{app}/endpoint"), 201),
        ("POST", "/api/v1/operational-webhook/endpoint", 201),
    ] {
        assert_eq!(world.call(method, path, &none).expect(status)["retrySchedule"], json!([]), "{method} {path}");
    }
    let event = world.publish(&app, "{}");
    let attempted = || world.call("GET", &format!("{APPS}/{app}/msg/{event}/endpoint"), "").expect(200);
    let failed = eventually(|| {
        let rows = attempted()["data"].as_array().unwrap().clone();
        rows.iter().all(|row| row["status"] == 2).then_some(rows)
    });
    assert_eq!(failed.len(), 3);
    assert!(failed.iter().all(|row| row["nextAttempt"].is_null()), "{failed:?}");
    assert_eq!(dead.received().iter().filter(|one| one.id() == event).count(), 3, "one each");
    let usual = world.call("PATCH", &path, json!({"retrySchedule": null})).expect(200);
    assert_eq!(usual["retrySchedule"], Value::Null);
}

/// The catalogue of what is told, beside the endpoints that may name it, and where svix-server has it.
#[test]
fn what_operational_endpoints_may_name_is_listed() {
    let world = World::start();
    let list = world.call("GET", "/api/v1/operational-webhook/event-type", "").expect(200);
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert!(names.contains(&json!("endpoint.disabled")) && names.contains(&json!("message.attempt.recovered")));
    assert!(list["data"].as_array().unwrap().iter().all(|row| !row["description"].as_str().unwrap().is_empty()));
    let body = json!({"url": "http://127.0.0.1:1/", "eventTypes": names});
    world.call("POST", "/api/v1/operational-webhook/endpoint", body).expect(201);
    world.call("POST", APPS, json!({"name": "a", "uid": "a"})).expect(201);
    let token = world.call("POST", "/api/v1/auth/app-portal-access/a", "").expect(200)["token"].clone();
    let token = token.as_str().unwrap();
    let asked = |key: &str| world.call_as(key, "GET", "/api/v1/operational-webhook/event-type", &[], "").status;
    assert_eq!((asked(token), asked("nobody"), asked(KEY)), (403, 401, 200));
}
