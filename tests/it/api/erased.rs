//! What is erased is gone from every answer, and what still waited for it is not sent.

use serde_json::{Value, json};

use crate::world::{Behaviour, Receiver, World, eventually};

fn payload(world: &World, app: &str, event: &str) -> Value {
    world.call("GET", &format!("/api/v1/app/{app}/msg/{event}"), "").expect(200)["payload"].clone()
}

/// A background task, once it has ended.
pub fn ended(world: &World, task: &Value) -> Value {
    let path = format!("/api/v1/background-task/{}", task["id"].as_str().unwrap());
    eventually(|| Some(world.call("GET", &path, "").expect(200)).filter(|task| task["status"] != "running"))
}

/// Whether these bytes stand in the database or the log beside it.
fn stands(world: &World, bytes: &[u8]) -> bool {
    let beside = |rest: &str| std::fs::read(format!("{}{rest}", world.database().display())).unwrap_or_default();
    [beside(""), beside("-wal")].concat().windows(bytes.len()).any(|found| found == bytes)
}

#[test]
fn an_erased_payload_is_shown_nowhere_and_cannot_be_sent_again() {
    let (world, receiver) = (World::start(), Receiver::good());
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
    eventually(|| (!stands(&world, b"42424242") && !stands(&world, b"card\":\"")).then_some(()));
}

#[test]
fn what_waits_for_an_erased_payload_is_canceled() {
    let (world, failing) = (World::start(), Receiver::start(|_, _| Behaviour::Status(500)));
    let (app, endpoint) = world.subscribe(&failing.url);
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    let standing =
        || world.call("GET", &format!("/api/v1/app/{app}/msg/{event}/endpoint"), "").expect(200)["data"][0].clone();
    eventually(|| (standing()["statusText"] == "sending").then_some(()));
    assert!(standing()["nextAttempt"].is_string());
    world.call("POST", &format!("/api/v1/app/{app}/msg/bulk-expunge"), json!({"ids": [event]})).expect(200);
    assert_eq!((&standing()["statusText"], &standing()["nextAttempt"]), (&json!("canceled"), &Value::Null));
    let stats = world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"), "").expect(200);
    assert_eq!((&stats["canceled"], &stats["pending"], &stats["sending"]), (&json!(1), &json!(0), &json!(0)));
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
    let path = format!("/api/v1/app/{other}/msg/expunge-all-contents");
    let counted = world.call("POST", &path, json!({"dryRun": true})).expect(200);
    assert_eq!(counted, json!({"dryRun": true, "count": 121}));
    let task = world.call("POST", &path, "").expect(202);
    assert_eq!((&task["task"], &task["data"]["appId"]), (&json!("application.purge_content"), &json!(other)));
    let ended = ended(&world, &task);
    assert_eq!((&ended["status"], &ended["data"]["done"]), (&json!("finished"), &json!(121)));
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
    let now_ms = posthaste::clock::Clock::now(&posthaste::clock::SystemClock::start()).wall_ms;
    let in_two_hours = posthaste::providers::written_moment(now_ms + 2 * 3_600_000);
    for (wrong, field) in [
        (json!({"payloadRetentionPeriod": 4}), "payloadRetentionPeriod"),
        (json!({"payloadRetentionPeriod": 91}), "payloadRetentionPeriod"),
        (json!({"payloadRetentionHours": 0}), "payloadRetentionHours"),
        (json!({"payloadRetentionHours": 24, "payloadRetentionPeriod": 5}), "payloadRetentionHours"),
        (json!({"payloadRetentionHours": 1, "deliverAt": in_two_hours}), "deliverAt"),
    ] {
        assert_eq!(publish(wrong).expect(422)["detail"][0]["loc"], json!(["body", field]));
    }
}

/// Makes all events older, as if the server had been down for so many days.
fn age(world: &World, days: i64) {
    let database = rusqlite::Connection::open(world.database()).unwrap();
    let by = days * 86_400_000;
    for (table, column) in [("event", "id"), ("event_extra", "event"), ("delivery", "event"), ("due", "event")] {
        let sql = format!("update {table} set {column} = {column} - ?1");
        database.execute(&sql, (by << 22,)).unwrap();
    }
    database.execute("update event_extra set keep_until_ms = keep_until_ms - ?1", (by,)).unwrap();
}

