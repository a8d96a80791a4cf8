//! Replays: many deliveries made again, counted beforehand, seen while they run, kept over a crash, called off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::api::sdk;
use crate::generate::{Goal, failed};
use crate::handling::failing_until_told;
use crate::load::{show, soak};
use crate::world::{Received, Receiver, World, eventually, now};

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
    assert_eq!(counted, json!({ "dryRun": true, "count": count, "deliveredBefore": 0 }));
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

/// The receiver wants another key: everything is refused, and waits for a retry.
pub fn refused(world: &World, app: &str, endpoint: &str, count: u64) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    while (ids.len() as u64) < count {
        let some = (count - ids.len() as u64).min(100);
        let batch: Vec<Value> = (0..some).map(|nth| json!({ "eventType": "a", "payload": { "nth": nth } })).collect();
        let answer =
            world.call("POST", &format!("/api/v1/app/{app}/msg/batch"), json!({ "messages": batch })).expect(202);
        ids.extend(answer["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
    }
    eventually(|| (waiting(world, app, endpoint) == count).then_some(()));
    ids
}

/// How many wait for a retry.
fn waiting(world: &World, app: &str, endpoint: &str) -> u64 {
    let asked = world.call("POST", &path(app, endpoint, "send-waiting"), json!({ "dryRun": true })).expect(200);
    asked["count"].as_u64().unwrap()
}

/// What was sent to a receiver from this request on, and how often each.
pub fn sent(receiver: &Receiver, from: usize) -> BTreeMap<String, u64> {
    let mut sent = BTreeMap::new();
    for request in &receiver.received()[from..] {
        *sent.entry(request.id().to_owned()).or_default() += 1;
    }
    sent
}

#[test]
fn what_waits_is_sent_at_one_call_over_a_crash() {
    sent_at_one_call("endpoint.send-waiting", |world, app, endpoint| {
        started(&world.call("POST", &path(app, endpoint, "send-waiting"), "").expect(202))
    });
}

/// Svix's own way, which begins the ladder of each anew.
#[test]
fn what_waits_is_recovered_by_one_call_of_the_official_sdk_over_a_crash() {
    sent_at_one_call("endpoint.recover", |world, app, endpoint| {
        let dry = json!({ "since": since(), "dryRun": true });
        let counted = world.call("POST", &path(app, endpoint, "recover"), dry).expect(200);
        assert_eq!(counted["count"], 3_640);
        sdk::recover(world, app, endpoint)
    });
}

/// Of 3,640 that were refused and wait, at an endpoint that is well again. `call` begins the task, and gives its id.
fn sent_at_one_call(task_name: &str, call: impl Fn(&World, &str, &str) -> String) {
    let mut world = World::start();
    let (receiver, takes) = failing_until_told();
    let (app, endpoint) = world.subscribe(&receiver.url);
    let ids = refused(&world, &app, &endpoint, 3_640);
    // the first rung is five seconds, and the second five minutes: what waits for the first has come by now
    eventually(|| (receiver.count() >= 2 * ids.len()).then_some(()));
    eventually(|| (waiting(&world, &app, &endpoint) == 3_640).then_some(()));
    let before = receiver.count();
    world.call("PATCH", &path(&app, &endpoint, ""), json!({ "throttleRate": 1_000 })).expect(200);
    takes.store(true, Ordering::SeqCst);
    let begun = now();
    let begun_task = call(&world, &app, &endpoint);
    let shown = task(&world, &begun_task);
    assert_eq!((&shown["task"], &shown["data"]["total"]), (&json!(task_name), &json!(3_640)));
    let first = receiver.wait_since(begun) - begun;
    assert!(first.as_millis() < 1_000, "the first after {first:?}");
    let fresh = now();
    let event = world.publish(&app, "{}");
    eventually(|| receiver.received().iter().any(|request| request.id() == event).then_some(()));
    show(&format!("the first after {first:?}, a fresh event beside it after {:?}", fresh.elapsed()));
    eventually(|| (receiver.count() >= before + 1_000).then_some(()));
    let killed = now();
    world.kill_and_restart();
    let ended = eventually(|| Some(task(&world, &begun_task)).filter(|task| task["status"] != "running"));
    eventually(|| (sent(&receiver, before).len() == ids.len() + 1).then_some(()));
    show(&format!("all after {:?}", begun.elapsed()));
    let counts = sent(&receiver, before);
    assert!(ids.iter().all(|id| counts.contains_key(id)));
    // an outcome is on its way to the disk for a tenth of a second
    let just_before = |id: &String| {
        let of_it = |request: &&Received| request.id() == id;
        let first = receiver.received()[before..].iter().find(of_it).map(|request| request.at);
        first.is_some_and(|at| at + std::time::Duration::from_millis(500) > killed)
    };
    let twice: Vec<&String> = counts.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
    assert!(twice.iter().all(|id| just_before(id)), "only what was in flight when the server was killed");
    let made = &ended["data"];
    assert_eq!((&made["messagesSent"], &made["deliveredBefore"]), (&json!(3_640), &json!(0)), "what the dry run said");
    assert_eq!(waiting(&world, &app, &endpoint), 0);
}

#[test]
fn where_the_endpoint_still_refuses_one_is_tried_and_the_others_wait_until_one_arrives() {
    let world = World::start();
    let (receiver, takes) = failing_until_told();
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [600, 600] }));
    let ids = refused(&world, &app, &endpoint, 50);
    let before = receiver.count();
    assert_eq!(before, 50);
    let answer = world.call("POST", &path(&app, &endpoint, "send-waiting"), "{}").expect(202);
    eventually(|| (receiver.count() > before).then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(2_500)); // two looks of the engine at all lanes
    assert_eq!(receiver.count(), before + 1, "the refusal of one is enough");
    assert_eq!(task(&world, &started(&answer))["status"], "running");
    takes.store(true, Ordering::SeqCst);
    let event = ids.first().unwrap();
    world.call("POST", &format!("/api/v1/app/{app}/msg/{event}/endpoint/{endpoint}/resend"), "").expect(202);
    eventually(|| (sent(&receiver, before).len() == ids.len()).then_some(()));
    let ended = eventually(|| Some(task(&world, &started(&answer))).filter(|task| task["status"] == "finished"));
    assert!(ended["data"]["messagesSent"].as_u64().unwrap() >= 49, "{ended}");
}

