//! Replays: many deliveries made again, counted beforehand, seen while they run, kept over a crash, called off.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::generate::{Goal, failed};
use crate::handling::failing_until_told;
use crate::load::{show, soak};
use crate::world::{Receiver, World, eventually, now};

/// How many deliveries fail before they are recovered.
const EVENTS: u64 = 400;

fn path(app: &str, endpoint: &str, rest: &str) -> String {
    format!("/api/v1/app/{app}/endpoint/{endpoint}/{rest}")
}

pub fn now_ms() -> i64 {
    posthaste::clock::Clock::now(&posthaste::clock::SystemClock::start()).wall_ms
}

/// An hour ago.
fn since() -> String {
    posthaste::providers::written_moment(now_ms() - 3_600_000)
}

/// Publishes so many events, all of which fail for good.
fn fail(world: &World, app: &str, endpoint: &str, count: u64) -> BTreeSet<String> {
    let ids = (0..count).map(|nth| world.publish(app, &json!({ "nth": nth }).to_string())).collect();
    eventually(|| {
        let stats = world.call("GET", &path(app, endpoint, "stats"), "").expect(200);
        (stats["fail"].as_u64() == Some(count)).then_some(())
    });
    ids
}

fn task(world: &World, id: &str) -> Value {
    world.call("GET", &format!("/api/v1/background-task/{id}"), "").expect(200)
}

fn started(answer: &Value) -> String {
    assert_eq!(answer["status"], "running");
    answer["id"].as_str().unwrap().to_owned()
}

fn subscribe(world: &World, receiver: &Receiver) -> (String, String) {
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [1] }));
    (app, endpoint)
}

#[test]
fn what_failed_is_recovered_once_each_over_a_crash() {
    let mut world = World::start();
    let (receiver, takes) = failing_until_told();
    let (app, endpoint) = subscribe(&world, &receiver);
    let count = soak("SOAK_EVENTS", EVENTS);
    let failed = fail(&world, &app, &endpoint, count);
    let body = json!({ "since": since(), "dryRun": true });
    let counted = world.call("POST", &path(&app, &endpoint, "recover"), &body).expect(200);
    assert_eq!(counted, json!({ "dryRun": true, "count": count }));
    let before = receiver.received().len();
    // its rate leaves time to look
    world.call("PATCH", &path(&app, &endpoint, ""), json!({ "throttleRate": 200 })).expect(200);
    takes.store(true, Ordering::SeqCst);
    let begun = now();
    let answer = world.call("POST", &path(&app, &endpoint, "recover"), json!({ "since": since() })).expect(202);
    let id = started(&answer);
    assert_eq!((&answer["task"], answer["data"]["total"].as_u64()), (&json!("endpoint.recover"), Some(count)));
    eventually(|| (receiver.received().len() > before).then_some(()));
    show(&format!("the first of {count} after {:?}", begun.elapsed()));
    let fresh = world.publish(&app, "{}");
    world.kill_and_restart();
    let ended = eventually(|| Some(task(&world, &id)).filter(|task| task["status"] != "running"));
    assert_eq!((&ended["status"], ended["data"]["done"].as_u64()), (&json!("finished"), Some(count)));
    let taken = eventually(|| {
        let taken: BTreeSet<String> =
            receiver.received()[before..].iter().map(|request| request.id().to_owned()).collect();
        (taken.len() == failed.len() + 1).then_some(taken)
    });
    assert!(failed.iter().all(|event| taken.contains(event)) && taken.contains(&fresh));
    eventually(|| {
        let stats = world.call("GET", &path(&app, &endpoint, "stats"), "").expect(200);
        ((&stats["fail"], stats["success"].as_u64()) == (&json!(0), Some(count + 1))).then_some(())
    });
    assert_eq!(world.call("GET", "/api/v1/background-task", "").expect(200)["data"][0]["id"], id);
}