#[test]
fn a_payload_past_its_time_is_erased_the_event_stays_and_what_waited_for_it_is_canceled() {
    let mut world = World::start_with(&["--allow-network", "127.0.0.0/8", "--payload-days", "30"]);
    let failing = Receiver::start(|_, _| Behaviour::Status(500));
    let (app, endpoint) = world.subscribe(&failing.url);
    let publish = |world: &World, rest: Value| {
        let mut event = json!({"eventType": "a", "payload": {"iban": "CANARY-CL93"}});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let answer = world.call("POST", &format!("/api/v1/app/{app}/msg"), event).expect(202);
        answer["id"].as_str().unwrap().to_owned()
    };
    for rest in [json!({}), json!({"payloadRetentionHours": 24}), json!({"payloadRetentionPeriod": 90})] {
        let event = publish(&world, rest);
        world.attempts(&app, &event, 1);
    }
    eventually(|| {
        let rows =
            world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}/msg"), "").expect(200)["data"].clone();
        (rows.as_array().unwrap().iter().filter(|row| row["statusText"] == "sending").count() == 3).then_some(())
    });
    let all = format!("/api/v1/app/{app}/msg?after=2020-01-01T00:00:00Z");
    let shown = |world: &World| -> Vec<Value> {
        let list = world.call("GET", &all, "").expect(200);
        list["data"].as_array().unwrap().iter().rev().map(|row| row["payload"].clone()).collect()
    };
    let (kept, gone) = (json!({"iban": "CANARY-CL93"}), json!({"expired": true}));
    for (days, expected) in [(2, [&kept, &gone, &kept]), (30, [&gone, &gone, &kept]), (60, [&gone, &gone, &gone])] {
        assert!(world.terminate().success());
        age(&world, days);
        world.restart();
        eventually(|| (shown(&world).iter().collect::<Vec<_>>() == expected).then_some(()));
    }
    eventually(|| (!stands(&world, b"CANARY")).then_some(()));
    let list = world.call("GET", &all, "").expect(200);
    for row in list["data"].as_array().unwrap() {
        let path = format!("/api/v1/app/{app}/msg/{}/endpoint", row["id"].as_str().unwrap());
        let standing = world.call("GET", &path, "").expect(200)["data"][0].clone();
        assert_eq!((&standing["statusText"], &standing["nextAttempt"]), (&json!("canceled"), &Value::Null));
        let resend = world.call("POST", &format!("{path}/{endpoint}/resend"), "").expect(400);
        assert_eq!(resend["code"], "missing_payload");
    }
}

#[test]
fn a_long_job_is_seen_and_kept_over_a_crash_and_one_that_has_ended_cannot_be_called_off() {
    let mut world = World::start();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"a"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let usage = json!({"since": "2026-11-01T00:00:00Z", "until": "2026-12-31T00:00:00Z"});
    let begun = [
        world.call("POST", &format!("/api/v1/app/{app}/msg/expunge-all-contents"), "").expect(202),
        world.call("POST", "/api/v1/stats/usage/app", usage).expect(202),
        world.call("PUT", "/api/v1/stats/usage/event-types", "").expect(202),
    ];
    assert!(begun.iter().all(|task| task["status"] == "running"));
    world.kill_and_restart();
    let done = begun.each_ref().map(|task| ended(&world, task));
    assert_eq!(done[1]["data"]["appStats"][0]["appId"], app);
    assert_eq!(done[2]["data"]["event_types"][0]["hasCatchAllEndpoint"], false);
    let list = world.call("GET", "/api/v1/background-task?limit=2", "").expect(200);
    let ids = |list: &Value| list["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!((ids(&list), &list["done"]), (vec![begun[2]["id"].clone(), begun[1]["id"].clone()], &json!(false)));
    let rest = format!("/api/v1/background-task?iterator={}", list["iterator"].as_str().unwrap());
    assert_eq!(ids(&world.call("GET", &rest, "").expect(200)), [begun[0]["id"].clone()]);
    for task in done {
        let path = format!("/api/v1/background-task/{}/cancel", task["id"].as_str().unwrap());
        assert_eq!((&task["status"], world.call("POST", &path, "").status), (&json!("finished"), 409));
    }
}

/// A batch of the API takes so many.
const BATCH: usize = 100;

#[test]
fn what_is_erased_makes_room_for_what_comes_next() {
    let world = World::start();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"a"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let mut pages = Vec::new();
    for round in 0..3 {
        for batch in 0..30 {
            let event =
                |number: usize| json!({"eventType": "a", "payload": {"n": number, "filler": "x".repeat(1_500)}});
            let messages: Vec<_> = (0..BATCH).map(|number| event(batch * BATCH + number)).collect();
            let path = format!("/api/v1/app/{app}/msg/batch");
            world.call("POST", &path, json!({ "messages": messages })).expect(202);
        }
        let task = world.call("POST", &format!("/api/v1/app/{app}/msg/expunge-all-contents"), "").expect(202);
        assert_eq!(ended(&world, &task)["status"], "finished", "round {round}");
        let database = rusqlite::Connection::open(world.database()).unwrap();
        let count = |name: &str| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        pages.push((count("page_count"), count("freelist_count")));
    }
    let [(first, free), .., (last, _)] = pages[..] else { unreachable!("three rounds") };
    assert!(free * 10 > first * 7, "{free} of {first} pages are free after the first round");
    assert!(last < first * 13 / 10, "three rounds take as much room as one: {pages:?}");
}
