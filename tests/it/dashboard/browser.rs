//! The dashboard in a real Chromium: `tests/peers/dashboard.mjs` tells each story; here its worlds are made.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ADMIN, PASSWORD, world};
use crate::world::{Behaviour, Receiver, World};

/// Runs a story in the browser.
fn story(name: &str, world: &World, words: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules: PathBuf = root.join("target/peers/node");
    assert!(
        modules.join("node_modules/playwright-core").exists(),
        "playwright-core is missing; scripts/test installs it"
    );
    let mut node = Command::new("node");
    node.arg(root.join("tests/peers/dashboard.mjs")).arg(&modules).args([name, &world.url]).args(words);
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
fn users_come_and_go() {
    story("users", &world(), &[ADMIN, PASSWORD]);
}
