//! The official SDKs, unmodified: what they ask is answered as they expect, and what is delivered they verify.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::api::watched::Watched;
use crate::world::{KEY, World};

/// What `scripts/test` installed.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(path);
    assert!(path.exists(), "{} is missing; scripts/test installs it", path.display());
    path
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

/// Runs a script to its end; its last line says what it verified.
#[track_caller]
fn run(command: &mut Command, verified: &str) {
    let output = command.env("NO_PROXY", "127.0.0.1").output().expect("the script starts");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert_eq!(text.lines().last(), Some(verified), "{errors}");
}

/// Runs a script to its end; its last line says how many deliveries it verified.
#[track_caller]
fn check(command: &mut Command, language: &str, deliveries: usize) {
    run(command, &format!("{language}: {deliveries} deliveries verified"));
}

#[test]
fn every_field_of_the_python_sdks_requests_is_taken_or_answered_501() {
    let watched = Watched::start();
    let mut python = Command::new(installed("venv/bin/python"));
    run(python.arg(script("models.py")).args([watched.url.as_str(), KEY]), "python: 164 fields verified");
    watched.check(164);
}

#[test]
fn the_python_sdk_finds_what_it_expects_and_every_delivery_verifies() {
    let watched = Watched::start();
    let mut python = Command::new(installed("venv/bin/python"));
    check(python.arg(script("story.py")).args([watched.url.as_str(), KEY]), "python", 8);
    watched.check(120);
}

#[test]
fn what_the_python_sdks_sign_comes_in_and_what_we_sign_they_verify() {
    let world = World::start();
    let mut python = Command::new(installed("venv/bin/python"));
    check(python.arg(script("receive.py")).args([world.url.as_str(), KEY]), "python", 3);
}

#[test]
fn what_fintocs_javascript_sdk_signs_comes_in_and_what_we_sign_it_verifies() {
    let world = World::start();
    let mut node = Command::new("node");
    check(node.arg(script("receive.mjs")).args([world.url.as_str(), KEY]).arg(installed("node")), "javascript", 1);
}

#[test]
fn the_javascript_sdk_finds_what_it_expects_and_every_delivery_verifies() {
    let watched = Watched::start();
    let mut node = Command::new("node");
    check(node.arg(script("story.mjs")).args([watched.url.as_str(), KEY]).arg(installed("node")), "javascript", 6);
    watched.check(80);
}

#[test]
fn fintocs_python_sdk_asks_the_sandbox_as_it_asks_fintoc() {
    let sandbox = World::sandbox(&["--speed", "300"]);
    let mut python = Command::new(installed("venv/bin/python"));
    check(python.arg(script("sandbox.py")).arg(&sandbox.url), "python", 3);
}

#[test]
fn fintocs_javascript_sdk_asks_the_sandbox_as_it_asks_fintoc() {
    let sandbox = World::sandbox(&["--speed", "300"]);
    let mut node = Command::new("node");
    check(node.arg(script("sandbox.mjs")).arg(&sandbox.url).arg(installed("node")), "javascript", 3);
}

#[test]
fn finixs_python_sdk_makes_webhooks_and_reads_what_a_flow_left() {
    let world = World::sandbox(&["--speed", "60"]);
    let mut python = Command::new(installed("venv/bin/python"));
    check(python.arg(script("small_finix.py")).arg(world.url.as_str()), "python", 2);
}
