//! How an endpoint's deliveries are made when it wants them made in its own way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{show, soak, strict};
use crate::world::{Behaviour, Receiver, World, eventually};

/// An application with an endpoint that is handled so; gives both.
fn handled(world: &World, receiver: &Receiver, settings: &Value) -> (String, String) {
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let mut endpoint = settings.clone();
    endpoint["url"] = receiver.url.as_str().into();
    let endpoint = world.endpoint(&app, &endpoint);
    (app, endpoint)
}

fn patch(world: &World, app: &str, endpoint: &str, settings: &Value) -> Value {
    world.call("PATCH", &format!("/api/v1/app/{app}/endpoint/{endpoint}"), settings).expect(200)
}

#[test]
fn a_rate_means_what_it_says() {
    let world = World::start();
    let receiver = Receiver::good();
    let secs = soak("SOAK_SECS", 4);
    let (app, _) = handled(&world, &receiver, &json!({ "throttleRate": 10 }));
    for nth in 0..10 * secs + 30 {
        world.publish(&app, &json!({ "nth": nth }).to_string());
    }
    let first = receiver.wait_for(1)[0].at;
    std::thread::sleep(Duration::from_secs(secs));
    let until = first + Duration::from_secs(secs);
    let count = receiver.received().iter().filter(|request| request.at < until).count();
    show(&format!("{count} in {secs} s at 10 a second"));
    let expected = usize::try_from(10 * secs).unwrap();
    let off = if strict() { expected / 20 } else { expected / 4 + 2 };
    assert!(count.abs_diff(expected) <= off, "{count} in {secs} s at 10 a second");
}

#[test]
fn an_applications_rate_holds_for_all_its_endpoints_together_which_take_turns() {
    let world = World::start();
    let receivers = [Receiver::good(), Receiver::good(), Receiver::good()];
    let secs = soak("SOAK_SECS", 4);
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a", "throttleRate": 15 })).expect(201)["id"].clone();
    let app = app.as_str().unwrap();
    for receiver in &receivers {
        world.endpoint(app, &json!({ "url": receiver.url }));
    }
    for nth in 0..5 * secs + 15 {
        world.publish(app, &json!({ "nth": nth }).to_string());
    }
    let first = receivers.iter().map(|receiver| receiver.wait_for(1)[0].at).min().unwrap();
    std::thread::sleep(Duration::from_secs(secs));
    let until = first + Duration::from_secs(secs);
    let counts = receivers.map(|receiver| receiver.received().iter().filter(|request| request.at < until).count());
    show(&format!("{counts:?} in {secs} s at 15 a second together"));
    let (count, expected) = (counts.iter().sum::<usize>(), usize::try_from(15 * secs).unwrap());
    let off = if strict() { expected / 20 } else { expected / 4 + 2 };
    assert!(count.abs_diff(expected) <= off, "{counts:?} in {secs} s at 15 a second");
    let each = expected / 3;
    assert!(counts.iter().all(|count| count.abs_diff(each) <= off / 3 + 2), "{counts:?}: they take turns");
    world.call("PATCH", &format!("/api/v1/app/{app}"), json!({ "throttleRate": null })).expect(200);
    let all = usize::try_from(3 * (5 * secs + 15)).unwrap();
    eventually(|| {
        let path = format!("/api/v1/app/{app}/endpoint");
        let endpoints = world.call("GET", &path, "").expect(200)["data"].clone();
        let done = |row: &Value| {
            let stats = world.call("GET", &format!("{path}/{}/stats", row["id"].as_str().unwrap()), "").expect(200);
            stats["success"].as_u64().unwrap()
        };
        (endpoints.as_array().unwrap().iter().map(done).sum::<u64>() == all as u64).then_some(())
    });
}

#[test]
fn what_is_paused_waits_and_goes_on_over_a_restart() {
    let mut world = World::start();
    let receiver = Receiver::good();
    let (app, endpoint) = handled(&world, &receiver, &json!({ "paused": true }));
    let events: Vec<_> = (0..20).map(|nth| world.publish(&app, &json!({ "nth": nth }).to_string())).collect();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(receiver.received().len(), 0);
    world.kill_and_restart();
    assert_eq!(patch(&world, &app, &endpoint, &json!({ "paused": false }))["paused"], false);
    let received = receiver.wait_for(events.len());
    assert!(events.iter().all(|event| received.iter().any(|request| request.id() == event)));
}

