//! Where deliveries stand, by endpoint and by event; what they came to; upserts, tags, implicit applications.

use serde_json::{Value, json};

use super::erased::ended;
use crate::world::{Behaviour, Receiver, World, eventually};

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_endpoints_events_are_listed_both_ways_with_where_they_stand() {
    let (world, receiver) =
        (World::start(), Receiver::start(|count, _| Behaviour::Status(if count == 1 { 500 } else { 200 })));
    let (app, endpoint) = world.subscribe(&receiver.url);
    let events: Vec<String> = (0..5)
        .map(|number| {
            let event = world.publish(&app, &format!(r#"{{"n":{number},"amount":10.00}}"#));
            world.attempts(&app, &event, 1);
            event
        })
        .collect();
    let get = |query: &str| world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}/msg?{query}"), "");
    let newest_first: Vec<_> = events.iter().rev().cloned().collect();
    assert_eq!(ids(&get("").expect(200)), newest_first);
    let mut found = Vec::new();
    let mut query = "limit=2".to_owned();
    let last = loop {
        let page = get(&query).expect(200);
        found.extend(ids(&page));
        if page["done"] == true {
            break page;
        }
        query = format!("limit=2&iterator={}", page["iterator"].as_str().unwrap());
    };
    assert_eq!(found, newest_first);
    let back = get(&format!("limit=2&iterator={}", last["prevIterator"].as_str().unwrap())).expect(200);
    assert_eq!(ids(&back), newest_first[2..4]);
    assert_eq!(ids(&get("status=3").expect(200)), events[1..2], "one waits for its second attempt");
    assert_eq!(ids(&get("status=1").expect(200)), Vec::<String>::new(), "all were tried");
    assert_eq!(ids(&get("status=0").expect(200)).len(), 4);
    let sending = get("status=3").expect(200)["data"][0].clone();
    assert_eq!((&sending["status"], &sending["statusText"]), (&json!(3), &json!("sending")));
    assert!(sending["nextAttempt"].is_string() && get("").body.contains("10.00"), "payloads keep their spelling");
    assert_eq!(get("with_content=false").expect(200)["data"][0]["payload"], json!({}));
    assert_eq!(ids(&get("event_types=nobody.knows").expect(200)), Vec::<String>::new());
    assert_eq!(ids(&get("before=2026-01-01T00:00:00Z").expect(200)), Vec::<String>::new());
    assert_eq!(get("status=7").status, 422);
}

#[test]
fn statistics_are_what_the_deliveries_came_to() {
    let (world, receiver) =
        (World::start(), Receiver::start(|count, _| Behaviour::Status(if count < 2 { 500 } else { 200 })));
    let (app, endpoint) = world.subscribe(&receiver.url);
    for _ in 0..4 {
        let event = world.publish(&app, "{}");
        world.attempts(&app, &event, 1);
    }
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let stats = || world.call("GET", &format!("{path}/stats"), "").expect(200);
    let expected = json!({"success": 2, "pending": 0, "sending": 2, "fail": 0, "canceled": 0});
    assert_eq!(eventually(|| Some(stats()).filter(|found| *found == expected)), expected);
    let attempts = world.call("GET", &format!("{path}/attempt-stats"), "").expect(200);
    assert_eq!(attempts, json!({"success": 2, "fail": 2, "canceled": 0}));
    let long_ago = "since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z";
    assert_eq!(world.call("GET", &format!("{path}/stats?{long_ago}"), "").expect(200)["success"], 0);
    let backwards = "since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z";
    assert_eq!(world.call("GET", &format!("{path}/stats?{backwards}"), "").status, 422);
    let usage = json!({"since": "2026-11-01T00:00:00Z", "until": "2026-12-31T00:00:00Z", "appIds": [app, "nobody"]});
    let usage = world.call("POST", "/api/v1/stats/usage/app", usage).expect(202);
    assert_eq!(usage["unresolvedAppIds"], json!(["nobody"]));
    assert_eq!(ended(&world, &usage)["data"]["appStats"][0]["appId"], app);
    let types = world.call("PUT", "/api/v1/stats/usage/event-types", "").expect(202);
    assert_eq!(ended(&world, &types)["data"]["event_types"][0]["hasCatchAllEndpoint"], true);
}

/// svix-server: what was tried and goes on is `sending` (3), wherever deliveries are told of; its attempt failed (2).
#[test]
fn what_waits_for_a_retry_is_sending_until_it_ends() {
    let (world, receiver) = (World::start(), Receiver::start(|_, _| Behaviour::Status(500)));
    let (app, endpoint) = world.subscribe(&receiver.url);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let retried = world.publish(&app, "{}");
    assert_eq!(world.attempts(&app, &retried, 1)[0]["status"], 2, "the attempt has ended");
    world.call("PATCH", &path, json!({"paused": true})).expect(200);
    let untried = world.publish(&app, "{}");
    let standing = |event: &str| {
        let list = world.call("GET", &format!("/api/v1/app/{app}/msg/{event}/endpoint"), "").expect(200);
        let row = list["data"][0].clone();
        (row["status"].as_u64().unwrap(), row["statusText"].as_str().unwrap().to_owned())
    };
    assert_eq!(standing(&retried), (3, "sending".to_owned()));
    assert_eq!(standing(&untried), (1, "pending".to_owned()));
    let stats = json!({"success": 0, "pending": 1, "sending": 1, "fail": 0, "canceled": 0});
    assert_eq!(world.call("GET", &format!("{path}/stats"), "").expect(200), stats);
    // many made again: those that wait for a retry at once, what is on its way never
    world.call("PATCH", &path, json!({"paused": false})).expect(200);
    world.attempts(&app, &untried, 1);
    let since = "2026-01-01T00:00:00Z";
    let replay = |status: u8, dry_run: bool| {
        let body = json!({"since": since, "status": status, "dryRun": dry_run});
        world.call("POST", &format!("{path}/bulk-replay"), body)
    };
    assert_eq!(replay(3, true).expect(200)["count"], 2);
    assert_eq!(replay(1, true).expect(200)["count"], 0);
    assert_eq!(replay(2, true).expect(200)["count"], 2, "they failed last");
    let before = receiver.received().len();
    ended(&world, &replay(3, false).expect(202));
    receiver.wait_for(before + 2);
    world.attempts(&app, &retried, 2);
    assert_eq!(standing(&retried).0, 3);
}

#[test]
fn an_events_endpoints_are_listed_whatever_became_of_them() {
    let (world, good, hanging) = (World::start(), Receiver::good(), Receiver::start(|_, _| Behaviour::Hang));
    let (app, endpoint) = world.subscribe(&good.url);
    let other = world.endpoint(&app, &json!({"url": hanging.url}));
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    let list = || world.call("GET", &format!("/api/v1/app/{app}/msg/{event}/endpoint"), "").expect(200);
    assert_eq!(ids(&list()), [other.clone(), endpoint.clone()], "the newest first");
    let rows = list()["data"].clone();
    assert_eq!((&rows[1]["statusText"], &rows[1]["url"]), (&json!("success"), &json!(good.url)));
    assert_eq!((&rows[0]["status"], &rows[0]["statusText"]), (&json!(1), &json!("pending")), "nobody answered yet");
    let first = world.call("GET", &format!("/api/v1/app/{app}/msg/{event}/endpoint?limit=1"), "").expect(200);
    assert_eq!((ids(&first), &first["done"]), (vec![other], &json!(false)));
    let rest =
        format!("/api/v1/app/{app}/msg/{event}/endpoint?limit=1&iterator={}", first["iterator"].as_str().unwrap());
    assert_eq!(ids(&world.call("GET", &rest, "").expect(200)), [endpoint]);
    let active = |event_type: &str| {
        let body = json!({ "eventType": event_type });
        world.call("POST", &format!("/api/v1/app/{app}/msg/precheck/active"), body).expect(200)["active"].clone()
    };
    assert_eq!(active("any.thing"), true);
    let empty = world.call("POST", "/api/v1/app", r#"{"name":"b"}"#).expect(201);
    let path = format!("/api/v1/app/{}/msg/precheck/active", empty["id"].as_str().unwrap());
    assert_eq!(world.call("POST", &path, r#"{"eventType":"a"}"#).expect(200)["active"], false);
}

#[test]
fn tags_and_implicit_applications_come_with_the_event() {
    let world = World::start();
    let event = json!({"eventType": "a", "payload": {}, "tags": ["eu", "big"], "application": {"name": "made", "uid": "acme", "throttleRate": 7}});
    let published = world.call("POST", "/api/v1/app/acme/msg", &event).expect(202);
    assert_eq!(published["tags"], json!(["eu", "big"]));
    let app = world.call("GET", "/api/v1/app/acme", "").expect(200);
    assert_eq!((&app["name"], &app["throttleRate"]), (&json!("made"), &json!(7)));
    world.call("POST", "/api/v1/app/acme/msg", &event).expect(202);
    world.call("POST", "/api/v1/app/acme/msg", json!({"eventType": "a", "payload": {}})).expect(202);
    let tagged = world.call("GET", "/api/v1/app/acme/msg?tag=eu", "").expect(200);
    assert_eq!(tagged["data"].as_array().unwrap().len(), 2);
    assert_eq!(ids(&world.call("GET", "/api/v1/app/acme/msg?tag=us", "").expect(200)), Vec::<String>::new());
    for (application, code) in [
        (json!({"name": "x"}), "application_uid_missing"),
        (json!({"name": "x", "uid": "y"}), "application_uid_mismatch"),
    ] {
        let event = json!({"eventType": "a", "payload": {}, "application": application});
        let refused = world.call("POST", "/api/v1/app/nobody/msg", event).expect(422);
        assert!(refused["detail"][0]["msg"].as_str().unwrap().starts_with(code), "{refused}");
    }
    let access = json!({"application": {"name": "z", "uid": "z"}});
    world.call("POST", "/api/v1/auth/app-portal-access/z", access).expect(200);
    assert_eq!(world.call("GET", "/api/v1/app/z", "").expect(200)["name"], "z");
}

#[test]
fn put_makes_or_replaces_and_patch_changes_what_it_names() {
    let world = World::start();
    world.call("PUT", "/api/v1/app/a", r#"{"name":"one","throttleRate":5}"#).expect(201);
    let patched = world.call("PATCH", "/api/v1/app/a", r#"{"metadata":{"k":"v"},"throttleRate":null}"#).expect(200);
    assert_eq!(
        (&patched["name"], &patched["throttleRate"], &patched["metadata"]["k"]),
        (&json!("one"), &Value::Null, &json!("v"))
    );
    let at = |url: &str| json!({"url": url, "description": "d", "channels": ["eu"], "filterTypes": null});
    let made = world.call("PUT", "/api/v1/app/a/endpoint/e", at("http://127.0.0.1:1/one")).expect(201);
    assert_eq!((&made["uid"], &made["channels"], &made["filterTypes"]), (&json!("e"), &json!(["eu"]), &Value::Null));
    let secret = world.call("GET", "/api/v1/app/a/endpoint/e/secret", "").expect(200);
    world.call("PUT", "/api/v1/app/a/endpoint/e/headers", r#"{"headers":{"X-A":"b"}}"#).expect(204);
    let bare = json!({"url": "http://127.0.0.1:1/two", "disabled": true, "uid": "e"});
    let replaced = world.call("PUT", "/api/v1/app/a/endpoint/e", bare).expect(200);
    assert_eq!(
        (&replaced["id"], &replaced["channels"], &replaced["description"]),
        (&made["id"], &Value::Null, &json!(""))
    );
    assert_eq!(replaced["disabled"], true);
    assert_eq!(
        world.call("GET", "/api/v1/app/a/endpoint/e/secret", "").expect(200),
        secret,
        "what has a route of its own stays"
    );
    assert_eq!(world.call("GET", "/api/v1/app/a/endpoint/e/headers", "").expect(200)["headers"]["X-A"], "b");
    let name = "/api/v1/event-type/user.made";
    let schemas = json!({"1": {"type": "object"}});
    world.call("PUT", name, json!({"description": "one", "schemas": schemas, "groupName": "user"})).expect(201);
    world.call("PUT", name, json!({"description": "two"})).expect(200);
    let patched = world.call("PATCH", name, json!({"deprecated": true, "featureFlag": "beta"})).expect(200);
    assert_eq!((&patched["description"], &patched["schemas"]), (&json!("two"), &Value::Null));
    assert_eq!((&patched["featureFlag"], &patched["featureFlags"]), (&json!("beta"), &json!(["beta"])));
    assert_eq!(world.call("DELETE", name, "").status, 204);
    assert_eq!(world.call("GET", name, "").expect(200)["archived"], true);
    assert_eq!(world.call("GET", "/api/v1/event-type", "").expect(200)["data"], json!([]));
    assert_eq!(world.call("DELETE", &format!("{name}?expunge=true"), "").status, 204);
    assert_eq!(world.call("GET", name, "").status, 404);
}

#[test]
fn attempts_come_with_their_event_and_without_their_response_when_asked() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, r#"{"secret":1}"#);
    world.attempts(&app, &event, 1);
    let get = |query: &str| {
        world.call("GET", &format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?{query}"), "").expect(200)
    };
    let full = get("with_msg=true")["data"][0].clone();
    assert_eq!(
        (&full["msg"]["id"], &full["msg"]["payload"], &full["response"]),
        (&json!(event), &json!({}), &json!("ok"))
    );
    let bare = get("with_content=false")["data"][0].clone();
    assert_eq!((&bare["response"], bare.get("msg")), (&json!(""), None));
    for (status, count) in [(0, 1), (1, 0), (2, 0), (3, 0), (4, 0)] {
        assert_eq!(get(&format!("status={status}"))["data"].as_array().unwrap().len(), count, "{status}");
    }
    let old = world.call("GET", &format!("/api/v1/app/{app}/msg/{event}/attempt"), "").expect(200);
    assert_eq!(old["data"][0]["id"], full["id"], "the route of older SDKs");
}

#[test]
fn the_same_resend_is_made_once() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    let path = format!("/api/v1/app/{app}/msg/{event}/endpoint/{endpoint}/resend");
    for _ in 0..3 {
        world.call_as(crate::world::KEY, "POST", &path, &[("idempotency-key", "again")], "").expect(202);
    }
    world.attempts(&app, &event, 2);
    world.call("POST", &path, "").expect(202);
    world.attempts(&app, &event, 3);
    assert_eq!(receiver.received().len(), 3);
}

#[test]
fn what_a_deleted_application_left_is_shown_for_a_day_by_its_id() {
    let (world, receiver) = (World::start(), Receiver::good());
    let app = world.call("POST", "/api/v1/app", json!({"name": "acme", "uid": "acme"})).expect(201)["id"].clone();
    let app = app.as_str().unwrap();
    let endpoint = world.endpoint(app, &json!({"url": receiver.url, "uid": "ledger"}));
    let event = world.publish(app, r#"{"amount":10.00}"#);
    world.attempts(app, &event, 1);
    let path = |rest: &str| format!("/api/v1/app/{app}{rest}");
    let gets = [
        path("/msg"),
        path(&format!("/msg/{event}")),
        path(&format!("/msg/{event}/endpoint")),
        path(&format!("/attempt/msg/{event}")),
        path(&format!("/attempt/endpoint/{endpoint}")),
        path(&format!("/endpoint/{endpoint}/msg")),
    ];
    let before = gets.each_ref().map(|path| world.call("GET", path, "").expect(200));
    assert_eq!(world.call("DELETE", &path(&format!("/endpoint/{endpoint}")), "").status, 204);
    assert_eq!(world.call("GET", &gets[4], "").expect(200), before[4]);
    assert_eq!(world.call("GET", &path(&format!("/endpoint/{endpoint}")), "").status, 404);
    assert_eq!(world.call("GET", &path("/endpoint/ledger/msg"), "").status, 404, "its name may be another's");
    assert_eq!(world.call("DELETE", &path(""), "").status, 204);
    for (path, before) in gets.iter().zip(before) {
        let mut after = world.call("GET", path, "").expect(200);
        if let Some(list) = after.get_mut("data") {
            let rows = list.as_array_mut().unwrap().iter_mut().zip(before["data"].as_array().unwrap());
            // the endpoint is shown as it is now
            for (row, was) in rows.filter(|(row, _)| row["disabled"] == true) {
                for name in ["disabled", "updatedAt", "version"] {
                    row[name] = was[name].clone();
                }
            }
        }
        assert_eq!(after, before, "{path}");
        let live = world.key("admin", "live");
        assert_eq!(eventually(|| Some(world.call_as(&live, "GET", path, &[], "").status).filter(|s| *s != 401)), 404);
    }
    for (method, rest) in [("GET", ""), ("DELETE", ""), ("GET", "/endpoint")] {
        assert_eq!(world.call(method, &path(rest), "").status, 404, "{method} {rest}");
    }
    let event = json!({"eventType": "invoice.paid", "payload": {}});
    assert_eq!(world.call("POST", &path("/msg"), event).status, 404);
    assert_eq!(world.call("GET", "/api/v1/app/acme/msg", "").status, 404);
}
