//! Deliveries in the order of a key: none before those of its key that came first, whatever fails meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{show, soak};
use crate::world::{Behaviour, Received, Receiver, World, eventually, now};

/// What a receiver saw: a key, an event's number among those of its key, and whether it was taken.
type Seen = Arc<Mutex<Vec<(String, u64, bool)>>>;

fn ordered(world: &World, receiver: &Receiver, settings: &Value) -> (String, String) {
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let mut endpoint = json!({ "url": receiver.url, "ordering": "key", "orderingKey": "/data/id" });
    endpoint.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let endpoint = world.endpoint(&app, &endpoint);
    (app, endpoint)
}

/// An hour ago.
fn since() -> String {
    let wall_ms = posthaste::clock::Clock::now(&posthaste::clock::SystemClock::start()).wall_ms;
    posthaste::providers::written_moment(wall_ms - 3_600_000)
}

fn payload(key: &str, nth: u64) -> String {
    json!({ "data": { "id": key }, "nth": nth }).to_string()
}

fn key_and_number(received: &Received) -> (String, u64) {
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    (body["data"]["id"].as_str().unwrap_or_default().to_owned(), body["nth"].as_u64().unwrap())
}

/// A receiver that answers as told and remembers what it took.
fn watching(behave: impl Fn(&str, u64) -> Behaviour + Send + Sync + 'static) -> (Receiver, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let receiver = Receiver::start(move |_, received| {
        let (key, nth) = key_and_number(received);
        let behaviour = behave(&key, nth);
        let taken = matches!(behaviour, Behaviour::Status(200));
        noted.lock().unwrap().push((key, nth, taken));
        behaviour
    });
    (receiver, seen)
}

/// No event is attempted before all of its key that came first were taken.
#[track_caller]
fn no_inversion(seen: &Seen) {
    let mut taken: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for (key, nth, ok) in seen.lock().unwrap().iter() {
        let taken = taken.entry(key.clone()).or_default();
        assert!((0..*nth).all(|before| taken.contains(&before)), "{key}: {nth} came before one that was first");
        if *ok {
            taken.insert(*nth);
        }
    }
}

fn taken(seen: &Seen) -> usize {
    let all = seen.lock().unwrap();
    all.iter().filter(|(_, _, ok)| *ok).map(|(key, nth, _)| (key, nth)).collect::<BTreeSet<_>>().len()
}

#[test]
fn no_key_is_out_of_order_over_failures_timeouts_and_kills() {
    const KEYS: u64 = 20;
    let (events, kills) = (soak("SOAK_EVENTS", 160), soak("SOAK_KILLS", 4));
    let mut world = World::start();
    let calls = std::sync::atomic::AtomicU64::new(7);
    let (receiver, seen) = watching(move |_, _| {
        let dice = calls.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        match dice % 20 {
            0..4 => Behaviour::Status(500),
            4 => Behaviour::Hang,
            _ => Behaviour::Status(200),
        }
    });
    let settings = json!({ "retrySchedule": vec![1; 30], "timeoutSeconds": 1 });
    let (app, _) = ordered(&world, &receiver, &settings);
    for event in 0..events {
        world.publish(&app, &payload(&format!("k{}", event % KEYS), event / KEYS));
        if (event + 1) % (events / kills).max(1) == 0 {
            std::thread::sleep(Duration::from_millis(37 * (event % 11)));
            world.kill_and_restart();
        }
    }
    let begun = now();
    let all = usize::try_from(events).unwrap();
    while taken(&seen) < all && begun.elapsed() < Duration::from_secs(60 + 3 * events / KEYS) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(taken(&seen), all, "every event arrives");
    no_inversion(&seen);
    let attempts = seen.lock().unwrap().len();
    show(&format!("{events} events of {KEYS} keys, {kills} kills, {attempts} attempts, 0 inversions"));
}

fn ordering(world: &World, app: &str, endpoint: &str) -> Value {
    world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}/ordering"), "").expect(200)
}

fn skip(world: &World, app: &str, endpoint: &str, event: &str) -> Value {
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/ordering/skip");
    world.call("POST", &path, json!({ "msgId": event })).expect(200)["skipped"].clone()
}