#[test]
fn a_schedule_of_its_own_is_kept_and_shown() {
    let world = World::start();
    let receiver = Receiver::start(|_, _| Behaviour::Status(500));
    let (app, endpoint) = handled(&world, &receiver, &json!({ "retrySchedule": [1, 1] }));
    let event = world.publish(&app, "{}");
    let received = receiver.wait_for(3);
    for pair in received.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_secs(1));
    }
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    eventually(|| (world.call("GET", &path, "").expect(200)["fail"] == 1).then_some(()));
    assert_eq!(world.attempts(&app, &event, 3).len(), 3);
    let usual = patch(&world, &app, &endpoint, &json!({ "retrySchedule": null }));
    assert_eq!(usual["retrySchedule"], Value::Null);
}

#[test]
fn an_attempt_takes_no_longer_than_its_endpoint_allows() {
    let world = World::start();
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let (app, _) = handled(&world, &receiver, &json!({ "timeoutSeconds": 1 }));
    let event = world.publish(&app, "{}");
    let attempt = &world.attempts(&app, &event, 1)[0];
    let took = attempt["responseDurationMs"].as_u64().unwrap();
    assert!((1_000..5_000).contains(&took), "{attempt}");
}

#[test]
fn no_more_are_in_flight_than_an_endpoint_allows() {
    let world = World::start();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (Arc::clone(&now), Arc::clone(&most));
    let receiver = Receiver::start(move |_, _| {
        seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        counted.fetch_sub(1, Ordering::SeqCst);
        Behaviour::Status(200)
    });
    let (app, endpoint) = handled(&world, &receiver, &json!({ "maxInFlight": 2 }));
    (0..20).for_each(|_| drop(world.publish(&app, "{}")));
    receiver.wait_for(20);
    assert!(most.swap(0, Ordering::SeqCst) <= 2);
    patch(&world, &app, &endpoint, &json!({ "maxInFlight": 200 }));
    (0..150).for_each(|_| drop(world.publish(&app, "{}")));
    receiver.wait_for(170);
    assert!(most.load(Ordering::SeqCst) > 2, "more, once it may");
}