/// Whoever pressed too early presses again, or mends the endpoint: neither waits for the ladder of the one that was tried.
#[test]
fn a_press_too_early_keeps_nobody_from_the_next_one() {
    let mut world = World::start();
    let (receiver, takes) = failing_until_told();
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [600, 600, 600, 600, 600] }));
    let ids = refused(&world, &app, &endpoint, 50);
    let press = |world: &World| started(&world.call("POST", &path(&app, &endpoint, "send-waiting"), "{}").expect(202));
    let first = press(&world);
    eventually(|| (receiver.count() == 51).then_some(()));
    world.kill_and_restart();
    std::thread::sleep(std::time::Duration::from_millis(2_500)); // two looks of the engine at all lanes
    // the one whose outcome was on its way to the disk, and one that is tried by the new process
    assert!(receiver.count() <= 53, "{}: a restart does not send them all in vain", receiver.count());
    let before = receiver.count();
    let second = press(&world);
    assert_eq!(task(&world, &first)["data"]["canceled"], true, "the new one takes its place");
    eventually(|| (receiver.count() > before).then_some(()));
    takes.store(true, Ordering::SeqCst);
    world.call("PATCH", &path(&app, &endpoint, ""), json!({ "url": format!("{}/mended", receiver.url) })).expect(200);
    eventually(|| {
        (sent(&receiver, 50).len() == ids.len() && task(&world, &second)["status"] == "finished").then_some(())
    });
    eventually(|| (waiting(&world, &app, &endpoint) <= 1).then_some(())); // the one that was tried in vain
    press(&world);
    eventually(|| (waiting(&world, &app, &endpoint) == 0).then_some(()));
}

#[test]
fn what_waits_at_all_endpoints_of_an_application_is_sent_at_one_call() {
    let world = World::start();
    let (receiver, takes) = failing_until_told();
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    for nth in 0..25 {
        let disabled = nth == 24;
        world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [600], "disabled": disabled }));
    }
    for _ in 0..3 {
        world.publish(&app, "{}");
    }
    let all = format!("/api/v1/app/{app}/send-waiting");
    eventually(|| {
        let asked = world.call("POST", &all, json!({ "dryRun": true })).expect(200);
        (asked["count"] == json!(72)).then_some(())
    });
    let none = json!({ "dryRun": true, "until": "2020-01-01T00:00:00Z" });
    assert_eq!(world.call("POST", &all, none).expect(200)["count"], 0);
    takes.store(true, Ordering::SeqCst);
    let before = receiver.count();
    let answer = world.call("POST", &all, "").expect(202);
    assert_eq!(answer["task"], "application.send-waiting");
    let ended = eventually(|| Some(task(&world, &started(&answer))).filter(|task| task["status"] == "finished"));
    let data = &ended["data"];
    assert_eq!((&data["messagesSent"], &data["endpoints"], &data["appId"]), (&json!(72), &json!(24), &json!(app)));
    assert_eq!(data["tasks"].as_array().unwrap().len(), 24);
    eventually(|| (receiver.count() == before + 72).then_some(()));
}

/// As Svix has it: whatever failed last and has not succeeded since, waiting or ended.
#[test]
fn recover_and_a_replay_by_status_take_what_waits_too() {
    let world = World::start();
    let (receiver, takes) = failing_until_told();
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [600] }));
    refused(&world, &app, &endpoint, 5);
    let count = |route: &str, more: &Value| {
        let mut body = json!({ "since": since(), "dryRun": true });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let counted = world.call("POST", &path(&app, &endpoint, route), body).expect(200);
        (counted["count"].as_u64().unwrap(), counted["deliveredBefore"].as_u64().unwrap())
    };
    assert_eq!(count("recover", &json!({})), (5, 0));
    assert_eq!(count("bulk-replay", &json!({ "status": 3 })), (5, 0));
    assert_eq!(count("bulk-replay", &json!({ "status": 2 })), (5, 0), "they failed last");
    assert_eq!(count("bulk-replay", &json!({ "status": 1 })), (0, 0));
    takes.store(true, Ordering::SeqCst);
    world.call("POST", &path(&app, &endpoint, "recover"), json!({ "since": since() })).expect(202);
    eventually(|| (count("recover", &json!({})) == (0, 0)).then_some(()));
    eventually(|| (count("bulk-replay", &json!({ "status": 0 })) == (5, 5)).then_some(()));
    let again = world.call("POST", &path(&app, &endpoint, "bulk-replay"), json!({ "since": since() })).expect(202);
    let ended = eventually(|| Some(task(&world, &started(&again))).filter(|task| task["status"] == "finished"));
    let data = &ended["data"];
    assert_eq!((&data["messagesSent"], &data["deliveredBefore"]), (&json!(5), &json!(5)));
}
