//! The dashboard in a real Chromium: `tests/peers/dashboard.mjs` tells each story; here its worlds are made.

mod events;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ADMIN, PASSWORD, world};
use crate::world::{Behaviour, Receiver, World};

/// Runs a story of the dashboard in the browser.
fn story(name: &str, world: &World, words: &[&str]) {
    tell("dashboard.mjs", name, world, words);
}

/// Runs a story of this file in the browser.
pub fn tell(file: &str, name: &str, world: &World, words: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules: PathBuf = root.join("target/peers/node");
    assert!(
        modules.join("node_modules/playwright-core").exists(),
        "playwright-core is missing; scripts/test installs it"
    );
    let mut node = Command::new("node");
    node.arg(root.join("tests/peers").join(file)).arg(&modules).args([name, &world.url]).args(words);
    let output = node.env("NO_PROXY", "127.0.0.1").output().expect("node starts");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert_eq!(text.lines().last(), Some("told"), "{errors}");
}

#[test]
fn the_first_run() {
    let world = World::start();
    let code = world.said.iter().find_map(|line| line.strip_prefix("setup code: ")).expect("it is printed");
    story("first-run", &world, &[code, ADMIN, PASSWORD]);
}

#[test]
fn an_environment_that_does_not_do_well() {
    let world = world();
    let broken = Receiver::start(|_, _| Behaviour::Status(500));
    let good = Receiver::good();
    let (app, _) = world.subscribe(&good.url);
    world.endpoint(&app, &serde_json::json!({ "url": broken.url }));
    world.publish(&app, "{}");
    broken.wait_for(1);
    story("overview", &world, &[ADMIN, PASSWORD, &broken.url]);
}

#[test]
fn a_webhook_is_made_tested_and_changed_and_the_eleventh_refused() {
    let world = world();
    world.call("POST", "/api/v1/app", r#"{"name":"Bridge","provider":"bridge"}"#).expect(201);
    let receiver = Receiver::good();
    story("webhook", &world, &[ADMIN, PASSWORD, &receiver.url]);
    let tests = receiver.received();
    assert!(tests.iter().all(|each| each.body.ends_with(br#""type":"TEST_EVENT"}"#)), "{tests:?}");
    assert_eq!(tests.len(), 2);
}

#[test]
fn an_event_fails_is_seen_and_sent_again() {
    let world = world();
    let receiver = Receiver::start(|nth, _| {
        if nth == 0 {
            Behaviour::Bytes("HTTP/1.1 503 Unavailable\r\ncontent-length: 15\r\n\r\nback at 9, sir.")
        } else {
            Behaviour::Status(200)
        }
    });
    let (app, _) = world.subscribe(&receiver.url);
    let event = world.publish(&app, r#"{"amount":4990,"upload_url":"https://bucket.example/secret"}"#);
    world.attempts(&app, &event, 1);
    story("event", &world, &[ADMIN, PASSWORD, &event]);
    receiver.wait_for(2);
}

#[test]
fn thousands_are_replayed_with_progress() {
    const BATCHES: usize = 2;
    let world = world();
    let receiver = Receiver::good();
    let (app, _) = world.subscribe(&receiver.url);
    let one = serde_json::json!({ "eventType": "payment.succeeded", "payload": {} });
    let batch = serde_json::json!({ "messages": vec![one; 1_000] });
    for _ in 0..BATCHES {
        assert!(world.call("POST", &format!("/api/v1/app/{app}/msg/batch"), &batch).status < 300);
    }
    receiver.wait_for(BATCHES * 1_000);
    story("replay", &world, &[ADMIN, PASSWORD, &(BATCHES * 1_000).to_string()]);
    receiver.wait_for(2 * BATCHES * 1_000);
}

#[test]
fn a_viewer_looks_and_cannot_touch() {
    let world = world();
    let (app, endpoint) = world.subscribe(&Receiver::good().url);
    let source = r#"{"name":"Fintoc","type":"fintoc","config":{"secrets":["whsec_abcdefghijklmnopqrstuvwxyz"]}}"#;
    world.call("POST", "/ingest/api/v1/source", source).expect(201);
    story("viewer", &world, &[ADMIN, PASSWORD, &format!("/test/app/{app}/endpoint/{endpoint}")]);
}

#[test]
fn users_come_and_go() {
    story("users", &world(), &[ADMIN, PASSWORD]);
}