#[test]
fn only_what_passes_the_filter_goes_there() {
    let world = World::start();
    let receiver = Receiver::good();
    let filter = json!({ "/amount": { "gte": 1000 }, "or": [{ "/currency": "CLP" }, { "/currency": "MXN" }] });
    let (app, endpoint) = handled(&world, &receiver, &json!({ "filter": filter }));
    let publish = |amount: &str, currency: &str| {
        world.publish(&app, &format!(r#"{{"amount":{amount},"currency":"{currency}"}}"#))
    };
    publish("999.99", "CLP");
    let wanted = [publish("1000", "CLP"), publish("1e3", "MXN")];
    publish("5000", "USD");
    assert!(receiver.wait_for(2).iter().all(|request| wanted.contains(&request.id().to_owned())));
    assert_eq!(patch(&world, &app, &endpoint, &json!({ "filter": null }))["filter"], Value::Null);
    let all = publish("1", "USD");
    assert_eq!(receiver.wait_for(3)[2].id(), all);
}

#[test]
fn a_receiver_says_what_is_to_become_of_its_deliveries() {
    const ABORT: &str = "HTTP/1.1 500 No\r\nwebhook-delivery: abort-message\r\ncontent-length: 0\r\n\r\n";
    const DISABLE: &str = "HTTP/1.1 200 OK\r\nwebhook-delivery: disable\r\ncontent-length: 0\r\n\r\n";
    let world = World::start();
    for (answer, disabled, status) in [(ABORT, false, 2), (DISABLE, true, 0)] {
        let receiver = Receiver::start(move |_, _| Behaviour::Bytes(answer));
        let (app, endpoint) = handled(&world, &receiver, &json!({ "retrySchedule": [1] }));
        let event = world.publish(&app, "{}");
        world.attempts(&app, &event, 1);
        let path = format!("/api/v1/app/{app}/msg/{event}/endpoint");
        eventually(|| (world.call("GET", &path, "").expect(200)["data"][0]["status"] == status).then_some(()));
        let shown = world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}"), "").expect(200);
        assert_eq!(shown["disabled"], disabled);
        std::thread::sleep(Duration::from_millis(1_300));
        assert_eq!(receiver.received().len(), 1, "no second attempt");
    }
}

#[test]
fn a_private_key_signs_and_its_public_one_is_shown() {
    let world = World::start();
    let receiver = Receiver::good();
    let secret = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let (app, endpoint) = handled(&world, &receiver, &json!({ "secret": secret }));
    world.publish(&app, "{}");
    let request = &receiver.wait_for(1)[0];
    assert!(request.header("webhook-signature").starts_with("v1a,") && request.signed_by(secret));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let shown = world.call("GET", &format!("{path}/secret"), "").expect(200);
    assert_eq!(shown["key"], "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    let keys = world.call("GET", &format!("{path}/jwks"), "").expect(200);
    assert_eq!(keys["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    world.call("POST", &format!("{path}/secret/rotate"), "{}").expect(204);
    world.publish(&app, "{}");
    let both = receiver.wait_for(2)[1].header("webhook-signature").to_owned();
    assert!(both.starts_with("v1a,") && both.contains(" v1a,"), "the next one is of its kind: {both}");
    let shared = json!({ "key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
    world.call("POST", &format!("{path}/secret/rotate"), shared);
    world.publish(&app, "{}");
    let all = receiver.wait_for(3)[2].header("webhook-signature").to_owned();
    assert!(all.starts_with("v1,") && all.contains(" v1a,"), "{all}");
}

#[test]
fn what_breaks_a_rule_is_refused_and_changes_nothing() {
    let world = World::start();
    let (app, endpoint) = handled(&world, &Receiver::good(), &json!({ "rateLimit": 7 }));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    for (settings, field) in [
        (json!({ "retrySchedule": vec![1; 31] }), "retrySchedule"),
        (json!({ "retrySchedule": [0] }), "retrySchedule"),
        (json!({ "retrySchedule": vec![86_400; 9] }), "retrySchedule"),
        (json!({ "timeoutSeconds": 61 }), "timeoutSeconds"),
        (json!({ "timeoutSeconds": 0 }), "timeoutSeconds"),
        (json!({ "maxInFlight": 257 }), "maxInFlight"),
        (json!({ "throttleRate": 0 }), "throttleRate"),
        (json!({ "throttleRate": 70_000 }), "throttleRate"),
        (json!({ "paused": "yes" }), "paused"),
        (json!({ "filter": [] }), "filter"),
        (json!({ "filter": { "amount": 5 } }), "filter"),
    ] {
        let refused = world.call("PATCH", &path, &settings).expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", field]), "{settings}");
    }
    let shown = world.call("GET", &path, "").expect(200);
    assert_eq!((&shown["throttleRate"], &shown["rateLimit"]), (&json!(7), &json!(7)));
}

/// A receiver that fails until it is told to take what comes.
pub fn failing_until_told() -> (Receiver, Arc<AtomicBool>) {
    let takes = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&takes);
    let receiver = Receiver::start(move |_, _| Behaviour::Status(if told.load(Ordering::SeqCst) { 200 } else { 500 }));
    (receiver, takes)
}

#[test]
fn what_is_to_be_delivered_later_waits_over_a_restart() {
    let mut world = World::start();
    let receiver = Receiver::good();
    let (app, _) = handled(&world, &receiver, &json!({}));
    let at = |secs: i64| {
        let now_ms = posthaste::clock::Clock::now(&posthaste::clock::SystemClock::start()).wall_ms;
        // a millisecond that each way of writing moments writes alike
        posthaste::providers::written_moment((now_ms / 1_000 + secs) * 1_000 + 123)
    };
    let path = format!("/api/v1/app/{app}/msg");
    for secs in [-5, 10, 86_500] {
        let body = json!({ "eventType": "a", "payload": {}, "deliverAt": at(secs) });
        assert_eq!(world.call("POST", &path, body).expect(422)["detail"][0]["loc"], json!(["body", "deliverAt"]));
    }
    let later = at(56);
    let body = json!({ "eventType": "a", "payload": {}, "deliverAt": later });
    let accepted = world.call("POST", &path, body).expect(202);
    let event = accepted["id"].as_str().unwrap();
    world.kill_and_restart();
    let shown = world.call("GET", &format!("{path}/{event}"), "").expect(200);
    assert_eq!((&shown["deliverAt"], &accepted["deliverAt"]), (&json!(later), &json!(later)));
    let standing = world.call("GET", &format!("{path}/{event}/endpoint"), "").expect(200);
    assert_eq!((&standing["data"][0]["status"], &standing["data"][0]["nextAttempt"]), (&json!(1), &json!(later)));
    let now = world.publish(&app, "{}");
    assert_eq!(receiver.wait_for(1)[0].id(), now, "the other still waits");
    if strict() {
        std::thread::sleep(Duration::from_secs(57));
        assert_eq!(receiver.wait_for(2)[1].id(), event);
    }
}