/// Many failed long ago, and were written by a generator.
#[test]
fn many_are_recovered_at_once_paced_over_a_crash_and_can_be_called_off() {
    let count = soak("SOAK_MANY", 20_000);
    let receiver = Receiver::good();
    let mut world = World::start();
    let (app, endpoint) = subscribe(&world, &receiver);
    world.terminate();
    let goal = Goal { app: &app, endpoint: &endpoint, size: 500 };
    failed(&world.database(), &goal, count, now_ms() - 600_000);
    world.restart();
    let begun = now();
    let answer = world.call("POST", &path(&app, &endpoint, "recover"), json!({ "since": since() })).expect(202);
    let answered = begun.elapsed();
    assert_eq!(answer["data"]["total"].as_u64(), Some(count));
    let id = started(&answer);
    let first = receiver.wait_since(begun) - begun;
    show(&format!("{count} failed deliveries: answered after {answered:?}, the first is made again after {first:?}"));
    let some = usize::try_from(count / 4).unwrap();
    let patience = std::time::Duration::from_mins(10);
    let waited = |enough: usize| {
        while receiver.count() < enough {
            assert!(begun.elapsed() < patience, "{} of {enough}", receiver.count());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    waited(some);
    let shown = task(&world, &id);
    let done = shown["data"]["done"].as_u64().unwrap();
    show(&format!("a quarter after {:?}: {shown}, {} MB", begun.elapsed(), world.rss_kib() / 1_024));
    assert!(done < count && done >= count / 4, "paced, and shown: {shown}");
    let fresh = now();
    let event = world.publish(&app, "{}");
    eventually(|| receiver.received().iter().any(|request| request.id() == event).then_some(()));
    show(&format!("a fresh event beside it after {:?}", fresh.elapsed()));
    world.kill_and_restart();
    waited(some * 2);
    assert!(task(&world, &id)["data"]["done"].as_u64().unwrap() >= done, "it goes on");
    world.call("POST", &format!("/api/v1/background-task/{id}/cancel"), "").expect(200);
    let last = task(&world, &id);
    assert!(last["data"]["canceled"] == true && last["data"]["done"].as_u64().unwrap() < count, "{last}");
    let memory = world.rss_kib() / 1_024;
    show(&format!("called off after {:?}: {last}, {memory} MB", begun.elapsed()));
    assert!(memory < 200, "{memory} MB");
}

#[test]
fn what_was_called_off_makes_no_more_and_each_has_its_whole_ladder() {
    let world = World::start();
    let (receiver, _) = failing_until_told();
    let (app, endpoint) = subscribe(&world, &receiver);
    fail(&world, &app, &endpoint, 3_000);
    world.call("PATCH", &path(&app, &endpoint, ""), json!({ "throttleRate": 100 })).expect(200);
    let before = receiver.received().len();
    let answer = world.call("POST", &path(&app, &endpoint, "recover"), json!({ "since": since() })).expect(202);
    eventually(|| (receiver.received().len() >= before + 20).then_some(()));
    world.call("POST", &path(&app, &endpoint, "recover"), json!({ "since": since() })).expect(409);
    let canceled = format!("/api/v1/background-task/{}/cancel", started(&answer));
    let task = world.call("POST", &canceled, "").expect(200);
    assert_eq!((&task["status"], &task["data"]["canceled"]), (&json!("failed"), &json!(true)));
    assert!(task["data"]["done"].as_u64().unwrap() < 3_000, "{task}");
    world.call("POST", &canceled, "").expect(409);
    // one that failed again is tried by its ladder: two attempts before, two now
    let again = receiver.received()[before].id().to_owned();
    assert_eq!(world.attempts(&app, &again, 4).len(), 4);
    let answer = world.call("POST", &path(&app, &endpoint, "recover"), json!({ "since": since() })).expect(202);
    world.call("DELETE", &path(&app, &endpoint, ""), "").expect(204);
    let task = format!("/api/v1/background-task/{}", started(&answer));
    assert_eq!(world.call("GET", &task, "").expect(200)["data"]["canceled"], true, "gone with its endpoint");
}

#[test]
fn what_was_never_made_is_made_and_what_fits_is_made_again() {
    let world = World::start();
    let receiver = Receiver::good();
    let (app, endpoint) = subscribe(&world, &receiver);
    let taken = world.publish(&app, r#"{"a":1}"#);
    receiver.wait_for(1);
    world.call("PATCH", &path(&app, &endpoint, ""), json!({ "disabled": true })).expect(200);
    let body = json!({ "eventType": "refund.made", "payload": {}, "tags": ["eu"] });
    let missed = world.call("POST", &format!("/api/v1/app/{app}/msg"), &body).expect(202)["id"].clone();
    world.call("POST", &path(&app, &endpoint, "replay-missing"), json!({ "since": since() })).expect(400);
    world.call("PATCH", &path(&app, &endpoint, ""), json!({ "disabled": false })).expect(200);
    let dry = json!({ "since": since(), "dryRun": true });
    let counted = world.call("POST", &path(&app, &endpoint, "replay-missing"), &dry).expect(200);
    assert_eq!(counted["count"], 1);
    let answer = world.call("POST", &path(&app, &endpoint, "replay-missing"), json!({ "since": since() })).expect(202);
    assert_eq!(receiver.wait_for(2)[1].id(), missed);
    eventually(|| (task(&world, &started(&answer))["status"] == "finished").then_some(()));
    let counted = world.call("POST", &path(&app, &endpoint, "replay-missing"), &dry).expect(200);
    assert_eq!(counted["count"], 0, "no longer missing");

    let bulk = |narrowed: Value| {
        let mut body = dry.clone();
        body.as_object_mut().unwrap().extend(narrowed.as_object().unwrap().clone());
        world.call("POST", &path(&app, &endpoint, "bulk-replay"), body).expect(200)["count"].as_u64().unwrap()
    };
    eventually(|| (bulk(json!({ "status": 0 })) == 2).then_some(()));
    assert_eq!(bulk(json!({ "status": 2 })), 0);
    assert_eq!(bulk(json!({ "eventTypes": ["refund.made"] })), 1);
    assert_eq!(bulk(json!({ "tag": "eu" })), 1);
    assert_eq!(bulk(json!({ "channel": "eu" })), 0);
    assert_eq!(bulk(json!({ "statusCodeClass": 200 })), 2);
    let body = json!({ "since": since(), "tag": "eu" });
    world.call("POST", &path(&app, &endpoint, "bulk-replay"), body).expect(202);
    let again = receiver.wait_for(3);
    assert!(again[2].id() == missed && again.iter().filter(|request| request.id() == taken).count() == 1);
}

#[test]
fn a_replay_that_cannot_be_is_refused() {
    let world = World::start();
    let (app, endpoint) = subscribe(&world, &Receiver::good());
    for (kind, body, field) in [
        ("recover", json!({}), "since"),
        ("recover", json!({ "since": "yesterday" }), "since"),
        ("recover", json!({ "since": "2020-01-01T00:00:00Z" }), "since"),
        ("replay-missing", json!({ "since": since(), "until": "2020-01-01T00:00:00Z" }), "until"),
        ("bulk-replay", json!({ "since": since(), "status": "failed" }), "status"),
    ] {
        let refused = world.call("POST", &path(&app, &endpoint, kind), &body).expect(422);
        assert_eq!(refused["detail"][0]["loc"][1], field, "{kind} {body}");
    }
    world.call("GET", "/api/v1/background-task/qtask_1srOrx2ZWZBpBUvZwXKQmoEYga2", "").expect(404);
}
