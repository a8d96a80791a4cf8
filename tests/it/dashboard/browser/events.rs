//! Events and replays in a real Chromium: `tests/peers/events.mjs` tells each story; here its worlds are made.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::super::{ADMIN, PASSWORD, world};
use super::tell;
use crate::generate::{Goal, failed};
use crate::handling::failing_until_told;
use crate::world::{Behaviour, Receiver, World, eventually};

/// How many deliveries are replayed in the browser.
const REPLAYED: u64 = 10_000;

fn story(name: &str, world: &World, words: &[&str]) {
    tell("events.mjs", name, world, &[&[ADMIN, PASSWORD], words].concat());
}

#[test]
fn what_a_payload_holds_is_found_far_back() {
    let mut world = world();
    let (app, endpoint) = world.subscribe(&Receiver::good().url);
    let event = world.publish(&app, r#"{"note":"a needle"}"#);
    world.attempts(&app, &event, 1);
    world.terminate();
    let goal = Goal { app: &app, endpoint: &endpoint, size: 100 };
    // more than a search looks at before it answers
    failed(&world.database(), &goal, 25_000, crate::replay::now_ms() - 60_000);
    world.restart();
    story("search", &world, &[&event]);
}

#[test]
fn the_newest_events_come_by_themselves() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let first = world.publish(&app, "{}");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                world.publish(&app, "{}");
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
        });
        // a story that fails ends its publisher too
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story("live", &world, &[&first])));
        ended.store(true, Ordering::Relaxed);
        told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn each_attempt_shows_its_request_beside_its_response() {
    let world = world();
    let receiver = Receiver::start(|nth, _| {
        if nth == 0 {
            Behaviour::Bytes("HTTP/1.1 503 Unavailable\r\ncontent-length: 15\r\n\r\nback at 9, sir.")
        } else {
            Behaviour::Bytes("HTTP/1.1 204 No Content\r\n\r\n")
        }
    });
    let (app, _) = world.subscribe(&receiver.url);
    let event = world.publish(&app, r#"{"amount":4990,"upload_url":"https://bucket.example/secret"}"#);
    let first = world.attempts(&app, &event, 1).remove(0)["id"].as_str().unwrap().to_owned();
    story("life", &world, &[&event, &first]);
}

#[test]
fn ten_thousand_are_replayed_seen_and_called_off() {
    let mut world = world();
    let (receiver, takes) = failing_until_told();
    let app = world.call("POST", "/api/v1/app", json!({"name": "acme"})).expect(201)["id"].as_str().unwrap().to_owned();
    let settings = json!({"url": receiver.url, "retrySchedule": [1]});
    let endpoint = world.endpoint(&app, &settings);
    world.terminate();
    let goal = Goal { app: &app, endpoint: &endpoint, size: 100 };
    failed(&world.database(), &goal, REPLAYED, crate::replay::now_ms() - 60_000);
    takes.store(true, Ordering::SeqCst);
    world.restart();
    // its rate leaves time to look, and to call it off
    world.call("PATCH", &format!("/api/v1/app/{app}/endpoint/{endpoint}"), json!({"throttleRate": 200})).expect(200);
    story("replays", &world, &[&REPLAYED.to_string()]);
    eventually(|| (receiver.count() > 0).then_some(()));
}

#[test]
fn after_an_outage_one_press_sends_what_waits() {
    let world = world();
    let (receiver, takes) = failing_until_told();
    let app = world.call("POST", "/api/v1/app", json!({"name": "acme"})).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url, "retrySchedule": [3_600]}));
    let ids = crate::replay::refused(&world, &app, &endpoint, 3_640);
    takes.store(true, Ordering::SeqCst);
    let before = receiver.count();
    story("outage", &world, &[&ids.len().to_string()]);
    let sent = crate::replay::sent(&receiver, before);
    assert!(ids.iter().all(|id| sent.get(id) == Some(&1)), "each once");
}
