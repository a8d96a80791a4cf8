//! The small Fintoc: links are refreshed, payments are made, and each event comes signed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{Answer, Received, Receiver, World, eventually};

mod keys;
mod payments;
mod refresh;
mod refused;
mod restart;
mod same;

const KEY: &str = "sk_test_of_a_story";
/// The types of events that a refresh brings.
const REFRESHES: [&str; 4] = [
    "account.refresh_intent.succeeded",
    "account.refresh_intent.failed",
    "account.refresh_intent.rejected",
    "link.credentials_changed",
];

/// One call with a Fintoc key, below `/fintoc`.
fn ask(world: &World, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.call_as("", method, &format!("/fintoc{path}"), &[("authorization", key)], &body)
}

fn post(world: &World, path: &str, body: &Value) -> Answer {
    ask(world, KEY, "POST", path, body)
}

fn get(world: &World, path: &str) -> Value {
    ask(world, KEY, "GET", path, &Value::Null).expect(200)
}

/// Registers a receiver; gives the endpoint's secret.
fn register(world: &World, receiver: &Receiver, types: &[&str]) -> String {
    let made = post(world, "/v1/webhook_endpoints", &json!({ "url": receiver.url, "enabled_events": types }));
    made.expect(201)["secret"].as_str().unwrap().to_owned()
}

fn link(world: &World, script: &Value) -> Value {
    post(world, "/sandbox/links", script).expect(201)
}

fn refresh(world: &World, link: &Value) -> Answer {
    post(world, "/v1/refresh_intents", &json!({ "link_token": link["link_token"], "refresh_type": "only_last" }))
}

/// Waits until the link's last refresh has ended; gives its status.
fn ended(world: &World, link: &Value) -> String {
    let path = format!("/v1/refresh_intents?link_token={}", link["link_token"].as_str().unwrap());
    eventually(|| {
        let status = get(world, &path)[0]["status"].as_str().unwrap().to_owned();
        (status != "created").then_some(status)
    })
}

/// The ids of events.
fn ids(events: &[Received]) -> BTreeSet<String> {
    let id = |request: &Received| {
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    events.iter().map(id).collect()
}