#[test]
fn a_stuck_key_stops_no_other_is_seen_and_its_head_can_be_skipped() {
    let mut world = World::start();
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let (receiver, seen) = watching(move |key, nth| {
        let stuck = key == "stuck" && nth == 0 && !is_well.load(Ordering::SeqCst);
        Behaviour::Status(if stuck { 500 } else { 200 })
    });
    let (app, endpoint) = ordered(&world, &receiver, &json!({ "retrySchedule": [3_600] }));
    assert_eq!(ordering(&world, &app, &endpoint)["blockedKeys"], 0);
    let stuck: Vec<_> = (0..3).map(|nth| world.publish(&app, &payload("stuck", nth))).collect();
    for nth in 0..60 {
        world.publish(&app, &payload(&format!("k{}", nth % 6), nth / 6));
    }
    eventually(|| (taken(&seen) == 60).then_some(()));
    let blocked = |world: &World| {
        eventually(|| {
            let shown = ordering(world, &app, &endpoint);
            (shown["blockedKeys"] == 1 && shown["data"][0]["waiting"] == 2).then_some(shown)
        })
    };
    let shown = blocked(&world);
    let head = &shown["data"][0];
    assert_eq!((&shown["ordering"], &shown["orderingKey"]), (&json!("key"), &json!("/data/id")));
    assert_eq!((&head["key"], &head["msgId"], &head["attempts"]), (&json!("stuck"), &json!(stuck[0]), &json!(1)));
    assert!(head["nextAttempt"].is_string() && head["since"].is_string(), "{head}");
    world.kill_and_restart();
    blocked(&world);
    world.publish(&app, &payload("k0", 10));
    eventually(|| (taken(&seen) == 61).then_some(()));
    assert_eq!(skip(&world, &app, &endpoint, &stuck[1]), json!(false), "it is not its turn");
    assert_eq!(seen.lock().unwrap().iter().filter(|(key, ..)| key == "stuck").count(), 1);

    assert_eq!(skip(&world, &app, &endpoint, &stuck[0]), json!(true));
    eventually(|| (taken(&seen) == 63).then_some(()));
    let after: Vec<_> =
        seen.lock().unwrap().iter().filter(|(key, ..)| key == "stuck").map(|(_, nth, _)| *nth).collect();
    assert_eq!(after, [0, 1, 2]);
    assert_eq!(skip(&world, &app, &endpoint, &stuck[0]), json!(false), "it was skipped");
    eventually(|| (ordering(&world, &app, &endpoint)["blockedKeys"] == 0).then_some(()));
    let path = format!("/api/v1/app/{app}/msg/{}/endpoint", stuck[0]);
    assert_eq!(world.call("GET", &path, "").expect(200)["data"][0]["statusText"], "canceled");
    well.store(true, Ordering::SeqCst);
    world.call("POST", &format!("/api/v1/app/{app}/msg/{}/endpoint/{endpoint}/resend", stuck[0]), "").expect(202);
    eventually(|| (taken(&seen) == 64).then_some(()));
}

#[test]
fn a_head_in_flight_can_be_skipped_and_the_next_waits_for_its_end() {
    let world = World::start();
    let (receiver, seen) = watching(|_, nth| if nth == 0 { Behaviour::Hang } else { Behaviour::Status(200) });
    let (app, endpoint) = ordered(&world, &receiver, &json!({ "timeoutSeconds": 2 }));
    let events: Vec<_> = (0..2).map(|nth| world.publish(&app, &payload("k", nth))).collect();
    eventually(|| (seen.lock().unwrap().len() == 1).then_some(()));
    let begun = now();
    assert_eq!(skip(&world, &app, &endpoint, &events[0]), json!(true));
    eventually(|| (taken(&seen) == 1).then_some(()));
    assert!(begun.elapsed() > Duration::from_secs(1), "one at a time");
    let attempts = world.attempts(&app, &events[0], 1);
    assert_eq!(attempts[0]["status"], 2, "{attempts:?}");
    let path = format!("/api/v1/app/{app}/msg/{}/endpoint", events[0]);
    assert_eq!(world.call("GET", &path, "").expect(200)["data"][0]["statusText"], "canceled");
}

#[test]
fn a_head_whose_ladder_ended_lets_the_next_one_go() {
    let world = World::start();
    let (receiver, seen) = watching(|_, nth| Behaviour::Status(if nth == 0 { 500 } else { 200 }));
    let (app, endpoint) = ordered(&world, &receiver, &json!({ "retrySchedule": [1] }));
    (0..3).for_each(|nth| drop(world.publish(&app, &payload("k", nth))));
    eventually(|| (taken(&seen) == 2).then_some(()));
    let order: Vec<_> = seen.lock().unwrap().iter().map(|(_, nth, _)| *nth).collect();
    assert_eq!(order, [0, 0, 1, 2]);
    eventually(|| (ordering(&world, &app, &endpoint)["blockedKeys"] == 0).then_some(()));
}

