//! What is erased is gone from every answer, and what still waited for it is not sent.

use serde_json::{Value, json};

use crate::world::{Behaviour, Receiver, World, eventually};

fn payload(world: &World, app: &str, event: &str) -> Value {
    world.call("GET", &format!("/api/v1/app/{app}/msg/{event}"), "").expect(200)["payload"].clone()
}

#[test]
fn an_erased_payload_is_shown_nowhere_and_cannot_be_sent_again() {
    let (mut world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, &format!(r#"{{"card":"4242","long":"{}"}}"#, "4242".repeat(10_000)));
    world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    assert_eq!(world.call("DELETE", &format!("/api/v1/app/{app}/msg/{event}/content"), "").status, 204);
    assert_eq!(payload(&world, &app, &event), json!({"expired": true}));
    for rest in ["msg".to_owned(), format!("endpoint/{endpoint}/msg"), format!("msg/{event}")] {
        let answer = world.call("GET", &format!("/api/v1/app/{app}/{rest}"), "");
        assert!(answer.status == 200 && !answer.body.contains("4242"), "{rest}: {answer:?}");
    }
    let resend = world.call("POST", &format!("/api/v1/app/{app}/msg/{event}/endpoint/{endpoint}/resend"), "");
    assert_eq!(resend.expect(400)["code"], "missing_payload");
    assert!(world.terminate().success());
    // whatever the log still holds goes into the file
    let database = rusqlite::Connection::open(world.database()).unwrap();
    database.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())).unwrap();
    let file = std::fs::read(world.database()).unwrap();
    let stands =
        file.windows(8).any(|bytes| bytes == b"42424242") || file.windows(7).any(|bytes| bytes == b"card\":\"");
    assert!(!stands, "it stands in the file still");
}

#[test]
fn what_waits_for_an_erased_payload_is_canceled() {
    let (world, failing) = (World::start(), Receiver::start(|_, _| Behaviour::Status(500)));
    let (app, endpoint) = world.subscribe(&failing.url);
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    let standing =
        || world.call("GET", &format!("/api/v1/app/{app}/msg/{event}/endpoint"), "").expect(200)["data"][0].clone();
    eventually(|| (standing()["statusText"] == "pending").then_some(()));
    assert!(standing()["nextAttempt"].is_string());
    world.call("POST", &format!("/api/v1/app/{app}/msg/bulk-expunge"), json!({"ids": [event]})).expect(200);
    assert_eq!((&standing()["statusText"], &standing()["nextAttempt"]), (&json!("canceled"), &Value::Null));
    let stats = world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"), "").expect(200);
    assert_eq!((&stats["canceled"], &stats["pending"]), (&json!(1), &json!(0)));
}

#[test]
fn many_are_erased_at_once_each_with_its_result() {
    let world = World::start();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"a"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let other = world.call("POST", "/api/v1/app", r#"{"name":"b"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let (first, foreign) = (world.publish(&app, r#"{"n":1}"#), world.publish(&other, r#"{"n":2}"#));
    let named = json!({"eventType": "a", "eventId": "order-1", "payload": {"n": 3}});
    world.call("POST", &format!("/api/v1/app/{app}/msg"), named).expect(202);
    let ids = json!({"ids": [first, "order-1", foreign, "nobody"]});
    let results = world.call("POST", &format!("/api/v1/app/{app}/msg/bulk-expunge"), ids).expect(200);
    let expected =
        json!({first.clone(): "expunged", "order-1": "expunged", foreign.clone(): "not-found", "nobody": "not-found"});
    assert_eq!(results, json!({ "results": expected }));
    assert_eq!(payload(&world, &app, "order-1"), json!({"expired": true}));
    assert_eq!(payload(&world, &other, &foreign), json!({"n": 2}), "another application's stays");
    assert_eq!(world.call("POST", &format!("/api/v1/app/{app}/msg/bulk-expunge"), json!({"ids": []})).status, 422);
    for number in 0..120 {
        world.publish(&other, &format!(r#"{{"n":{number}}}"#));
    }
    let task = world.call("POST", &format!("/api/v1/app/{other}/msg/expunge-all-contents"), "").expect(202);
    assert_eq!((&task["task"], &task["status"]), (&json!("application.purge_content"), &json!("finished")));
    let list = world.call("GET", &format!("/api/v1/app/{other}/msg?limit=250"), "").expect(200);
    let rows = list["data"].as_array().unwrap();
    assert!(rows.len() == 121 && rows.iter().all(|row| row["payload"] == json!({"expired": true})), "{list}");
}

#[test]
fn an_erased_response_says_so() {
    let (world, receiver) = (World::start(), Receiver::start(|_, _| Behaviour::Status(500)));
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    world.call("POST", &format!("/api/v1/app/{app}/msg/{event}/endpoint/{endpoint}/resend"), "").expect(202);
    for attempt in world.attempts(&app, &event, 2) {
        let path = format!("/api/v1/app/{app}/msg/{event}/attempt/{}", attempt["id"].as_str().unwrap());
        assert_eq!(world.call("GET", &path, "").expect(200)["response"], "ok");
        assert_eq!(world.call("DELETE", &format!("{path}/content"), "").status, 204);
        assert_eq!(world.call("GET", &path, "").expect(200)["response"], "EXPUNGED");
        assert_eq!(world.call("GET", &path, "").expect(200)["responseStatusCode"], 500);
    }
}

#[test]
fn a_payload_may_be_kept_for_a_shorter_time() {
    let world = World::start();
    world.call("POST", "/api/v1/app", r#"{"name":"a","uid":"a"}"#).expect(201);
    let publish = |rest: Value| {
        let mut event = json!({"eventType": "a", "payload": {}});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        world.call("POST", "/api/v1/app/a/msg", event)
    };
    for good in [
        json!({"payloadRetentionPeriod": 5}),
        json!({"payloadRetentionHours": 1}),
        json!({"payloadRetentionPeriod": 90}),
    ] {
        publish(good).expect(202);
    }
    for (wrong, field) in [
        (json!({"payloadRetentionPeriod": 4}), "payloadRetentionPeriod"),
        (json!({"payloadRetentionPeriod": 91}), "payloadRetentionPeriod"),
        (json!({"payloadRetentionHours": 0}), "payloadRetentionHours"),
        (json!({"payloadRetentionHours": 24, "payloadRetentionPeriod": 5}), "payloadRetentionHours"),
    ] {
        assert_eq!(publish(wrong).expect(422)["detail"][0]["loc"], json!(["body", field]));
    }
}