#[test]
fn a_pause_keeps_the_order_and_what_has_no_key_waits_for_nobody() {
    let mut world = World::start();
    let (receiver, seen) = watching(|key, _| Behaviour::Status(if key == "stuck" { 500 } else { 200 }));
    let settings = json!({
        "paused": true, "maxInFlight": 2, "throttleRate": 200, "filter": { "not": { "/data/id": "unwanted" } },
    });
    let (app, endpoint) = ordered(&world, &receiver, &settings);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    for nth in 0..10 {
        for key in ["a", "b", "stuck", "unwanted"] {
            world.publish(&app, &payload(key, nth));
        }
    }
    world.kill_and_restart();
    world.call("PATCH", &path, json!({ "paused": false })).expect(200);
    for nth in 10..20 {
        for key in ["a", "b"] {
            world.publish(&app, &payload(key, nth));
        }
    }
    eventually(|| (taken(&seen) == 40).then_some(()));
    no_inversion(&seen);
    // no key, and no order any more
    (0..5).for_each(|nth| drop(world.publish(&app, &json!({ "nth": nth }).to_string())));
    world.call("PATCH", &path, json!({ "ordering": "none" })).expect(200);
    world.publish(&app, &payload("stuck", 10));
    eventually(|| (taken(&seen) == 45).then_some(()));
    let stuck = |nth| seen.lock().unwrap().iter().any(|(key, seen, _)| key == "stuck" && *seen == nth);
    eventually(|| stuck(10).then_some(()));
    assert!(!stuck(1), "what waited before waits on");
    assert!(!seen.lock().unwrap().iter().any(|(key, ..)| key == "unwanted"));
}

#[test]
fn deliveries_made_again_stand_in_their_order() {
    let world = World::start();
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let (receiver, seen) =
        watching(move |_, _| Behaviour::Status(if is_well.load(Ordering::SeqCst) { 200 } else { 500 }));
    let (app, endpoint) = ordered(&world, &receiver, &json!({ "retrySchedule": [1] }));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    for nth in 0..2 {
        for key in ["a", "b", "c"] {
            world.publish(&app, &payload(key, nth));
        }
    }
    eventually(|| (world.call("GET", &format!("{path}/stats"), "").expect(200)["fail"] == 6).then_some(()));
    world.call("PATCH", &path, json!({ "disabled": true })).expect(200);
    for nth in 2..8 {
        for key in ["a", "b", "c"] {
            world.publish(&app, &payload(key, nth));
        }
    }
    well.store(true, Ordering::SeqCst);
    seen.lock().unwrap().clear();
    world.call("PATCH", &path, json!({ "disabled": false })).expect(200);
    for (what, count) in [("recover", 6), ("replay-missing", 24)] {
        world.call("POST", &format!("{path}/{what}"), json!({ "since": since() })).expect(202);
        eventually(|| (taken(&seen) == count).then_some(()));
        eventually(|| {
            let tasks = world.call("GET", "/api/v1/background-task", "").expect(200);
            tasks["data"].as_array().unwrap().iter().all(|task| task["status"] == "finished").then_some(())
        });
    }
    no_inversion(&seen);
}

#[test]
fn an_ordering_that_says_not_where_its_key_stands_is_refused() {
    let world = World::start();
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/app/{app}/endpoint");
    let endpoint = |settings: Value| {
        let mut endpoint = json!({ "url": "http://127.0.0.1:1/" });
        endpoint.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        world.call("POST", &path, endpoint)
    };
    for settings in [
        json!({ "ordering": "key" }),
        json!({ "ordering": "key", "orderingKey": "data/id" }),
        json!({ "ordering": "key", "orderingKey": "" }),
        json!({ "ordering": "key", "orderingKey": format!("/{}", "x".repeat(1_024)) }),
    ] {
        let answer = endpoint(settings).expect(422);
        assert_eq!(answer["detail"][0]["loc"], json!(["body", "orderingKey"]), "{answer}");
    }
    assert!((400..500).contains(&endpoint(json!({ "ordering": "fifo" })).status));
    let usual = endpoint(json!({})).expect(201);
    assert_eq!((&usual["ordering"], &usual["orderingKey"]), (&json!("none"), &Value::Null));
}
